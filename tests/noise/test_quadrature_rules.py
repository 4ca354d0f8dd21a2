"""Quadrature rules against the moments of their laws."""

from __future__ import annotations

import math

import pytest

from genverify.errors import UsageError
from genverify.noise.quadrature import LADDER, double_exponential, gauss

MOMENTS = {
    "normal": lambda k: 0.0 if k % 2 else float(math.prod(range(1, k, 2))),
    "uniform": lambda k: 1 / (k + 1),
    "exponential": lambda k: float(math.factorial(k)),
}


@pytest.mark.parametrize("base", MOMENTS)
@pytest.mark.parametrize("count", LADDER)
def test_gauss_rules_are_exact_up_to_their_degree(base, count):
    nodes, weights = gauss(base, count)
    for k in range(min(2 * count, 12)):
        size = math.fsum(w * abs(x) ** k for x, w in zip(nodes, weights, strict=True))
        value = math.fsum(w * x**k for x, w in zip(nodes, weights, strict=True))
        assert abs(value - MOMENTS[base](k)) <= 1e-11 * size


def test_gauss_rules_are_not_exact_beyond_their_degree():
    nodes, weights = gauss("normal", 4)
    assert abs(sum(w * x**8 for x, w in zip(nodes, weights, strict=True)) - 105) > 1


@pytest.mark.parametrize("base", ["uniform", "exponential"])
def test_double_exponential_rules_integrate_a_logarithm_at_the_end(base):
    expected = -1.0 if base == "uniform" else -0.57721566490153286
    for count, allowed in ((21, 1e-3), (63, 1e-10)):
        nodes, weights = double_exponential(base, count)
        assert abs(sum(w * math.log(x) for x, w in zip(nodes, weights, strict=True)) - expected) < allowed


def test_more_nodes_than_float64_holds_are_refused():
    for base, second in (("normal", 1.0), ("uniform", 1 / 3), ("exponential", 2.0)):
        nodes, weights = gauss(base, 180)
        found = sum(w * x**2 for x, w in zip(nodes, weights, strict=True))
        # Nodes are eigenvalues: off by the order of the matrix, times its norm of at most four orders, half units.
        assert abs(found - second) <= 180 * (4 * 180) * 2.0**-53 * second
    with pytest.raises(UsageError, match="pass fewer nodes"):
        gauss("exponential", 220)
