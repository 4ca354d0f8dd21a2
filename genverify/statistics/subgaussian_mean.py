r"""Bounds for the mean of sub-Gaussian draws of known scale: Wald's sequential test as a confidence sequence.

With :math:`E e^{u(x-\mu)} \le e^{u^2s^2/2}` and :math:`\lambda = \delta/s^2`, the process
:math:`\exp(\lambda\sum(x_i-\mu) - n\lambda^2s^2/2)` is a nonnegative supermartingale of mean at most 1, so by Ville's
inequality :math:`\bar x_n \pm (\delta/2 + \log(1/\ell)\,s^2/(n\delta))` each fail at some n with probability at most
:math:`\ell`. For normal draws of known variance :math:`s^2` this is Wald's test of 0 against :math:`\delta`.

Source: Wald 1945; Darling & Robbins 1967; Howard, Ramdas, McAuliffe & Sekhon 2020, "Time-uniform Chernoff bounds".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.statistics.looks import Moments

__all__ = ["SubGaussianMean"]


class SubGaussianMean:
    """A mean bound (see ``looks.MeanBound``) for draws whose tails are sub-Gaussian with a known scale."""

    def __init__(self, resolution: Tensor, scale: float | int) -> None:
        self.resolution, self.scale = resolution, scale
        self.all = Moments(resolution.numel())
        self.degenerate = torch.zeros(resolution.numel(), dtype=torch.bool)

    def update(self, deviations: Tensor, grain: Tensor) -> None:
        """Take draws [n, d] minus target; the sample variance plays no part, so ``grain`` does not either."""
        self.all.add(deviations)

    def bounds(self, level: float) -> tuple[Tensor, Tensor]:
        """Lower and upper bounds [d] of the means."""
        half = 0.5 * self.resolution - math.log(level) * self.scale**2 / (self.all.n * self.resolution)
        return self.all.mean - half, self.all.mean + half
