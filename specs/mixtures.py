"""Mixtures of normal distributions: the posterior of the component, and what the steps of EM solve.

Sources: Bishop 2006, "Pattern recognition and machine learning", chapter 9; Hastie, Tibshirani & Friedman 2009, "The
elements of statistical learning", section 6.8.
"""

from __future__ import annotations

import pytest
import sympy

import genverify as gv
from genverify.claims import proves
from genverify.reference.likelihood import mixture as reference


def passes(name: str) -> bool:
    """Whether every check that applies to the reference says PASS."""
    subject = gv.Formula(getattr(reference, name), like=f"mixture.{name}")
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# γ_k = π_k N_k(x)/Σ_j π_j N_j(x) is the posterior of the component: Bayes' theorem, with prior π_k.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With a_k = log π_k N_k(x) it is the softmax of a, which is the gradient of log Σ e^(a_k) = log p(x).


@proves("mixture.responsibilities.posterior")
@pytest.mark.parametrize("name", ["normal_log_prob", "responsibilities"])
def test_the_posterior_is_the_slope_of_the_log_density(name):
    """At three components; the references pass."""
    a = sympy.symbols("a1:4", real=True)
    total = sympy.log(sum(sympy.exp(one) for one in a))
    slopes = [sympy.diff(total, one) for one in a]
    joint = [sympy.exp(one) for one in a]
    assert all(sympy.simplify(slope - one / sum(joint)) == 0 for slope, one in zip(slopes, joint, strict=True))
    assert sympy.simplify(sum(slopes)) == 1
    assert passes(name)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The M-step makes the expected complete log-likelihood stationary.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂/∂μ: Σ γ (x − μ)/σ² = 0. ∂/∂σ²: Σ γ [(x − μ)²/σ⁴ − 1/σ²]/2 = 0. ∂/∂π with a multiplier: N_k/π_k is the same for all
# k, and Σ π_k = 1 makes it n. Every covariance divides by N_k, or by n where all components share it.


@proves("mixture.m_step.stationary")
@pytest.mark.parametrize("name", ["full_covariance_m_step", "diagonal_covariance_m_step", "tied_covariance_m_step"])
def test_the_step_is_stationary(name):
    """All derivatives vanish at three samples and two components, all numbers symbols; the references pass."""
    xs = sympy.symbols("x1:4", real=True)
    gammas = sympy.symbols("g1:4", positive=True)
    mean, variance = sympy.Symbol("mu", real=True), sympy.Symbol("v", positive=True)
    objective = sum(
        g * (-sympy.log(variance) / 2 - (x - mean) ** 2 / (2 * variance)) for g, x in zip(gammas, xs, strict=True)
    )
    count = sum(gammas)
    best = sum(g * x for g, x in zip(gammas, xs, strict=True)) / count
    spread = sum(g * (x - best) ** 2 for g, x in zip(gammas, xs, strict=True)) / count
    assert sympy.simplify(sympy.diff(objective, mean).subs(mean, best)) == 0
    slope = sympy.diff(objective, variance).subs(mean, best)
    left = sympy.Symbol("s", positive=True)  # Σ γ (x − μ)², which is N v at the step
    squares = sum(g * (x - best) ** 2 for g, x in zip(gammas, xs, strict=True))
    assert sympy.simplify(slope - (squares / variance - count) / (2 * variance)) == 0
    assert sympy.simplify((left / variance - count).subs(variance, left / count)) == 0
    assert sympy.simplify(spread - squares / count) == 0
    first, second, pi = sympy.symbols("N1 N2 pi", positive=True)
    weights = first * sympy.log(pi) + second * sympy.log(1 - pi)
    assert sympy.solve(sympy.diff(weights, pi), pi) == [first / (first + second)]
    assert passes(name)
