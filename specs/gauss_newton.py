"""Gauss–Newton and Fisher: two matrices that stand in for the Hessian, and when they are it.

Second-order methods for networks do not use the Hessian: they use the part of it that is never negative. For a loss
L(f(θ)) that is JᵀHJ; for a probabilistic model with softmax it is the Fisher information. This page writes down what is
left out, shows when it vanishes, and refutes the shortcut that squares the gradient at the labels at hand.

Sources: Schraudolph 2002, "Fast curvature matrix-vector products for second-order gradient descent" (Neural Computation
14); Martens 2020, "New insights and perspectives on the natural gradient method" (JMLR 21), section 9; Kunstner, Hennig
& Balles 2019, "Limitations of the empirical Fisher approximation for natural gradient descent" (NeurIPS), section 3.
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import calculus_claims as claims
from genverify.formulas import calculus_curvature as formulas
from genverify.noise import expectation
from genverify.oracles import calculus_products
from genverify.reference.calculus import curvature as reference

THETA = sympy.symbols("t1 t2", real=True)

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∇²_θ L(f(θ)) = JᵀHJ + Σ_k g_k B_k, g_k = ∂L/∂f_k and B_k = ∇²f_k.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Differentiate ∂L/∂θ_i = Σ_k g_k ∂f_k/∂θ_i once more: the product rule gives Σ_kl H_kl ∂f_k/∂θ_i ∂f_l/∂θ_j, which is
# JᵀHJ, and Σ_k g_k ∂²f_k/∂θ_i∂θ_j. The second sum vanishes where every g_k does (a perfect fit), or every B_k (a linear
# model). Second derivatives see the second-order expansions of f and L only, so these stand for any f and L.


def hessian_and_parts():
    """∇²_θ L(f(θ)) at θ = 0, J, H, B, g and Σ g B: f and L by their second-order expansions, all numbers symbols."""
    slopes, bends = sympy.symbols("L1 L2", real=True), sympy.symbols("L11 L12 L22", real=True)
    jacobian = sympy.Matrix(2, 2, sympy.symbols("j11 j12 j21 j22", real=True))
    curved = [sympy.Matrix([[a, b], [b, c]]) for a, b, c in (sympy.symbols(f"b{k}11 b{k}12 b{k}22") for k in (1, 2))]
    theta = sympy.Matrix(THETA)
    gap = [(jacobian[k, :] * theta)[0] + (theta.T * curved[k] * theta)[0] / 2 for k in range(2)]  # f(θ) − f(0)
    outer = sympy.Matrix([[bends[0], bends[1]], [bends[1], bends[2]]])
    loss = sum(slope * one for slope, one in zip(slopes, gap, strict=True))
    loss += (sympy.Matrix(gap).T * outer * sympy.Matrix(gap))[0] / 2
    whole = sympy.hessian(loss, THETA).subs(dict.fromkeys(THETA, 0))
    rest = sum((slope * one for slope, one in zip(slopes, curved, strict=True)), sympy.zeros(2, 2))
    return whole, jacobian, outer, curved, slopes, rest


@proves("calculus.gauss_newton.remainder")
def test_what_gauss_newton_leaves_out():
    """The displayed identity, entry by entry, and the two cases in which nothing is left out."""
    whole, jacobian, outer, curved, slopes, rest = hessian_and_parts()
    kept = jacobian.T * outer * jacobian
    assert (whole - kept - rest).expand() == sympy.zeros(2, 2)
    two, (j, h, g, b) = (1, 2), (sympy.IndexedBase(name) for name in "JHgB")
    entries = {j[k, i]: jacobian[k - 1, i - 1] for k in two for i in two}
    entries |= {h[k, n]: outer[k - 1, n - 1] for k in two for n in two}
    entries |= {g[k]: slopes[k - 1] for k in two}
    entries |= {b[k, i, n]: curved[k - 1][i - 1, n - 1] for k in two for i in two for n in two}
    shown, names = claims.REMAINDER.equation().rhs, sympy.symbols("i j m", integer=True, positive=True)
    for row in two:
        for column in two:
            at = shown.subs(dict(zip(names, (row, column, 2), strict=True))).doit().subs(entries)
            assert sympy.expand(at - whole[row - 1, column - 1]) == 0
    assert rest.subs(dict.fromkeys(slopes, 0)) == sympy.zeros(2, 2)  # a perfect fit
    bends_of_f = [one for one in rest.free_symbols if one not in slopes]
    assert rest.subs(dict.fromkeys(bends_of_f, 0)) == sympy.zeros(2, 2)  # a linear model


@proves("calculus.gauss_newton.remainder")
def test_the_reference_against_the_hessian_of_a_small_network():
    """Two tanh units, squared error: equal to rounding at a perfect fit, and not elsewhere."""

    def model(theta):
        return torch.tanh(theta[:2] * theta[2])

    theta = torch.tensor([0.5, -1.0, 0.75], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(model, theta)
    matrix = reference.gauss_newton(jacobian, torch.eye(2, dtype=torch.float64))
    for shift, equal in ((0.0, True), (0.5, False)):
        target = model(theta).detach() + shift
        whole = torch.autograd.functional.hessian(lambda t, y=target: ((model(t) - y) ** 2).sum() / 2, theta)
        error = float((whole - matrix).abs().max())
        assert (error <= 64 * torch.finfo(torch.float64).eps * float(matrix.abs().max())) == equal


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# For −log softmax(z)_y the Hessian in z is diag p − p pᵀ for every y, and Jᵀ(diag p − p pᵀ)J = E_y∼p s sᵀ,
# s = Jᵀ(e_y − p).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# −log p_y = log Σ exp z − z_y: the label is in the linear part only, so the Hessian does not see it.
# E (e_y − p)(e_y − p)ᵀ = diag p − p pᵀ, since E e_y = p and E e_y e_yᵀ = diag p.


@proves("calculus.fisher.expected_gauss_newton")
def test_the_hessian_of_cross_entropy_is_the_covariance_of_the_label():
    """Three classes, two parameters, all entries symbols; for each label, and in expectation over it."""
    z = sympy.symbols("z1:4", real=True)
    total = sum(sympy.exp(one) for one in z)
    p = sympy.Matrix([sympy.exp(one) / total for one in z])
    covariance = sympy.diag(*p) - p * p.T
    for label in range(3):
        loss = sympy.log(total) - z[label]
        assert (sympy.hessian(loss, z) - covariance).applyfunc(sympy.simplify) == sympy.zeros(3, 3)
    jacobian = sympy.Matrix(3, 2, sympy.symbols("j1:7", real=True))
    probabilities = sympy.Matrix(sympy.symbols("p1:4", positive=True))
    fisher = sympy.zeros(2, 2)
    for label in range(3):
        score = jacobian.T * (sympy.eye(3)[:, label] - probabilities)
        fisher += probabilities[label] * score * score.T
    newton = jacobian.T * (sympy.diag(*probabilities) - probabilities * probabilities.T) * jacobian
    gap = (fisher - newton).subs(probabilities[2], 1 - probabilities[0] - probabilities[1])
    assert gap.expand() == sympy.zeros(2, 2)


@proves("calculus.fisher.expected_gauss_newton")
def test_so_it_is_in_code_that_draws_its_labels():
    """The exact expectation of the squared score over labels drawn inside, every outcome counted."""
    jacobian = torch.tensor([[1.0, 0.5], [-0.5, 2.0], [0.25, -1.0]], dtype=torch.float64)
    logits = torch.tensor([0.5, -1.0, 0.25], dtype=torch.float64)
    p = torch.softmax(logits, -1)

    def squared_score():
        label = torch.multinomial(p, 1)[0]
        score = jacobian.T @ (torch.eye(3, dtype=torch.float64)[label] - p)
        return torch.outer(score, score)

    found = expectation(squared_score)
    assert found.converged, found.reason
    want = reference.fisher(jacobian, logits)
    rounding = 64 * torch.finfo(torch.float64).eps * float(jacobian.abs().max()) ** 2
    assert float((found.mean - want).abs().max()) <= float(found.error.max()) + rounding
    terms = sum(calculus_products.softmax_fisher(jacobian, logits))
    assert float((terms - want).abs().max()) <= rounding


# ── Claim, as it is used (REFUTED) ───────────────────────────────────────────────────────────────────────────────────
# "The mean of g gᵀ over the data, g the gradient at the given label, is the Fisher information."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Logits (θ, 0), label always the first. ∂/∂θ log p_1 = 1 − p_1. Fisher information p_1(1 − p_1), "empirical"
# (1 − p_1)²: 3/16 and 9/16 at p_1 = 1/4. They agree at p_1 = 1/2 only (and at 1, where both vanish).
#
# ── Corrected statement ──────────────────────────────────────────────────────────────────────────────────────────────
# It holds in expectation over labels drawn from the model, which is the definition.


@proves("calculus.fisher.empirical")
def test_the_empirical_fisher_is_another_matrix():
    """The two expressions, where they meet, and the mean over model labels."""
    theta, p = sympy.Symbol("theta", real=True), sympy.Symbol("p", positive=True)
    first = sympy.exp(theta) / (1 + sympy.exp(theta))
    score = [sympy.simplify(sympy.diff(sympy.log(one), theta)) for one in (first, 1 - first)]
    odds = {theta: sympy.log(p / (1 - p))}
    at_p = [sympy.simplify(one.subs(odds)) for one in score]
    assert [sympy.simplify(one - two) for one, two in zip(at_p, (1 - p, -p), strict=True)] == [0, 0]
    fisher = sympy.simplify(p * at_p[0] ** 2 + (1 - p) * at_p[1] ** 2)
    assert sympy.simplify(fisher - p * (1 - p)) == 0
    quarter = {p: sympy.Rational(1, 4)}
    assert (fisher.subs(quarter), (at_p[0] ** 2).subs(quarter)) == (sympy.Rational(3, 16), sympy.Rational(9, 16))
    assert set(sympy.solve(sympy.expand((1 - p) ** 2 - p * (1 - p)), p)) == {sympy.Rational(1, 2), 1}


@proves("calculus.fisher.empirical")
def test_genverify_tells_the_two_apart():
    """Code that takes the likeliest label for the expectation is FAIL."""

    def empirical(J, logits):
        p = torch.softmax(logits, -1)
        g = (J.mT @ (torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]) - p).unsqueeze(-1)).squeeze(-1)
        return g.unsqueeze(-1) * g.unsqueeze(-2)

    (verdict,) = gv.verify(gv.Formula(empirical, like="calculus.fisher"), checks=["formula.dialect"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("calculus.gauss_newton.remainder")
@pytest.mark.parametrize("make", [formulas.gauss_newton, formulas.fisher], ids=lambda make: make.__name__)
def test_the_references_pass(make):
    """Value and gradient of both matrices."""
    report = gv.verify(make(), budget="quick", checks=["formula.dialect", "formula.value", "formula.gradient"])
    assert {verdict.outcome for verdict in report} == {gv.Outcome.PASS}
