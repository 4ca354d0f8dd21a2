"""Sampling in noise levels as Karras et al. have it: the schedule, and the steps of Euler and Heun; ancestral steps.

A denoiser D(x, σ) gives the mean of the data behind a sample x with noise of deviation σ. Samples are [batch, …]; a
level is one number, or one for each row.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["ancestral_step", "euler_step", "heun_step", "sigmas"]

Denoiser = Callable[[Tensor, Tensor], Tensor]


def sigmas(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """The noise levels of n steps, from σ_max to σ_min and then to zero, equally spaced in ``σ^(1/ρ)``.

    ``σ_i = (σ_max^(1/ρ) + i/(n − 1) (σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ``

    Shapes: [n + 1], float64.

    Source: Karras, Aittala, Aila & Laine 2022, eq. 5.

    >>> sigmas(3, 1.0, 9.0, rho=2.0)
    tensor([9., 4., 1., 0.], dtype=torch.float64)
    """
    root = torch.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n, dtype=torch.float64)
    return torch.cat([root**rho, root.new_zeros(1)])


def _beside(level: Tensor, x: Tensor) -> Tensor:
    """A level for each row, with the axes of the sample."""
    return level.reshape(-1, *(1,) * (x.dim() - 1))


def euler_step(denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """Along the slope at the beginning: ``x + (σ′ − σ) (x − D(x, σ))/σ``.

    Source: Karras et al. 2022, algorithm 1, lines 3 to 5.

    >>> euler_step(lambda x, sigma: 0 * x, torch.ones(1, 2), torch.tensor(2.0), torch.tensor(1.0))
    tensor([[0.5000, 0.5000]])
    """
    now, then = _beside(sigma, x), _beside(sigma_next, x)
    return x + (then - now) * (x - denoiser(x, sigma)) / now


def heun_step(denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """Along the mean of the slopes at the beginning and the end of Euler's step; Euler's alone where it ends at zero.

    Source: Karras et al. 2022, algorithm 1.

    >>> heun_step(lambda x, sigma: 0 * x, torch.ones(1, 2), torch.tensor(2.0), torch.tensor(1.0))
    tensor([[0.5000, 0.5000]])
    """
    now, then = _beside(sigma, x), _beside(sigma_next, x)
    start = (x - denoiser(x, sigma)) / now
    guess = x + (then - now) * start
    # Divided by one where the step ends at zero: of a branch that is not taken, a gradient of 0 · ∞ would be left.
    end = (guess - denoiser(guess, sigma_next)) / torch.where(then > 0, then, torch.ones_like(then))
    return torch.where(then > 0, x + (then - now) * 0.5 * (start + end), guess)


def ancestral_step(denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor, eta: float = 1.0) -> Tensor:
    """Below the next level by Euler's step, and up to it by new noise.

    ``σ_up = min(σ′, η √(σ′² (σ² − σ′²)/σ²))``, ``σ_down = √(σ′² − σ_up²)``

    Source: crowsonkb/k-diffusion; with η = 1 Ho, Jain & Abbeel 2020, eq. 7, for a signal of scale one.

    >>> ancestral_step(lambda x, sigma: x, torch.ones(1, 2), torch.tensor(2.0), torch.tensor(0.0))
    tensor([[1., 1.]])
    """
    now, then = _beside(sigma, x), _beside(sigma_next, x)
    up = torch.minimum(then, eta * (then**2 * (now**2 - then**2) / now**2) ** 0.5)
    down = (then**2 - up**2) ** 0.5
    return x + (down - now) * (x - denoiser(x, sigma)) / now + up * torch.randn_like(x)
