"""The linear-Gaussian VAE: a decoder and an encoder that are affine, so that everything about it is known in full."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["LinearGaussianVAE"]

_LOG_TWO_PI = math.log(2 * math.pi)


class LinearGaussianVAE(nn.Module):
    """``z ~ N(0, I)``, ``x | z ~ N(Wz + c, diag s²)``, ``q(z | x) = N(Ax + b, LLᵀ)``.

    Shapes: x is [batch, observed], z is [batch, latent].

    Source: Kingma & Welling 2014, sections 2.3 and 2.4; Tipping & Bishop 1999, for the model.

    >>> model = LinearGaussianVAE(observed=3, latent=2)
    >>> model.elbo(torch.zeros(4, 3)).shape
    torch.Size([4])
    """

    def __init__(self, observed: int, latent: int) -> None:
        """The standard deviation of each pixel by its logarithm, and the encoder's covariance by a lower factor."""
        super().__init__()
        self.decoder = nn.Linear(latent, observed)
        self.encoder = nn.Linear(observed, latent)
        self.log_noise = nn.Parameter(torch.zeros(observed))
        self.factor = nn.Parameter(torch.eye(latent))

    def reparameterise(self, mean: torch.Tensor) -> torch.Tensor:
        """``z = m + Lε``, ε ~ N(0, I), one draw for each row."""
        noise = torch.randn_like(mean)
        return mean + noise @ self.factor.tril().mT

    def log_likelihood(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """``log p(x | z)``, summed over the pixels."""
        residual = (x - self.decoder(z)) / self.log_noise.exp()
        return -0.5 * (residual**2 + _LOG_TWO_PI).sum(-1) - self.log_noise.sum()

    def log_prior(self, z: torch.Tensor) -> torch.Tensor:
        """``log p(z)``."""
        return -0.5 * (z**2 + _LOG_TWO_PI).sum(-1)

    def log_posterior(self, z: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """``log q(z | x)`` of the encoder, whose mean at x is given."""
        factor = self.factor.tril()
        noise = torch.linalg.solve_triangular(factor, (z - mean).mT, upper=False).mT
        return -0.5 * (noise**2 + _LOG_TWO_PI).sum(-1) - factor.diagonal().abs().log().sum()

    def divergence(self, mean: torch.Tensor) -> torch.Tensor:
        """``KL(q(z | x) ‖ N(0, I)) = ½ (‖L‖² + ‖m‖² − k) − log |det L|``."""
        factor = self.factor.tril()
        trace = factor.square().sum() - mean.shape[-1]
        return 0.5 * (trace + mean.square().sum(-1)) - factor.diagonal().abs().log().sum()

    def elbo(self, x: torch.Tensor) -> torch.Tensor:
        """``log p(x | z) − KL`` at one draw of z for each row: unbiased for the bound. [batch], nats."""
        mean = self.encoder(x)
        return self.log_likelihood(x, self.reparameterise(mean)) - self.divergence(mean)

    def log_weight(self, x: torch.Tensor) -> torch.Tensor:
        """``log p(x | z) + log p(z) − log q(z | x)`` at one draw of z for each row: [batch]."""
        mean = self.encoder(x)
        z = self.reparameterise(mean)
        return self.log_likelihood(x, z) + self.log_prior(z) - self.log_posterior(z, mean)

    def importance_weighted_bound(self, x: torch.Tensor, draws: int) -> torch.Tensor:
        """``log (1/K) Σ_k w_k`` at K draws for each row: [batch]."""
        weights = torch.stack([self.log_weight(x) for _ in range(draws)], -1)
        return torch.logsumexp(weights, -1) - math.log(draws)
