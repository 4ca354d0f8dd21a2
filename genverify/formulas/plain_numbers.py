"""Arguments that people pass as plain Python numbers: a rate, a bound, a factor."""

from __future__ import annotations

import math

from genverify.subjects.domains import Domain

__all__ = ["choice", "number", "sizes", "whole_numbers"]


def number(low: float, high: float) -> Domain:
    """A plain Python number between two positive bounds, drawn through its logarithm."""
    return Domain(
        name="positive number", low=math.log(low), high=math.log(high),
        make=lambda raw, shape, dtype: float(raw.reshape(()).exp()),
    )  # fmt: skip


def choice(*values: float) -> Domain:
    """One of a few plain Python numbers; the first is the simplest."""
    return Domain(
        name="one of " + ", ".join(f"{one:g}" for one in values), low=0, high=len(values) - 1, integral=True,
        make=lambda raw, shape, dtype: values[int(raw.reshape(()).round())],
    )  # fmt: skip


def whole_numbers(low: int, high: int) -> Domain:
    """Different whole numbers in ascending order, as a tuple; each is at least `low`."""
    return Domain(
        name=f"ascending whole numbers {low}..{high}", low=low, high=high, integral=True, simple=float(low),
        make=lambda raw, shape, dtype: tuple(
            int(one) + place for place, one in enumerate(sorted(raw.round().reshape(-1).tolist()))
        ),
    )  # fmt: skip


def sizes(low: int, high: int) -> Domain:
    """Whole numbers in any order, as a tuple."""
    return Domain(
        name=f"whole numbers {low}..{high}", low=low, high=high, integral=True, simple=float(low),
        make=lambda raw, shape, dtype: tuple(int(one) for one in raw.round().reshape(-1).tolist()),
    )  # fmt: skip
