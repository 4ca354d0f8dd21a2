"""What randomised estimators of a number estimate: means under another law, traces, log-determinants, infinite sums."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["finite_mean", "log_one_plus", "power_series", "series_sum", "trace"]


def finite_mean(probs: Tensor, values: Tensor) -> Tensor:
    """E_p f = Σ_k p_k f_k.

    Shapes: both [outcomes]; a number.

    Source: Robert & Casella 2004, section 3.3 (what importance sampling estimates).

    >>> finite_mean(torch.tensor([0.25, 0.75]), torch.tensor([4.0, 0.0]))
    tensor(1.)
    """
    return (probs * values).sum(-1)


def trace(matrix: Tensor) -> Tensor:
    """Tr A = Σ_i A_ii.

    Shapes: [d, d]; a number.

    Source: Hutchinson 1990, section 2 (what is estimated).

    >>> trace(torch.tensor([[1.0, 5.0], [7.0, 2.0]]))
    tensor(3.)
    """
    return matrix.diagonal().sum()


def log_one_plus(jacobian: Tensor) -> Tensor:
    """Log|det(I + J)| by a factorisation.

    Shapes: [d, d]; a number.

    Source: Behrmann et al. 2019, eq. 3.

    >>> log_one_plus(torch.zeros(2, 2))
    tensor(0.)
    """
    return torch.linalg.slogdet(torch.eye(len(jacobian), dtype=jacobian.dtype) + jacobian).logabsdet


def power_series(jacobian: Tensor, terms: int) -> Tensor:
    """Σ_{k ≤ K} (-1)^{k+1} tr(J^k)/k: log det(I + J) cut after K terms, through the eigenvalues of J.

    Shapes: [d, d]; a number.

    Source: Behrmann et al. 2019, section 3.2.

    >>> power_series(torch.tensor([[0.5]], dtype=torch.float64), 2)
    tensor(0.3750, dtype=torch.float64)
    """
    values = torch.linalg.eigvals(jacobian)
    total = torch.zeros_like(values)
    for k in range(1, terms + 1):
        total = total + (-1) ** (k + 1) * values**k / k
    return total.sum().real


def series_sum(terms: Tensor) -> Tensor:
    """Σ_k a_k.

    Shapes: [terms]; a number.

    Source: Lyne et al. 2015, section 2 (what is estimated).

    >>> series_sum(torch.tensor([1.0, 0.5]))
    tensor(1.5000)
    """
    return terms.sum(-1)
