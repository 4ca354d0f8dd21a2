"""Correct variational autoencoders that draw, bound, differentiate or decode in unusual ways."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from genverify.subjects.latent_variable_model import LatentVariableModel
from tests.mutants.flow import seeded
from tests.mutants.latent_twins import D, Distributions, H, K, Vae, kl_sum, loss_function, of
from tests.mutants.mutant import Twin


class Joined(nn.Module):
    """Mean and scale of x in one tensor, the scale by a softplus that nobody sees: left unjudged, not accused."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(D, 2 * K), nn.Linear(K, 2 * D)

    def loss(self, x: Tensor) -> Tensor:
        mean, raw = self.encoder(x).chunk(2, 1)
        q = Normal(mean, raw.exp())
        loc, scale = self.decoder(q.rsample()).chunk(2, 1)
        nll = -Normal(loc, F.softplus(scale) + 1e-3).log_prob(x)
        return (kl_divergence(q, Normal(0.0, 1.0)).sum(1) + nll.sum(1)).mean()


class DrawsTwice(Vae):
    """The KL term at one draw, the likelihood at another."""

    def loss(self, x: Tensor) -> Tensor:
        mu, logvar = self.encode(x)
        z, other = self.reparameterize(mu, logvar), self.reparameterize(mu, logvar)
        kl = (Normal(mu, (0.5 * logvar).exp()).log_prob(other) - Normal(0.0, 1.0).log_prob(other)).sum()
        return F.binary_cross_entropy(self.decode(z), x, reduction="sum") + kl


class Landing(Distributions):
    """log q with detached parameters (Roeder et al. 2017): another gradient at each draw, the same on average."""

    def loss(self, x: Tensor) -> Tensor:
        q = self.encode(x)
        z = q.rsample()
        still = Normal(q.base_dist.loc.detach(), q.base_dist.scale.detach())
        return -(self.decode(z).log_prob(x) + (Normal(0.0, 1.0).log_prob(z) - still.log_prob(z)).sum(1)).mean()


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
    Twin(name="latent: Weighted", make=of(Weighted, loss="negative_iwae_bound")),
    Twin(name="latent: KeepsItsKl", make=of(KeepsItsKl, loss=kept, event_shape=(1, 2, 2), decoder_variance=0.5)),
    Twin(name="latent: Sequences", make=of(Sequences, event_shape=(3, 2), data="real")),
    Twin(name="latent: Joined", make=of(Joined, data="real")),
    Twin(name="latent: DrawsTwice", make=of(DrawsTwice)),
    Twin(name="latent: Landing", make=of(Landing, loss="loss")),
    Twin(name="latent: Flow", make=of(Flow)),
    Twin(name="latent: FullCovariance", make=of(FullCovariance, data="real", decoder_variance=math.exp(0.6))),
    Twin(name="latent: LoopOfDraws", make=of(LoopOfDraws, beta=1.0)),
    Twin(name="latent: ScoreFunction", make=of(ScoreFunction)),
    Twin(name="latent: closed_over", make=closed_over),
    Twin(name="latent: collapsed", make=collapsed),
    Twin(name="latent: scripted", make=scripted),
    Twin(name="latent: single_precision", make=single_precision),
]  # fmt: skip
MUTANTS: list[Any] = []
