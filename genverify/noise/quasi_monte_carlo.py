r"""Randomised quasi-Monte Carlo: scrambled Sobol points, and an interval from independent scramblings.

Each of R replicates averages f over N points of an independently scrambled net; its mean is unbiased whatever f is.
The R means give a t-interval,

    $$ \bar m \pm t_{R-1,\,1-(1-c)/2}\; s / \sqrt R, $$

which rests on the replicate means being about normal (Owen 1997; L'Ecuyer, Nakayama, Owen and Tuffin 2023 find
this interval the most reliable of those tried).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.noise.axis import Table, standard
from genverify.noise.draw import Request
from genverify.noise.evaluator import Evaluator
from genverify.noise.integrand import Integrand, Traced
from genverify.noise.laws import Base
from genverify.noise.moments import Moments

if TYPE_CHECKING:
    from scipy.stats.qmc import Sobol

__all__ = ["Estimate", "quasi_monte_carlo"]

_REPLICATES = 16
_SOBOL_LIMIT = 1024
_BITS = 52


class _Point(Traced):
    """One point of the unit cube, consumed coordinate by coordinate; past its end, independent uniforms."""

    def __init__(self, cube: Tensor, padding: torch.Generator) -> None:
        self.cube, self.padding, self.position = cube, padding, 0

    def begin(self, request: Request) -> None:
        """Draws need no marking here."""

    def finish(self) -> None:
        """Nothing to check: a path may consume any number of coordinates."""

    def _take(self, count: int) -> Tensor:
        taken = self.cube[self.position : self.position + count]
        self.position += count
        if len(taken) == count:
            return taken
        more = torch.rand(count - len(taken), dtype=torch.float64, generator=self.padding)
        return torch.cat([taken, more.clamp(2.0**-53, 1 - 2.0**-53)])

    def nodes(self, base: Base, count: int) -> Tensor:
        return standard(base, self._take(count))

    def choose(self, probabilities: Sequence[float]) -> int:
        u, below, last = float(self._take(1)), 0.0, 0
        for index, p in enumerate(probabilities):
            if p > 0:
                below += p
                last = index
                if u < below:
                    return index
        return last

    def choose_evenly(self, count: int) -> int:
        return min(int(float(self._take(1)) * count), count - 1)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Pooled moments with the half widths of the intervals of mean and variance."""

    moments: Moments
    error: Tensor
    variance_error: Tensor


class _Replicate:
    def __init__(self, dimensions: int, seed: Sequence[int], shift: Tensor) -> None:
        self.engine = _sobol(dimensions, seed) if dimensions else None
        # Neighbouring small seeds start a Mersenne twister in similar states: spread them first.
        self.padding = torch.Generator().manual_seed(random.Random(f"{seed[0]} {seed[1]}").getrandbits(63))
        self.moments = Moments(shift)

    def run(self, integrand: Integrand, points: int, rows: Evaluator | None) -> None:
        done = 0
        while done < points:
            now = min(points - done, rows.size if rows is not None else points)
            cubes = torch.empty(now, 0, dtype=torch.float64)
            if self.engine is not None:
                cubes = torch.from_numpy(self.engine.random(now)) + 2.0 ** -(_BITS + 1)
            if rows is not None:
                self._add(rows, cubes)
            else:
                for cube in cubes:
                    self.moments.add(1.0, integrand(_Point(cube, self.padding)))
            done += now

    def _add(self, rows: Evaluator, cubes: Tensor) -> None:
        more = torch.rand(len(cubes), len(rows.axes) - cubes.shape[1], dtype=torch.float64, generator=self.padding)
        columns = torch.cat([cubes, more.clamp(2.0**-53, 1 - 2.0**-53)], 1)
        for place, axis in enumerate(rows.axes):
            if axis.base is not None:
                columns[:, place] = standard(axis.base, columns[:, place])
        rows.add(
            self.moments,
            torch.ones(len(columns), dtype=torch.float64),
            Table(axes=rows.axes, columns=columns, choices="uniform"),
        )


def _sobol(dimensions: int, seed: Sequence[int]) -> Sobol:
    import numpy as np
    from scipy.stats import qmc

    generator = np.random.default_rng(list(seed))
    size = min(dimensions, _SOBOL_LIMIT)
    import inspect

    # SciPy before 1.15 calls the generator seed.
    keyword: dict[str, Any] = {"rng" if "rng" in inspect.signature(qmc.Sobol).parameters else "seed": generator}
    make: Callable[..., Sobol] = qmc.Sobol
    return make(size, scramble=True, bits=_BITS, **keyword)


def quasi_monte_carlo(
    integrand: Integrand,
    dimensions: int,
    *,
    budget: int,
    confidence: float,
    seed: int,
    shift: Tensor,
    settled: Callable[[Estimate], bool],
    rows: Evaluator | None = None,
) -> Estimate | None:
    """Double the points of every replicate until `settled(estimate)` or the budget ends; None if it buys none.

    With `rows`, many points are evaluated at once.
    """
    replicates = [_Replicate(dimensions, (seed, index), shift) for index in range(_REPLICATES)]
    points, spent, estimate = 8, 0, None
    while spent + points * _REPLICATES <= budget:
        for replicate in replicates:
            replicate.run(integrand, points, rows)
        spent += points * _REPLICATES
        estimate = _pool(replicates, confidence)
        if settled(estimate):
            break
        points = replicates[0].moments.count  # doubles the total, which keeps the nets whole
    return estimate


def _half_width(rows: Tensor, confidence: float) -> Tensor:
    from scipy.stats import t

    quantile = float(t.ppf(1 - (1 - confidence) / 2, len(rows) - 1))
    spread = rows.std(0)
    # A spread of zero says that nothing varied on these points, not that nothing varies.
    return torch.where(spread > 0, quantile * spread / math.sqrt(len(rows)), torch.full_like(spread, math.inf))


def _pool(replicates: Sequence[_Replicate], confidence: float) -> Estimate:
    pooled = Moments(replicates[0].moments.shift)
    for replicate in replicates:
        pooled.merge(replicate.moments, 1.0)
    mean = pooled.mean()
    means = torch.stack([replicate.moments.mean() for replicate in replicates])
    squares = torch.stack([r.moments.variance() + (r.moments.mean() - mean).square() for r in replicates])
    return Estimate(
        moments=pooled,
        error=_half_width(means, confidence),
        variance_error=_half_width(squares, confidence),
    )
