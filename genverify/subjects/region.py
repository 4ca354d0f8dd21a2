"""Where the points of a map or a density live: the whole space, an interval in each coordinate, or a simplex."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError

__all__ = ["REAL", "Region", "region"]


@dataclass(frozen=True, kw_only=True)
class Region:
    """An open interval in each coordinate, or the open simplex along the last axis.

    Attributes:
        low: The lower end in each coordinate.
        high: The upper end in each coordinate.
        simplex: Whether the last axis is positive and sums to 1.
    """

    low: float = -math.inf
    high: float = math.inf
    simplex: bool = False

    @property
    def whole(self) -> bool:
        """Whether this is all of space."""
        return math.isinf(self.low) and math.isinf(self.high) and not self.simplex

    def holds(self, x: Tensor) -> bool:
        """Whether every coordinate is strictly inside."""
        inside = bool(((x > self.low) & (x < self.high)).all())
        return inside and bool((x > 0).all()) if self.simplex else inside

    def __str__(self) -> str:
        return "the simplex" if self.simplex else "all of space" if self.whole else f"({self.low:g}, {self.high:g})"


REAL = Region()


def region(what: Any) -> Region:  # noqa: ANN401 - a pair, a constraint of torch, a region
    """The region that a pair (low, high), a constraint of torch.distributions or None (all of space) describes.

    Raises:
        UsageError: It is none of these, or a constraint that is neither an interval nor the simplex.

    >>> from torch.distributions import constraints
    >>> str(region(constraints.unit_interval)), str(region((0, None))), str(region(None))
    ('(0, 1)', '(0, inf)', 'all of space')
    """
    if what is None:
        return REAL
    if isinstance(what, Region):
        return what
    if isinstance(what, (tuple, list)) and len(what) == 2:
        low, high = what
        return _interval(-math.inf if low is None else float(low), math.inf if high is None else float(high))
    found = _of_constraint(what)
    if found is None:
        raise UsageError(
            given=f"a region {what!r}",
            expected="(low, high) with None for an open end, or a constraint of torch.distributions",
            do="describe an interval in each coordinate, or torch's simplex",
        )
    return found


def _interval(low: float, high: float) -> Region:
    if not low < high:
        raise UsageError(given=f"the interval ({low}, {high})", expected="low < high", do="exchange or widen the ends")
    return Region(low=low, high=high)


def _of_constraint(what: Any) -> Region | None:  # noqa: ANN401
    name = type(what).__name__.lstrip("_")
    if name in ("Independent", "IndependentConstraint", "MixtureSameFamilyConstraint"):
        return _of_constraint(what.base_constraint)
    if name in ("Cat", "Stack"):
        return _shared([_of_constraint(one) for one in what.cseq])
    if name in ("Real", "RealVector"):
        return REAL
    if name == "Simplex":
        return Region(low=0.0, high=1.0, simplex=True)
    ends = {
        "GreaterThan": ("lower_bound", None), "GreaterThanEq": ("lower_bound", None), "LessThan": (None, "upper_bound"),
        "Interval": ("lower_bound", "upper_bound"), "HalfOpenInterval": ("lower_bound", "upper_bound"),
        "Positive": ("lower_bound", None), "UnitInterval": ("lower_bound", "upper_bound"),
    }.get(name)  # fmt: skip
    if ends is None:
        return None
    # Ends that differ between coordinates: the part that they share.
    low, high = (None if end is None else torch.as_tensor(getattr(what, end)) for end in ends)
    return _interval(-math.inf if low is None else float(low.max()), math.inf if high is None else float(high.min()))


def _shared(parts: list[Region | None]) -> Region | None:
    """The part that intervals of several coordinates share."""
    intervals = [one for one in parts if one is not None and not one.simplex]
    if len(intervals) < len(parts):
        return None
    return _interval(max(one.low for one in intervals), min(one.high for one in intervals))
