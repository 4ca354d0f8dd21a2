r"""Bounds for the mean of normal draws whose variance is unknown: Hall's sequential test as a confidence sequence.

**Statement.** Let x be jointly normal, variance :math:`\sigma^2` unknown. Draw in three stages:

1. a first look at :math:`n_1` draws; its sample variance only chooses m;
2. :math:`m + 1` more draws; their sample variance :math:`s^2` has m degrees of freedom and is then frozen;
3. more draws, looked at whenever one likes. With :math:`\bar x_n` the mean of *all* n draws so far,

.. math:: \bar x_n \pm \Big(\frac{\delta}{2} + \frac{A\,s^2}{n\,\delta}\Big), \qquad
          A = \frac{m}{2}\big(\ell^{-2/m} - 1\big),

are one-sided bounds, each of which fails at any look of stage 3 with probability at most :math:`\ell`.

**Proof.** Sample means are independent of sample variances within a stage, and stages are independent; so given
:math:`(m, s^2)` the mean of the first two stages and all later draws are independent normals of variance
:math:`\sigma^2`. With :math:`\lambda = \delta/\sigma^2` and :math:`S_n = \sum_{i \le n} (x_i - \mu)`, the process
:math:`M_n = \exp(\lambda S_n - n\lambda^2\sigma^2/2)` is then a nonnegative martingale of mean 1. The lower bound
fails at n iff :math:`S_n \ge n\delta/2 + A s^2/\delta`, that is :math:`M_n \ge \exp(A s^2/\sigma^2)`; by Ville's
inequality that happens at some n with probability at most :math:`\exp(-A s^2/\sigma^2)`. Its expectation over
:math:`m s^2/\sigma^2 \sim \chi^2_m` is :math:`(1 + 2A/m)^{-m/2} = \ell`. The upper bound is the mirror image. ∎

For a vector, joint normality makes the *vector* of means independent of all sample variances, so each coordinate may
have its own m, and union bounds over coordinates apply. ``A`` exceeds :math:`\log(1/\ell)`, the boundary for known
variance, by the factor :math:`1 + \log(1/\ell)/m + \ldots`.

Source: Hall 1962, "Some sequential analogs of Stein's two-stage test", Biometrika 49; Ville 1939.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.statistics.looks import Moments, chunk_moments

__all__ = ["NormalMean", "hall_boundary", "pilot_freedom"]


def hall_boundary(freedom: Tensor, level: float) -> Tensor:
    r"""Hall's boundary :math:`A = (m/2)(\ell^{-2/m} - 1)`, in nats, for m degrees of freedom.

    >>> f"{hall_boundary(torch.tensor(200.0), 1e-6):.3f} against {-math.log(1e-6):.3f}"
    '14.815 against 13.816'
    """
    return 0.5 * freedom * torch.expm1(-2.0 * math.log(level) / freedom)


def pilot_freedom(variance: Tensor, resolution: Tensor, level: float) -> Tensor:
    r"""Degrees of freedom that the frozen variance should have, from a first guess of the variance.

    A test with m degrees of freedom needs about :math:`2 A(m) \sigma^2/\delta^2` draws; the m for which this equals m,
    :math:`m = 2\log(1/\ell) / \log(1 + \delta^2/\sigma^2)`, would spend the whole sample on the variance. Half of that
    leaves room for the runs that end early. Validity does not depend on this choice, only the sample size does.
    """
    whole = -2.0 * math.log(level) / torch.log1p(resolution.square() / variance)
    return (0.5 * whole).ceil().clamp(min=1.0)


class NormalMean:
    """A mean bound (see ``looks.MeanBound``) for jointly normal draws of unknown variance."""

    def __init__(self, resolution: Tensor, level: float) -> None:
        self.resolution, self.level = resolution, level
        d = resolution.numel()
        self.all, self.pilot = Moments(d), Moments(d)
        self.wanted: Tensor | None = None
        self.freedom = torch.zeros(d, dtype=torch.float64)  # 0 until the variance is frozen
        self.variance = torch.full((d,), torch.nan, dtype=torch.float64)
        self.degenerate = torch.zeros(d, dtype=torch.bool)

    def update(self, deviations: Tensor, grain: Tensor) -> None:
        """Take draws [n, d] minus target."""
        self.update_moments(deviations.shape[0], *chunk_moments(deviations), grain)

    def update_moments(self, n: int, mean: Tensor, squares: Tensor, grain: Tensor) -> None:
        """Take n draws by their mean [d] and sum of squared deviations [d]: nothing else of them is used."""
        self.all.merge(n, mean, squares)
        if self.wanted is None:
            first = squares / (n - 1)
            self.degenerate = first <= grain.square()
            self.wanted = pilot_freedom(first, self.resolution, self.level)
            return
        self.pilot.merge(n, mean, squares)
        freedom = float(self.pilot.n - 1)
        freeze = (self.freedom == 0) & (self.wanted <= freedom)
        if bool(freeze.any()):
            variance = self.pilot.squares / freedom
            self.variance = torch.where(freeze, variance, self.variance)
            self.freedom = torch.where(freeze, freedom, self.freedom)
            self.degenerate = self.degenerate | (freeze & (variance <= grain.square()))

    def bounds(self, level: float) -> tuple[Tensor, Tensor]:
        """Lower and upper bounds [d] of the means; infinite before the variance is frozen."""
        ready = (self.freedom > 0) & ~self.degenerate
        boundary = hall_boundary(self.freedom.clamp(min=1.0), level)
        half = 0.5 * self.resolution + boundary * self.variance / (self.all.n * self.resolution)
        half = torch.where(ready, half, torch.inf)
        return self.all.mean - half, self.all.mean + half
