"""The vanishing gradient: a sigmoid passes on at most a quarter of what comes back, and n of them 4^(−n).

The slope of the sigmoid is at most ¼, so that a chain of sigmoid layers shrinks the gradient unless its weights are
large; with large weights it may explode instead. The page proves the bound on the slope and the bound on the chain, and
measures the chain.

Sources: Hochreiter 1991, "Untersuchungen zu dynamischen neuronalen Netzen"; Bengio, Simard & Frasconi 1994, "Learning
long-term dependencies with gradient descent is difficult"; Pascanu, Mikolov & Bengio 2013, "On the difficulty of
training recurrent neural networks".
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import activation_claims
from genverify.numerics import gamma
from genverify.oracles import activation

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# 0 < σ′(x) ≤ ¼, with equality at 0 alone.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# σ′ = σ(1 − σ), and ¼ − σ(1 − σ) = (σ − ½)², which is 0 where σ = ½, that is at x = 0.


@proves("activation.sigmoid.derivative_bound")
def test_a_quarter_less_the_slope_is_a_square():
    """The displayed identity, and where the square vanishes."""
    equation = activation_claims.DERIVATIVE_BOUND.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    (x,) = activation.sigmoid.symbols
    assert sympy.solve(sympy.Eq(activation.sigmoid.expression, sympy.Rational(1, 2)), x) == [0]
    value = sympy.Symbol("sigma", positive=True)
    assert sympy.simplify((value - sympy.Rational(1, 2)) ** 2 - (sympy.Rational(1, 4) - value * (1 - value))) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ‖∂x_n/∂x_0‖ ≤ 4^(−n) ∏ ‖W_i‖ for x_i = σ(W_i x_{i−1} + b_i).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The Jacobian of a layer is D W with D = diag σ′(a), so that ‖D W‖ ≤ max σ′ · ‖W‖ ≤ ‖W‖/4; the chain rule multiplies
# the layers, and norms are submultiplicative. At a = 0 the bound of one layer is attained.


def chain(weights, start):
    """The Jacobian of the layers at a point."""

    def run(x):
        for weight in weights:
            x = torch.sigmoid(weight @ x)
        return x

    return torch.func.jacrev(run)(start)


@proves("activation.sigmoid.vanishing_gradient")
def test_one_layer_is_bounded_and_the_bound_is_attained():
    """At one unit all is a symbol: w σ′(w x + b), which is w/4 at w x + b = 0."""
    w, b, x = sympy.symbols("w b x", real=True)
    (s,) = activation.sigmoid.symbols
    layer = activation.sigmoid.expression.subs(s, w * x + b)
    slope = sympy.diff(layer, x)
    assert sympy.simplify(slope / w - layer * (1 - layer)) == 0
    assert sympy.simplify(slope.subs(b, -w * x)) == w / 4
    bound = activation_claims.VANISHING_GRADIENT.equation().rhs
    n = next(symbol for symbol in bound.free_symbols if symbol.name == "n")
    assert bound.subs(n, 3).doit().as_coeff_Mul()[0] == sympy.Rational(1, 4) ** 3


@proves("activation.sigmoid.vanishing_gradient")
@pytest.mark.parametrize(("depth", "scale"), [(2, 0.5), (6, 1.0), (12, 3.0)])
def test_the_norm_of_a_chain_is_below_the_product(depth, scale):
    """Random weights, singular values computed; the bound holds, and the norm falls with depth."""
    generator = torch.Generator().manual_seed(depth)
    weights = [scale * torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(depth)]
    jacobian = chain(weights, torch.randn(4, generator=generator, dtype=torch.float64))
    norms = torch.stack([torch.linalg.matrix_norm(weight, 2) for weight in weights])
    bound = 0.25**depth * norms.prod()
    # Each entry of the chain is a sum of products of 2·depth factors.
    assert torch.linalg.matrix_norm(jacobian, 2) <= bound * (1 + gamma(64 * depth, torch.float64))


@proves("activation.sigmoid.vanishing_gradient")
def test_unit_weights_lose_three_quarters_a_layer():
    """W = I: after ten layers less than one part in a million is left, 4^(−10) = 9.5e-7 at most."""
    found = torch.linalg.matrix_norm(chain([torch.eye(3).double()] * 10, torch.zeros(3).double()), 2)
    assert round(4.0**-10 * 1e7, 1) == 9.5
    assert 0 < found <= 4.0**-10


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("activation.sigmoid.derivative_bound")
def test_a_gradient_that_is_not_that_of_the_sigmoid_is_found():
    """σ(x) itself taken for its argument in σ(1 − σ), twice applied: right value, wrong slope."""

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = torch.sigmoid(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            again = torch.sigmoid(y)
            return grad * again * (1 - again)

    subject = gv.Formula(lambda x: Twice.apply(x), like="activation.sigmoid")
    report = gv.verify(subject, budget="quick", checks=["formula.value", "formula.gradient"])
    assert {verdict.check for verdict in report.failures} == {"formula.gradient"}
