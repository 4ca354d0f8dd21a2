"""The score-function estimator, its baselines, and what they do to bias and variance.

A reward f is averaged over draws from a law with parameters θ, and its gradient in θ is wanted although f itself may
have none (it may be a game, or a table). The law has one: ∇p = p ∇log p turns the gradient of an average into an
average again. This page derives that, says which baselines may be subtracted, and which one is best.

Sources: Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning"
(Machine Learning 8); Greensmith, Bartlett & Baxter 2004 (JMLR 5); Mnih & Rezende 2016 (ICML).
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import estimator as topic
from genverify.noise import expectation
from genverify.oracles import estimators as oracle
from genverify.reference.estimators import leave_one_out, score_function
from genverify.subjects.estimator import GradientEstimator

_LOGITS = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
_REWARDS = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)


def draw(n):
    """n independent outcomes."""
    return torch.multinomial(torch.softmax(_LOGITS, -1), n, replacement=True)


def reward(k):
    """The reward of outcome k, from a table: no derivative in sight."""
    return _REWARDS[k]


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∇ E f(z) = E[f(z) ∇ log p(z)].
#
# ── Derivation, finite laws ──────────────────────────────────────────────────────────────────────────────────────────
# Σ ∂p_k f_k = Σ p_k (∂p_k / p_k) f_k, term by term. SymPy differentiates softmax with three outcomes, all symbols.


@proves("score_function.log_derivative")
def test_log_derivative_for_a_categorical_law():
    """The equation that is displayed holds for all logits and rewards."""
    equation = topic.LOG_DERIVATIVE.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0


# ── Derivation, a continuous law ─────────────────────────────────────────────────────────────────────────────────────
# For z ~ N(μ, σ²) the score in μ is (z - μ)/σ² = ε/σ. With f = sin ωz both sides are integrated by SymPy.


@proves("score_function.log_derivative")
def test_log_derivative_for_a_normal_law():
    """E[sin(ωz) ε/σ] at μ = 0 is the derivative of E sin ωz there."""
    omega, phase, mu, sigma = oracle.normal_sine.symbols
    derivative = sympy.diff(oracle.normal_sine.expression, mu).subs({mu: 0, phase: 0})
    epsilon = sympy.Symbol("epsilon", real=True)
    by_score = oracle.standard_expectation(sympy.sin(omega * sigma * epsilon) * epsilon / sigma, epsilon)
    assert sympy.simplify(by_score - derivative) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A baseline b keeps the estimate unbiased if and only if E[b s] = 0. Independence of the sample is enough, since
# E s = 0; it is not needed.


@proves("score_function.baseline")
def test_a_baseline_is_harmless_exactly_when_it_is_uncorrelated_with_the_score():
    """The score has mean zero, so an independent b does no harm; nor does (z - μ)², which sees its sample."""
    theta, p, _ = topic.three_outcomes()
    score = [sympy.diff(sympy.log(one), theta[0]) for one in p]
    assert sympy.simplify(sum(weight * s for weight, s in zip(p, score, strict=True))) == 0
    epsilon, sigma = sympy.Symbol("epsilon", real=True), sympy.Symbol("sigma", positive=True)
    seeing = (sigma * epsilon) ** 2
    assert oracle.standard_expectation(seeing * epsilon / sigma, epsilon) == 0
    # A baseline that does harm: the deviation itself, with E[b s] = 1.
    assert oracle.standard_expectation((sigma * epsilon) * epsilon / sigma, epsilon) == 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Of all constants b* = E[f s²]/E[s²] gives the smallest variance, component by component.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E (f - b) s does not depend on b, so the variance is E (f - b)² s² less a constant: a parabola in b.


@proves("score_function.optimal_baseline")
def test_the_best_constant_baseline():
    """The parabola E f²s² - 2b E fs² + b² E s² is least at E fs²/E s²; integration of the reference agrees."""
    b, ffss, fss = sympy.symbols("b F2 F1", real=True)
    ss = sympy.Symbol("S", positive=True)
    parabola = ffss - 2 * b * fss + b**2 * ss
    (best,) = sympy.solve(sympy.diff(parabola, b), b)
    assert best == fss / ss
    assert sympy.diff(parabola, b, 2) == 2 * ss
    p, s = torch.softmax(_LOGITS, -1), score_function.categorical_score(_LOGITS, torch.arange(3))
    optimal = ((p * _REWARDS)[:, None] * s**2).sum(0) / (p[:, None] * s**2).sum(0)

    def variance(b):
        def estimate():
            k = draw(1)
            return (reward(k) - b) * score_function.categorical_score(_LOGITS, k)[0]

        return expectation(estimate).variance

    for step in (-0.25, 0.25):
        assert (variance(optimal) < variance(optimal + step)).all()


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The mean reward of the others is a baseline that does not see its own sample: unbiased. The mean of all n rewards sees
# it with weight 1/n, and the mean of the estimate is exactly (1 - 1/n) of the gradient.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E[r_j s_i] = E r · E s = 0 for j ≠ i and g for j = i. By linearity E[(r_i - r̄) s_i] = g - g/n.


@proves("score_function.leave_one_out")
@pytest.mark.parametrize("n", [2, 3])
def test_leave_one_out_is_unbiased(n):
    """Every one of the 3ⁿ outcomes of n draws, with its probability."""
    found = expectation(lambda: leave_one_out.categorical(_LOGITS, reward, draw(n)))
    exact = oracle.categorical_gradient(_LOGITS, _REWARDS)
    assert found.method == "enumeration"
    assert ((found.mean - exact).abs() <= 64 * found.error).all()


@proves("score_function.batch_mean_baseline")
@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_batch_mean_shrinks_the_gradient_by_one_nth(n):
    """Half of it at n = 2; four fifths at n = 5, hidden from any plot of the direction."""
    g = sympy.Symbol("g")  # E[r_i s_i]
    shares = [g if j == 0 else sympy.S.Zero for j in range(n)]  # E[r_j s_i], j = i first
    assert sympy.expand(shares[0] - sum(shares) / n - (1 - sympy.Rational(1, n)) * g) == 0

    def estimate():
        k = draw(n)
        r = reward(k)
        return score_function.log_derivative(r - r.mean(), score_function.categorical_score(_LOGITS, k)).mean(0)

    found = expectation(estimate)
    exact = (1 - 1 / n) * oracle.categorical_gradient(_LOGITS, _REWARDS)
    assert ((found.mean - exact).abs() <= 64 * found.error).all()


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.estimators.score_function` and `.leave_one_out`, as a stranger would declare them.


@proves("score_function.log_derivative")
def test_the_reference_estimators_pass():
    """Bias exact over every outcome of the draws."""
    for f in (score_function.categorical, leave_one_out.categorical):
        report = gv.verify(GradientEstimator(f, like="target.gradient_categorical"), budget="quick")
        report.raise_for_failures()
        assert report.count(gv.Outcome.PASS) == 3
