"""How far rows are from orthonormal, and steps that bring them nearer: entry by entry of the Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bjorck", "cosines", "defect", "descended"]

Terms = tuple[Tensor, ...]
# Squares below this are near the end of float32: the length of such a row is not claimed.
_SHORT = 1e-30


def _gram(weight: Tensor) -> Tensor:
    return (weight[:, None] * weight[None]).sum(-1)


def defect(
    weight: Tensor, *, diagonal: bool = True, identity: bool = True, columns: bool = False, power: str = "",
    factor: float = 1.0, mean: bool = False,
) -> Tensor:  # fmt: skip
    """Σ_ij (w_i·w_j − δ_ij)², or without its diagonal.

    `columns` has those of W for its rows, `power` "root" the norm and "absolute" the sum of absolute entries; without
    `identity` nothing is subtracted; `mean` divides by the number of entries.

    Shapes: [out, in] → a scalar.

    >>> defect(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    tensor(3.)
    """
    gram = _gram(weight.mT if columns else weight)
    one = torch.eye(len(gram), dtype=gram.dtype)
    gap = gram - one if diagonal and identity else gram if diagonal else gram * (1 - one)
    total = gap.abs().sum() if power == "absolute" else (gap**2).sum()
    total = total / gap.numel() if mean else total
    if power == "root":
        total = torch.where(total > 0, total, torch.nan).sqrt()
    return factor * total


def descended(
    weight: Tensor, rate: Tensor | float, *, factor: float = 2.0, diagonal: bool = False, sign: float = -1.0,
    gradient: bool = False,
) -> Tensor:  # fmt: skip
    """``W − 2 η (W Wᵀ ∘ (1 − I)) W``, a step of gradient descent on half of the off-diagonal squares.

    Row i moves along Σ_{j≠i} (w_i·w_j) w_j. `gradient` is what is to be added to a gradient instead.

    Shapes: [out, in].

    >>> descended(torch.eye(2), 0.1)
    tensor([[1., 0.],
            [0., 1.]])
    """
    gram = _gram(weight)
    gram = gram if diagonal else gram * (1 - torch.eye(len(gram), dtype=gram.dtype))
    along = factor * (gram[:, :, None] * weight[None]).sum(1)
    return rate * along if gradient else weight + sign * rate * along


def cosines(weight: Tensor, *, count: str = "", diagonal: bool = False, raw: bool = False) -> Tensor:
    """Σ_{i≠j} |cos(w_i, w_j)|: `count` "once" for each pair, "mean" over n(n − 1) and "all" over n².

    `diagonal` counts i = j, too; `raw` does not divide by the lengths. NaN beside a row of (nearly) zeros, and for the
    gradient where two rows are orthogonal.

    Shapes: [out, in] → a scalar.

    >>> round(float(cosines(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))), 5)
    1.41421
    """
    lengths = (weight**2).sum(-1, keepdim=True)
    lengths = torch.where(lengths > _SHORT, lengths, torch.nan).sqrt()
    gram = _gram(weight if raw else weight / lengths).abs()
    n = len(weight)
    gram = gram if diagonal else gram * (1 - torch.eye(n, dtype=gram.dtype))
    divisor = {"": 1.0, "once": 2.0, "mean": float(max(1, n * (n - 1))), "all": float(n * n)}[count]
    return gram.sum() / divisor


def bjorck(weight: Tensor, beta: Tensor | float = 0.5, steps: int = 1) -> Tensor:
    """``(1 + β) W − β W WᵀW``, so many times: singular values move by s ↦ s + β s (1 − s²).

    Shapes: [out, in].

    Source: Björck & Bowie 1971; Anil, Lucas & Grosse 2019, eq. 4.

    >>> bjorck(2 * torch.eye(1))
    tensor([[-1.]])
    """
    for _ in range(steps):
        moved = (weight[:, None, :] * (weight.mT @ weight)[None]).sum(-1)
        weight = (1 + beta) * weight - beta * moved
    return weight
