"""Measure-valued derivatives: the gradient of an expectation from two values of the reward.

The derivative of a law is a difference of two laws times a constant. So a gradient can be estimated without a
derivative of the reward (which may be a step) and without a score: evaluate the reward on both sides.

Sources: Mohamed, Rosca, Figurnov & Mnih 2020, "Monte Carlo gradient estimation in machine learning" (JMLR 21), section
6 and table 1; Pflug 1989.
"""

from __future__ import annotations

import math

import torch

from genverify.claims import proves
from genverify.formulas import estimator_paths as topic
from genverify.noise import expectation
from genverify.oracles import measure_valued as oracle
from genverify.reference.estimators import measure_valued, score_function

D = torch.float64

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂/∂μ E f(z) = (E f(μ + σW) - E f(μ - σW)) / (σ √(2π)), W Rayleigh.


@proves("measure_valued.normal")
def test_both_sides_agree_for_a_cubic():
    """And so for the standard deviation, with a two-sided Maxwell variable and a quartic."""
    for equation in (topic.NORMAL_WEAK.equation(), oracle.maxwell_equation()):
        assert (equation.lhs - equation.rhs).simplify() == 0


@proves("measure_valued.normal")
def test_a_step_has_a_gradient_where_the_path_has_none():
    """f(z) = 1 for z > 0: the exact derivative at μ is φ(μ); along the path it would be zero."""
    mean, std = torch.tensor(0.3, dtype=D), torch.tensor(1.0, dtype=D)

    def once() -> torch.Tensor:
        rayleigh = torch.empty(1, dtype=D).exponential_().mul(2.0).sqrt()
        return measure_valued.normal_mean(mean, std, lambda z: (z > 0).to(D), rayleigh)

    found = expectation(once, max_evaluations=4_096)
    assert abs(float(found.mean) - math.exp(-0.045) / math.sqrt(2 * math.pi)) <= float(found.error)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂/∂p E f(b) = f(1) - f(0), b ~ Bernoulli(p).


@proves("measure_valued.bernoulli")
def test_one_coin_needs_no_chance():
    """E f = (1 - p) f(0) + p f(1) is linear in p. The estimate does not depend on the draw; the score's does."""
    p = torch.tensor([0.3], dtype=D)

    def f(b: torch.Tensor) -> torch.Tensor:
        return 2 * b.sum(-1) ** 2 + 1

    weak = expectation(lambda: measure_valued.bernoulli(p, f, torch.bernoulli(p).unsqueeze(0)))
    score = expectation(lambda: score_function.bernoulli(p, f, torch.bernoulli(p).unsqueeze(0)))
    assert float(weak.mean) == 2.0
    assert abs(float(score.mean) - 2.0) <= float(score.error)
    assert float(weak.variance) + float(weak.variance_error) < float(score.variance) - float(score.variance_error)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂/∂λ E f(k) = E f(k + 1) - E f(k), k ~ Poisson(λ).


@proves("measure_valued.poisson")
def test_a_rate_moves_mass_one_step_up():
    """From dp(k)/dλ = p(k - 1) - p(k); and for f = k², where E f = λ + λ² has slope 1 + 2λ."""
    equation = topic.POISSON_WEAK.equation()
    assert (equation.lhs - equation.rhs).simplify() == 0
    rate = torch.tensor([2.5], dtype=D)
    found = expectation(lambda: measure_valued.poisson(lambda k: k**2, torch.poisson(rate)))
    assert abs(float(found.mean) - (1 + 2 * 2.5)) <= float(found.error)
