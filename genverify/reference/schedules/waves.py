"""Schedules that follow a curve: half a cosine, with restarts, triangles, and the logistic rise."""

from __future__ import annotations

import math

from genverify.reference.schedules.legal import require

__all__ = ["annealing_cycles", "cosine", "cosine_restarts", "sigmoid", "triangular"]


def cosine(step: int, total: int, base: float, end: float = 0.0) -> float:
    """Half a wave from `base` at t = 0 to `end` at t = T.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Loshchilov & Hutter 2017, eq. 5.

    >>> cosine(2, 4, 1.0)
    0.5
    """
    require(step, lengths={"total": total}, rates={"base": base, "end": end})
    return end + 0.5 * (base - end) * (1 + math.cos(math.pi * step / total))


def cosine_restarts(step: int, period: int, base: float, end: float = 0.0, growth: int = 1) -> float:
    """A cosine that begins again when it has come to its end, each period `growth` times the one before.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Loshchilov & Hutter 2017, eq. 5 and section 3.

    >>> [cosine_restarts(t, 1, 1.0, growth=2) for t in (0, 1, 2, 3)]
    [1.0, 1.0, 0.5, 1.0]
    """
    require(step, lengths={"period": period, "growth": growth}, rates={"base": base, "end": end})
    while step >= period:
        step, period = step - period, period * growth
    return cosine(step, period, base, end)


def triangular(step: int, low: float, high: float, up: int) -> float:
    """From `low` to `high` in `up` steps, back in as many, over and over.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Smith 2017, section 3.

    >>> [triangular(t, 0.0, 1.0, 2) for t in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    require(step, lengths={"up": up}, rates={"low": low, "high": high})
    distance = abs(step % (2 * up) - up)
    return low + (high - low) * (up - distance) / up


def annealing_cycles(step: int, total: int, number: int, fraction: float = 0.5) -> float:
    """A weight that rises from 0 to 1 in a fraction of each of several cycles, and stays there for the rest.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Fu et al. 2019, eqs. 6–7, with the steps counted from zero.

    >>> [annealing_cycles(t, 8, 2) for t in range(5)]
    [0.0, 0.5, 1.0, 1.0, 0.0]
    """
    require(step, lengths={"total": total, "number": number}, rates={"fraction": fraction})
    part = step % math.ceil(total / number) / (total / number)
    return min(1.0, part / fraction)


def sigmoid(step: int, base: float, slope: float, midpoint: float) -> float:
    """A logistic rise from 0 to `base`, half way up at the midpoint.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Bowman et al. 2016, section 3.1.

    >>> sigmoid(3, 1.0, 2.0, 3)
    0.5
    """
    require(step, lengths={}, rates={"base": base})
    return base / (1 + math.exp(-slope * (step - midpoint)))
