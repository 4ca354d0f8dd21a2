"""Losses: where they come from, what their gradients are, and what else is sold under their names.

A loss is a negative log-likelihood, or a bound on one. Its gradient in the logits is a difference of probabilities; its
smallest value is an entropy. Reductions are conventions: each verdict names the one that it found.

Sources: Bishop 2006, chapters 1 and 4; Huber 1964; Cover & Thomas 2006; Szegedy et al. 2016, "Rethinking the Inception
architecture"; Lin et al. 2017, "Focal loss for dense object detection"; Rosasco et al. 2004, "Are loss functions all
the same?"; King & Zeng 2001, "Logistic regression in rare events data".
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import loss_claims
from genverify.numerics import gamma
from genverify.oracles import loss

X, T = loss.cross_entropy_three.symbols[:3], loss.cross_entropy_three.symbols[3:]
CROSS_ENTROPY = loss.cross_entropy_three.expression
SOFTMAX = [sympy.exp(x) / sum(sympy.exp(y) for y in X) for x in X]


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂/∂x of −Σ t_k log softmax(x)_k is softmax(x) − t, for Σ t = 1.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The loss is (Σ t) log Σ eˣ − Σ t_k x_k. The first part has gradient (Σ t) softmax, the second −t.


@proves("loss.cross_entropy.gradient")
def test_the_gradient_is_prediction_minus_target():
    """Three classes, all symbols; the displayed equation at K = 3."""
    to_one = {T[2]: 1 - T[0] - T[1]}
    equation = loss_claims.GRADIENT.equation()
    names = {str(symbol): symbol for symbol in equation.rhs.free_symbols}
    for place, (x, p, t) in enumerate(zip(X, SOFTMAX, T, strict=True), start=1):
        slope = sympy.diff(CROSS_ENTROPY, x).subs(to_one)
        assert sympy.simplify(slope - (p - t).subs(to_one)) == 0
        shown = equation.rhs.subs(names["K"], 3).subs(names["i"], place).doit()
        written = {sympy.IndexedBase("x", real=True)[k]: X[k - 1] for k in (1, 2, 3)}
        written |= {sympy.IndexedBase("t", real=True)[k]: T[k - 1] for k in (1, 2, 3)}
        assert sympy.simplify(shown.subs(written) - (p - t)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# −Σ t log p = H(t) + KL(t ‖ p) ≥ H(t).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# log p = log t − log(t/p). And −KL = Σ t log(p/t) ≤ Σ t (p/t − 1) = Σ p − Σ t = 0.


@proves("loss.cross_entropy.at_least_entropy")
def test_cross_entropy_is_entropy_plus_divergence():
    """Term by term, and the sum of the bounds."""
    t, p = sympy.symbols("t p", positive=True)
    assert sympy.expand(sympy.expand_log(-t * sympy.log(p) + t * sympy.log(t) - t * sympy.log(t / p))) == 0
    ts, ps = sympy.symbols("t1:4", positive=True), sympy.symbols("p1:4", positive=True)
    bound = sum(a * (b / a - 1) for a, b in zip(ts, ps, strict=True))
    assert sympy.expand(bound - (sum(ps) - sum(ts))) == 0
    equation = loss_claims.AT_LEAST_ENTROPY.equation()
    n = next(symbol for symbol in equation.free_symbols if symbol.name == "K")
    assert sympy.simplify(sympy.expand_log((equation.lhs - equation.rhs).subs(n, 3).doit(), force=True)) == 0
    u = sympy.Symbol("u", positive=True)
    assert sympy.solve(sympy.diff(u - 1 - sympy.log(u), u), u) == [1]
    assert sympy.diff(u - 1 - sympy.log(u), u, 2).is_positive


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# −log N(t | f, σ²) = (f − t)²/(2σ²) + log σ + ½ log 2π.


@proves("loss.mse.gaussian_nll")
def test_the_squared_error_is_a_gaussian_likelihood():
    """The displayed identity; for fixed σ the gradients in f agree up to the factor 2σ²."""
    equation = loss_claims.GAUSSIAN_NLL.equation()
    assert sympy.simplify(sympy.expand_log(equation.lhs - equation.rhs, force=True)) == 0
    f, sigma = loss.mse.symbols[0], next(s for s in equation.lhs.free_symbols if s.name == "sigma")
    ratio = sympy.diff(loss.mse.expression, f) / sympy.diff(equation.lhs, f)
    assert sympy.simplify(ratio) == 2 * sigma**2


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Binary cross-entropy of x is cross-entropy of the logits (x, 0), and its gradient is σ(x) − y.


@proves("loss.bce.two_classes")
def test_binary_cross_entropy_is_that_of_two_classes():
    """Both labels, and the slope."""
    x, y, w = loss.bce_with_logits.symbols
    value = loss.bce_with_logits.expression.subs(w, 1)
    p = sympy.exp(x) / (sympy.exp(x) + 1)
    for label, probability in ((1, p), (0, 1 - p)):
        assert sympy.simplify(sympy.exp(-value.subs(y, label)) - probability) == 0
        assert sympy.simplify(sympy.diff(value.subs(y, label), x) - (p - label)) == 0


# ── Claim, as it is written ──────────────────────────────────────────────────────────────────────────────────────────
# max(x, 0) − x y + log(1 + e^(−|x|)) is binary cross-entropy, so it differentiates to σ(x) − y.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# x = 0, where max and |x| have kinks that cancel: automatic differentiation adds one subgradient of each.


@proves("loss.bce.split_at_zero")
def test_two_kinks_that_cancel_do_not_cancel_in_autograd():
    """The three answers at zero; the verdict on the split form; and the form without kinks."""

    def split(x, y):
        return torch.relu(x) - x * y + torch.log1p(torch.exp(-x.abs()))

    def clamped(x, y):
        return x.clamp(min=0) - x * y + torch.log1p(torch.exp(-x.abs()))

    def whole(x, y):
        return torch.logaddexp(x, torch.zeros_like(x)) - x * y

    found = []
    for f in (split, clamped, whole):
        x = torch.zeros((), dtype=torch.float64, requires_grad=True)
        f(x, 0.0).backward()
        found.append(float(x.grad))
    assert found == [0.0, 1.0, 0.5]
    checks = ["formula.dialect", "formula.gradient"]
    (failure,) = gv.verify(gv.Formula(split, like="loss.bce_with_logits"), budget="quick", checks=checks).failures
    assert failure.check == "formula.gradient"
    assert failure.evidence.witness["x"] == "[[0.]]"
    assert not gv.verify(gv.Formula(whole, like="loss.bce_with_logits"), budget="quick", checks=checks).failures


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# The value is right: for x > 0, x + log(1 + e⁻ˣ) = log(1 + eˣ). So is the derivative off zero.


@proves("loss.bce.split_at_zero")
def test_the_split_form_is_right_off_zero():
    """Both sides, symbols."""
    p = sympy.Symbol("p", positive=True)
    softplus = sympy.log(1 + sympy.exp(p))
    above = p + sympy.log(1 + sympy.exp(-p))
    assert sympy.simplify(sympy.exp(above) - sympy.exp(softplus)) == 0
    assert sympy.simplify(sympy.diff(above - softplus, p)) == 0  # below zero the two are the same expression


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Huber's branches meet with value δ²/2 and slope δ; smooth L1 is Huber's loss over β.


@proves("loss.huber.one_derivative")
def test_the_branches_of_huber_meet():
    """Value and slope at δ from both sides; equal to smooth L1 at δ = 1 alone."""
    r, delta = sympy.symbols("r delta", positive=True)
    (f, t, threshold), p = loss.huber.symbols, sympy.Symbol("p", positive=True)
    for size, bound in ((r, r + p), (delta + p, delta)):  # what runs has these branches
        at = loss.huber.expression.subs({f: t + size, threshold: bound}, simultaneous=True)
        branch = r**2 / 2 if size == r else delta * (size - delta / 2)
        assert sympy.expand(at - branch) == 0
    inner, outer = r**2 / 2, delta * (r - delta / 2)
    assert sympy.simplify((inner - outer).subs(r, delta)) == 0
    assert sympy.diff(inner, r).subs(r, delta) == sympy.diff(outer, r) == delta
    assert sympy.solve(sympy.diff(outer, r) - sympy.diff(outer / delta, r), delta) == [1]
    for one in loss.huber.steps:
        assert one.latex()


@proves("loss.huber.one_derivative")
def test_the_other_convention_is_named():
    """Smooth L1 sold as Huber is FAIL with its name; torch's own pass under their own names."""
    f = torch.nn.functional
    sold = gv.verify(
        gv.Formula(f.smooth_l1_loss, like="loss.huber", arguments={"beta": "delta"}), checks=["formula.dialect"]
    )
    assert "smooth L1" in sold.failures[0].evidence.message
    report = gv.verify(gv.Formula(f.smooth_l1_loss, like="loss.smooth_l1"), checks=["formula.dialect"])
    assert not report.failures


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# max(0, 1 − t s) is at least 1 where t s ≤ 0, and nowhere negative.


@proves("loss.hinge.bounds_errors")
def test_the_hinge_bounds_the_error():
    """With t s = −p ≤ 0 it is 1 + p."""
    score, sign, margin = loss.hinge.symbols
    p = sympy.Symbol("p", nonnegative=True)
    wrong = loss.hinge.expression.subs(margin, 1).subs(sign * score, -p)
    assert sympy.simplify(wrong - (1 + p)) == 0
    assert loss.hinge.expression.is_nonnegative


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ w_i l_i/Σ w_i is a mean over replicated samples, and does not see the scale of the weights.


@proves("loss.cross_entropy_weighted.replicated")
def test_weights_are_counts():
    """Three samples with weights 2, 1, 3, and any weights times c."""
    losses, weights = sympy.symbols("l1:4", real=True), sympy.symbols("w1:4", positive=True)
    c, n = sympy.Symbol("c", positive=True), 3
    mean = sum(w * one for w, one in zip(weights, losses, strict=True)) / sum(weights)
    replicated = [one for one, count in zip(losses, (2, 1, 3), strict=True) for _ in range(count)]
    at = dict(zip(weights, (2, 1, 3), strict=True))
    assert sympy.simplify(mean.subs(at) - sum(replicated) / len(replicated)) == 0
    scaled = {w: c * w for w in weights}
    assert sympy.simplify(mean.subs(scaled, simultaneous=True) - mean) == 0
    by_count = mean * sum(weights) / n
    assert sympy.simplify(by_count.subs(scaled, simultaneous=True) / by_count) == c
    # torch divides by the sum of the weights: one sample of each class, and each as often as its weight says.
    logits = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5], [0.0, 3.0, 1.5]], dtype=torch.float64)
    counts, y = torch.tensor([2, 1, 3]), torch.arange(3)
    weighted = torch.nn.functional.cross_entropy(logits, y, weight=counts.double())
    repeated = torch.nn.functional.cross_entropy(logits.repeat_interleave(counts, 0), y.repeat_interleave(counts))
    assert abs(weighted - repeated) <= gamma(16, torch.float64) * repeated


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Smoothed targets mix two losses; over the K − 1 other classes it is the same family.


@proves("loss.label_smoothing.mixture")
def test_smoothing_is_a_mixture_of_losses():
    """K = 3: the displayed form, and ε against ε K/(K − 1)."""
    logs, epsilon = sympy.symbols("l1:4", negative=True), sympy.Symbol("epsilon", positive=True)
    hot, k = (0, 1, 0), 3

    def against(targets):
        return -sum(t * one for t, one in zip(targets, logs, strict=True))

    everywhere = [(1 - epsilon) * t + epsilon / k for t in hot]
    mixed = (1 - epsilon) * against(hot) + epsilon * against([1] * k) / k
    assert sympy.expand(against(everywhere) - mixed) == 0
    others = [1 - epsilon if t else epsilon / (k - 1) for t in hot]
    scaled = [entry.subs(epsilon, epsilon * sympy.Rational(k, k - 1)) for entry in everywhere]
    assert all(sympy.expand(a - b) == 0 for a, b in zip(others, scaled, strict=True))
    equation = loss_claims.LABEL_SMOOTHING.equation()
    names = {s.name: s for s in equation.rhs.free_symbols}
    shown = equation.rhs.subs(names["K"], k).subs(names["y"], 2).doit()
    p = sympy.IndexedBase("p", positive=True)
    shown = shown.subs({p[i + 1]: sympy.exp(one) for i, one in enumerate(logs)}).subs(names["epsilon"], epsilon)
    assert sympy.expand(sympy.expand_log(shown, force=True) - mixed) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The focal loss is cross-entropy times (1 − p_t)^γ.


@proves("loss.focal.reduces")
def test_the_focal_loss_is_cross_entropy_with_a_factor():
    """Both labels; γ = 0 is the first step of the oracle."""
    x, y, g, a, rest = loss.focal.symbols
    for label, probability in ((1, 1 / (1 + sympy.exp(-x))), (0, 1 / (1 + sympy.exp(x)))):
        value = loss.focal.expression.subs({y: label, a: 1, rest: 1}).rewrite(sympy.log)
        want = -((1 - probability) ** g) * sympy.log(probability)
        for gamma_ in (0, 1, 2):
            gap = (value - want).subs(g, gamma_)
            assert sympy.simplify(sympy.expand_log(sympy.simplify(gap), force=True)) == 0
        factor = value / value.subs(g, 0)  # (1 − p_t)^γ for every γ: a power of what it is at γ = 1
        assert sympy.simplify(sympy.powdenest(factor / factor.subs(g, 1) ** g, force=True)) == 1
    assert loss.focal.steps[0].title == "γ = 0"


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("loss.cross_entropy.gradient")
@pytest.mark.parametrize(
    ("like", "dialect"),
    [("loss.cross_entropy", "sum over class, mean over batch"), ("loss.mse", "mean over event, mean over batch")],
)
def test_the_reduction_is_named(like, dialect):
    """torch's own, and what it is divided by; the mean over the classes as well is a known slip."""
    own = {"loss.cross_entropy": torch.nn.CrossEntropyLoss(), "loss.mse": torch.nn.MSELoss()}[like]
    (verdict,) = gv.verify(gv.Formula(own, like=like), checks=["formula.dialect"])
    assert verdict.evidence.message == f"dialect: {dialect}"

    def over_classes_too(logits, y):
        hot = torch.nn.functional.one_hot(y, logits.shape[-1]).to(logits)
        return -(hot * torch.log_softmax(logits, -1)).mean()

    slip = gv.verify(gv.Formula(over_classes_too, like="loss.cross_entropy"), checks=["formula.dialect"])
    assert "1/K" in slip.failures[0].evidence.message
