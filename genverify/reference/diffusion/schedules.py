"""Schedules of noise: the rates of all steps, and what is left of the signal after each of them, in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.reference.diffusion.process import check_rates

__all__ = [
    "alpha_bar", "alpha_bar_prev", "cosine_alpha_bar", "cosine_betas", "linear_betas", "ve_sigmas", "zero_terminal_snr",
]  # fmt: skip


def _at_least(steps: int, fewest: int) -> None:
    if steps < fewest:
        raise ValueError(f"got {steps} steps; expected at least {fewest}; a schedule has two ends")


def linear_betas(steps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> Tensor:
    """Rates on a straight line: β_i = β_1 + (β_T − β_1)(i − 1)/(T − 1).

    Shapes: [T].

    Raises:
        ValueError: There are fewer than two steps, or an end is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, section 4.

    >>> linear_betas(3, 0.125, 0.375)
    tensor([0.1250, 0.2500, 0.3750], dtype=torch.float64)
    """
    _at_least(steps, 2)
    rise = (beta_end - beta_start) / (steps - 1)
    return check_rates(torch.tensor([beta_start + i * rise for i in range(steps)], dtype=torch.float64))


def _cosine(u: float, s: float) -> float:
    return math.cos((u + s) / (1 + s) * math.pi / 2) ** 2


def cosine_betas(steps: int, s: float = 0.008, max_beta: float = 0.999) -> Tensor:
    """The rates for which ᾱ falls as the square of a cosine.

    β_t = min(1 − f(t)/f(t − 1), 0.999), f(t) = cos²((t/T + s)/(1 + s) π/2), t = 1, …, T

    Shapes: [T].

    Raises:
        ValueError: There is no step, or a rate is outside (0, 1).

    Source: Nichol & Dhariwal 2021, eq. 17.

    >>> cosine_betas(2, 0.0)
    tensor([0.5000, 0.9990], dtype=torch.float64)
    """
    _at_least(steps, 1)
    rates = [min(1 - _cosine((t + 1) / steps, s) / _cosine(t / steps, s), max_beta) for t in range(steps)]
    return check_rates(torch.tensor(rates, dtype=torch.float64))


def cosine_alpha_bar(steps: int, s: float = 0.008, max_beta: float = 0.999) -> Tensor:
    """What is left of the signal's variance after each step of the cosine schedule, t = 1, …, T.

    ᾱ_t = Π (1 − β_i), which is f(t)/f(0) until a rate is clipped

    Shapes: [T].

    Raises:
        ValueError: There is no step, or a rate is outside (0, 1).

    Source: Nichol & Dhariwal 2021, eq. 17.

    >>> cosine_alpha_bar(2, 0.0)
    tensor([0.5000, 0.0005], dtype=torch.float64)
    """
    return alpha_bar(cosine_betas(steps, s, max_beta))


def alpha_bar(betas: Tensor) -> Tensor:
    """What is left of the signal's variance after each step: ᾱ_t = Π_{i ≤ t} (1 − β_i).

    Shapes: [T]; [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, section 2.

    >>> alpha_bar(torch.tensor([0.5, 0.5]))
    tensor([0.5000, 0.2500])
    """
    return torch.cumprod(1 - check_rates(betas), 0)


def alpha_bar_prev(betas: Tensor) -> Tensor:
    """The same one step before: ᾱ_{t−1}, with ᾱ_0 = 1.

    Shapes: [T]; [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, eq. 7.

    >>> alpha_bar_prev(torch.tensor([0.5, 0.5]))
    tensor([1.0000, 0.5000])
    """
    kept = alpha_bar(betas)
    return torch.cat([torch.ones_like(kept[:1]), kept[:-1]])


def ve_sigmas(steps: int, sigma_min: float = 0.01, sigma_max: float = 50.0) -> Tensor:
    """Deviations in equal ratios, for noise that is added to data which are not scaled.

    σ_i = σ_min (σ_max/σ_min)^((i − 1)/(N − 1))

    Shapes: [N].

    Raises:
        ValueError: There are fewer than two, or the ends are not 0 < σ_min < σ_max.

    Source: Song, Sohl-Dickstein et al. 2021, appendix C.

    >>> ve_sigmas(3, 0.5, 2.0)
    tensor([0.5000, 1.0000, 2.0000], dtype=torch.float64)
    """
    _at_least(steps, 2)
    if not 0 < sigma_min < sigma_max:
        raise ValueError(f"got {sigma_min} and {sigma_max}; expected 0 < sigma_min < sigma_max; exchange them")
    ratio = sigma_max / sigma_min
    return torch.tensor([sigma_min * ratio ** (i / (steps - 1)) for i in range(steps)], dtype=torch.float64)


def zero_terminal_snr(betas: Tensor) -> Tensor:
    """The rates moved so that nothing is left of the signal at the end: the last is 1.

    √ᾱ'_t = (√ᾱ_t − √ᾱ_T) √ᾱ_1/(√ᾱ_1 − √ᾱ_T),  β'_t = 1 − ᾱ'_t/ᾱ'_{t−1}

    Shapes: [T]; [T], T ≥ 2.

    Raises:
        ValueError: A rate is outside (0, 1), or there are fewer than two.

    Source: Lin, Liu, Li & Yang 2024, algorithm 1.

    >>> zero_terminal_snr(torch.tensor([0.75, 0.75]))
    tensor([0.7500, 1.0000])
    """
    _at_least(len(betas), 2)
    root = torch.sqrt(alpha_bar(betas))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    kept = root**2
    return 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])
