"""What the sequential mean test says, and refuses to say."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from genverify.errors import UsageError
from genverify.statistics import Bounded, KurtosisBound, MeanTest, Normal, SubGaussian

EVERY = [Normal(), SubGaussian(1.0), KurtosisBound(3.0), Bounded(-8.0, 8.0)]


def mean_test(assumption, **changes):
    usual = {"target": 0.0, "resolution": 0.25, "alpha": 1e-6, "beta": 1e-6, "max_samples": 50_000}
    return MeanTest(**(usual | {"assumption": assumption} | changes))


def normal(mean=0.0, shape=(), seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return lambda n: torch.randn(n, *shape, generator=generator, dtype=dtype).clamp(-7.0, 7.0) + mean


@pytest.mark.parametrize("assumption", EVERY, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize(("mean", "outcome"), [(0.0, "no bias"), (0.25, "bias"), (-0.25, "bias"), (-1.0, "bias")])
def test_each_assumption_settles_both_ways(assumption, mean, outcome):
    result = mean_test(assumption).run(normal(mean))
    assert result.outcome == outcome
    assert result.lower <= mean <= result.upper
    assert result.reason == ""
    if outcome == "bias":
        assert bool(result.biased)
        assert not result.lower < 0.0 < result.upper
    assert bool((result.estimate - result.target).abs() > result.margin) == (outcome == "bias")


def test_a_bias_below_the_resolution_is_more_than_what_is_allowed():
    result = mean_test(Normal(), resolution=0.5).run(normal(0.4))
    assert result.outcome == "bias"
    assert result.margin < result.estimate < result.resolution


@pytest.mark.parametrize("assumption", EVERY, ids=lambda a: type(a).__name__)
def test_one_biased_coordinate_among_ten_thousand_is_found(assumption):
    d, where = 10_000, 1234
    mean = torch.zeros(d, dtype=torch.float64)
    mean[where] = 0.25
    result = mean_test(assumption, target=torch.zeros(d)).run(normal(mean, (d,), dtype=torch.float32))
    assert result.outcome == "bias"
    assert result.worst == where
    assert result.biased.nonzero().flatten().tolist() == [where]


def test_ten_thousand_unbiased_coordinates_are_cleared():
    d = 10_000
    result = mean_test(Normal(), target=torch.full((d,), 3.0)).run(normal(3.0, (d,)))
    assert result.outcome == "no bias"
    assert bool((result.bias_seen > 0).all())
    assert bool(((result.lower <= 3.0) & (3.0 <= result.upper)).all())


def test_tensors_of_any_shape_and_a_resolution_for_each_coordinate():
    resolution = torch.tensor([[0.25, 0.5], [1.0, 2.0]])
    result = mean_test(Normal(), target=torch.zeros(2, 2), resolution=resolution).run(
        normal(torch.tensor([[0.0, 0.0], [0.0, 2.0]], dtype=torch.float64), (2, 2))
    )
    assert result.estimate.shape == (2, 2)
    assert result.outcome == "bias"
    assert result.worst == 3


def test_without_an_assumption_nothing_is_drawn_and_nothing_is_said():
    def never(n):
        raise AssertionError("drawn")

    result = mean_test(None).run(never)
    assert (result.outcome, result.n) == ("undecided", 0)
    assert "Bahadur & Savage" in result.reason
    assert result.interval == (-torch.inf, torch.inf)


@pytest.mark.parametrize("assumption", [Normal(), KurtosisBound(3.0)], ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
def test_zero_sample_variance_proves_nothing(assumption, value):
    result = mean_test(assumption, target=0.1).run(lambda n: torch.full((n,), value))
    assert result.outcome == "undecided"
    assert "zero sample variance" in result.reason


def test_variance_at_the_level_of_rounding_counts_as_zero():
    draw = normal(dtype=torch.float64)
    result = mean_test(Normal()).run(lambda n: 1.0 + 1e-8 * draw(n).float())  # float32 next to 1 is 1.2e-7 apart
    assert result.outcome == "undecided"
    assert "zero sample variance" in result.reason


def test_a_constant_coordinate_keeps_a_vector_undecided_but_does_not_hide_a_bias():
    constant = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for mean, outcome in ((0.0, "undecided"), (0.25, "bias")):
        draw = normal(mean, (2,))
        assert (
            mean_test(Normal(), target=torch.zeros(2)).run(lambda n, draw=draw: draw(n) * constant).outcome == outcome
        )


def test_a_draw_outside_the_declared_range_contradicts_the_assumption():
    result = mean_test(Bounded(-1.0, 1.0)).run(normal())
    assert result.outcome == "undecided"
    assert "assumption contradicted" in result.reason


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("assumption", EVERY, ids=lambda a: type(a).__name__)
def test_a_draw_that_is_not_finite_is_undecided(assumption, bad):
    def draw(n):
        x = torch.linspace(-1, 1, n)
        x[0] = bad
        return x

    result = mean_test(assumption).run(draw)
    assert result.outcome == "undecided"
    assert "not finite" in result.reason
    assert result.interval == (-torch.inf, torch.inf)


def test_the_end_of_the_budget_is_undecided_and_says_what_is_excluded():
    result = mean_test(SubGaussian(1.0), max_samples=100).run(normal())
    assert (result.outcome, result.n) == ("undecided", 100)
    assert "100 draws did not settle the mean" in result.reason
    assert f"{result.bias_seen.item():.3g}" in result.power


def test_a_constant_in_a_known_range_is_settled_without_any_variance():
    assert mean_test(Bounded(0.0, 1.0), target=0.5).run(lambda n: torch.full((n,), 0.5)).outcome == "no bias"
    assert mean_test(Bounded(0.0, 1.0), target=0.5).run(lambda n: torch.full((n,), 0.9)).outcome == "bias"


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_target_at_the_end_of_the_range_is_no_bias(target):
    assert mean_test(Bounded(0.0, 1.0), target=target).run(lambda n: torch.full((n,), target)).outcome == "no bias"


def test_the_evidence_is_plain_data():
    evidence = mean_test(Normal(), target=torch.zeros(3)).run(normal(0.0, (3,))).to_dict()
    assert all(isinstance(v, (str, int, float)) for v in evidence.values())
    assert evidence["dimension"] == 3
    assert "jointly normal" in evidence["assumption"]


@pytest.mark.parametrize("changes", [
    {"alpha": 0.0}, {"beta": 1.0}, {"resolution": 0.0}, {"resolution": float("inf")}, {"max_samples": 1},
    {"target": torch.zeros(0)}, {"target": float("nan")}, {"target": torch.zeros(3), "resolution": torch.ones(2)},
])  # fmt: skip
def test_bad_requests_are_refused(changes):
    with pytest.raises(UsageError):
        mean_test(Normal(), **changes)


@pytest.mark.parametrize("draws", [
    lambda n: torch.zeros(n + 1), lambda n: torch.zeros(n, 2), lambda n: torch.zeros(n, dtype=torch.complex64),
])  # fmt: skip
def test_draws_of_another_shape_or_kind_are_refused(draws):
    with pytest.raises(UsageError):
        mean_test(Normal()).run(draws)


def test_importing_the_room_imports_no_scipy():
    code = "import sys, genverify.statistics; sys.exit(any(m.split('.')[0] in ('scipy', 'sympy') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
