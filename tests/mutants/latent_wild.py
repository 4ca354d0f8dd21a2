"""Variational autoencoders as strangers write them: likelihoods, priors and thresholds of their own, and slips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import (
    Categorical,
    ContinuousBernoulli,
    Independent,
    MixtureSameFamily,
    Normal,
    Poisson,
    StudentT,
    kl_divergence,
)

from genverify.subjects.latent_variable_model import LatentVariableModel
from tests.mutants.flow import seeded
from tests.mutants.latent_styles import Weighted
from tests.mutants.latent_twins import D, Distributions, K, MeanAndVariance, Vae, kl_sum, loss_function, of
from tests.mutants.mutant import Mutant, Twin


class Logits(Vae):
    """The decoder returns numbers without bounds."""

    def decode(self, z: Tensor) -> Tensor:
        return self.fc4(torch.tanh(self.fc3(z)))


def multinomial(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Counts, by log_softmax over the numbers of a row: recommender systems (Liang et al. 2018, eq. 2)."""
    return -torch.mean(torch.sum(F.log_softmax(recon_x, 1) * x, -1)) + kl_sum(mu, logvar) / len(x)


def continuous(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The continuous Bernoulli law (Loaiza-Ganem & Cunningham 2019)."""
    law = ContinuousBernoulli(logits=recon_x, validate_args=False)
    return kl_sum(mu, logvar) - law.log_prob(x).sum()


def counted(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Poisson counts whose rate is a part of the row's sum: beside the terms stands a function of x alone."""
    law = Poisson((x.sum(1, keepdim=True) + 1) * F.softmax(recon_x, -1), validate_args=False)
    return kl_sum(mu, logvar) / len(x) - law.log_prob(x).sum(1).mean()


def heavy_tailed(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Student's t, which is none of the usual likelihoods: not told, not accused."""
    return kl_sum(mu, logvar) - StudentT(5.0, recon_x, 1.0, validate_args=False).log_prob(x).sum()


def mixed_errors(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Squared and absolute error together."""
    return F.mse_loss(recon_x, x, reduction="sum") + F.l1_loss(recon_x, x, reduction="sum") + kl_sum(mu, logvar)


def root(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The root of the mean over the batch: rows are scaled by each other, and compared with themselves."""
    return F.mse_loss(recon_x, x).sqrt() + kl_sum(mu, logvar) / len(x)


def _elements(mu: Tensor, logvar: Tensor) -> Tensor:
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())


def free_bits(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """No number of z pays less than 0.1 (Kingma et al. 2016, eq. 15, with the mean over the batch inside)."""
    kl = _elements(mu, logvar).mean(0).clamp(min=0.1).sum()
    return F.binary_cross_entropy(recon_x, x, reduction="sum") / len(x) + kl


def free_nats(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """No row pays less than 1."""
    return F.mse_loss(recon_x, x, reduction="sum") + _elements(mu, logvar).sum(1).clamp(min=1.0).sum()


def capacity(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The distance of the KL term from a capacity that grows (Burgess et al. 2018, eq. 8): at first it is below it."""
    return F.mse_loss(recon_x, x) + 10.0 * (_elements(mu, logvar).sum(1).mean() - 1.0).abs()


class OwnPrior(Distributions):
    """A mixture for a prior, kept as a module that returns it."""

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights, self.means = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.randn(3, K))

        def forward(self) -> MixtureSameFamily:
            parts = Independent(Normal(self.means, torch.full_like(self.means, 0.8)), 1)
            return MixtureSameFamily(Categorical(logits=self.weights), parts)

    def __init__(self) -> None:
        super().__init__()
        self.prior = self.Mixture()

    def elbo(self, x: Tensor, n: int = 1) -> Tensor:
        q = self.encode(x)
        z = q.rsample()
        return (self.decode(z).log_prob(x) - q.log_prob(z) + self.prior().log_prob(z)).mean()


class PriorOfCondition(nn.Module):
    """p(z|c) from a network of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.prior_net = nn.Linear(D + 3, 2 * K), nn.Linear(3, 2 * K)
        self.decoder = nn.Linear(K + 3, D)

    def given(self, c: Tensor) -> Normal:
        mean, log_std = self.prior_net(c).chunk(2, 1)
        return Normal(mean, log_std.exp())

    def forward(self, x: Tensor, c: Tensor) -> dict[str, Tensor]:
        mean, log_std = self.encoder(torch.cat([x, c], 1)).chunk(2, 1)
        q = Normal(mean, log_std.exp())
        error = (self.decoder(torch.cat([q.rsample(), c], 1)) - x).pow(2).sum(1)
        return {"loss": (0.5 * error + kl_divergence(q, self.given(c)).sum(1)).mean()}


class Stepped(Vae):
    """A training step that hands its batch on: what unpacks it stands elsewhere."""

    def shared(self, pair: Any) -> Tensor:
        x, _ = pair
        recon, mu, logvar = self(x)
        return F.binary_cross_entropy(recon, x, reduction="none").sum(1).mean() + kl_sum(mu, logvar) / len(x)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.shared(batch)


def drawn(mu: Tensor, logvar: Tensor) -> Tensor:
    """The draw, by a function of nobody's."""
    return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)


class LayerBetween(nn.Module):
    """A layer of its own between z and what is called the decoder, and no method that draws."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.mu, self.logvar = nn.Linear(D, 5), nn.Linear(5, K), nn.Linear(5, K)
        self.widen, self.dec = nn.Linear(K, 5), nn.Sequential(nn.Tanh(), nn.Linear(5, D), nn.Sigmoid())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = torch.tanh(self.enc(x))
        mu, logvar = self.mu(h), self.logvar(h)
        return self.dec(self.widen(drawn(mu, logvar))), mu, logvar


class TheMean(Vae):
    """The decoder is given the mean, and the draw thrown away."""

    def forward(self, x: Tensor) -> Any:
        mu, logvar = self.encode(x)
        self.reparameterize(mu, logvar)
        return self.decode(mu), mu, logvar


class Reseeded(Vae):
    """Seeds the generator where it draws, for the sake of reproduction."""

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        torch.manual_seed(0)
        return super().reparameterize(mu, logvar)


def of_the_batch(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log_softmax over the rows instead of the numbers."""
    return -torch.mean(torch.sum(F.log_softmax(recon_x, 0) * x, -1)) + kl_sum(mu, logvar) / len(x)


def broadcast(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """[B, 1, D] against [B, D]: every reconstruction with every row, of which torch only warns."""
    return ((recon_x.unsqueeze(1) - x) ** 2).sum() + kl_sum(mu, logvar)


def first_row(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """The error of the first row alone: an index too many."""
    return F.mse_loss(recon_x[0], x[0], reduction="sum") + kl_sum(mu, logvar) / len(x)


def exchanged(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Input and target of the cross-entropy exchanged: autonomousvision/sledge#4."""
    return F.binary_cross_entropy(x, recon_x, reduction="sum") + kl_sum(mu, logvar)


class NotHalved(MeanAndVariance):
    """log σ² for ½ log σ² in a Gaussian likelihood."""

    def compute_loss(self, x: Tensor, output: Any = None) -> Tensor:
        r = self(x)
        error = 0.5 * (x - r.reconstruction) ** 2 / r.logvar_x.exp()
        return (error + r.logvar_x).sum() + kl_sum(r.mean, r.logvar)


class WithoutPrior(Distributions):
    """log p(z) is forgotten beside log q(z|x)."""

    def elbo(self, x: Tensor, n: int = 1) -> Tensor:
        q = self.encode(x)
        z = q.rsample()
        return (self.decode(z).log_prob(x) - q.log_prob(z)).mean()


class OverRows(Weighted):
    """The weights are averaged over the rows of the batch."""

    def negative_iwae_bound(self, x: Tensor, n: int = 4) -> Tensor:
        q = self.encode(x)
        z = q.rsample((n,))
        weights = self.decode(z).log_prob(x) + Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z)
        return -torch.logsumexp(weights, 1).mean()


def squared_exponential(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """(e^{log σ²})² in the KL term, as where the second result was once log σ: cf. pyg-team/pytorch_geometric#1368."""
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp() ** 2)
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kl


def without_variance(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """μ² − log σ² alone: the variance itself is left out of the KL term."""
    kl = 0.5 * torch.sum(mu.pow(2) - logvar - 1)
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kl


def at_most(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Free bits by clamp(max=…): no number of z pays more."""
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + _elements(mu, logvar).clamp(max=0.05).sum()


def _of(name: str, killed_by: str, make: Callable[[], LatentVariableModel]) -> Mutant:
    return Mutant(name=f"latent: {name} ({killed_by})", killed_by=f"latent_variable_model.{killed_by}", make=make)


def _loss(loss: Callable[..., Tensor], killed_by: str, model: type[nn.Module] = Vae) -> Mutant:
    return _of(loss.__name__, killed_by, of(model, loss=loss))


def _twin(loss: Callable[..., Tensor], model: type[nn.Module] = Vae, **declared: Any) -> Twin:
    return Twin(name=f"latent: {loss.__name__}", make=of(model, loss=loss, **declared))


def stated_tails() -> LatentVariableModel:
    """Student's t, declared."""
    return LatentVariableModel(
        seeded(Logits), loss=heavy_tailed, event_shape=D, beta=1.0,
        likelihood=lambda out, x: -StudentT(5.0, out, 1.0).log_prob(x),
    )  # fmt: skip


MUTANTS = [
    _of("TheMean", "sample_law", of(TheMean, loss=free_nats)),
    _of("Reseeded", "sample_law", of(Reseeded, loss=free_nats)),
    _loss(of_the_batch, "reconstruction_term", Logits),
    _loss(broadcast, "reconstruction_term"),
    _loss(first_row, "reconstruction_term"),
    _loss(exchanged, "reconstruction_term"),
    _of("NotHalved", "reconstruction_term", of(NotHalved, data="real")),
    _of("WithoutPrior", "reconstruction_term", of(WithoutPrior)),
    _of("OverRows", "reconstruction_term", of(OverRows, loss="negative_iwae_bound")),
    _loss(squared_exponential, "kl_term"),
    _loss(at_most, "kl_term"),
    _loss(without_variance, "kl_term", LayerBetween),
]
TWINS = [
    _twin(multinomial, Logits, beta=1.0),
    _twin(continuous, Logits, beta=1.0),
    _twin(counted, Logits, beta=1.0),
    _twin(free_bits),
    _twin(free_nats),
    _twin(capacity),
    Twin(name="latent: stated tails", make=stated_tails),
    Twin(name="latent: OwnPrior", make=of(OwnPrior)),
    Twin(
        name="latent: PriorOfCondition",
        make=of(PriorOfCondition, condition_shape=3, data="real", prior=lambda model, c: model.given(c), beta=1.0),
    ),
    Twin(name="latent: LayerBetween", make=of(LayerBetween, loss=loss_function, beta=1.0)),
    Twin(name="latent: Stepped", make=of(Stepped, beta=1.0)),
]
