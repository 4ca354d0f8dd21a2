"""Densities: a mass that is off by little, rows that leak, and what cannot be settled."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Cauchy,
    Dirichlet,
    Laplace,
    LogNormal,
    MultivariateNormal,
    Normal,
    Pareto,
    StudentT,
    Uniform,
    VonMises,
)

import genverify as gv
from genverify.subjects.density import Density


def normal(x):
    return -0.5 * (x**2 + math.log(2 * math.pi)).sum(-1)


def found(subject, check="integrates_to_one"):
    (verdict,) = gv.verify(subject, checks=[f"density.{check}"]).verdicts
    return verdict


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("off", [1e-3, -1e-3, 1e-6])
def test_a_normaliser_that_is_off_by_little_is_refuted(dims, off):
    assert found(Density(lambda x: normal(x) + off, event_shape=dims)).outcome is gv.Outcome.FAIL


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_normalised_one_passes(dims):
    assert found(Density(normal, event_shape=dims)).outcome is gv.Outcome.PASS


def _kinked(dims):
    """y = x + shift of the coordinates before, through ReLU: an additive coupling has the determinant one."""

    def log_density(x):
        y = x.clone()
        for k in range(1, dims):
            y[:, k] = x[:, k] + (2 * x[:, :k].sum(-1) - 0.5).relu() - (x[:, 0] + 0.3 * k).abs()
        return normal(y)

    return log_density


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("off", [0.0, 1e-3, -1e-3])
def test_kinks_are_settled_to_the_resolution(dims, off):
    """Grids leave more than a thousandth open here."""
    log_density = _kinked(dims)
    verdict = found(Density(lambda x: log_density(x) + off, event_shape=dims))
    assert verdict.outcome is (gv.Outcome.FAIL if off else gv.Outcome.PASS), str(verdict)


@pytest.mark.parametrize("width", torch.linspace(0.51, 1.49, 8).tolist())
def test_steps_of_any_width_are_not_accused(width):
    """Sums over shifted grids agree by luck where a step lies between the same points of each."""

    def box(x):
        return torch.where((x.abs() < width / 2).all(-1), -math.log(width), -math.inf)

    assert found(Density(box, event_shape=1)).outcome is gv.Outcome.PASS


def test_beyond_sixty_four_dimensions_it_does_not_apply():
    assert found(Density(normal, event_shape=65)).outcome is gv.Outcome.NOT_APPLICABLE


def _two_scales(x):
    """A narrow mixture component in 5 dimensions far from a wide one: nothing leads to it but a draw."""
    wide = math.log(0.7) + normal(x)
    narrow = math.log(0.3) + normal((x - 3.0) / 0.01) - x.shape[-1] * math.log(0.01)
    return torch.logaddexp(wide, narrow)


class TwoScales:
    """The same with draws."""

    def log_prob(self, x):
        return _two_scales(x)

    def sample(self, count):
        narrow = (torch.rand(count, 1) < 0.3).double()
        return 3.0 * narrow + torch.randn(count, 5, dtype=torch.float64) * (1.0 - 0.99 * narrow)


def _bent(x):
    """A normal law on a parabola, of unit volume."""
    return normal(torch.cat([x[:, :1], x[:, 1:2] + 0.5 * (x[:, :1] ** 2 - 1.0), x[:, 2:]], -1))


def _correlated(dims):
    factor = torch.randn(dims, dims, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return MultivariateNormal(torch.ones(dims).double(), factor @ factor.T + 0.1 * torch.eye(dims).double()).log_prob


SAMPLED = {
    "normal": (normal, {"event_shape": 4}),
    "correlated": (_correlated(6), {"event_shape": 6}),
    "of an image's shape": (lambda x: normal(x.flatten(1)), {"event_shape": (2, 2, 2)}),
    "on a parabola": (_bent, {"event_shape": 5}),
    "heavy tails": (Cauchy(torch.zeros(5), 1.0), {"event_shape": 5}),
    "bounded": (lambda x: -math.log(2.0) * x.shape[-1] + 0 * x.sum(-1), {"event_shape": 4, "support": (-1.0, 1.0)}),
    "positive": (lambda x: -x.sum(-1), {"event_shape": 4, "support": (0.0, math.inf)}),
    "two scales, with draws": (TwoScales(), {"event_shape": 5}),
    "float32": (lambda x: normal(x.float()), {"event_shape": 4}),
}


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("off", [0.0, 0.05, -0.05])
def test_beyond_three_dimensions_a_mass_is_sampled(name, off):
    thing, claims = SAMPLED[name]

    class Shifted:
        def log_prob(self, x):
            return (thing if callable(thing) else thing.log_prob)(x).reshape(len(x), -1).sum(-1) + off

        def sample(self, count):
            return thing.sample(count)

    given = Shifted() if hasattr(thing, "sample") and name != "heavy tails" else Shifted().log_prob
    verdict = found(Density(given, **claims))
    if off < 0.0 and not hasattr(thing, "sample"):
        assert verdict.outcome is gv.Outcome.INCONCLUSIVE
        assert "there may be more where none leads" in verdict.evidence.message
        return
    assert verdict.outcome is (gv.Outcome.FAIL if off else gv.Outcome.PASS), str(verdict)
    low, high = (verdict.evidence.figures[word] for word in ("low", "high"))
    assert low <= math.exp(off) <= high
    assert verdict.evidence.rung == "statistical"


def test_a_part_that_nothing_leads_to_is_not_held_against_a_density_without_draws():
    """Two scales as a plain function: what walks miss, and only draws would show."""
    assert found(Density(_two_scales, event_shape=5)).outcome is gv.Outcome.INCONCLUSIVE


def test_more_than_one_is_refuted_without_an_assumption():
    verdict = found(Density(lambda x: normal(x) + 0.5, event_shape=4))
    assert verdict.evidence.assumption.startswith("none")


def test_a_peak_that_is_far_away_is_climbed_from_afar():
    def far(x):
        return normal((x - 777.0) / 1e-3) + 5 * math.log(1e3)

    assert found(Density(far, event_shape=5)).outcome is gv.Outcome.PASS


def test_mass_that_walks_do_not_find_is_not_judged():
    """Nothing leads to a box outside of which log p is −∞."""

    def box(x):
        return torch.where(((x - 777.0).abs() < 0.5).all(-1), 0.0, -math.inf)

    assert found(Density(box, event_shape=5)).outcome is gv.Outcome.INCONCLUSIVE
    assert found(Density(box, event_shape=5, around=(777.0, 0.25))).outcome is gv.Outcome.PASS


LAWS = [Laplace(0.3, 1.0), Uniform(0.0, 2.0), MultivariateNormal(torch.zeros(2), torch.eye(2))]


@pytest.mark.parametrize("law", LAWS)
def test_distributions_of_torch(law):
    assert {v.outcome for v in gv.verify(Density(law))} == {gv.Outcome.PASS}


def test_mass_that_nobody_points_to_is_not_judged():
    def far(x):
        inside = (x - 777.0).abs() < 5e-4
        return torch.where(inside.all(-1), math.log(1e3), -math.inf)

    assert found(Density(far, event_shape=1)).outcome is gv.Outcome.INCONCLUSIVE
    assert found(Density(far, event_shape=1, support=(776.9995, 777.0005))).outcome is gv.Outcome.PASS
    assert found(Density(Normal(1000.0, 1e-3), around=(1000.0, 1e-3))).outcome is gv.Outcome.PASS


def test_a_jump_is_resolved_as_far_as_it_is_said():
    def box(x):
        return torch.where((x.abs() < 1).all(-1), -math.log(2.0), -math.inf)

    verdict = found(Density(box, event_shape=1))
    assert verdict.outcome is gv.Outcome.PASS
    assert 1e-9 < verdict.evidence.allowed < 1e-3


@pytest.mark.parametrize(
    "improper",
    [
        VonMises(0.0, 2.0),
        VonMises(0.0, 50.0),
        Density(lambda x: torch.full((len(x),), math.log(0.01)), event_shape=1),
        Density(lambda x: 0.5 * Cauchy(0.0, 1.0).log_prob(x).sum(-1), event_shape=1),
    ],
    ids=["periodic", "peaked and periodic", "flat", "a tail that is too heavy"],
)
def test_more_than_one_over_a_part_of_the_line_refutes_a_density(improper):
    verdict = found(improper if isinstance(improper, Density) else Density(improper))
    assert verdict.outcome is gv.Outcome.FAIL
    assert "alone the density integrates to" in verdict.evidence.message


def wiggling(x):
    """A Cauchy density times 1 + cos, whose factor 1 + exp(−300) is one."""
    return (Cauchy(0.0, 1.0).log_prob(x) + torch.log1p(torch.cos(300.0 * x))).sum(-1)


def spikes(x):
    """Seven narrow peaks, of which a grid that is fine about the origin sees the middle one."""
    return torch.logsumexp(Normal(torch.linspace(-3, 3, 7).double(), 1e-4).log_prob(x[..., :1]) - math.log(7), -1)


def two_islands(x):
    """Half of the mass far from the rest, in two dimensions."""
    far = Normal(torch.tensor([40.0, -25.0]).double(), 1.0).log_prob(x).sum(-1)
    return torch.logaddexp(normal(x), far) - math.log(2)


@pytest.mark.parametrize(
    "law",
    [
        Density(spikes, event_shape=1), Density(two_islands, event_shape=2),
        Normal(0.123, 1e-5), Normal(1000.0, 1e-2), Cauchy(0.0, 1.0), StudentT(0.3), StudentT(0.05), Pareto(1.0, 0.2),
        LogNormal(0.0, 5.0), Laplace(0.0, 1e-4),
        MultivariateNormal(torch.zeros(2), torch.ones(2, 2) + 1e-4 * torch.eye(2)),
        MultivariateNormal(torch.zeros(3), 1e-4 * torch.eye(3)),
        Density(wiggling, event_shape=1),
        Density(lambda x: Cauchy(0.0, 1.0).log_prob(x).sum(-1), event_shape=3),
    ],
    ids=lambda law: law.f.__name__ if isinstance(law, Density) else str(law),
)  # fmt: skip
def test_peaks_tails_and_ripples_are_not_accused(law):
    verdict = found(law if isinstance(law, Density) else Density(law))
    assert verdict.outcome in (gv.Outcome.PASS, gv.Outcome.INCONCLUSIVE), verdict


def test_rows():
    assert found(Density(normal, event_shape=2), "batch_independence").outcome is gv.Outcome.PASS
    summed = found(Density(lambda x: normal(x).sum(), event_shape=2), "batch_independence")
    assert summed.outcome is gv.Outcome.FAIL
    assert "one number a row" in summed.evidence.message


def test_what_has_no_density_or_no_region_is_refused():
    with pytest.raises(gv.UsageError, match="discrete"):
        gv.verify(Density(Bernoulli(0.5)))
    with pytest.raises(gv.UsageError, match="event_shape"):
        gv.verify(Density(normal))
    report = gv.verify(Density(Dirichlet(torch.ones(3))), checks=["density.integrates_to_one"])
    assert {v.outcome for v in report} == {gv.Outcome.NOT_APPLICABLE}
