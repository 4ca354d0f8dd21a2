"""Variational autoencoders with one bug each, declared as a stranger would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from genverify.subjects.latent_variable_model import LatentVariableModel
from tests.mutants.flow import seeded
from tests.mutants.latent_styles import KeepsItsKl, Weighted, kept
from tests.mutants.latent_twins import Conditional, D, K, MeanInEvaluation, Vae, kl_sum, loss_function, of
from tests.mutants.mutant import Mutant, Twin


def half_averaged(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Cross-entropy summed over the batch, KL averaged over it: β is 1/B. Classical; cf. pytorch/examples#290."""
    kld = torch.mean(-0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1))
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kld


def per_pixel(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The mean cross-entropy, and the summed KL over the number of pixels alone: pytorch/examples#234."""
    return F.binary_cross_entropy(recon_x, x) + kl_sum(mu, logvar) / D


def bound_as_loss(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The bound itself, handed to a minimiser; classical."""
    return -loss_function(recon_x, x, mu, logvar)


def minus_kl(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Reconstruction loss − β · regularisation, as a survey of β-VAE prints it: unbounded below."""
    return F.mse_loss(recon_x, x, reduction="sum") - kl_sum(mu, logvar)


def without_half(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The ½ of the KL term is lost: β = 2."""
    return F.binary_cross_entropy(recon_x, x, reduction="sum") - torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def mean_error(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Mean-reduced squared error, sold as a decoder of unit variance: its variance is D/2."""
    return F.mse_loss(recon_x, x) + kl_sum(mu, logvar) / len(x)


def logits_of_probabilities(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """`binary_cross_entropy_with_logits` of what a sigmoid made; a recurring question of the forums."""
    return F.binary_cross_entropy_with_logits(recon_x, x, reduction="sum") + kl_sum(mu, logvar)


def log_variance_as_deviation(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The KL term of N(μ, s²) at s = log σ²."""
    kld = 0.5 * (mu.pow(2) + logvar.pow(2) - 1 - torch.log(logvar.pow(2) + 1e-8)).sum()
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kld


def without_logarithm(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The logarithm is missing from the KL term: σ = 0 is its minimum."""
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + 0.5 * (mu.pow(2) + logvar.exp() - 1).sum()


def of_itself(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The reconstruction against the reconstruction: a variable overwritten before the loss."""
    return (recon_x - recon_x.detach() + 0.1).square().sum() + kl_sum(mu, logvar)


def shuffled_target(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The target laid out in another order than the reconstruction (height and width exchanged)."""
    return F.mse_loss(recon_x, x.view(-1, 2, 2).mT.flatten(1), reduction="sum") + kl_sum(mu, logvar)


def rolled(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The targets of other rows: the batch was shuffled once more."""
    return F.binary_cross_entropy(recon_x, x.roll(1, 0), reduction="sum") + kl_sum(mu, logvar)


def one_class(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Half of the cross-entropy: the term of the zeros is left out."""
    return -(x * recon_x.log()).sum() + kl_sum(mu, logvar)


class Square(Vae):
    """`logvar.exp()` for the standard deviation: the draw has the variance's square."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu + torch.randn_like(mu) * logvar.exp()


class Shared(Vae):
    """One ε for the whole batch: `torch.randn(K)`."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu + torch.randn(mu.shape[-1], dtype=mu.dtype) * torch.exp(0.5 * logvar)


class Column(Vae):
    """ε of shape [batch, 1], broadcast along the latent axis."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu + torch.randn(len(mu), 1, dtype=mu.dtype) * torch.exp(0.5 * logvar)


class Uniform(Vae):
    """`rand_like` for `randn_like`."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu + torch.rand_like(mu) * torch.exp(0.5 * logvar)


class Still(Vae):
    """Returns the mean in training mode, too."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu


class Detached(Vae):
    """ε · σ detached: no gradient reaches the spread through the draw."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu + (torch.randn_like(mu) * torch.exp(0.5 * logvar)).detach()


class Sampled(Vae):
    """`Normal.sample` for `rsample`."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return Normal(mu, torch.exp(0.5 * logvar)).sample()


class HalfDetached(Vae):
    """The decoder's last layer sees a detached hidden layer."""

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.fc4(torch.tanh(self.fc3(z)).detach()))


class CutKl(Vae):
    """The KL term of a mean that was detached."""

    def forward(self, x: Tensor) -> Any:
        recon, mu, logvar = super().forward(x)
        return recon, mu.detach(), logvar


class NormalisesTheBatch(Vae):
    """Batch norm with the statistics of the batch, in evaluation mode, too: `F.batch_norm(…, training=True)`."""

    def decode(self, z: Tensor) -> Tensor:
        h = torch.tanh(self.fc3(z))
        return torch.sigmoid(self.fc4(F.batch_norm(h, None, None, training=True) if len(h) > 1 else h))


class MixesRows(Vae):
    """`view` of a transposed tensor: the numbers of one row come from several."""

    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z.mT.reshape(z.shape))


class BlindDecoder(Conditional):
    """The label reaches the encoder, and zeros the decoder."""

    def forward(self, x: Tensor, y: Tensor) -> Any:
        c = F.one_hot(y, 3).to(x.dtype)
        mu, log_sigma = self.encoder(torch.cat([x, c], 1)).chunk(2, 1)
        z = mu + log_sigma.exp() * torch.randn_like(mu)
        logits = self.decoder(torch.cat([z, torch.zeros_like(c)], 1))
        rec = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        return {"loss": (rec + (0.5 * (mu**2 + (2 * log_sigma).exp()) - log_sigma - 0.5).sum(1)).mean()}


class NotANumber(Vae):
    """A logarithm of a negative number in the decoder."""

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.fc4(torch.log(self.fc3(z))))

    def loss(self, x: Tensor) -> Tensor:
        recon, mu, logvar = self(x)
        return F.mse_loss(recon, x, reduction="sum") + kl_sum(mu, logvar)


class CovarianceForFactor(nn.Module):
    """z = μ + Σ ε: the covariance for its Cholesky factor."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(D, 2 * K), nn.Linear(K, D)
        self.mix = nn.Parameter(torch.tensor([[1.0, 0.0], [0.5, 0.7]]))

    def loss(self, x: Tensor) -> Tensor:
        mean, raw = self.encoder(x).chunk(2, 1)
        lower = self.mix.tril() * raw.exp()[:, None, :]
        covariance = lower @ lower.mT
        z = mean + (covariance @ torch.randn(len(x), K, 1, dtype=x.dtype)).squeeze(-1)
        standard = MultivariateNormal(torch.zeros_like(mean), torch.eye(K, dtype=x.dtype))
        kl = kl_divergence(MultivariateNormal(mean, covariance), standard)
        return (0.5 * (self.decoder(z) - x).square().sum(1) + kl).sum()


class KeepsTwiceItsKl(KeepsItsKl):
    """σ² + μ² − log σ − ½: the ½ before the squares is lost, as in a tutorial that many have copied."""

    class Encoder(KeepsItsKl.Encoder):
        def divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
            return (sigma**2 + mu**2 - torch.log(sigma) - 1 / 2).sum()


class HalfTheProposal(Weighted):
    """An importance-weighted bound with half of log q(z|x)."""

    def negative_iwae_bound(self, x: Tensor, n: int = 4) -> Tensor:
        q = self.encode(x)
        z = q.rsample((n,))
        weights = self.decode(z).log_prob(x) + Normal(0.0, 1.0).log_prob(z).sum(-1) - 0.5 * q.log_prob(z)
        return -torch.logsumexp(weights, 0).mean()


def _of(name: str, killed_by: str, make: Callable[[], LatentVariableModel]) -> Mutant:
    return Mutant(name=f"latent: {name} ({killed_by})", killed_by=f"latent_variable_model.{killed_by}", make=make)


def _loss(loss: Callable[..., Tensor], killed_by: str, **declared: Any) -> Mutant:
    return _of(loss.__name__, killed_by, of(Vae, loss=loss, **declared))


def _model(cls: type[nn.Module], killed_by: str, **declared: Any) -> Mutant:
    return _of(cls.__name__, killed_by, of(cls, **{"loss": loss_function, **declared}))


def _draws_in_evaluation() -> LatentVariableModel:
    """Promised to be deterministic in evaluation mode, where the draw was not taken out."""
    model = seeded(MeanInEvaluation)
    model.reparameterize = lambda mu, logvar: Vae.reparameterize(model, mu, logvar)
    return LatentVariableModel(model, loss=loss_function, event_shape=D, eval_deterministic=True)


MUTANTS = [
    _loss(half_averaged, "dialect"),
    _loss(per_pixel, "dialect"),
    _loss(bound_as_loss, "dialect"),
    _loss(minus_kl, "dialect"),
    _loss(without_half, "dialect", beta=1.0),
    _loss(mean_error, "dialect", beta=1.0, decoder_variance=1.0),
    _loss(logits_of_probabilities, "dialect"),
    _loss(log_variance_as_deviation, "kl_term"),
    _loss(without_logarithm, "kl_term"),
    _loss(of_itself, "dialect"),
    _loss(shuffled_target, "reconstruction_term"),
    _loss(one_class, "reconstruction_term"),
    _loss(rolled, "reconstruction_term"),
    _model(Square, "kl_term"),
    _model(Square, "sample_law"),
    _model(CovarianceForFactor, "kl_term", loss="loss"),
    _model(KeepsTwiceItsKl, "kl_term", loss=kept, event_shape=(1, 2, 2)),
    _model(HalfTheProposal, "reconstruction_term", loss="negative_iwae_bound"),
    _model(Shared, "sample_law"),
    _model(Column, "sample_law"),
    _model(Uniform, "sample_law"),
    _model(Still, "sample_law"),
    _model(Detached, "pathwise"),
    _model(Sampled, "pathwise"),
    _model(Detached, "gradient"),
    _model(Sampled, "gradient"),
    _model(HalfDetached, "gradient"),
    _model(CutKl, "gradient"),
    _model(NormalisesTheBatch, "batch_independence"),
    _model(MixesRows, "batch_independence"),
    _model(BlindDecoder, "condition_used", loss=None, classes=3),
    _of("draws_in_evaluation", "eval_deterministic", _draws_in_evaluation),
    _model(NotANumber, "finite", loss=None),
]
TWINS: list[Twin] = []
