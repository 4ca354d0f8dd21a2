"""Schedules of several phases, put together from the closed forms: warm-ups, restarts, cycles.

Each function returns the additive terms of the rate, in float64, elementwise over steps; of the phases that a step is
not in, the terms are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import schedule

__all__ = [
    "after_warmup", "annealing_cycles", "cosine_restarts", "cycles", "interpolate", "milestones", "multiplier",
    "one_cycle", "product", "warmup",
]  # fmt: skip

Terms = tuple[Tensor, ...]
Number = Any


def _number(x: Number) -> Tensor:
    return torch.as_tensor(x, dtype=torch.float64)


def _chosen(condition: Tensor, first: Terms, second: Terms) -> Terms:
    """The terms of the first where the condition holds, of the second elsewhere."""
    zero = torch.zeros((), dtype=torch.float64)
    return (
        *(torch.where(condition, one, zero) for one in first),
        *(torch.where(condition, zero, one) for one in second),
    )


def warmup(
    step: Number, total: Number, base: Number, start: Number = 0.0, *, offset: int = 0, stretch: int = 0
) -> Terms:
    """η₀ + (η − η₀) min(1, (t + offset)/(w + stretch)): linear up to `base`, and `base` from then on.

    >>> [float(sum(warmup(t, 4, 1.0))) for t in (0, 2, 4, 6)]
    [0.0, 0.5, 1.0, 1.0]
    """
    t, w = _number(step) + offset, _number(total) + stretch
    done = t >= w
    return _chosen(
        done, (_number(base),), schedule.linear.terms(t, torch.where(done, torch.ones_like(w), w), start, base)
    )


def after_warmup(step: Number, length: Number, first: Terms, second: Callable[[Tensor], Terms]) -> Terms:
    """`first` while t < w, then `second` as a function of the steps since the warm-up."""
    since = _number(step) - _number(length)
    return _chosen(since < 0, first, second(since.clamp(min=0.0)))


def milestones(step: Number, base: Number, gamma: Number, at: Number) -> Terms:
    """η₀ γ^k, with k the number of milestones that are not after t; one that is named twice counts twice.

    >>> [float(sum(milestones(t, 1.0, 0.5, (2, 4)))) for t in (1, 2, 4)]
    [1.0, 0.5, 0.25]
    """
    t = _number(step)
    passed = (t.unsqueeze(-1) >= _number(at)).sum(-1)
    return schedule.exponential.terms(passed, base, gamma)


def cosine_restarts(step: Number, period: Number, base: Number, end: Number = 0.0, *, growth: Number = 1) -> Terms:
    """A cosine of period T₀, begun again when it ends, each period `growth` times as long as the one before.

    >>> [round(float(sum(cosine_restarts(t, 2, 1.0, growth=2))), 3) for t in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """
    t, length = (x.clone() for x in torch.broadcast_tensors(_number(step), _number(period)))
    growth = float(growth)
    while bool((over := t >= length).any()):  # exact: whole numbers
        t = torch.where(over, t - length, t)
        length = torch.where(over, length * growth, length)
    return schedule.cosine.terms(t, length, base, end)


def interpolate(x: Tensor, start: Number, end: Number, shape: str) -> Terms:
    """From `start` at x = 0 to `end` at x = 1, linearly or along half a cosine."""
    return (schedule.cosine if shape == "cosine" else schedule.linear).terms(x, 1.0, start, end)


def one_cycle(
    step: Number, total: Number, base: Number, *, fraction: Number, division: Number, final: Number,
    shape: str = "cosine", last: int = 1, three: bool = False,
) -> Terms:  # fmt: skip
    """Up from η/d to η in a fraction p of the T steps, then down to η/(d f); in three phases first back to η/d.

    With ``last=1`` the first phase ends at step pT − 1 and the whole at T − 1, so that there are T rates; with
    ``last=0`` at pT and T.

    Source: Smith & Topin 2019; torch.optim.lr_scheduler.OneCycleLR.
    """
    t, total = _number(step), _number(total)
    high, low = _number(base), _number(base) / _number(division)
    end = low / _number(final)
    rise = _number(fraction) * total - last
    stop = total - last
    up = interpolate(t / rise, low, high, shape)
    if not three:
        return _chosen(t <= rise, up, interpolate((t - rise) / (stop - rise), high, end, shape))
    fall = 2 * _number(fraction) * total - 2 * last
    down = interpolate((t - rise) / (fall - rise), high, low, shape)
    out = interpolate((t - fall) / (stop - fall), low, end, shape)
    return _chosen(t <= rise, up, _chosen(t <= fall, down, out))


def cycles(
    step: Number, low: Number, high: Number, up: Number, down: Number = None, gamma: Number = 1.0, *,
    amplitude: str = "triangular",
) -> Terms:  # fmt: skip
    """From `low` to `high` in `up` steps and back in `down`, over and over; the amplitude kept, halved, or times γᵗ.

    >>> [float(sum(cycles(t, 0.0, 1.0, 2))) for t in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    t, rise = _number(step), _number(up)
    fall = rise if down is None else _number(down)
    number = torch.floor(t / (rise + fall))
    within = t - number * (rise + fall)
    scale = {"triangular": torch.ones_like(t), "halved": 0.5**number, "exponential": _number(gamma) ** t}[amplitude]
    low, high = _number(low), _number(high)
    size = (high - low).abs() + low.abs() + high.abs()
    part = _chosen(
        within <= rise, schedule.linear.terms(within, rise, 0.0, 1.0),
        schedule.linear.terms((within - rise).clamp(min=0.0), fall, 1.0, 0.0),
    )  # fmt: skip
    # Near the bottom a cycle counted in floating point is off by a rounding of one: terms that cancel say so.
    return (low, *((high - low) * scale * one for one in part), size * scale, -size * scale)


def annealing_cycles(
    step: Number, total: Number, base: Number = 1.0, *, number: Number, fraction: Number = 0.5, first: int = 0
) -> Terms:
    """M cycles over T steps: each rises from zero to `base` in the fraction R of its length, and stays there.

    >>> [float(sum(annealing_cycles(t, 8, number=2))) for t in range(5)]
    [0.0, 0.5, 1.0, 1.0, 0.0]
    """
    length = torch.ceil(_number(total) / _number(number))
    t = _number(step) - first
    at = (t - length * torch.floor(t / length)) / (_number(total) / _number(number) * _number(fraction))
    base = _number(base)
    return _chosen(at >= 1, (base,), (base * at,))


def multiplier(step: Number, base: Number, function: Callable[[Tensor], Tensor]) -> Terms:
    """η₀ λ(t)."""
    return (_number(base) * function(torch.as_tensor(step)).to(torch.float64),)


def product(step: Number, base: Number, function: Callable[[Tensor], Tensor]) -> Terms:
    """η₀ λ(1) λ(2) ⋯ λ(t)."""
    t = torch.as_tensor(step)
    rates = [_number(base)]
    for index in range(1, int(t.max()) + 1):
        rates.append(rates[-1] * function(torch.tensor(index)).to(torch.float64))
    return (torch.stack(rates)[t],)
