"""The conditional variational autoencoder: everything is given a condition, such as the class of the picture.

Source: Sohn, Lee & Yan 2015, "Learning structured output representation using deep conditional generative models".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..likelihood.densities import bernoulli
from ..likelihood.kl import diagonal_to_standard_normal
from ..likelihood.normal import log_prob, standard_log_prob

__all__ = ["ConditionalVAE"]


class ConditionalVAE(nn.Module):
    """As `VAE` with a Bernoulli decoder; encoder and decoder see the condition c, the prior does not.

    q(z|x, c) = N(μ(x, c), diag σ²(x, c)),  p(z) = N(0, I),  p(x|z, c) = Π Bernoulli(x_i | σ(g_i(z, c)))

    ELBO(x|c) = E_q log p(x|z, c) − KL(q(z|x, c) ‖ p(z)) ≤ log p(x|c)

    Shapes: x [batch, data]; c [batch, condition], one-hot for classes; latents [..., latent]; ELBOs [batch].

    Source: Sohn, Lee & Yan 2015, eq. 4, with a prior that does not depend on the condition; Doersch 2016, section 3.

    >>> model = ConditionalVAE(6, condition=2, hidden=4, latent=2)
    >>> c = torch.eye(2)
    >>> model.elbo(torch.ones(2, 6), c).shape, model.sample(c).shape
    (torch.Size([2]), torch.Size([2, 6]))
    """

    def __init__(self, data: int, condition: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(nn.Linear(data + condition, hidden), nn.Tanh())
        self.encoder_mean = nn.Linear(hidden, latent)
        self.encoder_log_variance = nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(nn.Linear(latent + condition, hidden), nn.Tanh(), nn.Linear(hidden, data))

    def encode(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log-variance of q(z|x, c)."""
        hidden = self.encoder(torch.cat([x, c], -1))
        return self.encoder_mean(hidden), self.encoder_log_variance(hidden)

    def reparameterise(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """One draw z = μ + σ ε for each row."""
        return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)

    def decode(self, z: Tensor, c: Tensor) -> Tensor:
        """The logits of the pixels."""
        return self.decoder(torch.cat([z, c.expand(*z.shape[:-1], c.shape[-1])], -1))

    def log_likelihood(self, x: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Log p(x|z, c), summed over the pixels."""
        return bernoulli(x, self.decode(z, c)).sum(-1)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of the pixels from one draw of z, and the mean and log-variance of q(z|x, c)."""
        mean, log_variance = self.encode(x, c)
        return self.decode(self.reparameterise(mean, log_variance), c), mean, log_variance

    def terms(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Log p(x|z, c) at one draw of z, and KL(q(z|x, c) ‖ p(z)): a number for each row."""
        mean, log_variance = self.encode(x, c)
        z = self.reparameterise(mean, log_variance)
        return self.log_likelihood(x, z, c), diagonal_to_standard_normal(mean, log_variance)

    def elbo(self, x: Tensor, c: Tensor) -> Tensor:
        """An unbiased estimate of the ELBO of each row, from one draw of z."""
        log_likelihood, kl = self.terms(x, c)
        return log_likelihood - kl

    def loss(self, x: Tensor, c: Tensor, beta: float = 1.0) -> Tensor:
        """−log p(x|z, c) + β KL, averaged over the rows."""
        log_likelihood, kl = self.terms(x, c)
        return (beta * kl - log_likelihood).mean()

    def log_weights(self, x: Tensor, c: Tensor, draws: int) -> Tensor:
        """Log p(x|z, c) p(z)/q(z|x, c) at several draws of z from q(z|x, c): [draws, batch]."""
        mean, log_variance = (one.expand(draws, *one.shape) for one in self.encode(x, c))
        z = self.reparameterise(mean, log_variance)
        log_q = log_prob(z, mean, torch.exp(0.5 * log_variance)).sum(-1)
        return self.log_likelihood(x, z, c) + standard_log_prob(z) - log_q

    def sample(self, c: Tensor) -> Tensor:
        """E[x | z, c] at a draw of z from the prior for each condition: [batch, data]."""
        z = torch.randn(len(c), self.latent, dtype=c.dtype, device=c.device)
        return torch.sigmoid(self.decode(z, c))
