"""Steps of DPM-Solver++ in noise levels: exponential integrators in ``λ = −log σ``, for a signal of scale one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["multistep", "single_step"]


def _beside(level: Tensor, x: Tensor) -> Tensor:
    return level.reshape(-1, *(1,) * (x.dim() - 1))


def _toward(x: Tensor, data: Tensor, h: Tensor) -> Tensor:
    """The solution of ``dx/dλ = data − x`` after h, with constant data."""
    return torch.exp(-h) * x - torch.expm1(-h) * data


def single_step(denoiser: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """A step of second order with the denoiser in the middle of the step in λ.

    ``u = e^(−h/2) x + (1 − e^(−h/2)) D(x, σ)``, ``x′ = e^(−h) x + (1 − e^(−h)) D(u, √(σ σ′))``, ``h = log σ/σ′``

    Shapes: x [batch, …]; levels positive, one number or [batch].

    Source: Lu et al. 2022, "DPM-Solver++", algorithm 1 with r = 1/2.

    >>> single_step(lambda x, sigma: 0 * x, torch.ones(1, 2), torch.tensor(2.0), torch.tensor(1.0))
    tensor([[0.5000, 0.5000]])
    """
    h = torch.log(_beside(sigma, x)) - torch.log(_beside(sigma_next, x))
    middle = torch.exp((torch.log(sigma) + torch.log(sigma_next)) / 2)
    between = _toward(x, denoiser(x, sigma), h / 2)
    return _toward(x, denoiser(between, middle), h)


def multistep(
    x: Tensor, denoised: Tensor, old_denoised: Tensor, sigma: Tensor, sigma_next: Tensor, sigma_last: Tensor
) -> Tensor:
    """A step of second order with what the step before was denoised to, at the level before.

    ``D̃ = (1 + 1/(2r)) D − D₋/(2r)``, ``r = h₋/h``, ``x′ = e^(−h) x + (1 − e^(−h)) D̃``

    Source: Lu et al. 2022, "DPM-Solver++", algorithm 2.

    >>> one = torch.ones(1, 2)
    >>> multistep(one, 0 * one, 0 * one, torch.tensor(2.0), torch.tensor(1.0), torch.tensor(4.0))
    tensor([[0.5000, 0.5000]])
    """
    now, then, last = (torch.log(_beside(level, x)) for level in (sigma, sigma_next, sigma_last))
    h = now - then
    r = (last - now) / h
    return _toward(x, (1 + 1 / (2 * r)) * denoised - old_denoised / (2 * r), h)
