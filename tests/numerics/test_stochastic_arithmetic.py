"""Stochastic arithmetic bounds what rounding really does, and does not bound it by much more than that."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch

from genverify.numerics.stochastic_arithmetic import narrowest_dtype, rounding_spread

POINTS = torch.linspace(-3.0, 3.0, 41, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("program", "exact"),
    [
        (lambda x: torch.log(torch.exp(x) + 1), lambda x: mpmath.log(mpmath.exp(x) + 1)),
        (lambda x: (x + 1e4) - 1e4, lambda x: x),
        (lambda x: torch.expm1(x) / (x + 10), lambda x: mpmath.expm1(x) / (x + 10)),
        (lambda x: (x**2 - 2) * (x**2 + 2) - x**4, lambda x: mpmath.mpf(-4)),
        (lambda x: torch.sin(100 * x), lambda x: mpmath.sin(100 * x)),
    ],
)
def test_the_bound_holds_and_is_no_wild_guess(program, exact, dtype):
    x = POINTS.to(dtype)
    spread = rounding_spread(lambda: (program(x),))
    with mpmath.workdps(50):
        truth = [exact(mpmath.mpf(float(v))) for v in x]
        errors = [abs(float(mpmath.mpf(float(a)) - t)) for a, t in zip(spread.values[0], truth, strict=True)]
    assert all(e <= float(b) for e, b in zip(errors, spread.allowed[0], strict=True))
    assert spread.dtype == dtype
    # Within three orders of the largest error that was met.
    seen = max(*errors, torch.finfo(dtype).eps * float(spread.values[0].abs().max()))
    assert float(spread.allowed[0].max()) < 1e3 * seen


def test_an_inner_float32_is_found_out():
    x = POINTS
    assert narrowest_dtype(lambda: x.float().exp().double()) == torch.float32
    spread = rounding_spread(lambda: (x.float().exp().double(),))
    errors = (spread.values[0] - x.exp()).abs()
    assert spread.dtype == torch.float32
    assert bool((errors <= spread.allowed[0]).all())


def test_a_sum_of_many_terms_is_allowed_more():
    terms = torch.linspace(0.1, 1.0, 10_000, dtype=torch.float32).unsqueeze(0)
    few = rounding_spread(lambda: (terms[:, :10].sum(1),)).allowed[0]
    many = rounding_spread(lambda: (terms.sum(1),)).allowed[0]
    assert float(many) > 100 * float(few)


def test_an_iteration_to_a_tolerance_is_given_up_in_words():
    def newton():
        x = torch.tensor([1.0], dtype=torch.float64)
        while float((x * x - 2).abs()) > 1e-14:
            x = x - (x * x - 2) / (2 * x)
        return (x,)

    spread = rounding_spread(newton)
    assert "does not come to an end" in spread.problem
    assert math.isinf(float(spread.allowed[0]))


def test_the_random_state_is_as_it_was_after_one_run():
    def draws():
        return (torch.randn(3, dtype=torch.float64),)

    torch.manual_seed(0)
    spread = rounding_spread(draws)
    # The same draws in each run: what is drawn is no rounding error.
    assert float(spread.allowed[0].max()) < 1e-14


def test_the_chance_that_a_few_runs_are_all_small():
    z = torch.linspace(0.0, 40.0, 400_001, dtype=torch.float64)
    density = 2 * torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)

    def chance(times, runs):
        return float(torch.trapezoid(density * torch.erf(z / times / math.sqrt(2)) ** runs, z))

    said = {(8, 3): 2e-3, (8, 9): 2e-7, (32, 3): 2e-5, (32, 9): 1e-12, (3200, 3): 1e-10}
    for (times, runs), claimed in said.items():
        assert chance(times, runs) <= 1.3 * claimed
    assert chance(32, 3) > 2e-5  # so three runs alone are no ground to accuse on


def test_an_error_of_a_hundred_spreads_is_seen_and_one_of_a_few_is_not():
    x = POINTS
    unit = torch.finfo(torch.float64).eps / 2
    spread = rounding_spread(lambda: ((x + 1e4) - 1e4,), repeats=9)
    passed_on = 1e4 * unit / math.sqrt(3)  # the standard deviation of one rounding at 10⁴
    assert float(spread.allowed[0].min()) > 8 * passed_on
    assert float(spread.allowed[0].max()) < 128 * passed_on


def test_other_runs_have_other_noise():
    def program():
        return ((POINTS + 1e4) - 1e4,)

    one, other = rounding_spread(program), rounding_spread(program, first=3)
    assert not torch.equal(one.allowed[0], other.allowed[0])
    assert torch.equal(one.allowed[0], rounding_spread(program).allowed[0])
