r"""Bounds for the mean of draws in a known range: the predictable empirical-Bernstein confidence sequence.

**Statement.** Scale draws to y in [0, 1] with mean m. For weights :math:`\lambda_i \in [0, 1)` and centres
:math:`c_i \in [0, 1]` chosen before :math:`y_i` is seen, and :math:`\psi(\lambda) = -\log(1-\lambda) - \lambda`,

.. math:: \frac{\sum\lambda_i y_i \pm \big(\log(1/\ell) + \sum (y_i - c_i)^2\,\psi(\lambda_i)\big)}{\sum\lambda_i}

are one-sided bounds, each of which fails at some n with probability at most :math:`\ell`.

**Proof.** The function :math:`(\log(1+y) - y)/y^2` increases on :math:`y > -1`. So for :math:`\xi \ge -1` and
:math:`\lambda \in [0, 1)`, where :math:`\lambda\xi \ge -\lambda`,
:math:`\log(1 + \lambda\xi) \ge \lambda\xi - \xi^2\psi(\lambda)`. With :math:`\xi = y - c`,
:math:`E e^{\lambda(y-m) - (y-c)^2\psi(\lambda)} \le e^{\lambda(c-m)}(1 + \lambda(m-c)) \le 1`, so the products over
i are a nonnegative supermartingale, for which Ville's inequality holds; :math:`\xi = c - y` gives the other side. ∎

The weights are a free choice: :math:`\lambda = \delta/(\delta + \hat\sigma^2)` maximises the expected growth
:math:`\lambda\delta - \sigma^2\psi(\lambda)` of the evidence against a mean that is :math:`\delta` away, so the test
needs about :math:`2\log(1/\ell)\sigma^2/\delta^2` draws when :math:`\delta \ll \sigma^2`, and
:math:`O(\log(1/\ell)/\delta)` when the variance is small: it learns the variance and never trusts it.

Source: Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting"; the
inequality is that of Fan, Grama & Liu 2015, "Exponential inequalities for martingales with applications".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.statistics.looks import Moments

__all__ = ["BoundedMean"]


class BoundedMean:
    """A mean bound (see ``looks.MeanBound``) for draws in ``[low, high]`` [d each], given as deviations from target."""

    def __init__(self, resolution: Tensor, low: Tensor, high: Tensor) -> None:
        d = resolution.numel()
        self.low, self.high, self.width = low, high, high - low
        self.resolution = resolution / self.width
        self.seen = Moments(d)
        self.weight, self.weighted, self.penalty = (torch.zeros(d, dtype=torch.float64) for _ in range(3))
        self.degenerate = torch.zeros(d, dtype=torch.bool)

    def update(self, deviations: Tensor, grain: Tensor) -> None:
        """Take draws [n, d] minus target; weights and centres come from the draws before them."""
        y = ((deviations - self.low) / self.width).clamp(0.0, 1.0)
        n = self.seen.n
        # One imaginary draw of the largest variance, 1/4, keeps the first weights away from 1.
        variance = (0.25 + self.seen.squares) / (n + 1)
        centre = ((0.5 + n * self.seen.mean) / (n + 1)).clamp(0.0, 1.0)
        weight = self.resolution / (self.resolution + variance)
        self.weight = self.weight + weight * y.shape[0]
        self.weighted = self.weighted + weight * y.sum(0)
        self.penalty = self.penalty + (y - centre).square().sum(0) * (-torch.log1p(-weight) - weight)
        self.seen.add(y)

    def bounds(self, level: float) -> tuple[Tensor, Tensor]:
        """Lower and upper bounds [d] of the means; no wider than the range, whose ends a mean may reach."""
        middle = self.weighted / self.weight
        half = (self.penalty - math.log(level)) / self.weight
        lower, upper = self.low + self.width * (middle - half), self.low + self.width * (middle + half)
        inf = torch.full_like(self.low, torch.inf)
        least, most = torch.nextafter(self.low, -inf), torch.nextafter(self.high, inf)
        return torch.maximum(lower, least), torch.minimum(upper, most)
