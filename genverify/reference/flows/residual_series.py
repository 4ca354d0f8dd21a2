r"""The log-determinant of a residual block by its power series: cut, or stopped at random.

    $$ \log\det(I + J) = \sum_{k \ge 1} \frac{(-1)^{k+1}}{k} \operatorname{tr} J^k
       = E \sum_{k=1}^{m+N} \frac{(-1)^{k+1}}{k} \frac{v^\top J^k v}{P(N \ge k - m)} $$

Source: Behrmann et al. 2019, eq. 4; Chen et al. 2019, theorem 1 and section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["logabsdet_roulette", "logabsdet_series", "probed_logabsdet_series"]

Branch = Callable[[Tensor], Tensor]


def logabsdet_series(g: Branch, x: Tensor, terms: int) -> Tensor:
    """The first terms, each trace in full.

    Shapes: x [batch, features]; [batch].

    >>> logabsdet_series(lambda x: 0.5 * x, torch.zeros(1, 2), 2)
    tensor([0.7500])
    """
    jacobian = torch.func.vmap(torch.func.jacrev(g))(x)
    power, total = jacobian, torch.zeros_like(x[:, 0])
    for k in range(1, terms + 1):
        total = total + (-1) ** (k + 1) / k * torch.einsum("bii->b", power)
        power = power @ jacobian
    return total


def probed_logabsdet_series(g: Branch, x: Tensor, v: Tensor, terms: int) -> Tensor:
    """The first terms, with vᵀJ^k v for tr J^k: no Jacobian is formed.

    Shapes: x, v [batch, features], E v vᵀ = I for each row; [batch].

    >>> probed_logabsdet_series(lambda x: 0.5 * x, torch.zeros(1, 2), torch.tensor([[1.0, -1.0]]), 2)
    tensor([0.7500])
    """
    pull = torch.func.vjp(g, x)[1]
    row, total = v, torch.zeros_like(x[:, 0])
    for k in range(1, terms + 1):
        (row,) = pull(row)
        total = total + (-1) ** (k + 1) / k * (row * v).sum(-1)
    return total


def logabsdet_roulette(g: Branch, x: Tensor, v: Tensor, n: int, p: float, exact: int = 0) -> Tensor:
    """The whole series without bias: of the terms beyond the exact ones n, each over the probability to reach it.

    n is geometric from one on, P(n ≥ k) = (1 − p)^(k − 1); so the variance is finite where Lip² g < 1 − p.

    Shapes: x, v [batch, features], E v vᵀ = I for each row; [batch].

    >>> logabsdet_roulette(lambda x: 0.5 * x, torch.zeros(1, 1), torch.ones(1, 1), 2, 0.5)
    tensor([0.2500])
    """
    pull = torch.func.vjp(g, x)[1]
    row, total = v, torch.zeros_like(x[:, 0])
    for k in range(1, exact + n + 1):
        (row,) = pull(row)
        share = (1.0 - p) ** max(k - exact - 1, 0)
        total = total + (-1) ** (k + 1) / k * (row * v).sum(-1) / share
    return total
