r"""Hutchinson's trace estimator, and the log-determinant by its power series.

    $$ \operatorname{tr} A = E\, v^\top A v, \qquad E\, v v^\top = I; \qquad
       \log\det(I + J) = \sum_{k \ge 1} \frac{(-1)^{k+1}}{k} \operatorname{tr} J^k, \quad \lVert J \rVert < 1 $$

Source: Hutchinson 1990; Behrmann et al. 2019, Invertible residual networks, section 3.2; Chen et al. 2019, Residual
flows, theorem 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["jacobian_trace", "logabsdet", "logabsdet_by_roulette", "trace"]

MatVec = Callable[[Tensor], Tensor]


def trace(matvec: MatVec, probes: Tensor) -> Tensor:
    """The mean of vᵀ A v over the probes.

    Shapes: probes [n, d] with E v vᵀ = I, matvec maps rows [n, d] to rows; a number.

    >>> trace(lambda v: 2 * v, torch.tensor([[1.0, -1.0]]))
    tensor(4.)
    """
    return (probes * matvec(probes)).sum(-1).mean()


def logabsdet(matvec: MatVec, probes: Tensor, terms: int) -> Tensor:
    """The first terms of the series, each trace by the same probes: unbiased for the cut series.

    Shapes: probes [n, d], matvec maps rows to J v; a number.

    >>> logabsdet(lambda v: 0.5 * v, torch.tensor([[1.0]]), 2)
    tensor(0.3750)
    """
    power, total = probes, torch.zeros((), dtype=probes.dtype)
    for k in range(1, terms + 1):
        power = matvec(power)
        total = total + (-1) ** (k + 1) / k * (probes * power).sum(-1).mean()
    return total


def logabsdet_by_roulette(matvec: MatVec, dimension: int, stop: float = 0.5) -> Tensor:
    """The whole series from finitely many terms: each counts over the probability that it was reached.

    The number of terms is geometric, N ≥ 1, and P(N ≥ k) = (1 - stop)^(k - 1); so the mean converges where the norm of
    J is below one, and the variance where it is below (1 - stop)^½.

    Shapes: matvec maps [d] to J v; a number.

    >>> logabsdet_by_roulette(lambda v: 0.0 * v, 3).item()
    0.0
    """
    count = int(torch.empty((), dtype=torch.float64).geometric_(stop))
    probe = 2.0 * torch.bernoulli(torch.full((dimension,), 0.5, dtype=torch.float64)) - 1.0
    power, total = probe, torch.zeros((), dtype=torch.float64)
    for k in range(1, count + 1):
        power = matvec(power)
        total = total + (-1) ** (k + 1) / k * (probe @ power) / (1.0 - stop) ** (k - 1)
    return total


def jacobian_trace(f: MatVec, x: Tensor, v: Tensor) -> Tensor:
    """VᵀJv at each row, J = ∂f/∂x, by one product of a row with the Jacobian.

    Shapes: x, v [batch, d] with E v vᵀ = I for each row, f maps rows to rows; [batch].

    Source: Grathwohl et al. 2019, eq. 7.

    >>> jacobian_trace(lambda x: 2 * x, torch.zeros(1, 2), torch.tensor([[1.0, -1.0]]))
    tensor([4.])
    """
    (pulled,) = torch.func.vjp(f, x)[1](v)
    return (pulled * v).sum(-1)
