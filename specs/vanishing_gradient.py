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
    """The displayed identity, where the square vanishes, and that the slope is positive."""
    equation = activation_claims.DERIVATIVE_BOUND.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    (x,) = activation.sigmoid.symbols
    assert sympy.solve(sympy.Eq(activation.sigmoid.expression, sympy.Rational(1, 2)), x) == [0]
    slope = sympy.diff(activation.sigmoid.expression, x)
    assert slope.is_positive
    assert sympy.simplify(slope - activation.sigmoid.expression * (1 - activation.sigmoid.expression)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ‖∂x_n/∂x_0‖ ≤ 4^(−n) ∏ ‖W_i‖ for x_i = σ(W_i x_{i−1} + b_i).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The Jacobian of a layer is D W with D = diag σ′(a), so that ‖D W‖ ≤ max σ′ · ‖W‖ ≤ ‖W‖/4; the chain rule multiplies
# the layers, and norms are submultiplicative. Where all a are 0 every slope is ¼: one unit wide, the bound is attained
# at any depth.


def chain(weights, start):
    """The Jacobian of the layers at a point."""

    def run(x):
        for weight in weights:
            x = torch.sigmoid(weight @ x)
        return x

    return torch.func.jacrev(run)(start)


@proves("activation.sigmoid.vanishing_gradient")
def test_the_jacobian_of_a_layer():
    """D W, D = diag σ(1 − σ), for two units and all symbols."""
    weight, x = sympy.Matrix(2, 2, sympy.symbols("w1:5", real=True)), sympy.Matrix(sympy.symbols("x1:3", real=True))
    b = sympy.Matrix(sympy.symbols("b1:3", real=True))
    (s,) = activation.sigmoid.symbols
    layer = (weight * x + b).applyfunc(lambda a: activation.sigmoid.expression.subs(s, a))
    slopes = sympy.diag(*[one * (1 - one) for one in layer])
    assert (layer.jacobian(x) - slopes * weight).applyfunc(sympy.simplify).is_zero_matrix


@proves("activation.sigmoid.vanishing_gradient")
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_displayed_bound_is_attained(depth):
    """Layers of one unit with positive weights w_i, and biases that make every a zero: the slope is the bound."""
    (s,) = activation.sigmoid.symbols
    start, centre = sympy.symbols("x0 c", real=True)
    weights = sympy.symbols(f"w1:{depth + 1}", positive=True)
    value, at = start, centre
    for weight in weights:
        value = activation.sigmoid.expression.subs(s, weight * value - weight * at)
        at = sympy.Rational(1, 2)  # σ(0)
    found = sympy.diff(value, start).subs(start, centre)
    bound = activation_claims.VANISHING_GRADIENT.equation().rhs
    n = next(symbol for symbol in bound.free_symbols if symbol.name == "n")
    norms = {sympy.IndexedBase("s", positive=True)[i]: weight for i, weight in enumerate(weights, start=1)}
    assert sympy.simplify(found - bound.subs(n, depth).doit().subs(norms)) == 0


@proves("activation.sigmoid.vanishing_gradient")
@pytest.mark.parametrize(("depth", "scale"), [(2, 0.5), (6, 1.0), (12, 3.0)])
def test_the_norm_of_a_chain_is_below_the_product(depth, scale):
    """Random weights, singular values computed."""
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
