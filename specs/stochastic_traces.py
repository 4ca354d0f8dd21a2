"""Stochastic traces: tr A from products with random probes, and log det(I + J) from traces of powers.

A trace needs d products with unit vectors; a probe needs one. What must be true of the probes, how far one estimate is
off, and what is lost where the series of the logarithm is cut: residual flows and natural-gradient methods rest on it.

Sources: Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix"; Avron & Toledo 2011,
"Randomized algorithms for estimating the trace of an implicit symmetric positive semi-definite matrix"; Behrmann et al.
2019, "Invertible residual networks"; Chen et al. 2019, "Residual flows for invertible generative modeling".
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import stochastic_claims as topic
from genverify.noise import expectation
from genverify.oracles import stochastic_targets as oracle
from genverify.reference.estimators import hutchinson
from genverify.subjects.estimator import GradientEstimator

D = torch.float64
A = torch.tensor([[1.0, 0.5, -2.0], [1.5, -1.0, 0.25], [0.0, 0.75, 2.0]], dtype=D)


def bias_verdict(f, like, **rest):
    """The verdict on an estimator's bias, its draws enumerated or integrated out."""
    (found,) = gv.verify(GradientEstimator(f, like=like, **rest), checks=["gradient_estimator.bias"], budget="quick")
    return found


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E vᵀAv = tr A for every A if and only if E vvᵀ = I.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E Σ a_ij v_i v_j = Σ a_ij M_ij = tr AM with M = E vvᵀ. Two linear functions of A are equal when their coefficients
# are: M_ii = 1, and M_ij + M_ji = 2 M_ij = 0.


@proves("stochastic_traces.unbiased")
def test_only_the_second_moment_counts():
    """The mean is tr AM; matching tr A entry by entry has the solution M = I, and no other."""
    equation = topic.TRACE.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    matrix, moments = topic.square_matrix(2), sympy.symbols("m11 m12 m22")
    gap = sympy.expand(equation.lhs - matrix.trace())
    coefficients = [gap.coeff(entry) for entry in matrix]
    assert sympy.solve(coefficients, moments, dict=True) == [dict(zip(moments, (1, 0, 1), strict=True))]


@proves("stochastic_traces.unbiased")
def test_signs_and_normal_probes_pass_and_others_fail():
    """The reference with signs, and a stranger's with normal probes; uniform and unit ones have another moment."""

    def with_probes(draw):
        return lambda A: (v := draw(len(A))) @ (A @ v)

    assert bias_verdict(hutchinson.trace, "target.trace").outcome is gv.Outcome.PASS
    normal = with_probes(lambda n: torch.randn(n, dtype=D))
    assert bias_verdict(normal, "target.trace").outcome is gv.Outcome.PASS
    cube = with_probes(lambda n: 2 * torch.rand(n, dtype=D) - 1)  # E vvᵀ = I/3
    assert bias_verdict(cube, "target.trace").outcome is gv.Outcome.FAIL
    once = with_probes(lambda n: (2 * torch.bernoulli(torch.full((1,), 0.5, dtype=D)) - 1).expand(n))  # all ones in M
    assert bias_verdict(once, "target.trace").outcome is gv.Outcome.FAIL


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# For signs Var vᵀAv = 2‖S‖_F² − 2 Σ s_ii², S = (A + Aᵀ)/2. For normal probes it is 2‖S‖_F².
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# vᵀAv = vᵀSv = Σ s_ii v_i² + 2 Σ_{i<j} s_ij v_i v_j. Products of different coordinates have mean 0, variance 1 and no
# covariance; v_i² is 1 for a sign and has variance 2 for a normal draw.


@proves("stochastic_traces.rademacher_variance")
def test_signs_pay_for_what_is_off_the_diagonal():
    """Over all eight signs in three dimensions, for all symbols; and the reference's variance, by enumeration."""
    equation = topic.RADEMACHER_PROBES.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    found = expectation(
        lambda: hutchinson.trace(lambda v: v @ A.mT, (2 * torch.bernoulli(torch.full((1, 3), 0.5, dtype=D)) - 1))
    )
    symmetric = (A + A.mT) / 2
    exact = 2 * symmetric.square().sum() - 2 * symmetric.diagonal().square().sum()
    assert found.method == "enumeration"
    assert abs(float(found.variance - exact)) <= float(found.variance_error)
    naive = 2 * A.square().sum() - 2 * A.diagonal().square().sum()  # ‖A‖ for ‖S‖: true of symmetric A only
    assert abs(float(found.variance - naive)) > 1


@proves("stochastic_traces.normal_variance")
def test_normal_probes_pay_for_the_diagonal_as_well():
    """By moments up to the fourth; and the reference's variance, the draws integrated out."""
    equation = topic.NORMAL_PROBES.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    square = A[:2, :2]
    found = expectation(lambda: hutchinson.trace(lambda v: v @ square.mT, torch.randn(1, 2, dtype=D)))
    exact = 2 * ((square + square.mT) / 2).square().sum()
    assert abs(float(found.variance - exact)) <= float(found.variance_error) + 64 * torch.finfo(D).eps * float(exact)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log det(I + J) = Σ_{k≥1} (−1)^{k+1} tr(J^k)/k, where every eigenvalue of J has modulus below one.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# log det(I + J) = Σ_i log(1 + λ_i), and each logarithm has its series; Σ_i λ_i^k = tr J^k.


@proves("stochastic_traces.power_series")
def test_the_coefficients_are_traces_of_powers():
    """Taylor's series of log det(I + tJ), for all symbols in two dimensions, up to the fifth power."""
    equation = topic.POWER_SERIES.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    contraction = 0.3 * A / torch.linalg.matrix_norm(A, 2)
    gap = oracle.power_series(contraction, 40) - oracle.log_one_plus(contraction)
    assert abs(float(gap)) <= 64 * torch.finfo(D).eps


@proves("stochastic_traces.power_series")
def test_roulette_gives_the_whole_series_without_bias():
    """The reference stops at random; every place to stop and every sign is counted, until what is left is rounding."""
    jacobian = torch.tensor([[0.3, 0.1], [0.2, 0.25]], dtype=D)
    found = expectation(lambda: hutchinson.logabsdet_by_roulette(lambda v: jacobian @ v, 2, stop=0.5))
    assert found.method == "enumeration"
    assert abs(float(found.mean) - float(oracle.log_one_plus(jacobian))) <= float(found.error)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Cut after K terms it is off by at most d ρ^{K+1}/((K + 1)(1 − ρ)), and for J = −ρI by no less than d ρ^{K+1}/(K + 1).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# |Σ_{k>K} (−1)^{k+1} λ^k/k| ≤ Σ_{k>K} ρ^k/(K + 1) = ρ^{K+1}/((K + 1)(1 − ρ)) for each of d eigenvalues. For λ = −ρ
# every term has the same sign, so what is left out is at least its first term.


@proves("stochastic_traces.cut_series")
@pytest.mark.parametrize("terms", [1, 2, 5])
def test_the_bias_of_a_cut_series_is_bounded_on_both_sides(terms):
    """The geometric sum by SymPy; the exact bias between both bounds at J = −ρI, and under the upper one elsewhere."""
    rho, k = sympy.Symbol("rho", positive=True), sympy.Symbol("k", integer=True)
    tail = rho ** (terms + 1) * sympy.summation(rho**k, (k, 0, sympy.oo)).args[0].expr
    assert sympy.simplify(tail - rho ** (terms + 1) / (1 - rho)) == 0

    def gap(jacobian):
        return abs(float(oracle.power_series(jacobian, terms) - oracle.log_one_plus(jacobian)))

    for radius in (0.2, 0.6, 0.9):
        first = 3 * radius ** (terms + 1) / (terms + 1)
        assert first <= gap(-radius * torch.eye(3, dtype=D)) <= first / (1 - radius)
        turned = radius * A / float(torch.linalg.eigvals(A).abs().max())
        assert gap(turned) <= first / (1 - radius)


@proves("stochastic_traces.cut_series")
def test_a_cut_series_is_unbiased_for_the_cut_sum_only():
    """The same code passes as K terms of the series, and fails as the logarithm: log 1.5 is not 0.375."""
    assert bias_verdict(hutchinson.logabsdet, "target.logabsdet").outcome is gv.Outcome.PASS

    def two_terms(matvec, probes):
        return hutchinson.logabsdet(matvec, probes, 2)

    assert bias_verdict(two_terms, "target.logabsdet").outcome is gv.Outcome.FAIL
    half = hutchinson.logabsdet(lambda v: 0.5 * v, torch.ones(1, 1, dtype=D), 2)
    assert (float(half), round(math.log(1.5), 3)) == (0.375, 0.405)
