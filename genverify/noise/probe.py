"""One random path through a program, to learn what it draws before deciding how to integrate it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genverify.noise.axis import Axis, standard
from genverify.noise.draw import Request
from genverify.noise.integrand import Traced
from genverify.noise.laws import Base

__all__ = ["Probe"]


class Probe(Traced):
    """Answers coordinates at random, as the program's own draws would, and counts them.

    A random path ends when the program ends with probability one; the first path of a tree need not.
    """

    def __init__(self, seed: int) -> None:
        self.bases: list[Base] = []
        self.discrete_paths = 1
        self.position = 0
        self.values: list[float] = []
        self.axes: list[Axis] = []
        self.row: list[float] = []
        self._generator = torch.Generator().manual_seed(seed)

    def begin(self, request: Request) -> None:
        """Draws need no marking here."""

    def finish(self) -> None:
        """Nothing to check."""

    def _uniform(self, count: int) -> Tensor:
        self.position += count
        u = torch.rand(count, dtype=torch.float64, generator=self._generator)
        self.values.extend(u.tolist())
        return u.clamp(2.0**-53, 1 - 2.0**-53)

    def nodes(self, base: Base, count: int) -> Tensor:
        """Independent coordinates of the base law."""
        self.bases.extend(base for _ in range(count))
        self.axes.extend(Axis(base=base) for _ in range(count))
        found = standard(base, self._uniform(count))
        self.row.extend(found.tolist())
        return found

    def choose(self, probabilities: Sequence[float]) -> int:
        """One outcome, by its probability."""
        support = [index for index, p in enumerate(probabilities) if p > 0]
        self.discrete_paths *= len(support)
        u, below = float(self._uniform(1)), 0.0
        for index in support:
            below += probabilities[index]
            if u < below:
                return self._chose(index, tuple(support))
        return self._chose(support[-1], tuple(support))

    def choose_evenly(self, count: int) -> int:
        """One of equally likely outcomes."""
        self.discrete_paths *= count
        return self._chose(min(int(float(self._uniform(1)) * count), count - 1), range(count))

    def _chose(self, outcome: int, outcomes: Sequence[int]) -> int:
        self.axes.append(Axis(outcomes=outcomes))
        self.row.append(float(outcome))
        return outcome
