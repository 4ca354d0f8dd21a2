"""A whole diffusion process: the tables of a schedule, noise added, the posterior, steps back, a loss.

Steps are counted from 0, so that `betas[t]` is the rate of the step that leads to x_t.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genverify.reference.diffusion.process import at_step, check_rates

__all__ = ["WholeProcess"]

Model = Callable[[Tensor, Tensor], Tensor]


class WholeProcess:
    """The process of Ho, Jain & Abbeel with a network that predicts the noise.

    Shapes: betas [T]; samples [batch, …]; t [batch].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, eqs. 2 to 15, algorithms 1 and 2.

    >>> process = WholeProcess(torch.tensor([0.5, 0.5]))
    >>> process.alphas_cumprod, process.posterior_variance
    (tensor([0.5000, 0.2500]), tensor([0.0000, 0.3333]))
    """

    def __init__(self, betas: Tensor) -> None:
        self.betas = check_rates(betas)
        self.alphas = 1 - betas
        self.alphas_cumprod = torch.cumprod(self.alphas, 0)
        self.alphas_cumprod_prev = torch.cat([torch.ones_like(betas[:1]), self.alphas_cumprod[:-1]])
        self.sqrt_alphas_cumprod = torch.sqrt(self.alphas_cumprod)
        self.sqrt_one_minus_alphas_cumprod = torch.sqrt(1 - self.alphas_cumprod)
        left = 1 - self.alphas_cumprod
        self.posterior_variance = betas * (1 - self.alphas_cumprod_prev) / left
        self.posterior_mean_coef1 = torch.sqrt(self.alphas_cumprod_prev) * betas / left
        self.posterior_mean_coef2 = torch.sqrt(self.alphas) * (1 - self.alphas_cumprod_prev) / left

    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """All the steps up to t at once: x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (eq. 4)."""
        signal, scale = at_step(self.sqrt_alphas_cumprod, t, x0), at_step(self.sqrt_one_minus_alphas_cumprod, t, x0)
        return signal * x0 + scale * noise

    def q_mean_variance(self, x0: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ_t x_0 and 1 − ᾱ_t (eq. 4)."""
        return at_step(self.sqrt_alphas_cumprod, t, x0) * x0, at_step(1 - self.alphas_cumprod, t, x0)

    def q_posterior(self, x0: Tensor, xt: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of x_{t−1} given x_t and x_0 (eq. 7)."""
        mean = at_step(self.posterior_mean_coef1, t, x0) * x0 + at_step(self.posterior_mean_coef2, t, xt) * xt
        return mean, at_step(self.posterior_variance, t, x0)

    def predict_start_from_noise(self, xt: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x̂_0 = (x_t − √(1 − ᾱ_t) ε)/√ᾱ_t (eq. 15)."""
        scale = at_step(self.sqrt_one_minus_alphas_cumprod, t, xt)
        return (xt - scale * noise) / at_step(self.sqrt_alphas_cumprod, t, xt)

    def predict_noise_from_start(self, xt: Tensor, t: Tensor, x0: Tensor) -> Tensor:
        """ε̂ = (x_t − √ᾱ_t x_0)/√(1 − ᾱ_t) (eq. 4, solved)."""
        signal = at_step(self.sqrt_alphas_cumprod, t, xt)
        return (xt - signal * x0) / at_step(self.sqrt_one_minus_alphas_cumprod, t, xt)

    def p_sample(self, model: Model, xt: Tensor, t: Tensor) -> Tensor:
        """A draw of x_{t−1}: the posterior's at x̂_0, without noise at the last step (algorithm 2, lines 3 and 4)."""
        mean, variance = self.q_posterior(self.predict_start_from_noise(xt, t, model(xt, t)), xt, t)
        return mean + torch.sqrt(variance) * torch.randn_like(xt)

    def p_sample_loop(self, model: Model, shape: tuple[int, ...]) -> Tensor:
        """All the steps back from pure noise (algorithm 2)."""
        x = torch.randn(shape, dtype=self.betas.dtype)
        for step in reversed(range(len(self.betas))):
            x = self.p_sample(model, x, torch.full((shape[0],), step))
        return x

    def p_losses(self, model: Model, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """The mean square between the noise and its prediction (eq. 14)."""
        return torch.mean((noise - model(self.q_sample(x0, t, noise), t)) ** 2)
