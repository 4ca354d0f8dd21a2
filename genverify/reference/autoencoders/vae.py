"""The variational autoencoder: a latent-variable model, and an encoder that guesses its posterior.

Source: Kingma & Welling 2014, "Auto-encoding variational Bayes"; Rezende, Mohamed & Wierstra 2014.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ..likelihood.densities import bernoulli
from ..likelihood.kl import diagonal_to_standard_normal
from ..likelihood.normal import log_prob, standard_log_prob

__all__ = ["VAE"]


class VAE(nn.Module):
    """A Gaussian encoder with a diagonal covariance, the prior N(0, I), and a Bernoulli or a Gaussian decoder.

    q(z|x) = N(μ(x), diag σ²(x)),  p(z) = N(0, I),  p(x|z) = Π Bernoulli(x_i | σ(g_i(z))) or N(x | g(z), s² I)

    ELBO(x) = E_q log p(x|z) − KL(q(z|x) ‖ p(z)) ≤ log p(x),  loss = −(1/n) Σ_x [log p(x|z) − β KL],  z = μ + σ ε

    The Gaussian decoder has one variance s² for all pixels, a parameter. With β = 1 the loss is an unbiased estimate of
    the mean negative ELBO in nats; β may change from step to step, to anneal the KL term (Bowman et al. 2016).

    Shapes: x [batch, data]; means, log-variances and latents [..., latent]; ELBOs [batch].

    Source: Kingma & Welling 2014, eqs. 3, 7 and appendix C; β: Higgins et al. 2017, eq. 4.

    >>> model = VAE(6, hidden=4, latent=2)
    >>> x = torch.ones(3, 6)
    >>> model.elbo(x).shape, model.loss(x).shape, model.sample(5).shape
    (torch.Size([3]), torch.Size([]), torch.Size([5, 6]))
    """

    def __init__(
        self, data: int, hidden: int, latent: int, decoder: Literal["bernoulli", "gaussian"] = "bernoulli"
    ) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(nn.Linear(data, hidden), nn.Tanh())
        self.encoder_mean = nn.Linear(hidden, latent)
        self.encoder_log_variance = nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, data))
        self.decoder_log_variance = nn.Parameter(torch.zeros(())) if decoder == "gaussian" else None

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log-variance of q(z|x)."""
        hidden = self.encoder(x)
        return self.encoder_mean(hidden), self.encoder_log_variance(hidden)

    def reparameterise(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """One draw z = μ + σ ε for each row."""
        return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)

    def decode(self, z: Tensor) -> Tensor:
        """The logits of the pixels under a Bernoulli decoder, their means under a Gaussian one."""
        return self.decoder(z)

    def pixels(self, z: Tensor) -> Tensor:
        """E[x | z]."""
        decoded = self.decode(z)
        return torch.sigmoid(decoded) if self.decoder_log_variance is None else decoded

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Log p(x|z), summed over the pixels."""
        if self.decoder_log_variance is None:
            return bernoulli(x, self.decode(z)).sum(-1)
        return log_prob(x, self.decode(z), torch.exp(0.5 * self.decoder_log_variance)).sum(-1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits or means of the pixels from one draw of z, and the mean and log-variance of q(z|x)."""
        mean, log_variance = self.encode(x)
        return self.decode(self.reparameterise(mean, log_variance)), mean, log_variance

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Log p(x|z) at one draw of z, and KL(q(z|x) ‖ p(z)): a number for each row."""
        mean, log_variance = self.encode(x)
        z = self.reparameterise(mean, log_variance)
        return self.log_likelihood(x, z), diagonal_to_standard_normal(mean, log_variance)

    def elbo(self, x: Tensor) -> Tensor:
        """An unbiased estimate of the ELBO of each row, from one draw of z."""
        log_likelihood, kl = self.terms(x)
        return log_likelihood - kl

    def loss(self, x: Tensor, beta: float = 1.0) -> Tensor:
        """−log p(x|z) + β KL, averaged over the rows."""
        log_likelihood, kl = self.terms(x)
        return (beta * kl - log_likelihood).mean()

    def log_weights(self, x: Tensor, draws: int) -> Tensor:
        """Log p(x|z) p(z)/q(z|x) at several draws of z from q(z|x): [draws, batch]."""
        mean, log_variance = (one.expand(draws, *one.shape) for one in self.encode(x))
        z = self.reparameterise(mean, log_variance)
        log_q = log_prob(z, mean, torch.exp(0.5 * log_variance)).sum(-1)
        return self.log_likelihood(x, z) + standard_log_prob(z) - log_q

    def sample(self, number: int) -> Tensor:
        """E[x | z] of draws from the prior: [number, data]."""
        like = self.encoder_mean.weight
        return self.pixels(torch.randn(number, self.latent, dtype=like.dtype, device=like.device))
