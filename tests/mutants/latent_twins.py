"""Correct variational autoencoders in the styles that people write them: what a loss is called, returns and takes."""

from __future__ import annotations

import math
import warnings
from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal, kl_divergence

from genverify.subjects.latent_variable_model import LatentVariableModel
from tests.mutants.flow import seeded
from tests.mutants.mutant import Twin

D, K, H = 4, 2, 5


def kl_sum(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL to the standard normal, summed over everything."""
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


class Vae(nn.Module):
    """The example of pytorch/examples: forward returns (reconstruction, mean, log-variance), the loss is apart."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(D, H), nn.Linear(H, K), nn.Linear(H, K)
        self.fc3, self.fc4 = nn.Linear(K, H), nn.Linear(H, D)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h1 = torch.tanh(self.fc1(x.flatten(1)))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.fc4(torch.tanh(self.fc3(z))))

    def forward(self, x: Tensor) -> Any:
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    return F.binary_cross_entropy(recon_x, x.view(-1, D), reduction="sum") + kl_sum(mu, logvar)


class ReluVae(Vae):
    """ReLU, in place, and the draw written into ε."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h1 = F.relu(self.fc1(x.flatten(1)), inplace=True)
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        std = logvar.mul(0.5).exp_()
        return torch.randn_like(std).mul(std).add_(mu)


class MeanInEvaluation(Vae):
    """Draws in training mode alone, and drops units there: evaluation mode is promised to be deterministic."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(D)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().encode(self.drop(self.norm(x)))

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return super().reparameterize(mu, logvar) if self.training else mu


class WithWeight(Vae):
    """AntixK/PyTorch-VAE: a list, a loss of everything in order, a weight by keyword, and a dictionary."""

    def forward(self, input: Tensor, **kwargs: Any) -> list[Tensor]:
        mu, log_var = self.encode(input)
        return [self.decode(self.reparameterize(mu, log_var)), input, mu, log_var]

    def loss_function(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        recons, input, mu, log_var = args
        recons_loss = F.mse_loss(recons, input)
        kld = torch.mean(-0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp(), dim=1), dim=0)
        return {"Reconstruction_Loss": recons_loss.detach(), "KLD": -kld, "loss": recons_loss + kwargs["M_N"] * kld}


class Distributions(nn.Module):
    """torch.distributions throughout, an ELBO for each row, scale by softplus."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(D, H), nn.Tanh(), nn.Linear(H, 2 * K))
        self.dec = nn.Sequential(nn.Linear(K, H), nn.Tanh(), nn.Linear(H, D))
        self.register_buffer("zero", torch.zeros(K))

    def encode(self, x: Tensor) -> Independent:
        loc, raw = self.enc(x).chunk(2, -1)
        return Independent(Normal(loc, F.softplus(raw)), 1)

    def decode(self, z: Tensor) -> Independent:
        return Independent(Bernoulli(logits=self.dec(z), validate_args=False), 1)

    def elbo(self, x: Tensor, n: int = 1) -> Tensor:
        q = self.encode(x)
        z = q.rsample((n,))
        prior = Independent(Normal(self.zero, torch.ones_like(self.zero)), 1)
        return self.decode(z).log_prob(x).mean(0) - kl_divergence(q, prior)


class ManyDraws(Distributions):
    """Five draws along a first axis, KL term at the draw, averaged over both."""

    def elbo(self, x: Tensor, n: int = 3) -> Tensor:
        q = self.encode(x)
        z = q.rsample((n,))
        log_p = Normal(0.0, 1.0).log_prob(z).sum(-1)
        return (self.decode(z).log_prob(x) + log_p - q.log_prob(z)).mean()


class Weighted(Distributions):
    """The importance-weighted bound of several draws."""

    def negative_iwae_bound(self, x: Tensor, n: int = 4) -> Tensor:
        q = self.encode(x)
        z = q.rsample((n,))
        weights = self.decode(z).log_prob(x) + Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z)
        return -(torch.logsumexp(weights, 0) - math.log(n)).mean()


class KeepsItsKl(nn.Module):
    """The encoder draws, by a distribution in float32, returns z alone, and keeps its KL term as an attribute."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean, self.spread, self.kl = nn.Linear(D, K), nn.Linear(D, K), torch.zeros(())
            self.noise = Normal(0, 1)

        def forward(self, x: Tensor) -> Tensor:
            mu, sigma = self.mean(x.flatten(1)), self.spread(x.flatten(1)).exp()
            self.kl = self.divergence(mu, sigma)
            return mu + sigma * self.noise.sample(mu.shape)

        def divergence(self, mu: Tensor, sigma: Tensor) -> Tensor:
            return (0.5 * (sigma**2 + mu**2) - torch.log(sigma) - 1 / 2).sum()

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = (
            self.Encoder(),
            nn.Sequential(nn.Linear(K, D), nn.Sigmoid(), nn.Unflatten(1, (1, 2, 2))),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def kept(model: Any, x: Tensor) -> Tensor:
    """The loss that goes with it."""
    return ((x - model(x)) ** 2).sum() + model.encoder.kl


class Sequences(nn.Module):
    """Teacher forcing: the decoder is given the sequence and z; no encoder that returns mean and spread."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.heads = nn.GRU(2, H, batch_first=True), nn.Linear(H, 2 * K)
        self.cell, self.out = nn.GRU(2 + K, H, batch_first=True), nn.Linear(H, 2)

    def decode(self, given: Tensor, z: Tensor) -> Tensor:
        return self.out(self.cell(torch.cat([given, z[:, None].expand(-1, given.shape[1], -1)], -1))[0])

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, _ = batch
        mu, logvar = self.heads(self.encoder(x)[1][0]).chunk(2, -1)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        error = (self.decode(F.pad(x[:, :-1], (0, 0, 1, 0)), z) - x).pow(2).sum()
        return (error + kl_sum(mu, logvar)) / len(x)


class Flow(nn.Module):
    """A planar flow after the draw: no law in closed form, so that much is not judged, and nothing accused."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.decoder = nn.Linear(D, 2 * K), nn.Linear(K, D)
        self.u, self.w = nn.Parameter(torch.randn(K)), nn.Parameter(torch.randn(K))

    def reparameterize(self, mean: Tensor, log_std: Tensor) -> Tensor:
        return mean + log_std.exp() * torch.randn_like(mean)

    def loss(self, x: Tensor) -> Tensor:
        mean, log_std = self.enc(x).chunk(2, 1)
        z0 = self.reparameterize(mean, log_std)
        h = torch.tanh(z0 @ self.w)
        z = z0 + 0.1 * self.u * h[:, None]
        volume = torch.log((1 + 0.1 * (1 - h**2) * (self.u @ self.w)).abs())
        kl = Normal(mean, log_std.exp()).log_prob(z0).sum(1) - volume - Normal(0.0, 1.0).log_prob(z).sum(1)
        return (kl + F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1)).mean()


class FullCovariance(nn.Module):
    """A full covariance by its Cholesky factor; a Gaussian decoder with a scale that is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.Tanh(), nn.Linear(H, K + K * K))
        self.decoder = nn.Sequential(nn.Linear(K, H), nn.Tanh(), nn.Linear(H, D))
        self.log_scale = nn.Parameter(torch.tensor([0.3]))

    def forward(self, x: Tensor) -> SimpleNamespace:
        mean, raw = self.encoder(x).split([K, K * K], -1)
        raw = raw.view(-1, K, K)
        lower = raw.tril(-1) + torch.diag_embed(raw.diagonal(0, -2, -1).exp())
        z = mean + (lower @ torch.randn(len(x), K, 1, dtype=x.dtype)).squeeze(-1)
        p = Normal(self.decoder(z), self.log_scale.exp())
        standard = MultivariateNormal(torch.zeros_like(mean), torch.eye(K, dtype=x.dtype))
        kl = kl_divergence(MultivariateNormal(mean, scale_tril=lower), standard)
        return SimpleNamespace(loss=(kl - p.log_prob(x).sum(-1)).mean(), z=z)


class Conditional(nn.Module):
    """Labels as one-hot vectors beside x and beside z; the loss is the model's own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(D + 3, 2 * K), nn.Linear(K + 3, D)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        c = F.one_hot(y, 3).to(x.dtype)
        mu, log_sigma = self.encoder(torch.cat([x, c], 1)).chunk(2, 1)
        z = torch.normal(mu, log_sigma.exp()) if False else mu + log_sigma.exp() * torch.randn_like(mu)
        logits = self.decoder(torch.cat([z, c], 1))
        rec = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        kl = (0.5 * (mu**2 + (2 * log_sigma).exp()) - log_sigma - 0.5).sum(1)
        return {"x_hat": logits.sigmoid(), "loss": (rec + kl).mean()}


class Convolutional(nn.Module):
    """Images, feature maps for a latent, a linear layer between z and the decoder, float32 noise that is scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 3, 3, 2, 1), nn.SiLU())
        self.to_mu, self.to_var = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)
        self.decoder_input = nn.Conv2d(1, 3, 1)
        self.decoder = nn.ConvTranspose2d(3, 1, 4, 2, 1)

    def reparametrize(self, mu: Tensor, var: Tensor) -> Tensor:
        return mu + var.sqrt() * torch.empty_like(mu).normal_()

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        h = self.stem(batch)
        mu, var = self.to_mu(h), F.softplus(self.to_var(h))
        out = self.decoder(self.decoder_input(self.reparametrize(mu, var)))
        kl = 0.5 * (mu**2 + var - var.log() - 1).flatten(1).sum(1)
        return (0.5 * (out - batch).square().flatten(1).sum(1) + kl).mean()


Result = namedtuple("Result", "mean logvar reconstruction logvar_x")


class MeanAndVariance(Vae):
    """The decoder returns a mean and a log-variance; parts have names; the loss takes the whole result."""

    def __init__(self) -> None:
        super().__init__()
        self.fc5 = nn.Linear(H, D)

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.fc3(z))
        return self.fc4(h), self.fc5(h)

    def forward(self, x: Tensor) -> Result:
        mu, logvar = self.encode(x)
        recon, spread = self.decode(self.reparameterize(mu, logvar))
        return Result(mu, logvar, recon, spread)

    def compute_loss(self, x: Tensor, output: Result | None = None) -> Tensor:
        r = self(x) if output is None else output
        nll = 0.5 * (math.log(2 * math.pi) + r.logvar_x + (x - r.reconstruction) ** 2 / r.logvar_x.exp())
        return (nll.sum() + kl_sum(r.mean, r.logvar)) / x.shape[0]


class LoopOfDraws(Vae):
    """Decodes draw after draw in a loop, and averages."""

    def free_energy(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.encode(x)
        rec = 0.0
        for _ in range(3):
            rec = rec + F.binary_cross_entropy(self.decode(self.reparameterize(mu, logvar)), x, reduction="sum") / 3
        return rec + kl_sum(mu, logvar), mu


class ScoreFunction(Vae):
    """No path at all: the score function, whose gradient is right on average alone."""

    def __init__(self) -> None:
        super().__init__()
        self.fc21, self.fc22, self.fc3 = nn.Linear(H, 1), nn.Linear(H, 1), nn.Linear(1, H)

    def loss(self, x: Tensor) -> Tensor:
        mu, logvar = self.encode(x)
        z = self.reparameterize(mu, logvar).detach()
        log_q = Normal(mu, (0.5 * logvar).exp()).log_prob(z).sum(1)
        rec = F.binary_cross_entropy(self.decode(z), x, reduction="none").sum(1)
        surrogate = rec.detach() * (log_q - log_q.detach())
        return (rec + surrogate).sum() + kl_sum(mu, logvar)


class Frozen(Vae):
    """Logits from the decoder, a sigmoid and a squared error in the loss, the network of the decoder apart."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(D, 2 * K), nn.Sequential(nn.Linear(K, H), nn.Softplus(), nn.Linear(H, D))

    def loss(self, x: Tensor) -> tuple[Tensor, dict[str, float]]:
        mu, logvar = self.encoder(x).split(K, dim=1)
        out = self.decoder(self.reparameterize(mu, logvar)).sigmoid()
        total = (out - x).pow(2).sum(-1).mean() + 0.1 * kl_sum(mu, logvar) / len(x)
        return total, {"loss": total.item()}


def single_precision() -> LatentVariableModel:
    """A buffer that is cast to float32 in every call."""

    class Narrow(Vae):
        def decode(self, z: Tensor) -> Tensor:
            return super().decode(z.float())

        def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return super().encode(x.float())

    return LatentVariableModel(seeded(Narrow), loss=loss_function, event_shape=D)


def of(make: Callable[[], nn.Module], **declared: Any) -> Callable[[], LatentVariableModel]:
    """Declares a seeded instance."""
    return lambda: LatentVariableModel(seeded(make), **{"event_shape": D, **declared})


def closed_over() -> LatentVariableModel:
    """A loss that closes over its model."""
    model = seeded(Vae)

    def objective(x: Tensor) -> Tensor:
        recon, mu, logvar = model(x)
        return F.mse_loss(recon, x, reduction="sum") / len(x) / 2 + kl_sum(mu, logvar) / len(x)

    return LatentVariableModel(model, loss=objective, event_shape=D, decoder_variance=1.0)


def collapsed() -> LatentVariableModel:
    """A decoder that ignores z: reported, not accused."""
    model = seeded(Vae)
    nn.init.zeros_(model.fc3.weight)
    return LatentVariableModel(model, loss=loss_function, event_shape=D, beta=1.0)


def scripted() -> LatentVariableModel:
    """The decoder compiled by torch.jit."""
    model = seeded(Frozen)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its own compiler deprecated
        model.decoder = torch.jit.trace(model.decoder, torch.zeros(1, K))
    for p in model.encoder.parameters():
        p.requires_grad_(False)
    return LatentVariableModel(model, event_shape=D)


TWINS = [
    Twin(name="latent: pytorch/examples", make=of(Vae, loss=loss_function, beta=1.0)),
    Twin(name="latent: ReluVae", make=of(ReluVae, loss=loss_function, data="binary")),
    Twin(name="latent: MeanInEvaluation", make=of(MeanInEvaluation, loss=loss_function, eval_deterministic=True)),
    Twin(name="latent: WithWeight", make=of(WithWeight, fixed={"M_N": 0.25}, data="real")),
    Twin(name="latent: Distributions", make=of(Distributions)),
    Twin(name="latent: ManyDraws", make=of(ManyDraws, elbo="elbo")),
    Twin(name="latent: Weighted", make=of(Weighted, loss="negative_iwae_bound")),
    Twin(name="latent: KeepsItsKl", make=of(KeepsItsKl, loss=kept, event_shape=(1, 2, 2), decoder_variance=0.5)),
    Twin(name="latent: Sequences", make=of(Sequences, event_shape=(3, 2), data="real")),
    Twin(name="latent: Flow", make=of(Flow)),
    Twin(name="latent: FullCovariance", make=of(FullCovariance, data="real", decoder_variance=math.exp(0.6))),
    Twin(name="latent: Conditional", make=of(Conditional, classes=3, beta=1.0)),
    Twin(name="latent: Convolutional", make=of(Convolutional, event_shape=(1, 4, 4), beta=1.0)),
    Twin(name="latent: MeanAndVariance", make=of(MeanAndVariance, data="real", beta=1.0)),
    Twin(name="latent: LoopOfDraws", make=of(LoopOfDraws, beta=1.0)),
    Twin(name="latent: ScoreFunction", make=of(ScoreFunction)),
    Twin(name="latent: closed_over", make=closed_over),
    Twin(name="latent: collapsed", make=collapsed),
    Twin(name="latent: scripted", make=scripted),
    Twin(name="latent: single_precision", make=single_precision),
]  # fmt: skip
MUTANTS: list[Any] = []
