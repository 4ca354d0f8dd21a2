"""Softmax: probabilities from logits, what it does not see, and what it is for two classes.

softmax(x)_i = e^(x_i)/Σ_j e^(x_j). Adding a number to all logits changes nothing, which is why the largest of them may
be taken out before the exponentials, and must be, in floating point. For two classes it is the sigmoid.

Sources: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs"; Bishop 2006, section
4.2; Goodfellow, Bengio & Courville 2016, "Deep Learning", section 6.2.2.3.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import activation_claims
from genverify.oracles import activation

X = sympy.symbols("x1:4", real=True)
C = sympy.Symbol("c", real=True)


def softmax(logits):
    """Softmax of symbols."""
    total = sum(sympy.exp(x) for x in logits)
    return [sympy.exp(x) / total for x in logits]


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# softmax(a, b)₁ = σ(a − b).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Divide above and below by eᵃ.


@proves("activation.softmax.two_logits_sigmoid")
def test_two_logits():
    """The displayed identity, and torch on both sides of it."""
    equation = activation_claims.TWO_LOGITS.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    a, b = sorted(equation.lhs.free_symbols, key=str)
    assert sympy.simplify(equation.lhs - softmax([a, b])[0]) == 0

    def by_softmax(x):
        return torch.softmax(torch.stack((x, torch.zeros_like(x)), -1), -1)[..., 0]

    checks = ["formula.value", "formula.gradient"]
    report = gv.verify(gv.Formula(by_softmax, like="activation.sigmoid"), budget="quick", checks=checks)
    assert not report.failures, str(report)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# softmax(x + c) = softmax(x); the entries are positive and sum to 1.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# e^(x + c) = eᶜ eˣ, and eᶜ cancels. Positive, since exponentials are; they sum to Σ e^(x_i)/Σ e^(x_j) = 1.


@proves("activation.softmax.shift_invariant")
def test_a_shift_changes_nothing_and_the_sum_is_one():
    """Three classes, all symbols, and the displayed equation at K = 3."""
    for moved, plain in zip(softmax([x + C for x in X]), softmax(X), strict=True):
        assert sympy.simplify(moved - plain) == 0
        assert plain.is_positive
    assert sympy.simplify(sum(softmax(X))) == 1
    equation = activation_claims.SHIFT_INVARIANT.equation()
    k = next(symbol for symbol in equation.free_symbols if symbol.name == "K")
    at_three = (equation.lhs - equation.rhs).subs(k, 3).doit()
    assert sympy.simplify(at_three) == 0


@proves("activation.softmax.shift_invariant")
def test_what_the_shift_is_for():
    """Without it e^(10⁴) overflows; with it every entry is a probability, however large the logits."""
    logits = torch.tensor([[1e4, 9.9e3, -1e4]], dtype=torch.float64)
    naive = torch.exp(logits) / torch.exp(logits).sum(-1, keepdim=True)
    assert bool(naive.isnan().any())
    found = activation.softmax(logits)
    assert bool(((found >= 0) & (found <= 1)).all())
    assert float(found.sum()) == 1.0

    def without_shift(x):
        return torch.exp(x) / torch.exp(x).sum(-1, keepdim=True)

    checks = ["formula.value", "formula.extremes"]
    report = gv.verify(gv.Formula(without_shift, like="activation.softmax"), budget="quick", checks=checks)
    # Formulas whose value is wrong somewhere fail there; this one is right wherever it is a number.
    assert "formula.extremes" in {verdict.check for verdict in report.failures}
    assert "formula.value" not in {verdict.check for verdict in report.failures}


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("activation.softmax.shift_invariant")
def test_the_axis_is_the_last():
    """Over the batch axis it is another function, although each number is still between 0 and 1."""
    for axis, failing in ((0, True), (-1, False)):
        subject = gv.Formula(lambda x, axis=axis: torch.softmax(x, axis), like="activation.softmax")
        report = gv.verify(subject, budget="quick", checks=["formula.dialect"])
        assert bool(report.failures) is failing
