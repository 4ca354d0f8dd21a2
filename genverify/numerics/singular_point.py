"""What to allow of a value where its derivative is not a number: at a border such as the zero under a root.

There the bound through derivatives says nothing, yet the value is an ordinary number, and a program that takes a border
for a special case can be wrong there alone. What is allowed is how far the value moves when every argument moves by a
*guard*, h = 1e-4 of its size (of one, where it is zero): the root of the 1e-8 that a program may add under it,

    allowed = γ_k Σ_j |t_j|  +  4 √n max_r |f(x + h ξ_r s) - f(x)|,     s_i = |x_i|, or 1 where x_i = 0

over eight irregular directions ξ with entries in ±[½, 1], n the number of arguments; a zero moves upwards, where most
of what is defined at zero is defined. A linear f with slopes c moves along a random direction by (7/12 Σ c_i²)^½ in the
root mean square, which is at least 0.76/√n of the most that it can move, Σ |c_i|: so 4 √n times the largest of eight is
beyond that. Where f is no number at a moved point the point is not examined, either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from genverify.numerics.rounding import Allowance

__all__ = ["singular_allowance"]

_GUARD = 1e-4
_DIRECTIONS = 8
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def singular_allowance(f: Callable[..., tuple[Tensor, ...]], args: Sequence[Tensor], known: Allowance) -> Allowance:
    """The allowance, with what `known` leaves infinite measured along directions; infinite still where that fails.

    Shapes: `f` maps `args`, float64 tensors, to additive terms of the value in `known`.

    Source: derived in this file's docstring.

    >>> from genverify.numerics import conditioned_allowance
    >>> root, zero = lambda x: (x.sqrt(),), torch.zeros(1, dtype=torch.float64)
    >>> known = conditioned_allowance(root, [zero], dtype=torch.float64, operations=4)
    >>> known.allowed.item(), round(singular_allowance(root, [zero], known).allowed.item(), 3)
    (inf, 0.039)
    """
    open_ = torch.isfinite(known.value) & torch.isfinite(known.magnitude) & ~torch.isfinite(known.allowed)
    if not bool(open_.any()):
        return known
    reach = torch.zeros_like(known.value)
    with torch.no_grad():
        for turn in range(_DIRECTIONS):
            try:
                moved = torch.stack(torch.broadcast_tensors(*f(*(_moved(one, turn) for one in args)))).sum(0)
            except Exception:  # an oracle may refuse what lies beyond the border: then nothing is known near by
                return known
            reach = torch.maximum(reach, (moved - known.value).abs().nan_to_num(nan=math.inf))
    count = sum(one.numel() for one in args)
    base = known.operations * torch.finfo(known.dtype).eps * known.magnitude
    measured = base + 4.0 * math.sqrt(count) * reach
    return replace(known, allowed=torch.where(open_, measured, known.allowed))


def _moved(value: Tensor, turn: int) -> Tensor:
    index = torch.arange(1, value.numel() + 1, dtype=torch.float64).reshape(value.shape) + turn * value.numel()
    phase = 2 * torch.frac(index * _GOLDEN) - 1
    way = torch.sign(phase) * (1 + phase.abs()) / 2
    return value + _GUARD * torch.where(value == 0, way.abs(), way * value.abs())
