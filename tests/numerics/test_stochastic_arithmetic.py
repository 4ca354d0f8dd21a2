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
