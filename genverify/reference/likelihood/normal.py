"""The normal distribution N(μ, σ²), elementwise; σ is the standard deviation."""

from __future__ import annotations

import math

import torch

__all__ = ["cdf", "entropy", "log_prob", "nll", "score", "standard_log_prob"]

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def log_prob(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """The log-density: ``log N(x | μ, σ²) = −½ ((x − μ)/σ)² − log σ − ½ log 2π``.

    Shapes: all broadcast; nats, elementwise.

    Source: Bishop 2006, eq. 1.46.

    >>> log_prob(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(-0.9189)
    """
    return -0.5 * ((x - mean) / std) ** 2 - std.log() - _HALF_LOG_TWO_PI


def standard_log_prob(x: torch.Tensor) -> torch.Tensor:
    """The log-density of N(0, I) at each row: ``−½ Σ (x² + log 2π)``.

    Shapes: ``x`` [..., d]; the result [...].

    Source: Bishop 2006, eq. 1.46.

    >>> standard_log_prob(torch.zeros(2))
    tensor(-1.8379)
    """
    return (-0.5 * x**2 - _HALF_LOG_TWO_PI).sum(-1)


def nll(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """The negative log-likelihood of each element: ``½ ((x − μ)/σ)² + log σ + ½ log 2π``.

    Shapes: all broadcast; nats, elementwise.

    Source: Bishop 2006, eq. 1.46; Nix & Weigend 1994, eq. 3.

    >>> nll(torch.tensor(1.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(1.4189)
    """
    return -log_prob(x, mean, std)


def score(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """The derivative of the log-density in x: ``−(x − μ)/σ²``.

    Shapes: all broadcast.

    Source: Hyvärinen 2005, section 2.

    >>> score(torch.tensor(3.0), torch.tensor(1.0), torch.tensor(2.0))
    tensor(-0.5000)
    """
    return -(x - mean) / std**2


def cdf(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """The distribution function: ``P(X ≤ x) = Φ((x − μ)/σ)``, accurate in the lower tail.

    Shapes: all broadcast.

    Source: Abramowitz & Stegun 1964, eq. 26.2.29.

    >>> cdf(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(0.5000)
    """
    return 0.5 * torch.erfc(-(x - mean) / (std * math.sqrt(2)))


def entropy(std: torch.Tensor) -> torch.Tensor:
    """The entropy of each coordinate: ``½ log(2πe σ²)``.

    Shapes: as ``std``; nats.

    Source: Cover & Thomas 2006, eq. 8.9.

    >>> entropy(torch.tensor(1.0))
    tensor(1.4189)
    """
    return 0.5 + _HALF_LOG_TWO_PI + std.log()
