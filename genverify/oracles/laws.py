"""Characteristic functions and moments of named laws, in float64, differentiable in the parameters where torch is.

A characteristic function is E exp(i⟨w, x⟩). For numbers that are independent it is the product over them; two laws with
the same characteristic function are equal (Lévy 1925).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "EULER",
    "exponential_cdf",
    "exponential_characteristic",
    "gumbel_cdf",
    "gumbel_characteristic",
    "laplace_cdf",
    "laplace_characteristic",
    "logistic_cdf",
    "logistic_characteristic",
    "normal_cdf",
    "normal_characteristic",
    "uniform_cdf",
    "uniform_characteristic",
]

EULER = 0.57721566490153286060651209008240243
"""Euler's constant γ = -Γ'(1): the mean of the standard Gumbel law."""


def normal_characteristic(w: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """exp(i⟨w, m⟩ - ½ wᵀΣw) for N(m, Σ).

    Shapes: w [k, d], mean [d], covariance [d, d]; complex [k].

    Source: Anderson 2003, An Introduction to Multivariate Statistical Analysis, theorem 2.6.1.

    >>> normal_characteristic(torch.ones(1, 1), torch.zeros(1), torch.eye(1)).real
    tensor([0.6065])
    """
    return torch.exp(torch.complex(-0.5 * ((w @ covariance) * w).sum(1), w @ mean))


def laplace_characteristic(w: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """∏ exp(i w μ) / (1 + b² w²) for independent Laplace(μ, b) numbers.

    Shapes: w [k, d], loc and scale [d]; complex [k].

    Source: Johnson, Kotz & Balakrishnan 1995, Continuous Univariate Distributions 2, section 24.3.

    >>> laplace_characteristic(torch.ones(1, 1), torch.zeros(1), torch.ones(1)).real
    tensor([0.5000])
    """
    return torch.polar(1.0 / (1.0 + (scale * w) ** 2).prod(1), w @ loc)


def logistic_characteristic(w: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """∏ exp(i w μ) π s w / sinh(π s w) for independent logistic(μ, s) numbers; shapes as `laplace_characteristic`.

    Source: Johnson, Kotz & Balakrishnan 1995, section 23.3.

    >>> logistic_characteristic(torch.zeros(1, 1), torch.zeros(1), torch.ones(1)).real
    tensor([1.])
    """
    angle = math.pi * scale * w
    safe = torch.where(angle == 0, torch.ones_like(angle), angle)
    return torch.polar(torch.where(angle == 0, torch.ones_like(angle), safe / torch.sinh(safe)).prod(1), w @ loc)


def gumbel_characteristic(w: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """∏ exp(i w μ) Γ(1 - i β w) for independent Gumbel(μ, β) numbers; shapes as `laplace_characteristic`.

    Not differentiable: Γ of a complex number is evaluated by SciPy.

    Source: Johnson, Kotz & Balakrishnan 1995, section 22.2.

    >>> abs(gumbel_characteristic(torch.zeros(1, 1), torch.zeros(1), torch.ones(1)).item() - 1) < 1e-12
    True
    """
    from scipy.special import gamma

    values = gamma(1.0 - 1j * (scale.detach() * w).to(torch.float64).cpu().numpy())
    return torch.from_numpy(values).prod(1) * torch.polar(torch.ones_like(w[:, 0]), w @ loc.detach())


def exponential_characteristic(w: Tensor, rate: Tensor) -> Tensor:
    """∏ 1 / (1 - i w / λ) for independent exponential(λ) numbers.

    Shapes: w [k, d], rate [d]; complex [k].

    Source: Johnson, Kotz & Balakrishnan 1994, Continuous Univariate Distributions 1, section 19.4.

    >>> exponential_characteristic(torch.ones(1, 1), torch.ones(1))
    tensor([0.5000+0.5000j])
    """
    ratio = w / rate
    return (1.0 / torch.complex(torch.ones_like(ratio), -ratio)).prod(1)


def uniform_characteristic(w: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """∏ exp(i w (a + b)/2) sinc(w (b - a)/2) for independent uniform(a, b) numbers.

    Shapes: w [k, d], low and high [d]; complex [k].

    Source: Johnson, Kotz & Balakrishnan 1995, section 26.3.

    >>> uniform_characteristic(torch.zeros(1, 1), torch.zeros(1), torch.ones(1)).real
    tensor([1.])
    """
    half = torch.special.sinc(w * (high - low) / (2.0 * math.pi))
    return torch.polar(torch.ones_like(w[:, 0]), w @ ((low + high) / 2.0)) * half.prod(1)


def normal_cdf(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """½ erfc(-(z - μ)/(σ√2)): P(X ≤ z) of N(μ, σ²), elementwise.

    Source: Abramowitz & Stegun 1964, 26.2.29 with 7.1.2.

    >>> normal_cdf(torch.zeros(1), torch.zeros(1), torch.ones(1))
    tensor([0.5000])
    """
    return 0.5 * torch.erfc(-(z - mean) / (std * math.sqrt(2.0)))


def laplace_cdf(z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """½ exp(-|y|) below the centre and 1 - ½ exp(-|y|) above it, y = (z - μ)/b, elementwise.

    Source: Johnson, Kotz & Balakrishnan 1995, eq. 24.2.

    >>> laplace_cdf(torch.zeros(1), torch.zeros(1), torch.ones(1))
    tensor([0.5000])
    """
    y = (z - loc) / scale
    tail = 0.5 * torch.exp(-y.abs())
    return torch.where(y < 0, tail, 1.0 - tail)


def gumbel_cdf(z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """exp(-exp(-(z - μ)/β)), elementwise.

    Source: Johnson, Kotz & Balakrishnan 1995, eq. 22.1.

    >>> gumbel_cdf(torch.zeros(1), torch.zeros(1), torch.ones(1))
    tensor([0.3679])
    """
    return torch.exp(-torch.exp(-(z - loc) / scale))


def logistic_cdf(z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """1/(1 + exp(-(z - μ)/s)), elementwise.

    Source: Johnson, Kotz & Balakrishnan 1995, section 23.2.

    >>> logistic_cdf(torch.zeros(1), torch.zeros(1), torch.ones(1))
    tensor([0.5000])
    """
    return torch.sigmoid((z - loc) / scale)


def exponential_cdf(z: Tensor, rate: Tensor) -> Tensor:
    """1 - exp(-λz) for z > 0, elementwise.

    Source: Johnson, Kotz & Balakrishnan 1994, section 19.2.

    >>> exponential_cdf(torch.tensor([-1.0, 0.0]), torch.ones(2)).abs()
    tensor([0., 0.])
    """
    return -torch.expm1(-rate * z.clamp_min(0.0))


def uniform_cdf(z: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """(z - a)/(b - a) inside (a, b), elementwise.

    Source: Johnson, Kotz & Balakrishnan 1995, section 26.1.

    >>> uniform_cdf(torch.tensor([0.5, 2.0]), torch.zeros(2), torch.ones(2))
    tensor([0.5000, 1.0000])
    """
    return ((z - low) / (high - low)).clamp(0.0, 1.0)
