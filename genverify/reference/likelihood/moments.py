"""Mean, variance and covariance of a sample, and the moments of two samples put together."""

from __future__ import annotations

import torch

__all__ = ["covariance", "mean", "running", "variance"]


def mean(x: torch.Tensor) -> torch.Tensor:
    """``x̄ = (1/n) Σ x_i``.

    Shapes: ``x`` [n, event]; the result [event].

    Source: Bishop 2006, eq. 2.121.

    >>> mean(torch.tensor([[1.0], [3.0]]))
    tensor([2.])
    """
    return x.sum(0) / len(x)


def variance(x: torch.Tensor) -> torch.Tensor:
    """``(1/n) Σ (x_i − x̄)²``.

    Shapes: ``x`` [n, event]; the result [event].

    Source: Bishop 2006, eq. 1.56.

    >>> variance(torch.tensor([[1.0], [3.0]]))
    tensor([1.])
    """
    return ((x - mean(x)) ** 2).sum(0) / len(x)


def covariance(x: torch.Tensor) -> torch.Tensor:
    """``(1/n) Σ (x_i − x̄)(x_i − x̄)ᵀ``.

    Shapes: ``x`` [n, event]; the result [event, event].

    Source: Bishop 2006, eq. 2.122.

    >>> covariance(torch.tensor([[1.0], [3.0]]))
    tensor([[1.]])
    """
    centred = x - mean(x)
    return centred.T @ centred / len(x)


def running(
    mean_a: torch.Tensor,
    variance_a: torch.Tensor,
    count_a: float,
    mean_b: torch.Tensor,
    variance_b: torch.Tensor,
    count_b: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Moments of two samples together: ``ā + δ n_b/n`` and ``(n_a s_a² + n_b s_b² + δ² n_a n_b/n)/n``, δ = b̄ − ā.

    Shapes: means and variances [event]; both results, too.

    Source: Chan, Golub & LeVeque 1983.

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> running(one, zero, 1.0, 3 * one, zero, 1.0)
    (tensor([2.]), tensor([1.]))
    """
    n = count_a + count_b
    gap = mean_b - mean_a
    squares = count_a * variance_a + count_b * variance_b + gap**2 * count_a * count_b / n
    return mean_a + gap * count_b / n, squares / n
