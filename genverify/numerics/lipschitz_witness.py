"""Two points that a map moves apart: a lower bound of its Lipschitz constant that anybody can check.

From each start the chord |f(x + h v) − f(x)|/h is made longer, by turning v towards Jᵀ(f(x + h v) − f(x)), the step
of a power iteration, and by moving x along the gradient of the chord. What is returned is a chord, so that nothing is
assumed of the derivatives: wrong ones lead to a worse pair, and to no wrong bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["Chord", "longest_chord"]

_STEPS = (1e-3, 1e-1, 2.0)
_ROUNDS = 24
# Floating-point operations that a search may take: some seconds of two cores. A round evaluates a row and its
# derivative, and every third round twice.
_MOST_OPERATIONS = 8e10
_EVALUATIONS_A_ROUND = 8 / 3
# Of an image, in units of its length: of two chords that are as steep the one is taken that is longer.
_ROUNDINGS = 8


@dataclass(frozen=True, kw_only=True)
class Chord:
    """Two events and how far their images are apart, per unit of their own distance.

    Attributes:
        x: One event [1, *event].
        y: The other.
        slope: |f(x) − f(y)|/|x − y|.
        rounding: By about how much the roundings of the images may have lengthened it.
    """

    x: Tensor
    y: Tensor
    slope: float
    rounding: float = 0.0


def longest_chord(
    f: Callable[[Tensor], Tensor], starts: Tensor, *, inside: Callable[[Tensor], Tensor] = lambda x: x
) -> Chord | None:
    """The steepest chord that is found from some starts [rows, *event]; None where the map raised, or is constant.

    `inside` brings points back into the domain, row by row. From a large network fewer starts are taken, and fewer
    steps, by the number of its products of matrices and convolutions: the search is the same on any machine.
    """
    best: Chord | None = None
    starts, rounds = _effort(f, starts)
    for step in _STEPS:
        for found in _climb(f, starts, step, inside, rounds):
            if best is None or found.slope - found.rounding > best.slope - best.rounding:
                best = found
    return best


class _Counter(TorchDispatchMode):
    """Counts the floating-point operations of products of matrices and of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 # fmt: skip
        found = func(*args, **(kwargs or {}))
        count = flop_registry.get(getattr(func, "_overloadpacket", None))
        if count is not None:
            self.operations += float(count(*args, **(kwargs or {}), out_val=found))
        return found


def _effort(f: Callable[[Tensor], Tensor], starts: Tensor) -> tuple[Tensor, int]:
    """The starts that are taken, evenly among those given, and the number of rounds from each."""
    with torch.no_grad(), _Counter() as counter:
        f(starts[:1])
    affordable = _MOST_OPERATIONS / (_EVALUATIONS_A_ROUND * len(_STEPS) * max(1.0, counter.operations))
    if affordable >= len(starts) * _ROUNDS:
        return starts, _ROUNDS
    rows = min(len(starts), max(1, int(affordable) // 6))
    chosen = torch.arange(rows) * len(starts) // rows
    return starts[chosen.to(starts.device)], min(_ROUNDS, max(3, int(affordable) // rows))


def _climb(
    f: Callable[[Tensor], Tensor], starts: Tensor, step: float, inside: Callable[[Tensor], Tensor], rounds: int
) -> list[Chord]:
    x = starts.detach().clone()
    v = _unit(torch.sin(torch.arange(1, x.numel() + 1, dtype=x.dtype) * 1.7).reshape(x.shape).to(x))
    best: list[Chord] = []
    size = 0.1 * (1.0 + x.flatten(1).norm(dim=1))
    below: Tensor | None = None
    for turn in range(rounds):
        moves = turn % 3 == 2  # a few turns of v for each step of x
        if moves or below is None:
            x = inside(x.detach()).requires_grad_(True)
            below = f(x)
        y = inside((x + step * v).detach()).requires_grad_(True)
        above = f(y)
        gap = (above - below).reshape(len(x), -1)
        apart = (y - x).detach().flatten(1).norm(dim=1)
        slopes = torch.where(apart > 0, gap.detach().norm(dim=1) / apart, 0.0)
        row = int(torch.nan_to_num(slopes, nan=-1.0, posinf=-1.0).argmax())
        if bool(torch.isfinite(slopes[row])) and float(slopes[row]) > 0:
            pair = x.detach()[row : row + 1].clone(), y.detach()[row : row + 1].clone()
            size_of_images = float(above.detach()[row].norm() + below.detach()[row].norm())
            rounding = _ROUNDINGS * torch.finfo(x.dtype).eps * size_of_images / float(apart[row])
            best.append(Chord(x=pair[0], y=pair[1], slope=float(slopes[row]), rounding=rounding))
        if not gap.requires_grad:
            break
        wanted = (y, x) if moves else (y,)
        at_y, *at_x = torch.autograd.grad((gap**2).sum() / 2, wanted, allow_unused=True)
        at_y = torch.zeros_like(y) if at_y is None else torch.nan_to_num(at_y)
        v = _unit(at_y, v)
        if moves:
            turned = at_y if at_x[0] is None else at_y + torch.nan_to_num(at_x[0])
            x = x.detach() + size.reshape(-1, *[1] * (x.dim() - 1)) * _unit(turned, torch.zeros_like(v))
            size, below = 0.7 * size, None
        else:
            below = below.detach()
    return best


def _unit(v: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """Each row with length one; one without a length, as given."""
    norm = v.flatten(1).norm(dim=1).reshape(-1, *[1] * (v.dim() - 1))
    fallback = torch.zeros_like(v) if otherwise is None else otherwise
    return torch.where(norm > 0, v / torch.where(norm > 0, norm, 1.0), fallback)
