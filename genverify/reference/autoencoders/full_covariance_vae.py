"""A variational autoencoder whose posterior has a full covariance.

Source: Kingma & Welling 2019, "An introduction to variational autoencoders", section 2.5.1.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ..likelihood.kl import mvn_cholesky
from ..likelihood.mvn import log_prob_cholesky
from ..likelihood.normal import standard_log_prob
from .vae import VAE

__all__ = ["FullCovarianceVAE"]


class FullCovarianceVAE(VAE):
    """As `VAE`, with q(z|x) = N(μ(x), L(x)L(x)ᵀ), L lower triangular with a positive diagonal.

    z = μ + L ε,  KL(q ‖ N(0, I)) = ½ (‖L‖² + ‖μ‖² − k) − Σ log L_ii

    The diagonal of L is exp of what the encoder gives.

    Shapes: x [batch, data]; means [..., latent], factors [..., latent, latent].

    Source: Kingma & Welling 2019, section 2.5.1, algorithm 2.

    >>> model = FullCovarianceVAE(6, hidden=4, latent=2)
    >>> model.encode(torch.ones(3, 6))[1].shape, model.elbo(torch.ones(3, 6)).shape
    (torch.Size([3, 2, 2]), torch.Size([3]))
    """

    def __init__(
        self, data: int, hidden: int, latent: int, decoder: Literal["bernoulli", "gaussian"] = "bernoulli"
    ) -> None:
        super().__init__(data, hidden, latent, decoder)
        del self.encoder_log_variance
        self.encoder_factor = nn.Linear(hidden, latent * latent)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the factor L of q(z|x)."""
        hidden = self.encoder(x)
        square = self.encoder_factor(hidden).unflatten(-1, (self.latent, self.latent))
        diagonal = torch.diagonal(square, dim1=-2, dim2=-1).exp()
        return self.encoder_mean(hidden), torch.tril(square, -1) + torch.diag_embed(diagonal)

    # What follows the mean is a factor here, and says so.
    def reparameterise(self, mean: Tensor, factor: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One draw z = μ + L ε for each row."""
        return mean + (factor @ torch.randn_like(mean).unsqueeze(-1)).squeeze(-1)

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Log p(x|z) at one draw of z, and KL(q(z|x) ‖ p(z)): a number for each row."""
        mean, factor = self.encode(x)
        z = self.reparameterise(mean, factor)
        identity = torch.eye(self.latent, dtype=x.dtype, device=x.device).expand_as(factor)
        return self.log_likelihood(x, z), mvn_cholesky(mean, factor, torch.zeros_like(mean), identity)

    def log_weights(self, x: Tensor, draws: int) -> Tensor:
        """Log p(x|z) p(z)/q(z|x) at several draws of z from q(z|x): [draws, batch]."""
        mean, factor = (one.expand(draws, *one.shape) for one in self.encode(x))
        z = self.reparameterise(mean, factor)
        return self.log_likelihood(x, z) + standard_log_prob(z) - log_prob_cholesky(z, mean, factor)
