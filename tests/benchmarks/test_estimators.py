"""What it costs to integrate an estimator over its draws, and that the table of evaluations holds."""

from __future__ import annotations

import math

import pytest
import torch

import genverify as gv
from genverify.noise import expectation
from genverify.statistics import MeanTest, Normal, planned_samples
from genverify.subjects.budget import BUDGETS
from tests.benchmarks.evaluations_table import (
    BIAS,
    KINKS,
    PAGE,
    RATE,
    distribution_free,
    first_refuted,
    fixed_size,
    problems,
    read,
    refuted,
)

DOUBLE = torch.float64
_KNOWN = {problem.name: problem for problem in problems()}
_PAGE = read(PAGE.read_text(encoding="utf-8"))


def _number(shown: str) -> float:
    return float(shown.replace(",", ""))


def test_a_million_outcomes_take_seconds(benchmark):
    p = torch.full((20,), 0.3, dtype=DOUBLE)
    found = benchmark.pedantic(
        expectation,
        args=(lambda: torch.bernoulli(p).sum() ** 2,),
        kwargs={"max_evaluations": 4_096},
        rounds=1,
        warmup_rounds=0,
    )
    assert found.method == "enumeration"
    assert found.evaluations >= 2**20
    assert abs(float(found.mean) - (6.0**2 + 4.2)) <= float(found.error)


def test_the_page_has_every_problem():
    assert set(_PAGE) == set(_KNOWN)


@pytest.mark.parametrize("name", _KNOWN)
def test_a_thousandth_is_refuted_in_no_more_than_the_page_says(benchmark, name):
    """At the page's budget; and where the page says that it is not, it sees what it says that it sees."""
    count, budget, method, _, fixed, sequential = _PAGE[name]
    problem = _KNOWN[name]
    refuted(problem, 1.0, problem.least)  # what is imported once is no part of it
    benchmark.group = "Refuting a bias of a thousandth: evaluations, and samples of other tests"
    found, spent = benchmark.pedantic(first_refuted, args=(problem,), rounds=1)
    benchmark.extra_info.update(
        {"label": name, "evaluations": int(found.evidence.figures["evaluations"]), "by": method},
        **{"refuted": found.outcome is gv.Outcome.FAIL, "t-test": fixed, "sequential test": sequential},
    )
    assert found.evidence.figures["evaluations"] <= _number(count)
    if budget == "–":
        assert found.outcome is not gv.Outcome.FAIL
        assert found.evidence.allowed <= 1.5 * _number(method.rpartition(" ")[2]) * problem.exact  # of one digit
    else:
        assert found.outcome is gv.Outcome.FAIL
        assert spent <= BUDGETS[budget].evaluations


def test_the_text_on_kinks_is_that_of_the_table():
    text = PAGE.read_text(encoding="utf-8").partition("Kinked integrands")[2]
    assert all(f"{_PAGE[name][0]} for" in text or f"{_PAGE[name][0]} evaluations for" in text for name in KINKS)
    assert f'`budget="{_PAGE[KINKS[3]][1]}"`' in text


@pytest.mark.parametrize("name", _KNOWN)
def test_the_sample_sizes_are_those_of_the_page(name):
    """From a range, and a deviation that ten thousand draws confirm within five standard errors of a variance."""
    problem, (free, fixed, sequential) = _KNOWN[name], _PAGE[name][3:]
    bias = BIAS * problem.exact
    assert free == ("–" if problem.span == float("inf") else f"{distribution_free(problem.span, bias):.2g}")
    assert fixed == f"{fixed_size(problem.deviation, bias):.2g}"
    assert sequential == f"{planned_samples(bias, RATE, RATE, Normal(), deviation=problem.deviation):.2g}"
    torch.manual_seed(0)
    draws = torch.stack([problem.one() for _ in range(10_000)])
    squares = (draws - problem.exact).square()
    assert abs(float(squares.mean()) - problem.deviation**2) <= 5 * float(squares.std()) / 100
    assert float(draws.max() - draws.min()) <= problem.span


def test_two_smooth_draws_take_less_than_a_thousand():
    for name in ("1 normal, a polynomial", "2 normals through tanh"):
        assert _number(_PAGE[name][0]) <= 1_000


def test_the_sample_size_of_the_test_of_fixed_size_is_what_it_takes():
    """At a resolution and at rates that can be simulated: of 2,000 runs, each rate within four standard errors."""
    alpha, beta, bias, runs = 0.02, 0.05, 0.25, 2_000
    n = round(fixed_size(1.0, bias, alpha, beta))
    law = torch.distributions.Normal(0.0, 1.0)
    bound = float(law.icdf(torch.tensor(1 - alpha / 2))) / n**0.5
    means = torch.randn(runs, n, generator=torch.Generator().manual_seed(0)).mean(1)
    for rate, share in ((alpha, (means.abs() > bound)), (beta, (means + bias).abs() <= bound)):
        assert abs(float(share.double().mean()) - rate) <= 4 * (rate * (1 - rate) / runs) ** 0.5


@pytest.mark.parametrize("bias", [0.25, 0.0])
def test_the_forecast_of_the_sequential_test_is_what_it_takes(bias):
    """At an easier resolution, with a bias and without: about nine of ten have settled by then, and few by its third.

    Of 40 runs, fewer than 30 have a probability of 2e-3 at 0.9 each. A forecast three times too long would let more
    than half settle by its third; with one in ten doing so, 14 or more have one of 2e-5.
    """
    generator, runs = torch.Generator().manual_seed(0), 40
    planned = planned_samples(0.25, RATE, RATE, Normal(), deviation=1.0)
    test = MeanTest(target=0.0, resolution=0.25, alpha=RATE, beta=RATE, assumption=Normal(), max_samples=4 * planned)
    results = [test.run(lambda n: bias + torch.randn(n, generator=generator)) for _ in range(runs)]
    assert {result.outcome for result in results} == {"bias" if bias else "no bias"}
    assert sum(result.n <= planned for result in results) >= 30
    assert sum(result.n <= planned / 3 for result in results) < 14


def test_the_sequential_test_needs_on_average_six_tenths_of_the_fixed_one_or_less():
    """The mean number of draws, and not the ninth decile that the table shows: below 0.6 of the t-test's size."""
    generator = torch.Generator().manual_seed(1)
    test = MeanTest(target=0.0, resolution=0.25, alpha=RATE, beta=RATE, assumption=Normal(), max_samples=100_000)
    sizes = [test.run(lambda n: 0.25 + torch.randn(n, generator=generator)).n for _ in range(40)]
    assert sum(sizes) / len(sizes) < 0.6 * fixed_size(1.0, 0.25)


def test_a_distribution_free_test_keeps_its_rates():
    """Means of draws in [0, 1], the worst law (a coin): at rates that can be simulated neither error is dearer."""
    alpha, beta, bias, runs = 0.05, 0.1, 0.2, 2_000
    n = math.ceil(distribution_free(1.0, bias, alpha, beta))
    reach = math.sqrt(math.log(2 / alpha) / (2 * n))
    generator = torch.Generator().manual_seed(0)
    for truth, rate in ((0.5, alpha), (0.5 + bias, beta)):
        means = (torch.rand(runs, n, generator=generator) < truth).double().mean(1)
        wrong = (means - 0.5).abs() > reach if truth == 0.5 else (means - 0.5).abs() <= reach
        assert float(wrong.double().mean()) <= rate + 4 * (rate * (1 - rate) / runs) ** 0.5


def test_a_distribution_free_test_needs_thirty_times_the_squared_ratio():
    assert round(distribution_free(1.0, 1.0)) == 29
    assert distribution_free(1.0, 1e-3) > 1e7
