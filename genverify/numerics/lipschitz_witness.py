"""Two points that a map moves apart: a lower bound of its Lipschitz constant that anybody can check.

From each start the chord |f(x + h v) − f(x)|/h is made longer, by turning v towards Jᵀ(f(x + h v) − f(x)), the step
of a power iteration, and by moving x along the gradient of the chord. What is returned is a chord, so that nothing is
assumed of the derivatives: wrong ones lead to a worse pair, and to no wrong bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Chord", "longest_chord"]

_STEPS = (1e-3, 1e-1, 2.0)
_ROUNDS = 24


@dataclass(frozen=True, kw_only=True)
class Chord:
    """Two events and how far their images are apart, per unit of their own distance.

    Attributes:
        x: One event [1, *event].
        y: The other.
        slope: |f(x) − f(y)|/|x − y|.
    """

    x: Tensor
    y: Tensor
    slope: float


def longest_chord(
    f: Callable[[Tensor], Tensor], starts: Tensor, *, inside: Callable[[Tensor], Tensor] = lambda x: x
) -> Chord | None:
    """The steepest chord that is found from some starts [rows, *event]; None where the map raised, or is constant.

    `inside` brings points back into the domain, row by row.
    """
    best: Chord | None = None
    for step in _STEPS:
        for found in _climb(f, starts, step, inside):
            if best is None or found.slope > best.slope:
                best = found
    return best


def _climb(
    f: Callable[[Tensor], Tensor], starts: Tensor, step: float, inside: Callable[[Tensor], Tensor]
) -> list[Chord]:
    x = starts.detach().clone()
    v = _unit(torch.sin(torch.arange(1, x.numel() + 1, dtype=x.dtype) * 1.7).reshape(x.shape).to(x))
    best: list[Chord] = []
    size = 0.1 * (1.0 + x.flatten(1).norm(dim=1))
    for turn in range(_ROUNDS):
        x = inside(x.detach()).requires_grad_(True)
        y = inside((x + step * v).detach()).requires_grad_(True)
        below, above = f(x), f(y)
        gap = (above - below).flatten(1)
        apart = (y - x).detach().flatten(1).norm(dim=1)
        slopes = torch.where(apart > 0, gap.detach().norm(dim=1) / apart, 0.0)
        row = int(torch.nan_to_num(slopes, nan=-1.0, posinf=-1.0).argmax())
        if bool(torch.isfinite(slopes[row])) and float(slopes[row]) > 0:
            pair = x.detach()[row : row + 1].clone(), y.detach()[row : row + 1].clone()
            best.append(Chord(x=pair[0], y=pair[1], slope=float(slopes[row])))
        if not gap.requires_grad:
            break
        at_x, at_y = torch.autograd.grad((gap**2).sum() / 2, (x, y), allow_unused=True)
        at_x, at_y = (torch.zeros_like(x) if g is None else torch.nan_to_num(g) for g in (at_x, at_y))
        v = _unit(at_y, v)
        if turn % 3 == 2:  # a few turns of v for each step of x
            x = x.detach() + size.reshape(-1, *[1] * (x.dim() - 1)) * _unit(at_x + at_y, torch.zeros_like(v))
            size = 0.7 * size
    return best


def _unit(v: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """Each row with length one; one without a length, as given."""
    norm = v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.dim() - 1))
    fallback = torch.zeros_like(v) if otherwise is None else otherwise
    return torch.where(norm > 0, v / torch.where(norm > 0, norm, 1.0), fallback)
