"""The dense layer, and the chain rule for its weights.

A dense layer is an affine map followed by a function of each coordinate. This page derives what its weights are told by
a loss, on paper and for symbols, and holds automatic differentiation and the reference against it.

Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors"; Goodfellow, Bengio &
Courville 2016, "Deep Learning", sections 6.1 and 6.5.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import dense
from genverify.numerics.rounding import gamma
from genverify.oracles import dense as oracle
from genverify.reference.layers import dense as reference

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# For y = σ(z), z = W x + b and a loss L: ∂L/∂W_oi = Σ_n δ_no x_ni, ∂L/∂b_o = Σ_n δ_no, δ_no = σ'(z_no) ∂L/∂y_no, and
# to the layer before passes Σ_o W_oi δ_no.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# z_no depends on W_oi through the one term W_oi x_ni, so ∂z_no/∂W_oi = x_ni, ∂z_no/∂b_o = 1 and ∂z_no/∂x_ni = W_oi.
# L depends on W_oi through z_no of every sample n: the chain rule adds up over n. δ_no = ∂L/∂z_no by the chain rule
# again, as y_no depends on z_no alone.

_UNITS, _SAMPLES = 2, 2


def _symbols(name: str, rows: int, columns: int) -> sympy.Matrix:
    return sympy.Matrix(rows, columns, lambda i, j: sympy.Symbol(f"{name}{i}{j}", real=True))


def _layer(x: sympy.Matrix, weight: sympy.Matrix, bias: sympy.Matrix) -> sympy.Matrix:
    """z [samples, units] = x Wᵀ + b."""
    return x * weight.T + sympy.ones(_SAMPLES, 1) * bias


@proves("dense_layer.weight_gradient")
def test_the_gradients_of_one_layer_for_an_applied_function_and_loss():
    """Two samples, two inputs, two units, and nothing known of σ or of the loss but linearity in y (upstream g)."""
    x, weight, bias = _symbols("x", _SAMPLES, 2), _symbols("w", _UNITS, 2), _symbols("b", 1, _UNITS)
    upstream, sigma = _symbols("g", _SAMPLES, _UNITS), sympy.Function("sigma")
    z = _layer(x, weight, bias)
    loss = sum(upstream[k] * sigma(z[k]) for k in range(_SAMPLES * _UNITS))
    t = sympy.Symbol("t")
    slope = z.applyfunc(lambda at: sympy.diff(sigma(t), t).subs(t, at))
    delta = upstream.multiply_elementwise(slope)
    for wanted, parameters in ((delta.T * x, weight), (sympy.ones(1, _SAMPLES) * delta, bias), (delta * weight, x)):
        found = parameters.applyfunc(lambda p: sympy.diff(loss, p).doit())
        assert sympy.simplify(found - wanted).is_zero_matrix


@proves("dense_layer.weight_gradient")
def test_the_gradients_of_two_layers():
    """δ of the first layer is (Wᵀ δ of the second) ⊙ σ'(z): the rule applied twice is the derivative of the whole."""
    x, first, second = _symbols("x", _SAMPLES, 2), _symbols("v", 2, 2), _symbols("w", 1, 2)
    upstream = _symbols("g", _SAMPLES, 1)
    hidden = _layer(x, first, sympy.zeros(1, 2)).applyfunc(sympy.tanh)
    loss = sum(upstream.multiply_elementwise(hidden * second.T))
    delta = (upstream * second).multiply_elementwise(hidden.applyfunc(lambda h: 1 - h**2))
    found = first.applyfunc(lambda p: sympy.diff(loss, p))
    assert (found - delta.T * x).expand().applyfunc(sympy.simplify).is_zero_matrix


@proves("dense_layer.weight_gradient")
def test_the_displayed_equation_is_the_sum_over_the_samples():
    """With two samples the displayed sum is the entry of δᵀ x."""
    shown = dense_claim().rhs
    delta, x = sympy.IndexedBase("delta"), sympy.IndexedBase("x")
    (count,) = (s for s in shown.free_symbols if s.name == "N")
    o, i = (next(s for s in shown.free_symbols if s.name == name) for name in "oi")
    assert shown.subs(count, 2).doit() == delta[1, o] * x[1, i] + delta[2, o] * x[2, i]


def dense_claim() -> sympy.Eq:
    """The equation that is displayed for the claim."""
    from genverify.formulas.layer_claims import WEIGHT_GRADIENT

    assert WEIGHT_GRADIENT.equation is not None
    return WEIGHT_GRADIENT.equation()


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.layers.dense`: affine, mlp, softmax_classifier.


@proves("dense_layer.weight_gradient")
def test_automatic_differentiation_agrees_with_the_rule():
    """autograd through the reference, against the chain rule written out, to rounding."""
    torch.manual_seed(0)
    shapes = {"x": (5, 3), "weight1": (4, 3), "bias1": (4,), "weight2": (2, 4), "bias2": (2,)}
    values = {name: torch.randn(shape, dtype=torch.float64, requires_grad=True) for name, shape in shapes.items()}
    upstream = torch.randn(5, 2, dtype=torch.float64)
    y = reference.mlp(*(values[n] for n in ("x", "weight1", "bias1", "weight2", "bias2")), sigma=torch.tanh)
    y.backward(upstream)
    given = {name: values[name].detach() for name in ("x", "weight1", "bias1", "weight2")}
    for name, wanted in oracle.backpropagation(**given, upstream=upstream).items():
        grad = values[name].grad
        assert grad is not None
        # At most 4 · 4 · 5 products and sums of numbers below 10 lie on the way.
        assert float((grad - wanted).abs().max()) <= gamma(80, torch.float64) * 10**3


@proves("dense_layer.weight_gradient")
def test_the_references_pass_every_check():
    """Values, gradients with respect to input, weight and bias, and effects."""
    for subject in (dense.affine(), dense.mlp(), dense.softmax_classifier()):
        gv.verify(subject, budget="quick", checks=["formula.dialect", "formula.gradient"]).raise_for_failures()


@proves("dense_layer.weight_gradient")
def test_a_gradient_that_is_averaged_once_too_often_is_refuted():
    """The right values with ∂L/∂W divided by the number of samples: FAIL, and the verdict shows the factor's input."""

    class Averaged(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return x @ weight.mT

        @staticmethod
        def backward(ctx, *grads):
            x, weight = ctx.saved_tensors
            return grads[0] @ weight, grads[0].mT @ x / len(x)

    subject = gv.Formula(lambda x, weight: Averaged.apply(x, weight), like="dense.affine")
    report = gv.verify(subject, budget="quick", checks=["formula.value", "formula.gradient"])
    outcomes = {verdict.check: str(verdict.outcome) for verdict in report}
    assert outcomes == {"formula.value": "PASS", "formula.gradient": "FAIL"}
