"""Mean, variance and covariance of a sample, and the moments of two samples put together."""

from __future__ import annotations

from torch import Tensor

__all__ = ["covariance", "mean", "running", "variance"]

Terms = tuple[Tensor, ...]


def mean(x: Tensor) -> Terms:
    """(1/n) Σ x_i, a term for each observation.

    Shapes: ``x`` [n, event]; each term [event].

    >>> import torch
    >>> sum(mean(torch.tensor([[1.0], [3.0]])))
    tensor([2.])
    """
    return tuple(row / len(x) for row in x)


def variance(x: Tensor, *, ddof: int = 0, root: bool = False) -> Terms:
    """(1/(n − ddof)) Σ (x_i − x̄)², and terms that cancel where it is E x² − (E x)².

    Shapes: ``x`` [n, event]; each term [event].

    Source: Chan, Golub & LeVeque 1983.

    >>> import torch
    >>> sum(variance(torch.tensor([[1.0], [3.0]])))
    tensor([1.])
    """
    centred = x - x.mean(0)
    found, size = (centred**2).sum(0) / (len(x) - ddof), (x**2).sum(0) / (len(x) - ddof)
    return (found.sqrt(),) if root else (found, size, -size)


def covariance(x: Tensor, *, ddof: int = 0) -> Terms:
    """(1/(n − ddof)) Σ (x_i − x̄)(x_i − x̄)ᵀ, and terms that cancel where it is E xxᵀ − x̄x̄ᵀ.

    Shapes: ``x`` [n, event]; each term [event, event].

    Source: Bishop 2006, eq. 2.122.

    >>> import torch
    >>> sum(covariance(torch.tensor([[1.0], [3.0]])))
    tensor([[1.]])
    """
    centred, n = x - x.mean(0), len(x) - ddof
    size = x.abs().mT @ x.abs() / n
    return centred.mT @ centred / n, size, -size


def running(
    mean_a: Tensor, variance_a: Tensor, count_a: Tensor | float, mean_b: Tensor, variance_b: Tensor,
    count_b: Tensor | float,
) -> tuple[Terms, Terms]:  # fmt: skip
    """Mean and (biased) variance of two samples together, from those of each.

    δ = b̄ − ā;  ā + δ n_b/n;  (n_a s_a² + n_b s_b² + δ² n_a n_b/n)/n,  n = n_a + n_b

    Shapes: means and variances [event].

    Source: Chan, Golub & LeVeque 1983.

    >>> import torch
    >>> [sum(one) for one in running(*(torch.tensor(v) for v in (1.0, 0.0, 1.0, 3.0, 0.0, 1.0)))]
    [tensor(2.), tensor(1.)]
    """
    n = count_a + count_b
    gap = mean_b - mean_a
    means = (mean_a * (count_a / n), mean_b * (count_b / n))
    return means, (variance_a * (count_a / n), variance_b * (count_b / n), gap**2 * (count_a * count_b / n**2))
