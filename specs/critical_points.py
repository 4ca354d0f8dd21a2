"""Critical points: minima, maxima, saddles, and why there are so many saddles.

Where the gradient vanishes, the Hessian says what the point is, if it says anything: all eigenvalues positive is enough
for a minimum, none negative is not. In many dimensions almost no symmetric matrix is definite, so that a critical point
taken at random is a saddle.

Sources: Nocedal & Wright 2006, "Numerical Optimization", theorems 2.3 and 2.4; the Blog, on critical points; Dean &
Majumdar 2006, "Large deviations of extreme eigenvalues of random matrices" (Physical Review Letters 97); Dauphin et al.
2014, "Identifying and attacking the saddle point problem in high-dimensional non-convex optimization" (NIPS); Clopper &
Pearson 1934 (Biometrika 26).
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import sympy
import torch
from scipy.stats import beta

import genverify as gv
from genverify.claims import proves
from genverify.formulas import calculus_claims as claims
from genverify.formulas import calculus_critical_point as formulas
from genverify.reference.calculus import curvature as reference

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∇f(x) = 0 and H(x) ≻ 0 make x a strict local minimum of a C² function; H ≺ 0 a maximum; both signs a saddle.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Taylor: f(x + d) − f(x) = ½ dᵀH(x + θd)d with 0 < θ < 1, since ∇f(x) = 0. Let λ > 0 be the smallest eigenvalue of
# H(x). H is continuous, and so are eigenvalues: in some ball every H(x + θd) has its smallest above λ/2. There
# f(x + d) − f(x) ≥ (λ/4)‖d‖² > 0 for d ≠ 0. For a maximum take −f. With eigenvalues of both signs go along the two
# eigenvectors: the second derivative of t ↦ f(x + tv) at 0 is vᵀHv, positive along one and negative along the other.


@proves("calculus.critical_point.positive_definite")
def test_the_quadratic_form_is_bounded_by_its_smallest_eigenvalue():
    """dᵀHd − λ‖d‖² is a sum of squares with weights μ_i − λ ≥ 0 in the eigenvectors' coordinates, at n = 3."""
    smallest = sympy.Symbol("lambda", positive=True)
    gaps = sympy.symbols("g1:4", nonnegative=True)  # μ_i = λ + g_i
    c = sympy.symbols("c1:4", real=True)
    form = sum((smallest + gap) * one**2 for gap, one in zip(gaps, c, strict=True))
    rest = sympy.expand(form - smallest * sum(one**2 for one in c))
    assert sympy.expand(rest - sum(gap * one**2 for gap, one in zip(gaps, c, strict=True))) == 0
    assert rest.is_nonnegative


@proves("calculus.critical_point.positive_definite")
def test_the_remainder_of_taylor_where_the_slope_vanishes():
    """f(x + d) − f(x) = ∫₀¹ (1 − s) dᵀH(x + sd)d ds: integration by parts, executed along d; ∫₀¹ (1 − s) ds = ½."""
    s = sympy.Symbol("s", real=True)
    g = sympy.Function("g")  # s ↦ f(x + s d), with g′(0) = ∇f(x) · d = 0
    primitive = (1 - s) * g(s).diff(s) + g(s)
    assert sympy.simplify(primitive.diff(s) - (1 - s) * g(s).diff(s, 2)) == 0
    assert sympy.integrate(1 - s, (s, 0, 1)) == sympy.Rational(1, 2)
    # At s = 1 the primitive is g(1); at s = 0 it is g(0) and the slope there, which is zero.
    assert primitive.subs(s, 1) == g(1)
    assert primitive.subs(s, 0) - g(0) == sympy.Subs(g(s).diff(s), s, 0)


@proves("calculus.critical_point.positive_definite")
def test_along_eigenvectors_of_both_signs():
    """The second derivative of t ↦ f(x + tv) at a critical point is vᵀHv, for f a general quadratic and cubic."""
    t, p, q = sympy.symbols("t p q", real=True)
    h = sympy.Matrix([["a", "b"], ["b", "c"]])
    k = sympy.symbols("k1:5", real=True)
    d = sympy.Matrix([p, q]) * t
    f = (d.T * h * d)[0] / 2 + k[0] * d[0] ** 3 + k[1] * d[0] ** 2 * d[1] + k[2] * d[0] * d[1] ** 2 + k[3] * d[1] ** 3
    v = sympy.Matrix([p, q])
    assert sympy.expand(sympy.diff(f, t, 2).subs(t, 0) - (v.T * h * v)[0]) == 0


# ── Claim, as its source states it (REFUTED) ─────────────────────────────────────────────────────────────────────────
# "A critical point whose Hessian has no negative eigenvalue is a minimum."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# f(x, y) = x² + y³ at the origin: ∇f = 0, eigenvalues 2 and 0, but f(0, −t) = −t³ < 0 = f(0, 0).
#
# ── Corrected statement ──────────────────────────────────────────────────────────────────────────────────────────────
# No negative eigenvalue is necessary (theorem 2.3): vᵀHv < 0 makes f fall along v. It is sufficient when it holds in a
# whole neighbourhood, since then f(x + d) − f(x) = ∫ (1 − s) dᵀH(x + sd)d ds ≥ 0. At the origin of x² + y³ it does not:
# the second eigenvalue is 6y.


@proves("calculus.critical_point.nonnegative_eigenvalues")
def test_a_cubic_refutes_it():
    """Gradient, eigenvalues and the descent, and what the eigenvalues are nearby."""
    x, y, t = *sympy.symbols("x y", real=True), sympy.Symbol("t", positive=True)
    f = x**2 + y**3
    origin = {x: 0, y: 0}
    assert [sympy.diff(f, one).subs(origin) for one in (x, y)] == [0, 0]
    hessian = sympy.hessian(f, (x, y))
    assert hessian.subs(origin).eigenvals() == {2: 1, 0: 1}
    assert f.subs({x: 0, y: -t}).is_negative
    assert set(hessian.eigenvals()) == {2, 6 * y}
    assert (6 * y).subs(y, -t).is_negative


@proves("calculus.critical_point.nonnegative_eigenvalues")
def test_genverify_refutes_the_code_that_believes_it():
    """A matrix with a zero eigenvalue is the witness; the reference says "degenerate"."""

    def classify(H):
        values = torch.linalg.eigvalsh(H)
        return "minimum" if (values >= 0).all() else "maximum" if (values <= 0).all() else "saddle"

    (verdict,) = gv.verify(gv.Formula(classify, like="calculus.critical_point"), checks=["formula.value"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert reference.critical_point(torch.diag(torch.tensor([2.0, 0.0]))) == "degenerate"


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# P(GOE(n) ≻ 0) = 1/2, (2 − √2)/4 = 0.146…, then about 0.02, 0.002 and 1e-4: ever smaller ratios of neighbours.
#
# ── What is exact ────────────────────────────────────────────────────────────────────────────────────────────────────
# n = 1: a centred normal number is positive half of the time. n = 2: a, c ~ N(0, 2), b ~ N(0, 1). In s = (a + c)/2 and
# d = (a − c)/2, both N(0, 1), the matrix is definite iff s > √(d² + b²), a circular cone around s. Its half angle is
# 45°, and (s, d, b) is isotropic, so the probability is the cone's share of the sphere, (1 − cos 45°)/2 = (2 − √2)/4.


@proves("calculus.critical_point.goe")
def test_one_and_two_dimensions_exactly():
    """The condition of definiteness, the isotropy, the solid angle, and the displayed value."""
    s, d, b = sympy.symbols("s d b", real=True)
    matrix = sympy.Matrix([[s + d, b], [b, s - d]])
    assert sympy.expand(matrix.det() - (s**2 - d**2 - b**2)) == 0
    assert matrix.trace() == 2 * s
    to_cone = sympy.Matrix([[1, 1, 0], [1, -1, 0], [0, 0, 2]]) / 2  # (s, d, b) from (a, c, b)
    assert to_cone * sympy.diag(2, 2, 1) * to_cone.T == sympy.eye(3)  # their covariance
    theta = sympy.Symbol("theta", real=True)
    share = sympy.integrate(sympy.sin(theta), (theta, 0, sympy.pi / 4)) * 2 * sympy.pi / (4 * sympy.pi)
    assert sympy.simplify(share - claims.GOE.equation().rhs) == 0
    assert round(float(share), 3) == 0.146


def simulated(n, count=400_000):
    """How many of `count` symmetric matrices are positive definite: pivots of the elimination, all at once."""
    generator = torch.Generator().manual_seed(n)
    raw = torch.randn(count, n, n, generator=generator)
    matrix = (raw + raw.mT) / 2**0.5  # variance 2 on the diagonal, 1 off it
    positive = torch.ones(count, dtype=torch.bool)
    for _ in range(n):
        pivot = matrix[:, 0, 0]
        positive &= pivot > 0
        matrix, positive = matrix[positive], positive[positive]
        matrix = matrix[:, 1:, 1:] - matrix[:, 1:, :1] * matrix[:, :1, 1:] / matrix[:, :1, :1]
    return len(positive)


def interval(hits, count, alpha=1e-6):
    """Clopper and Pearson's two-sided interval."""
    low = float(beta.ppf(alpha / 2, hits, count - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(1 - alpha / 2, hits + 1, count - hits))


@proves("calculus.critical_point.goe")
def test_it_falls_with_the_dimension():
    """Intervals at 1 − 1e-6 for n = 1 … 5: they hold the exact values, do not overlap, and their ratios fall, too."""
    count = 400_000
    found = {n: interval(simulated(n, count), count) for n in range(1, 6)}
    for n, exact in ((1, 0.5), (2, (2 - 2**0.5) / 4)):
        assert found[n][0] <= exact <= found[n][1]
    for n in range(1, 5):
        assert found[n + 1][1] < found[n][0]
    ratios = [(found[n + 1][0] / found[n][1], found[n + 1][1] / found[n][0]) for n in range(1, 5)]
    for (low, _), (_, high) in pairwise(ratios[:3]):  # at n = 5 some 50 hits are too few for that
        assert high < low
    for n, about in ((3, 0.02), (4, 0.002), (5, 1e-4)):
        assert found[n][0] < 1.5 * about
        assert found[n][1] > about / 1.5


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.calculus.curvature.critical_point`; a zero among both signs is a saddle here, and degenerate in
# Morse's sense.


@proves("calculus.critical_point.positive_definite")
@pytest.mark.parametrize("tolerance", [0.0, 1e-5])
def test_the_reference_and_a_classifier_with_a_tolerance_pass(tolerance):
    """Synonyms count; a batch is refused by code for one matrix, which is then judged on one."""

    def classify(hess):
        values = torch.linalg.eigvalsh(hess)
        if (values.abs() <= tolerance).any():
            return "inconclusive"
        return "local minimum" if (values > 0).all() else "local maximum" if (values < 0).all() else "saddle point"

    for subject in (formulas.critical_point(), gv.Formula(classify, like="calculus.critical_point")):
        report = gv.verify(subject, budget="quick", checks=["formula.dialect", "formula.value"])
        assert {verdict.outcome for verdict in report} == {gv.Outcome.PASS}
