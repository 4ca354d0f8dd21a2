"""What it costs to integrate an estimator over its draws, and that the table of evaluations holds."""

from __future__ import annotations

import time

import pytest
import torch

import genverify as gv
from genverify.noise import expectation
from genverify.statistics import MeanTest, Normal, planned_samples
from tests.benchmarks.evaluations_table import BIAS, PAGE, distribution_free, fixed_size, problems, read, refuted

DOUBLE = torch.float64
_KNOWN = {problem.name: problem for problem in problems()}


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
    assert set(read(PAGE.read_text(encoding="utf-8"))) == set(_KNOWN)


@pytest.mark.parametrize("name", [n for n in read(PAGE.read_text(encoding="utf-8")) if n != "300 normals"])
def test_a_thousandth_is_refuted_in_no_more_than_the_page_says(name):
    problem, count = _KNOWN[name], read(PAGE.read_text(encoding="utf-8"))[name]
    begun, budget = time.process_time(), problem.least
    while (found := refuted(problem, 1 + BIAS, budget)).outcome is not gv.Outcome.FAIL:
        budget *= 2
    assert found.evidence.figures["evaluations"] <= count
    print(f"{name}: {count} evaluations, {time.process_time() - begun:.2f} s")


def test_two_smooth_draws_take_less_than_a_thousand():
    page = read(PAGE.read_text(encoding="utf-8"))
    assert page["1 normal, a polynomial"] <= 1_000
    assert page["2 normals through tanh"] <= 1_000


def test_the_sample_size_of_the_test_of_fixed_size_is_what_it_takes():
    """At a resolution and at rates that can be simulated: of 2,000 runs, each rate within four standard errors."""
    alpha, beta, bias, runs = 0.02, 0.05, 0.25, 2_000
    n = round(fixed_size(1.0, bias, alpha, beta))
    law = torch.distributions.Normal(0.0, 1.0)
    bound = float(law.icdf(torch.tensor(1 - alpha / 2))) / n**0.5
    means = torch.randn(runs, n, generator=torch.Generator().manual_seed(0)).mean(1)
    for rate, share in ((alpha, (means.abs() > bound)), (beta, (means + bias).abs() <= bound)):
        assert abs(float(share.double().mean()) - rate) <= 4 * (rate * (1 - rate) / runs) ** 0.5


def test_the_forecast_of_the_sequential_test_is_what_it_takes():
    generator, settled, runs = torch.Generator().manual_seed(0), 0, 20
    planned = planned_samples(0.25, 1e-6, 1e-6, Normal(), deviation=1.0)
    for _ in range(runs):
        test = MeanTest(
            target=0.0, resolution=0.25, alpha=1e-6, beta=1e-6, assumption=Normal(), max_samples=4 * planned
        )
        result = test.run(lambda n: 0.25 + torch.randn(n, generator=generator))
        settled += result.outcome == "bias" and result.n <= planned
    assert settled >= 14  # of 20 at 0.9 each, fewer have a probability of 2e-3


def test_a_distribution_free_test_needs_thirty_times_the_squared_ratio():
    assert round(distribution_free(1.0, 1.0)) == 29
    assert distribution_free(1.0, 1e-3) > 1e7
