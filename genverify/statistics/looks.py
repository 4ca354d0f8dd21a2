"""The sample sizes at which a sequential test looks, and what it asks of a law there.

A **mean bound** is a pair of one-sided confidence sequences for the mean of each coordinate:

    P(some look has mean <= lower(level)) <= level,   P(some look has mean >= upper(level)) <= level.

The promise is about all looks together, so a test may look at every one of them and stop when it likes. Everything is
in units of (draw - target): the target of every mean bound is zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["MeanBound", "Moments", "chunk_moments", "first_look", "look_sizes"]

GROWTH = 32  # looks are 1/32 apart, so a test runs on for 1/64 of its samples on average after it could have stopped


@runtime_checkable
class MeanBound(Protocol):
    """One-sided confidence sequences for d means, tuned to settle whether they are 0 or at least ``resolution``."""

    @property
    def degenerate(self) -> Tensor:
        """Coordinates [d] about which nothing can be said, as their sample variance is zero to rounding."""
        ...

    def update(self, deviations: Tensor, grain: Tensor) -> None:
        """Take draws [n, d] minus target; ``grain`` [d] is the spacing of floating-point numbers at the draws."""
        ...

    def bounds(self, level: float) -> tuple[Tensor, Tensor]:
        """Lower and upper bounds [d] of the means at this look; infinite where there is none yet."""
        ...


def first_look(level: float) -> int:
    """The size of the first look: one draw more than the nats of evidence that a decision needs.

    >>> first_look(1e-6)
    15
    """
    return 1 + math.ceil(-math.log(level))


def look_sizes(first: int, last: int) -> Iterator[int]:
    """Sample sizes of the looks, fixed before any draw: geometric, ending at ``last``.

    >>> list(look_sizes(98, 110))
    [98, 101, 104, 107, 110]
    """
    n = min(first, last)
    while n < last:
        yield n
        n += max(1, n // GROWTH)
    yield last


class Moments:
    """Count, mean and sum of squared deviations of d streams, merged chunk by chunk (Chan, Golub & LeVeque 1979).

    >>> m = Moments(1)
    >>> m.merge(2, torch.tensor([1.0]), torch.tensor([2.0]))
    >>> m.merge(2, torch.tensor([3.0]), torch.tensor([2.0]))
    >>> m.n, m.mean.item(), m.squares.item()
    (4, 2.0, 8.0)
    """

    def __init__(self, d: int) -> None:
        self.n = 0
        self.mean = torch.zeros(d, dtype=torch.float64)
        self.squares = torch.zeros(d, dtype=torch.float64)

    def merge(self, n: int, mean: Tensor, squares: Tensor) -> None:
        """Add n draws with this mean [d] and sum of squared deviations from it [d]."""
        total = self.n + n
        gap = mean - self.mean
        self.mean = self.mean + gap * (n / total)
        self.squares = self.squares + squares + gap.square() * (self.n * n / total)
        self.n = total

    def add(self, draws: Tensor) -> None:
        """Add draws [n, d]."""
        self.merge(draws.shape[0], *chunk_moments(draws))


def chunk_moments(draws: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [d] and sum of squared deviations [d] of draws [n, d]."""
    mean = draws.mean(0)
    return mean, (draws - mean).square().sum(0)
