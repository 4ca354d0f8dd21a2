"""Arguments that people pass as plain Python numbers: a rate, a bound, a factor."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from genverify.subjects.domains import Domain

__all__ = ["choice", "number", "sizes", "whole_numbers", "with_borders"]

# Raw numbers from here on stand for values apart: no domain of single numbers reaches so far.
_APART = 2.0**40


def number(low: float, high: float, *, apart: tuple[float, ...] = ()) -> Domain:
    """A plain Python number between two positive bounds, drawn through its logarithm; or, alone, one of `apart`."""
    domain = Domain(
        name="positive number", low=math.log(low), high=math.log(high),
        make=lambda raw, shape, dtype: float(raw.reshape(()).exp()),
    )  # fmt: skip
    return with_borders(domain, *apart)


def with_borders(domain: Domain, *values: float) -> Domain:
    """The domain of single numbers together with such values at its border, each of which is given alone.

    >>> fraction = with_borders(number(0.1, 1.0), 0.0)
    >>> fraction.make(torch.tensor(fraction.apart[0]), (), torch.float64), round(fraction.high)
    (0.0, 0)
    """

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Any:  # noqa: ANN401
        place = float(raw.reshape(-1)[0]) - _APART
        return values[round(place)] if place >= 0 else domain.make(raw, shape, dtype)

    apart = tuple(_APART + place for place in range(len(values)))
    return replace(domain, make=make, apart=apart) if values else domain


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
