"""Correct variational autoencoders in the styles that people write them: what a loss is called, returns and takes."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

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


class Annealed(WithWeight):
    """Counts its calls, and weighs the KL term by the count."""

    count = 0

    def loss_function(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        self.count += 1
        return super().loss_function(*args, M_N=min(1.0, self.count / 10))


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


def of(make: Callable[[], nn.Module], **declared: Any) -> Callable[[], LatentVariableModel]:
    """Declares a seeded instance."""
    return lambda: LatentVariableModel(seeded(make), **{"event_shape": D, **declared})


TWINS = [
    Twin(name="latent: pytorch/examples", make=of(Vae, loss=loss_function, beta=1.0)),
    Twin(name="latent: ReluVae", make=of(ReluVae, loss=loss_function, data="binary")),
    Twin(name="latent: MeanInEvaluation", make=of(MeanInEvaluation, loss=loss_function, eval_deterministic=True)),
    Twin(name="latent: WithWeight", make=of(WithWeight, fixed={"M_N": 0.25}, data="real")),
    Twin(name="latent: Distributions", make=of(Distributions)),
    Twin(name="latent: ManyDraws", make=of(ManyDraws, elbo="elbo")),
    Twin(name="latent: Annealed", make=of(Annealed, fixed={"M_N": 0.5})),
    Twin(name="latent: Conditional", make=of(Conditional, classes=3, beta=1.0)),
    Twin(name="latent: Convolutional", make=of(Convolutional, event_shape=(1, 4, 4), beta=1.0)),
    Twin(name="latent: MeanAndVariance", make=of(MeanAndVariance, data="real", beta=1.0)),
]  # fmt: skip
MUTANTS: list[Any] = []
