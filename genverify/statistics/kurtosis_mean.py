r"""Bounds for the mean of heavy-tailed draws whose kurtosis is bounded: Catoni's sequence with a proven variance bound.

**Statement.** Let :math:`E(x-\mu)^4 \le \kappa\sigma^4`. A first look at some draws only chooses the size
:math:`n_2` of a pilot, whose sample variance :math:`s^2` gives :math:`U = s^2/(1-\varepsilon)`; let
:math:`\lambda = \delta/U`. With later draws only, and Catoni's influence function
:math:`\psi(y) = \mathrm{sign}(y)\log(1 + |y| + y^2/2)`, a number c is a lower bound of the mean once
:math:`\sum\psi(\lambda(x_i - c)) - n\lambda^2U/2 \ge \log(2/\ell)`, and an upper bound once the mirror image holds.
Each side fails at some n with probability at most :math:`\ell`.

**Proof, variance.** Pairs :math:`y = (x_1-x_2)^2/2 \ge 0` have mean :math:`\sigma^2` and
:math:`E y^2 = (\mu_4 + 3\sigma^4)/2 \le M\sigma^4`, :math:`M = (\kappa+3)/2`. Take :math:`\sigma = 1`. Let q be the
quadratic with :math:`q(0) = 1` that touches :math:`e^{-uy}` at :math:`y = M`. As :math:`q - e^{-uy}` has a positive
third derivative, a zero at 0 and a double zero at M, it is nonnegative on :math:`y \ge 0`; q
is convex, so its mean grows with :math:`E y^2`, and :math:`E e^{-uy} \le E
q(y) \le 1 - 1/M + e^{-uM}/M`: the worst law is M times a Bernoulli(1/M). Chernoff's bound over p disjoint pairs is
:math:`P(\bar y \le 1-\varepsilon) \le \exp(-p\,\mathrm{kl}((1-\varepsilon)/M,\, 1/M))`. The sample variance is the
average of :math:`\bar y` over all pairings, so by convexity of exp (Hoeffding 1963) the same bound holds
for it, with :math:`p = \lfloor n_2/2\rfloor`. We choose :math:`\varepsilon` to make it :math:`\ell_{\min}/2`, where
:math:`\ell_{\min}` is the smallest level that is ever asked for.

**Proof, mean.** Where :math:`U \ge \sigma^2`: :math:`\psi(y) \le \log(1 + y + y^2/2)` gives
:math:`E e^{\psi(\lambda(x-\mu))} \le 1 + \lambda^2\sigma^2/2 \le e^{\lambda^2U/2}`, a supermartingale given the earlier
stages, so Ville's inequality bounds :math:`c = \mu` by :math:`\ell/2`; :math:`\psi` increases, so every
:math:`c > \mu` fails only where :math:`\mu` does. The two parts sum to :math:`\ell`. ∎

Bounds are read at the points :math:`c \in \{-2, -1, 0, 1, 2\}\,\delta`: what the test asks, with O(d) memory.

Source: Catoni 2012, "Challenging the empirical mean and empirical variance"; Wang & Ramdas 2023, "Catoni-style
confidence sequences for heavy-tailed mean estimation"; Hoeffding 1963.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.statistics.looks import Moments, look_sizes

__all__ = ["KurtosisMean", "variance_shortfall"]

LATTICE = (-2.0, -1.0, 0.0, 1.0, 2.0)


def variance_shortfall(pairs: Tensor, kappa: float | int, level: float) -> Tensor:
    r"""The share by which a sample variance from so many pairs may fall short of the variance.

    It is the :math:`\varepsilon` with :math:`P(s^2 \le (1-\varepsilon)\sigma^2) \le \ell` of the module's first proof;
    1 where the pilot is too small to bound the variance at all; rounded up, so the bound stays one.

    >>> variance_shortfall(torch.tensor([10.0, 200.0, 2000.0]), kappa=3.0, level=1e-6).round(decimals=3)
    tensor([1.0000, 0.4960, 0.1640], dtype=torch.float64)
    """
    moment = 0.5 * (kappa + 3.0)
    p, need = 1.0 / moment, -math.log(level) / pairs.double()
    low, high = torch.zeros_like(need), torch.ones_like(need)
    for _ in range(torch.finfo(torch.float64).bits):  # each halving settles one more bit of epsilon
        middle = 0.5 * (low + high)
        q = (1.0 - middle) * p
        divergence = torch.xlogy(q, 1.0 - middle) + (1.0 - q) * (torch.log1p(-q) - math.log1p(-p))
        enough = divergence >= need
        high, low = torch.where(enough, middle, high), torch.where(enough, low, middle)
    return high


class KurtosisMean:
    """A mean bound (see ``looks.MeanBound``) for draws with a bounded kurtosis."""

    def __init__(self, resolution: Tensor, kappa: float | int, level: float, first: int, last: int) -> None:
        self.resolution, self.kappa, self.level = resolution, kappa, level
        self.sizes = torch.tensor(list(look_sizes(first, last)), dtype=torch.float64)
        d = resolution.numel()
        self.pilot = Moments(d)
        self.first_n, self.wanted = 0, torch.zeros(d, dtype=torch.float64)
        self.ceiling = torch.full((d,), torch.nan, dtype=torch.float64)  # U, once the pilot is over
        self.count = torch.zeros(d, dtype=torch.float64)
        self.influence = torch.zeros(len(LATTICE), d, dtype=torch.float64)
        self.degenerate = torch.zeros(d, dtype=torch.bool)

    def update(self, deviations: Tensor, grain: Tensor) -> None:
        """Take draws [n, d] minus target: the first look, then pilots, then evidence, for each coordinate."""
        if self.first_n == 0:
            self.first_n = deviations.shape[0]
            self._plan(deviations.var(0), grain)
            return
        self._collect(deviations)
        self.pilot.add(deviations)
        n = self.pilot.n
        freeze = self.ceiling.isnan() & (self.wanted <= n) & ~self.degenerate
        if bool(freeze.any()):
            variance = self.pilot.squares / (n - 1)
            self.degenerate = self.degenerate | (freeze & (variance <= grain.square()))
            shortfall = variance_shortfall(torch.tensor([n // 2]), self.kappa, 0.5 * self.level)
            self.ceiling = torch.where(freeze & ~self.degenerate, variance / (1.0 - shortfall), self.ceiling)

    def _plan(self, variance: Tensor, grain: Tensor) -> None:
        """Choose the pilot that makes pilot and test together shortest if ``variance`` is right."""
        self.degenerate = variance <= grain.square()
        sizes = self.sizes - self.first_n
        sizes = sizes[sizes >= 2]
        factor = 1.0 / (1.0 - variance_shortfall(torch.floor(sizes / 2), self.kappa, 0.5 * self.level))
        if not bool(factor.isfinite().any()):  # the budget ends before any pilot is long enough
            self.wanted = torch.full_like(variance, torch.inf)
            return
        test = 2.0 * math.log(2.0 / self.level) * variance / self.resolution.square()
        self.wanted = torch.cat([_shortest(sizes, factor, t) for t in test.split(256)])

    def _collect(self, deviations: Tensor) -> None:
        ready = ~self.ceiling.isnan()
        if not bool(ready.any()):
            return
        scale = torch.where(ready, self.resolution / self.ceiling, 0.0)
        for row, point in enumerate(LATTICE):
            y = scale * (deviations - point * self.resolution)
            size = y.abs()
            self.influence[row] += (y.sign() * torch.log1p(size + 0.5 * y * y)).sum(0)
        self.count += ready * deviations.shape[0]

    def bounds(self, level: float) -> tuple[Tensor, Tensor]:
        """Lower and upper bounds [d] of the means among the lattice points; infinite where none is one yet."""
        points = torch.tensor(LATTICE, dtype=torch.float64)[:, None] * self.resolution
        need = math.log(2.0 / level) + 0.5 * self.count * self.resolution.square() / self.ceiling
        below = torch.where(self.influence >= need, points, -torch.inf)  # a comparison with nan is False
        above = torch.where(-self.influence >= need, points, torch.inf)
        return below.amax(0), above.amin(0)


def _shortest(sizes: Tensor, factor: Tensor, test: Tensor) -> Tensor:
    total = sizes[:, None] + test * factor[:, None]
    return sizes[total.nan_to_num(nan=torch.inf).argmin(0)]
