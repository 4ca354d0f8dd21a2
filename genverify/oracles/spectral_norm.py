"""Spectral normalisation: steps of the power iteration, and a weight divided by what they estimate."""

from __future__ import annotations

import torch
from torch import Tensor

from .operator_norm import frobenius, isolated, spectral

__all__ = ["estimate", "iterate", "normalized", "row_gram", "scales"]

# Of vectors shorter than this, beside a matrix of that size, a direction says nothing but roundings.
_SHORT = 1e-3


def _unit(vector: Tensor, size: Tensor, eps: Tensor | float, added: bool) -> Tensor:
    length = vector.norm()
    length = torch.where(length > _SHORT * size, length, torch.nan)
    return vector / (length + eps if added else length.clamp(min=eps))


def iterate(
    weight: Tensor, u: Tensor | None, v: Tensor | None, steps: int = 1, *, eps: Tensor | float = 1e-12,
    added: bool = False, u_first: bool = False, back: bool = True,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """So many steps ``v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖``; `u_first` has them the other way round.

    `added` divides by ‖·‖ + ε for max(‖·‖, ε); without `back` u stays, and only v follows it. NaN where a product is
    too short to have a direction.

    Shapes: weight [out, in], u [out], v [in]; one of them may be missing.

    Source: Miyato et al. 2018, algorithm 1.

    >>> iterate(torch.diag(torch.tensor([3.0, 1.0])), torch.tensor([1.0, 0.0]), None)
    (tensor([1., 0.]), tensor([1., 0.]))
    """
    size = frobenius(weight)
    if u is None or (u_first and v is not None):
        assert v is not None
        for _ in range(steps):
            u = _unit(weight @ v, size, eps, added)
            v = _unit(weight.mT @ u, size, eps, added)
        assert u is not None
        return u, v
    for _ in range(steps):
        v = _unit(weight.mT @ u, size, eps, added)
        u = _unit(weight @ v, size, eps, added) if back else u
    if v is None:
        v = _unit(weight.mT @ u, size, eps, added)
    return u, v


def estimate(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """``σ = uᵀWv``: at most the norm of W, and equal to it at its first singular vectors.

    >>> estimate(torch.diag(torch.tensor([3.0, 1.0])), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]))
    tensor(3.)
    """
    return u @ weight @ v


def normalized(
    weight: Tensor, u: Tensor | None, v: Tensor | None, bound: Tensor | float | None = None, *, soft: bool = False,
    norm: str = "", apart: bool = False,
) -> Tensor:  # fmt: skip
    """``c W/σ``, σ = uᵀWv for given u and v, else ‖W‖; `soft` divides by max(1, σ/c), where c is a bound.

    `norm`: "frobenius", "largest" entry or "squared" for what it is divided by; `apart` is NaN where ‖W‖ has no
    derivative.

    Shapes: [out, in].

    Source: Miyato et al. 2018, eq. 8; Behrmann et al. 2019, section 2 (soft).

    >>> normalized(torch.diag(torch.tensor([4.0, 2.0])), None, None)
    tensor([[1.0000, 0.0000],
            [0.0000, 0.5000]])
    """
    if norm == "largest":
        sigma = weight.abs().amax()
    elif norm == "frobenius":
        sigma = frobenius(weight)
    elif u is None or v is None:
        sigma = spectral(weight) * (isolated(weight) if apart else 1.0)
    else:
        sigma = estimate(weight, u, v)
    sigma = sigma**2 if norm == "squared" else sigma
    # Of zero, or of vectors that the weight nearly exchanges, the quotient says nothing.
    sigma = torch.where(sigma.abs() > _SHORT * frobenius(weight), sigma, torch.nan)
    if soft:
        ratio = sigma / (1.0 if bound is None else bound)
        return weight / torch.where(ratio > 1, ratio, 1.0)
    return weight / sigma * (1.0 if bound is None else bound)


def row_gram(matrix: Tensor) -> Tensor:
    """``M Mᵀ``, which tells matrices apart up to the order and the turning of their columns: their norm is its root.

    >>> row_gram(torch.tensor([[3.0, 4.0]]))
    tensor([[25.]])
    """
    return matrix @ matrix.mT


def scales(
    matrix: Tensor, mode: tuple[str, ...] | None, calls: int, u: Tensor | None, v: Tensor | None, steps: int, *,
    eps: float = 1e-12, added: bool = False, u_first: bool = False, always: bool = False,
) -> list[Tensor]:  # fmt: skip
    """σ = uᵀMv at each of several calls: in training u and v move by `steps` before it, in evaluation they stay.

    σ has a gradient in M, and none in u and v. `always` moves them in evaluation, too. NaN where σ is too small beside
    M to divide by it.

    Source: Miyato et al. 2018, algorithm 1 and eq. 12.

    >>> kept = torch.tensor([0.0, 1.0])
    >>> scales(torch.diag(torch.tensor([3.0, 1.0])), ("eval",), 1, kept, kept, 1)
    [tensor(1.)]
    """
    made = []
    for index in range(calls):
        if always or mode is None or mode[index] == "train":
            u, v = iterate(matrix.detach(), u, v, steps, eps=eps, added=added, u_first=u_first)
        left, right = (u, v) if u is not None and v is not None else _completed(matrix.detach(), u, v, eps, added)
        sigma = estimate(matrix, left, right)
        made.append(torch.where(sigma.abs() > _SHORT * frobenius(matrix), sigma, torch.nan))
    return made


def _completed(matrix: Tensor, u: Tensor | None, v: Tensor | None, eps: float, added: bool) -> tuple[Tensor, Tensor]:
    """The vector that a layer does not keep, from the one that it does."""
    size = frobenius(matrix)
    if u is None:
        assert v is not None
        return _unit(matrix @ v, size, eps, added), v
    return u, _unit(matrix.mT @ u, size, eps, added)
