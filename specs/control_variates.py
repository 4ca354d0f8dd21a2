"""Control variates: subtract something of known mean that moves with the reward.

The estimate f - a (c - E c) has the mean of f whatever the number a is, and a smaller variance when c and f are
correlated and a is chosen well. Forgetting to add E c back keeps the smaller variance and loses the mean.

Sources: Robert & Casella 2004, "Monte Carlo Statistical Methods", section 4.4.2.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import control_variate as topic
from genverify.noise import expectation
from genverify.reference.estimators import control_variate
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E[f - a (c - E c)] = E f for every a that does not depend on the samples. Linearity; executed on a law of three
# outcomes with symbols for everything.


@proves("control_variates.unbiased")
def test_the_mean_is_untouched():
    """For all probabilities, rewards, controls and coefficients."""
    p1, p2, a = sympy.symbols("p1 p2 a", real=True)
    p = [p1, p2, 1 - p1 - p2]
    f, c = sympy.symbols("f1:4", real=True), sympy.symbols("c1:4", real=True)
    mean_c = sum(weight * one for weight, one in zip(p, c, strict=True))
    estimate = sum(weight * (fx - a * (cx - mean_c)) for weight, fx, cx in zip(p, f, c, strict=True))
    exact = sum(weight * fx for weight, fx in zip(p, f, strict=True))
    assert sympy.expand(estimate - exact) == 0
    # Without E c it is off by -a E c.
    lost = sum(weight * (fx - a * cx) for weight, fx, cx in zip(p, f, c, strict=True))
    assert sympy.expand(lost - exact + a * mean_c) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The best a is Cov(f, c)/Var c, and with it the variance is (1 - ρ²) Var f.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Var(f - ac) = Var f - 2a Cov + a² Var c is a parabola in a.


@proves("control_variates.variance_reduction")
def test_variance_with_the_best_coefficient():
    """The parabola's lowest point, in symbols."""
    sf, sc = sympy.symbols("sigma_f sigma_c", positive=True)
    rho, a = sympy.symbols("rho a", real=True)
    parabola = sf**2 - 2 * a * rho * sf * sc + a**2 * sc**2
    (best,) = sympy.solve(sympy.diff(parabola, a), a)
    assert sympy.simplify(best - rho * sf / sc) == 0
    equation = topic.VARIANCE_REDUCTION.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    assert sympy.simplify(parabola.subs(a, best) - equation.rhs) == 0


@proves("control_variates.variance_reduction")
def test_the_reference_gains_that_factor():
    """Outcomes and probabilities by enumeration: the ratio of the variances is 1 - ρ²."""
    p = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    f, c = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64), torch.tensor([0.5, -1.0, 0.75], dtype=torch.float64)
    mean_f, mean_c = p @ f, p @ c
    cov, var_f, var_c = p @ ((f - mean_f) * (c - mean_c)), p @ (f - mean_f) ** 2, p @ (c - mean_c) ** 2

    def estimate(a):
        k = torch.multinomial(p, 2, replacement=True)
        return control_variate.estimate(f[k], c[k], mean_c, a)

    plain, best = (expectation(lambda a=a: estimate(a)) for a in (torch.zeros_like(cov), cov / var_c))
    expected = (1 - cov**2 / (var_f * var_c)) * plain.variance
    assert abs(best.variance - expected) <= 64 * (best.variance_error + plain.variance_error)
    assert abs(best.mean - plain.mean) <= 64 * (best.error + plain.error)
    assert best.variance < plain.variance / 3


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.estimators.control_variate`: the formula pointwise, and its expectation over the draws.


@proves("control_variates.unbiased")
def test_the_reference_passes():
    """As a formula, and as an estimator of a mean."""
    gv.verify(Formula(control_variate.estimate, like="control_variate.estimate"), budget="quick").raise_for_failures()
    report = gv.verify(GradientEstimator(control_variate.estimate, like="target.mean"), budget="quick")
    report.raise_for_failures()
    assert report.count(gv.Outcome.PASS) == 3
