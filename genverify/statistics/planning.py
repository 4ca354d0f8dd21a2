r"""How many draws a mean test will need, said beforehand.

At mean = target (or a bias of exactly one resolution) the evidence of a coordinate is close to a Brownian motion with
drift r a draw and standard deviation :math:`\lambda\sigma` a draw, which has to reach a boundary b, in nats. It is
beyond b at n, in all d coordinates and on both sides, with probability at least q once :math:`n r -
z\lambda\sigma\sqrt n \ge b` with :math:`z = \Phi^{-1}(1 - (1-q)/(2d))`. For normal draws of known variance :math:`r =
\delta^2/2\sigma^2` and :math:`\lambda = \delta/\sigma^2`. This is a forecast for planning (it takes the central limit
theorem at its word); the error rates of the test do not depend on it.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import torch

from genverify.errors import UsageError
from genverify.statistics.assumptions import Assumption, Bounded, KurtosisBound, Normal, SubGaussian
from genverify.statistics.kurtosis_mean import variance_shortfall
from genverify.statistics.looks import GROWTH, first_look, look_sizes
from genverify.statistics.normal_mean import hall_boundary, pilot_freedom

__all__ = ["planned_samples"]


def planned_samples(
    resolution: float | int,
    alpha: float,
    beta: float,
    assumption: Assumption,
    dimension: int = 1,
    *,
    deviation: float | int | None = None,
    settled: float = 0.9,
) -> int:
    """Draws within which a ``MeanTest`` is forecast to settle.

    That is with probability ``settled``, for a mean at the target or one resolution off.

    Args:
        resolution: the smallest bias that must be seen.
        alpha: false-alarm probability of the test.
        beta: probability of missing a bias of one resolution.
        assumption: as of the test; without one no number of draws is enough.
        dimension: how many coordinates share the test.
        deviation: the largest standard deviation of a coordinate. Needed for Normal and KurtosisBound; for Bounded and
            SubGaussian the largest that they allow, unless given.
        settled: probability of having settled by then.

    Raises:
        UsageError: no assumption, no deviation where one is needed, or numbers out of range.

    Example:
        >>> planned_samples(0.25, 1e-6, 1e-6, Normal(), deviation=1.0)
        913
    """
    if assumption is None:
        raise UsageError(
            given="no assumption",
            expected="Normal, Bounded, KurtosisBound or SubGaussian",
            do="name what the draws obey; without it no number of draws is enough (Bahadur & Savage 1956)",
        )
    sigma = _deviation(assumption, deviation)
    if resolution <= 0 or dimension < 1 or not (0 < alpha < 1 and 0 < beta < 1 and 0 < settled < 1):
        raise UsageError(
            given=f"resolution={resolution}, dimension={dimension}, alpha={alpha}, beta={beta}, settled={settled}",
            expected="a positive resolution and dimension, probabilities in (0, 1)",
            do="pass the numbers of the test",
        )
    level = min(alpha / (2 * dimension), beta)
    z = NormalDist().inv_cdf(1 - (1 - settled) / (2 * dimension))
    n = _size(assumption, resolution, sigma, level, z)
    return math.ceil(n * (1 + 1 / GROWTH))


def _deviation(assumption: Assumption, given: float | int | None) -> float:
    most = None
    if isinstance(assumption, Bounded):
        most = 0.5 * (assumption.high - assumption.low)
    elif isinstance(assumption, SubGaussian):
        most = assumption.scale
    if given is None and most is not None:
        return most
    if given is None or not (math.isfinite(given) and given > 0):
        raise UsageError(
            given=f"deviation={given}",
            expected="the standard deviation of a draw, positive",
            do="estimate it from a few draws; the test itself does not use it",
        )
    return given


def _size(assumption: Assumption, resolution: float, sigma: float, level: float, z: float) -> float:
    need = -math.log(level)
    first = first_look(level)
    match assumption:
        case SubGaussian(scale=s):
            return _crossing(need, resolution**2 / (2 * s * s), resolution * sigma / s**2, z)
        case Bounded(low=low, high=high):
            delta, variance = resolution / (high - low), (sigma / (high - low)) ** 2
            weight = delta / (delta + variance)
            growth = weight * delta + variance * (math.log1p(-weight) + weight)
            return _crossing(need, growth, weight * math.sqrt(variance), z)
        case KurtosisBound(kappa=kappa):
            return _kurtosis_size(kappa, resolution, sigma, level, z, first)
        case Normal():
            d, v = torch.tensor(resolution).double(), torch.tensor(sigma).double() ** 2
            freedom = pilot_freedom(v, d, level)
            n = _crossing(hall_boundary(freedom, level).item(), resolution**2 / (2 * sigma**2), resolution / sigma, z)
            return max(n, first + 1 + freedom.item())


def _kurtosis_size(kappa: float, resolution: float, sigma: float, level: float, z: float, first: int) -> float:
    plain = _crossing(-math.log(0.5 * level), resolution**2 / (2 * sigma**2), resolution / sigma, z)
    # A pilot longer than the test it would shorten is never worth it, beyond the least that bounds a variance at all.
    least = 2 * first / -math.log1p(-2 / (kappa + 3))
    pilots = torch.tensor(list(look_sizes(first, math.ceil(2 * (plain + least)))), dtype=torch.float64)
    factors = 1 / (1 - variance_shortfall(torch.floor(pilots / 2), kappa, 0.5 * level))
    best = (pilots + plain * factors).argmin()
    ceiling = sigma**2 * factors[best].item()
    test = _crossing(-math.log(0.5 * level), resolution**2 / (2 * ceiling), resolution * sigma / ceiling, z)
    return first + pilots[best].item() + test


def _crossing(boundary: float, drift: float, spread: float, z: float) -> float:
    """The n with n drift - z spread sqrt(n) = boundary."""
    root = (z * spread + math.sqrt((z * spread) ** 2 + 4 * drift * boundary)) / (2 * drift)
    return root * root
