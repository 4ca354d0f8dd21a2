"""Promised error rates hold in simulation, and the simulation would notice if they did not."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from scipy.stats import binom

from genverify.statistics import Bounded, KurtosisBound, MeanTest, Normal, SubGaussian, planned_samples
from genverify.statistics.kurtosis_mean import variance_shortfall
from genverify.statistics.looks import Moments
from genverify.statistics.normal_mean import NormalMean, hall_boundary
from tests.statistics import simulation_error_rates as simulation
from tests.statistics.simulation_error_rates import (
    BOUND_LEVEL,
    RESOLUTION,
    ExponentialLaw,
    Law,
    NormalLaw,
    RareHighLaw,
    clopper_pearson,
    error_row,
    sample_number,
    simulate,
)

QUICK = [
    (Normal(), NormalLaw, 20_000),
    (SubGaussian(1.0), NormalLaw, 10_000),
    (Bounded(-1 / 3, 3.0), RareHighLaw, 2_000),
    (KurtosisBound(9.0), ExponentialLaw, 1_000),
]


@pytest.mark.parametrize(("assumption", "law", "replicates"), QUICK, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("at", [0.0, RESOLUTION])
def test_counted_rates_do_not_exceed_the_promise(assumption, law, replicates, at):
    row = error_row(assumption, law, at, 0.05, resolution=RESOLUTION, replicates=replicates, seed=1)
    assert row.high <= row.promised, row  # the upper bound of the rate, not its estimate
    assert row.undecided == 0.0


@pytest.mark.parametrize(("rate", "replicates"), [(0.01, 20_000), (1e-3, 100_000)])
@pytest.mark.parametrize("at", [0.0, RESOLUTION])
def test_small_rates_of_the_normal_test_do_not_exceed_the_promise(rate, replicates, at):
    row = error_row(Normal(), NormalLaw, at, rate, resolution=RESOLUTION, replicates=replicates, seed=2)
    assert row.high <= row.promised, row


@pytest.mark.parametrize("at", [0.0, RESOLUTION])
def test_a_rate_of_one_in_a_million_holds_in_tilted_simulation(at):
    row = error_row(Normal(), NormalLaw, at, 1e-6, resolution=RESOLUTION, replicates=20_000, seed=3, tilt=True)
    assert 0.0 < row.low
    assert row.high <= row.promised, row


@pytest.mark.parametrize("at", [0.0, RESOLUTION])
def test_tilted_and_plain_simulation_agree(at):
    plain = error_row(Normal(), NormalLaw, at, 0.01, resolution=RESOLUTION, replicates=20_000, seed=4)
    tilted = error_row(Normal(), NormalLaw, at, 0.01, resolution=RESOLUTION, replicates=5_000, seed=5, tilt=True)
    directions = 2 if at == 0.0 else 1
    assert plain.low <= directions * tilted.high
    assert directions * tilted.low <= plain.high


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("inverse", [4, 16])
def test_the_expected_sample_number_is_within_one_and_a_half_of_wald(inverse, at):
    mean, error, ratio = sample_number(1 / inverse, 1e-6, at / inverse, replicates=2_000, seed=6)
    # Three standard errors: the bound holds for the expectation, not only for this sample's mean.
    assert ratio * (1 + 3 * error / mean) <= 1.5


class PlugIn(NormalMean):
    """The bug: the running variance is taken for the variance."""

    def update(self, deviations, grain):
        self.all.add(deviations)
        self.variance = self.all.squares / (self.all.n - 1)
        self.freedom = torch.full_like(self.variance, torch.inf)

    def bounds(self, level):
        half = 0.5 * self.resolution - math.log(level) * self.variance / (self.all.n * self.resolution)
        return self.all.mean - half, self.all.mean + half


def test_a_plug_in_test_is_caught(monkeypatch):
    monkeypatch.setattr(
        simulation, "mean_bound", lambda assumption, *, resolution, level, **_: PlugIn(resolution, level)
    )
    row = error_row(KurtosisBound(9.0), ExponentialLaw, 0.0, 1e-3, resolution=RESOLUTION, replicates=4_000, seed=7)
    assert row.low > row.promised, row


def test_the_interval_at_the_stopping_time_covers():
    replicates, alpha = 5_000, 0.05
    covered = {}

    class Watched(NormalMean):
        def bounds(self, level):
            lower, upper = super().bounds(level)
            if level == alpha / 2:
                fine = (lower < RESOLUTION / 2) & (RESOLUTION / 2 < upper)
                covered["always"] = covered.get("always", torch.ones_like(fine)) & fine
            return lower, upper

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "mean_bound", lambda a, *, resolution, level, **_: Watched(resolution, level))
        simulate(Normal(), NormalLaw(mean=RESOLUTION / 2), resolution=RESOLUTION, alpha=alpha, beta=alpha,
                 replicates=replicates, seed=8, last=2_000)  # fmt: skip
    missed = replicates - int(covered["always"].sum())
    assert missed > 0  # else the interval could be shorter
    assert clopper_pearson(missed, replicates, BOUND_LEVEL)[1] <= alpha


@pytest.mark.parametrize("level", [0.05, 1e-6])
@pytest.mark.parametrize("freedom", [1, 7, 300])
def test_the_boundary_averages_to_the_level_over_the_law_of_the_variance(freedom, level):
    boundary = hall_boundary(torch.tensor(float(freedom), dtype=torch.float64), level).item()
    # E exp(-A s^2 / sigma^2) by quadrature over the chi-squared density: an oracle without Hall's algebra.
    half, rate = mpmath.mpf(freedom) / 2, mpmath.mpf(boundary) / freedom
    scale = freedom / (1 + 2 * rate)

    def integrand(q):
        return mpmath.exp(-rate * q - q / 2 + (half - 1) * mpmath.log(q) - mpmath.loggamma(half)) / 2**half

    value = mpmath.quad(integrand, [0, scale / 2, scale, 2 * scale, 4 * scale, mpmath.inf])
    assert float(value) == pytest.approx(level, rel=1e-5)


@pytest.mark.parametrize("kappa", [1.0, 3.0, 30.0])
def test_the_variance_bound_covers_its_worst_law(kappa):
    level, moment = 1e-6, (kappa + 3) / 2
    for pairs in (200, 2_000):
        shortfall = variance_shortfall(torch.tensor([pairs]), kappa, level).item()
        # The worst pairs are M with probability 1/M, else 0: the exact chance that their mean falls short.
        exact = binom.cdf(math.floor((1 - shortfall) * pairs / moment), pairs, 1 / moment) if shortfall < 1 else 0.0
        assert exact <= level


def test_moments_merge_to_those_of_the_whole():
    x = torch.randn(1000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1e6
    merged = Moments(3)
    for part in x.split([1, 7, 400, 592]):
        merged.add(part)
    shifted = x - 1e6  # exact enough: nothing is lost to the offset
    torch.testing.assert_close(merged.squares, (shifted - shifted.mean(0)).square().sum(0))
    torch.testing.assert_close(merged.mean, x.mean(0))


@pytest.mark.parametrize("assumption", [Normal(), SubGaussian(1.0)], ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("at", [0.0, RESOLUTION])
def test_the_forecast_sample_number_is_enough(assumption, at):
    planned = planned_samples(RESOLUTION, 1e-3, 1e-3, assumption, deviation=1.0, settled=0.9)
    paths = simulate(assumption, NormalLaw(mean=at), resolution=RESOLUTION, alpha=1e-3, beta=1e-3,
                     replicates=2_000, seed=9, last=planned)  # fmt: skip
    settled = int((paths.biased | paths.clear).sum())
    assert clopper_pearson(settled, 2_000, BOUND_LEVEL)[1] >= 0.9


class Prerecorded(Law):
    """Draws that were made before: column j belongs to replicate j."""

    def step(self, rng, n, r):
        self.state["at"] = self.state.get("at", 0) + n
        return self.state["draws"][self.state["at"] - n : self.state["at"]], torch.zeros(r, dtype=torch.float64)


@pytest.mark.parametrize(
    "assumption", [Normal(), SubGaussian(1.0), KurtosisBound(3.0), Bounded(-6.0, 6.0)], ids=lambda a: type(a).__name__
)
def test_what_is_simulated_is_what_the_test_does(assumption):
    replicates, last = 6, 4_000
    generator = torch.Generator().manual_seed(10)
    draws = torch.randn(last, replicates, dtype=torch.float64, generator=generator).clamp(-5.0, 5.0)
    draws += torch.tensor([0.0, 0.0, 0.12, 0.12, 0.25, -0.25], dtype=torch.float64)
    rates = {"resolution": 0.25, "alpha": 1e-3, "beta": 1e-2}
    law = Prerecorded(mean=0.0, state={"draws": draws})
    paths = simulate(assumption, law, **rates, replicates=replicates, seed=0, last=last)
    for j in range(replicates):
        stream = iter(draws[:, j])
        result = MeanTest(target=0.0, assumption=assumption, max_samples=last, **rates).run(
            lambda n, stream=stream: torch.stack([next(stream) for _ in range(n)])
        )
        assert result.n == paths.n[j]
        assert (result.outcome == "bias", result.outcome == "no bias") == (paths.biased[j], paths.clear[j])


@pytest.mark.slow
def test_the_whole_table():
    rows, ratios = simulation.main(0.2)
    assert all(row.low <= row.promised for row in rows)
    assert max(ratios) <= 1.5
