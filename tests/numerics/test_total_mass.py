"""The total mass of known densities, and what is said when it cannot be found."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Beta, Cauchy, Exponential, Gamma, Laplace, Normal

from genverify.numerics.total_mass import total_mass

ONE = torch.tensor(1.0, dtype=torch.float64)


@pytest.mark.parametrize(
    ("law", "low", "high"),
    [
        (Normal(0.0 * ONE, ONE), -math.inf, math.inf),
        (Cauchy(0.0 * ONE, ONE), -math.inf, math.inf),
        (Laplace(0.3 * ONE, ONE), -math.inf, math.inf),
        (Exponential(2.0 * ONE), 0.0, math.inf),
        (Gamma(0.5 * ONE, ONE), 0.0, math.inf),
        (Beta(0.5 * ONE, 0.5 * ONE), 0.0, 1.0),
        (Beta(2.0 * ONE, 3.0 * ONE), 0.0, 1.0),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 0.999, 2.0])
def test_known_masses(law, low, high, factor):
    found = total_mass(lambda x: law.log_prob(x[:, 0]) + math.log(factor), 1, low=low, high=high)
    # Beta(½, ½) loses what lies within rounding of 1: ∫ (1 − x)^-½ over 2⁻⁵³ is 2⁻²⁶.
    assert abs(found.value - factor) <= 4 * found.error + 2.0**-25
    assert found.error < 1e-6
    assert not found.problem


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_dimensions(dims):
    found = total_mass(lambda x: -0.5 * (x**2 + math.log(2 * math.pi)).sum(-1), dims)
    assert abs(found.value - 1.0) <= 4 * found.error < 1e-4


def test_mass_that_no_grid_sees_is_not_judged():
    found = total_mass(lambda x: Normal(100 * ONE, 1e-4 * ONE).log_prob(x[:, 0]), 1, points=256)
    assert found.problem or found.error > 0.05 * abs(found.value)
    settled = total_mass(lambda x: Normal(100 * ONE, 1e-4 * ONE).log_prob(x[:, 0]), 1, center=100.0, scale=1e-4)
    assert abs(settled.value - 1.0) <= 4 * settled.error < 1e-6


def test_not_a_number_is_said():
    found = total_mass(lambda x: torch.where(x[:, 0] > 1.0, math.nan, -0.5 * x[:, 0] ** 2), 1)
    assert "NaN" in found.problem


def test_a_mass_that_goes_on_at_the_ends_is_truncated():
    assert total_mass(lambda x: -torch.log1p(x[:, 0].abs()), 1).truncated
