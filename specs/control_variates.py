"""Control variates and antithetic pairs: what is known of the mean, or of the mirror image, takes variance away.

The estimate f - a (c - E c) has the mean of f whatever the number a is, and a smaller variance when c and f are
correlated and a is chosen well. Forgetting to add E c back keeps the smaller variance and loses the mean. A draw and
its mirror image have the same law; their errors cancel for some f, and agree for others.

Sources: Robert & Casella 2004, "Monte Carlo Statistical Methods", sections 4.4.2 and 4.4.3; Hammersley & Morton 1956,
"A new Monte Carlo technique: antithetic variates".
"""

from __future__ import annotations

from dataclasses import replace

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import antithetic as topic_antithetic
from genverify.formulas import control_variate as topic
from genverify.noise import expectation
from genverify.oracles import estimators as oracle
from genverify.reference.estimators import antithetic, control_variate
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


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# An antithetic pair ½ (f(z) + f(z')) has the mean of f, however z' depends on z, if it has the same law.


@proves("control_variates.antithetic.unbiased")
def test_a_pair_has_the_mean_of_one():
    """Two outcomes, any joint law with equal margins; the references pass, as a formula and as a gradient."""
    p, q = sympy.symbols("p q", real=True)  # P(first) and P(both first)
    f = sympy.symbols("f1 f2", real=True)
    joint = {(0, 0): q, (0, 1): p - q, (1, 0): p - q, (1, 1): 1 - 2 * p + q}
    mean = sum(weight * (f[i] + f[j]) / 2 for (i, j), weight in joint.items())
    assert sympy.expand(mean - (p * f[0] + (1 - p) * f[1])) == 0
    for subject in (
        Formula(antithetic.estimate, like="control_variate.antithetic"),
        GradientEstimator(antithetic.pathwise_loss, like="target.gradient_normal"),
    ):
        gv.verify(subject, budget="quick").raise_for_failures()


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# For monotone f a pair has no more variance than two independent draws.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The variance of a pair is half of V + C, with C = Cov(f(ε), f(−ε)). With an independent copy ε' of ε,
# 2C = E (f(ε) − f(ε'))(f(−ε) − f(−ε')), and one factor is ≥ 0 where the other is ≤ 0.


def spread(values, weights, mirrored):
    """Variance of a pair, of two independent draws, and twice the covariance as the mean of the products."""
    mean = sum(w * v for v, w in zip(values, weights, strict=True))
    pairs = [(a + b) / 2 for a, b in zip(values, mirrored, strict=True)]
    one = sum(w * v**2 for v, w in zip(values, weights, strict=True)) - mean**2
    two = sum(w * v**2 for v, w in zip(pairs, weights, strict=True)) - mean**2
    products = sum(
        w * u * (values[i] - values[j]) * (mirrored[i] - mirrored[j])
        for i, w in enumerate(weights)
        for j, u in enumerate(weights)
    )
    return two, one / 2, products


@proves("control_variates.antithetic.monotone")
def test_monotone_functions_gain():
    """The gap is half the covariance, in symbols for a symmetric law of four outcomes; f up makes each product ≤ 0."""
    equation = topic_antithetic.MONOTONE.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    p = sympy.Symbol("p", positive=True)
    weights = [p, sympy.Rational(1, 2) - p, sympy.Rational(1, 2) - p, p]
    start, steps = sympy.Symbol("f0", real=True), sympy.symbols("d1:4", nonnegative=True)
    values = [start + sum(steps[:k]) for k in range(4)]
    mirrored = values[::-1]
    pair, independent, products = spread(values, weights, mirrored)
    assert sympy.expand(pair - independent - products / 4) == 0
    for i in range(4):
        for j in range(i):
            assert (values[i] - values[j]).is_nonnegative
            assert sympy.expand(mirrored[j] - mirrored[i]).is_nonnegative


# ── Claim, REFUTED ───────────────────────────────────────────────────────────────────────────────────────────────────
# "Antithetic pairs reduce the variance." For f(z) = z² at μ = 0 the mirror image says the same again.
#
# ── Corrected claim ──────────────────────────────────────────────────────────────────────────────────────────────────
# f = e + o, even and odd part: a pair is e(ε), of variance Var e; two draws have (Var e + Var o)/2 by Cov(e, o) = 0.


@proves("control_variates.antithetic.lower_variance")
def test_even_functions_lose():
    """z² and z + b z², with moments by SymPy; the reference by integrating its draws: twice, and none at all."""
    epsilon, b = sympy.Symbol("epsilon", real=True), sympy.Symbol("b", real=True)

    def variance(f):
        mean = oracle.standard_expectation(f, epsilon)
        return sympy.expand(oracle.standard_expectation(sympy.expand(f**2), epsilon) - mean**2)

    even, odd = b * epsilon**2, epsilon
    assert sympy.expand(variance(even + odd) - variance(even) - variance(odd)) == 0
    assert variance((even + odd + even - odd) / 2) == variance(even)
    assert variance(epsilon**2) == 2 * (variance(epsilon**2) / 2)
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)

    def exact(function, paired):
        def estimate():
            noise = torch.randn(1 if paired else 2, dtype=torch.float64)
            return antithetic.estimate(function, zero, one, noise) if paired else function(noise).mean()

        return expectation(estimate).variance

    square, line = (lambda z: z * z), (lambda z: 3 * z)
    assert abs(float(exact(square, True) / exact(square, False)) - 2) < 1e-9
    assert abs(float(exact(line, True))) < 1e-12 < float(exact(line, False))


# A claim of lower variance is a subject of its own: true of the pair for a rising reward, false for an even one.


@proves("control_variates.antithetic.lower_variance")
def test_the_claim_of_a_lower_variance_is_judged():
    """The same two estimators, ordered one way for f(z) = exp(z/2) and the other way for f(z) = z²."""
    mean, std = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)

    def value(make, reward):
        return GradientEstimator(
            lambda mean, std: make(mean, std, reward, 1), target=expected[reward], at=(mean, std), surrogate=False
        )

    def rising(z):
        return torch.exp(z / 2).sum(-1)

    def square(z):
        return (z * z).sum(-1)

    one = torch.ones((), dtype=torch.float64)
    expected = {rising: torch.exp(one / 8), square: one}
    for reward, outcome in ((rising, gv.Outcome.PASS), (square, gv.Outcome.FAIL)):
        subject = replace(
            value(antithetic.pathwise_loss, reward), lower_variance_than=value(antithetic.plain, reward).f
        )
        (verdict,) = gv.verify(subject, checks=["gradient_estimator.variance"], budget="quick")
        assert verdict.outcome is outcome, str(verdict)
