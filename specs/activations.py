"""Activation functions: what makes each of them what it is.

Sources: Bishop 2006; Nair & Hinton 2010; Maas, Hannun & Ng 2013; Dugas et al. 2001; Clevert, Unterthiner & Hochreiter
2016 (ELU); Klambauer et al. 2017 (SELU); Hendrycks & Gimpel 2016 (GELU); Rockafellar 1970, "Convex Analysis".
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import activation_claims
from genverify.formulas.references import reference_subjects
from genverify.oracles import activation

PLAIN = ("tanh", "leaky_relu", "gelu", "softplus")
REFERENCES = [one for one in reference_subjects() if getattr(one, "like", "") in {f"activation.{n}" for n in PLAIN}]
P = sympy.Symbol("p", positive=True)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# (log(1 + eˣ))′ = σ(x), and log σ(x) = −log(1 + e⁻ˣ).


@proves("activation.softplus.derivative")
def test_the_slope_of_softplus_is_the_sigmoid():
    """The displayed identity; and the logarithm of the sigmoid by definition."""
    equation = activation_claims.SOFTPLUS_DERIVATIVE.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    assert sympy.simplify(sympy.exp(activation.log_sigmoid.expression) - activation.sigmoid.expression) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# tanh x = 2σ(2x) − 1, so x σ(x) = ½ x (1 + tanh x/2).


@proves("activation.tanh.scaled_sigmoid")
def test_the_tangent_is_a_scaled_sigmoid():
    """Both identities, by exponentials."""
    equation = activation_claims.SCALED_SIGMOID.equation()
    assert sympy.simplify((equation.lhs - equation.rhs).rewrite(sympy.exp)) == 0
    (x,) = activation.silu.symbols
    half = x * (1 + sympy.tanh(x / 2)) / 2
    assert sympy.simplify((half - activation.silu.expression).rewrite(sympy.exp)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The subgradients of max(x, 0) + a min(x, 0) at 0 are the slopes in [a, 1].
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# s is a subgradient at 0 when f(y) ≥ s y for all y. For y > 0 this says s ≤ 1; for y < 0, that a y ≥ s y, or s ≥ a.


@proves("activation.relu.subgradient")
def test_the_slopes_at_the_kink():
    """The two conditions, on the expression that runs; and torch's choice of 0 is one of them."""
    x, slope = activation.leaky_relu.symbols
    f, s = activation.leaky_relu.expression, sympy.Symbol("s", real=True)
    assert sympy.simplify((f.subs(x, P) - s * P) / P) == 1 - s
    assert sympy.simplify((f.subs(x, -P) + s * P) / P) == s - slope
    (r,) = activation.relu.symbols
    assert sympy.simplify(f.subs(slope, 0).subs(x, r) - activation.relu.expression) == 0
    at_zero = torch.zeros((), requires_grad=True)
    torch.relu(at_zero).backward()
    assert at_zero.grad == 0
    # Any choice passes: the maximum of two equal numbers has slope ½ in torch, the clamp has 1.
    for choice in (torch.relu, lambda x: torch.maximum(x, torch.zeros_like(x)), lambda x: x.clamp(min=0)):
        subject = gv.Formula(choice, like="activation.relu", arguments=("x",))
        assert not gv.verify(subject, budget="quick", checks=["formula.gradient"]).failures


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ELU is continuous, and its derivative is at 0 where α = 1 and there alone.


@proves("activation.elu.smooth")
def test_the_branches_of_elu_meet():
    """Value and slope from both sides."""
    x, alpha = activation.elu.symbols
    value = activation.elu.expression
    above, below = value.subs(x, P), value.subs(x, -P)
    assert sympy.limit(above, P, 0) == sympy.limit(below, P, 0) == 0
    right, left = sympy.limit(sympy.diff(above, P), P, 0), sympy.limit(-sympy.diff(below, P), P, 0)
    assert (right, left) == (1, alpha)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# For one pair (α, λ) a standard normal input leaves SELU with mean 0 and variance 1.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E f(Z) = λ (1/√(2π) + α m₁) and E f(Z)² = λ² (½ + α² m₂), with m_k = E (e^Z − 1)ᵏ 1(Z < 0), so that m₁ < 0 < m₂. The
# first is linear in α and fixes it, the second then fixes λ > 0.


@proves("activation.selu.fixed_point")
def test_the_constants_of_selu_are_solved_for():
    """One solution for any m₁ < 0 < m₂; with the integrals, which the oracle takes, the published digits."""
    a, rate = sympy.symbols("alpha lambda", positive=True)
    first, second = sympy.Symbol("m1", negative=True), sympy.Symbol("m2", positive=True)
    (only,) = sympy.solve(rate * (1 / sympy.sqrt(2 * sympy.pi) + a * first), a)
    assert only.is_positive
    assert len(sympy.solve(rate**2 * (sympy.Rational(1, 2) + a**2 * second) - 1, rate)) == 1
    mean, moment = (one.equation for one in activation.selu_constants.steps)  # each is checked where it is written
    assert (mean.rhs, moment.rhs) == (0, 1)
    alpha, scale = (sympy.N(value, 35) for value in activation.selu_constants.expressions)
    assert abs(alpha - sympy.Float("1.6732632423543772848170429916717", 35)) < sympy.Float("1e-30")
    assert abs(scale - sympy.Float("1.0507009873554804934193349852946", 35)) < sympy.Float("1e-30")
    assert (round(float(alpha), 4), round(float(scale), 4)) == (1.6733, 1.0507)
    assert (activation.SELU_ALPHA, activation.SELU_SCALE) == (float(alpha), float(scale))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# x Φ(x) = E x·1(Z ≤ x): GELU keeps its input with probability Φ(x).


@proves("activation.gelu.expected_gate")
def test_gelu_is_an_expected_gate():
    """The integral, taken by SymPy; the oracle's form without cancellation is the same function."""
    equation = activation_claims.GELU_GATE.equation()
    assert sympy.simplify((equation.lhs.doit() - equation.rhs).rewrite(sympy.erf)) == 0
    (x,) = activation.gelu.symbols
    theirs = next(symbol for symbol in equation.rhs.free_symbols if symbol.name == "x")
    for side in (P, -P):
        ours = activation.gelu.expression.subs(x, side).rewrite(sympy.erf)
        assert sympy.simplify(ours - equation.rhs.subs(theirs, side)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The tanh form of GELU is another function: they differ by up to 4.7e-4, near |x| = 2.7.


@proves("activation.gelu_tanh.approximates")
def test_the_tanh_form_is_an_approximation():
    """The largest difference on a fine grid; sold as GELU it is FAIL, stated with its accuracy it is PASS."""
    x = torch.arange(-8 * 4096, 8 * 4096 + 1, dtype=torch.float64) / 4096
    gap = (activation.gelu(x) - activation.gelu_tanh(x)).abs()
    assert f"{float(gap.max()):.1e}" == "4.7e-04"
    assert round(abs(float(x[gap.argmax()])), 1) == 2.7
    tail = torch.linspace(-1000, -8, 10001, dtype=torch.float64)
    assert float((activation.gelu(tail) - activation.gelu_tanh(tail)).abs().max()) < 1e-14

    def by_tanh(x):
        return torch.nn.functional.gelu(x, approximate="tanh")

    for like, failing in (("activation.gelu", True), ("activation.gelu_tanh", False)):
        report = gv.verify(gv.Formula(by_tanh, like=like), budget="quick", checks=["formula.dialect"])
        assert bool(report.failures) is failing


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("activation.tanh.scaled_sigmoid")
@pytest.mark.parametrize("reference", REFERENCES, ids=lambda one: one.like)
def test_the_references_pass(reference):
    """Every check that applies to the reference says PASS."""
    outcomes = {verdict.outcome for verdict in gv.verify(reference, budget="quick")}
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}
