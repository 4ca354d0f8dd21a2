"""Song et al.'s stochastic differential equations, their moments, the probability flow, and a step.

Samples are [batch, …]; a time is one number, or one for each row, in (0, 1].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "euler_maruyama_step", "probability_flow", "reverse_drift", "sub_vp", "ve", "ve_marginal", "vp", "vp_marginal",
]  # fmt: skip


def _beside(number: Tensor, x: Tensor) -> Tensor:
    return number.reshape(-1, *(1,) * (x.dim() - 1))


def vp(x: Tensor, t: Tensor, beta_min: float = 0.1, beta_max: float = 20.0) -> tuple[Tensor, Tensor]:
    """Drift and diffusion of the equation that preserves variance: ``−½ β(t) x`` and ``√β(t)``.

    ``β(t) = β_min + t (β_max − β_min)``

    Source: Song et al. 2021, eqs. 11 and 32.

    >>> vp(torch.ones(1, 1), torch.tensor(0.0), 4.0, 9.0)
    (tensor([[-2.]]), tensor(2.))
    """
    beta = beta_min + t * (beta_max - beta_min)
    return -0.5 * _beside(beta, x) * x, beta.sqrt()


def vp_marginal(x: Tensor, t: Tensor, beta_min: float = 0.1, beta_max: float = 20.0) -> tuple[Tensor, Tensor]:
    """Mean and deviation of x(t) given x(0): ``e^(−B/2) x(0)`` and ``√(1 − e^(−B))``, B = ∫₀ᵗ β.

    Source: Song et al. 2021, eqs. 29 and 33.

    >>> vp_marginal(torch.ones(1, 1), torch.tensor(0.0))
    (tensor([[1.]]), tensor(0.))
    """
    exponent = -0.25 * t**2 * (beta_max - beta_min) - 0.5 * t * beta_min
    return _beside(exponent.exp(), x) * x, (-torch.expm1(2 * exponent)).sqrt()


def sub_vp(x: Tensor, t: Tensor, beta_min: float = 0.1, beta_max: float = 20.0) -> tuple[Tensor, Tensor]:
    """Drift and diffusion of the sub-VP equation: ``−½ β x`` and ``√(β (1 − e^(−2B)))``.

    Source: Song et al. 2021, eq. 12.

    >>> sub_vp(torch.ones(1, 1), torch.tensor(0.0), 4.0, 9.0)
    (tensor([[-2.]]), tensor(0.))
    """
    drift, root = vp(x, t, beta_min, beta_max)
    whole = beta_min * t + 0.5 * (beta_max - beta_min) * t**2
    return drift, root * (-torch.expm1(-2 * whole)).sqrt()


def ve(x: Tensor, t: Tensor, sigma_min: float = 0.01, sigma_max: float = 50.0) -> tuple[Tensor, Tensor]:
    """Drift and diffusion of the equation in which variance explodes: zero and ``σ(t) √(2 log(σ_max/σ_min))``.

    ``σ(t) = σ_min (σ_max/σ_min)^t``

    Source: Song et al. 2021, eqs. 30 and 31.

    >>> ve(torch.ones(1, 1), torch.tensor(0.0), 1.0, math.e**2)
    (tensor([[0.]]), tensor(2.))
    """
    sigma = sigma_min * (sigma_max / sigma_min) ** t
    return torch.zeros_like(x), sigma * math.sqrt(2 * math.log(sigma_max / sigma_min))


def ve_marginal(x: Tensor, t: Tensor, sigma_min: float = 0.01, sigma_max: float = 50.0) -> tuple[Tensor, Tensor]:
    """Mean and deviation of x(t) given x(0): x(0) and ``σ(t)``, the noise at t = 0 included.

    Source: Song et al. 2021, eq. 30.

    >>> ve_marginal(torch.ones(1, 1), torch.tensor(0.5), 1.0, 4.0)
    (tensor([[1.]]), tensor(2.))
    """
    return x, sigma_min * (sigma_max / sigma_min) ** t


def probability_flow(drift: Tensor, diffusion: Tensor, score: Tensor) -> Tensor:
    """The slope of the flow that has the equation's densities, without noise: ``f − ½ g² s``.

    Shapes: drift, score [batch, …]; diffusion one number, or [batch].

    Source: Song et al. 2021, eq. 13.

    >>> probability_flow(torch.ones(1, 1), torch.tensor(2.0), torch.ones(1, 1))
    tensor([[-1.]])
    """
    return drift - 0.5 * _beside(diffusion, drift) ** 2 * score


def reverse_drift(drift: Tensor, diffusion: Tensor, score: Tensor) -> Tensor:
    """The drift of the equation that runs back in time: ``f − g² s``.

    Source: Anderson 1982; Song et al. 2021, eq. 6.

    >>> reverse_drift(torch.ones(1, 1), torch.tensor(2.0), torch.ones(1, 1))
    tensor([[-3.]])
    """
    return drift - _beside(diffusion, drift) ** 2 * score


def euler_maruyama_step(x: Tensor, drift: Tensor, diffusion: Tensor, dt: Tensor) -> Tensor:
    """One step in time: ``x + f dt + g √dt z``.

    Source: Maruyama 1955; Kloeden & Platen 1992, eq. 9.1.7.

    >>> euler_maruyama_step(torch.ones(1, 1), torch.ones(1, 1), torch.tensor(0.0), torch.tensor(0.5))
    tensor([[1.5000]])
    """
    width = _beside(dt, x)
    return x + drift * width + _beside(diffusion, x) * width.sqrt() * torch.randn_like(x)
