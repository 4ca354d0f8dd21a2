"""Gradients through depth: forward and reverse mode agree, and a residual block passes the identity on.

The backward pass multiplies Jacobians from the left, forward mode from the right; they end at one number, which is the
slope of the values themselves. The check `map.gradient` holds these three against each other. In a residual block the
Jacobian is I + ∂F/∂x, so that the gradient through many blocks holds a path on which nothing is multiplied. It is not
therefore bounded below: F(x) = −x makes it zero.

Sources: Griewank & Walther 2008, "Evaluating derivatives" (SIAM), chapter 3; He, Zhang, Ren & Sun 2016a, "Deep residual
learning for image recognition" (CVPR), eq. 1; He, Zhang, Ren & Sun 2016b, "Identity mappings in deep residual networks"
(ECCV), eqs. 4–5.
"""

from __future__ import annotations

import pytest
import sympy
import torch
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.formulas import map_claims
from genverify.subjects.map import Map

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# vᵀ(J₂(J₁u)) = ((vᵀJ₂)J₁)u = d/dt vᵀf(x + t u) at t = 0.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The first by associativity. The second by the chain rule: executed for f(x) = (x₁ x₂, sin x₁).


@proves("gradient_flow.adjoint")
def test_both_orders_give_one_number():
    """Matrices of symbols, multiplied from either side; the displayed equation is this one."""
    inner, outer = (sympy.Matrix(2, 2, sympy.symbols(f"{name}:4")) for name in "ab")
    u, v = (sympy.Matrix(2, 1, sympy.symbols(f"{name}:2")) for name in "uv")
    forward, reverse = v.T * (outer * (inner * u)), ((v.T * outer) * inner) * u
    assert (forward - reverse).expand().is_zero_matrix
    equation = map_claims.MODES.equation()
    symbols = {s.name: s for s in equation.atoms(sympy.MatrixSymbol)}
    values = {symbols["J_1"]: inner, symbols["J_2"]: outer, symbols["u"]: u, symbols["v"]: v}
    sides = [side.subs(values).doit() for side in equation.args]
    assert (sympy.Matrix(sides[0]) - sympy.Matrix(sides[1])).expand().is_zero_matrix


@proves("gradient_flow.adjoint")
def test_the_number_is_the_slope_of_the_values():
    """For f(x) = (x₁ x₂, sin x₁) and symbols u, v: d/dt vᵀf(x + t u) = vᵀJu."""
    x, u, v = (sympy.Matrix(2, 1, sympy.symbols(f"{name}:2", real=True)) for name in "xuv")
    t = sympy.Symbol("t", real=True)

    def f(z):
        return sympy.Matrix([z[0] * z[1], sympy.sin(z[0])])

    slope = sympy.diff((v.T * f(x + t * u))[0], t).subs(t, 0)
    assert sympy.simplify(slope - (v.T * f(x).jacobian(x) * u)[0]) == 0


@proves("gradient_flow.adjoint")
def test_a_wrong_backward_is_refuted_with_the_smallest_input():
    """A hand-written square that forgets the factor 2."""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0]

    report = gv.verify(Map(Square.apply, event_shape=1, name="square"), checks=["map.gradient"])
    (verdict,) = report
    assert verdict.outcome is gv.Outcome.FAIL
    assert "halved" in verdict.evidence.message
    (right,) = gv.verify(Map(torch.square, event_shape=1), checks=["map.gradient"])
    assert right.outcome is gv.Outcome.PASS


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂(x + F(x))/∂x = I + ∂F/∂x.


@proves("gradient_flow.residual")
def test_the_jacobian_of_a_block():
    """Of one number for an applied F, as displayed; and of a plane, for an applied F in two components."""
    equation = map_claims.RESIDUAL.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs.doit()) == 0
    x = sympy.Matrix(sympy.symbols("x1 x2", real=True))
    branch = sympy.Matrix([sympy.Function(name)(*x) for name in ("F1", "F2")])
    assert (x + branch).jacobian(x) == sympy.eye(2) + branch.jacobian(x)


class Block(nn.Module):
    """x + F(x) with two layers in the branch."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))

    def forward(self, x):
        return x + self.branch(x)


@proves("gradient_flow.residual")
def test_a_block_is_x_plus_its_branch_and_a_missing_skip_is_refuted():
    """The claim `residual_of`, and the Jacobians by autograd."""
    block = Block().double()
    (verdict,) = gv.verify(Map(block, event_shape=3, residual_of=block.branch), checks=["map.residual_of"])
    assert verdict.outcome is gv.Outcome.PASS
    (missing,) = gv.verify(Map(block.branch, event_shape=3, residual_of=block.branch), checks=["map.residual_of"])
    assert missing.outcome is gv.Outcome.FAIL
    x = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    of_block, of_branch = (gv.numerics.batch_jacobian(f, x)[0] for f in (block, block.branch))
    # One addition to each entry of the diagonal: within one rounding of the larger number.
    defect = (of_block - of_branch - torch.eye(3, dtype=torch.float64)).abs().max()
    assert float(defect) <= gv.numerics.gamma(2, torch.float64) * float(of_block.abs().max() + 1.0)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Through blocks: Π (1 + a_k) = 1 + Σ a_k + products. Through the plain chain: Π a_k.
#
# ── Remark ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# The 1 does not keep the gradient away from zero: one branch with a = −1 is enough to lose it.


@proves("gradient_flow.depth")
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_product_holds_a_one(depth):
    """Without branches it is 1, and the part of first order is their sum; one slope of 0 makes the plain chain 0."""
    slopes = sympy.symbols(f"a1:{depth + 1}", real=True)
    product = sympy.expand(sympy.prod(1 + a for a in slopes))
    still = dict.fromkeys(slopes, 0)
    assert product.subs(still) == 1
    assert [sympy.diff(product, a).subs(still) for a in slopes] == [1] * depth
    assert all(sympy.prod(slopes).subs(a, 0) == 0 for a in slopes)
    assert all(product.subs(a, -1) == 0 for a in slopes)
    a, k = sympy.IndexedBase("a"), sympy.Symbol("L", integer=True, positive=True)
    displayed = map_claims.DEPTH.equation().rhs.subs(k, depth).doit()
    assert sympy.expand(displayed.subs({a[i + 1]: s for i, s in enumerate(slopes)}) - product) == 0


@proves("gradient_flow.depth")
def test_twenty_layers_with_and_without_the_identity_path():
    """Slopes of 1/10 at twenty layers: 10⁻²⁰ through the chain, 1.1²⁰ ≈ 6.7 through the blocks."""
    x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    chain, blocks = x, x
    for _ in range(20):
        chain, blocks = 0.1 * chain, blocks + 0.1 * blocks
    through_chain, through_blocks = (float(torch.autograd.grad(y, x)[0]) for y in (chain, blocks))
    assert abs(through_chain - 1e-20) <= gv.numerics.gamma(64, torch.float64) * 1e-20
    assert abs(through_blocks - 1.1**20) <= gv.numerics.gamma(64, torch.float64) * 1.1**20
    assert round(1.1**20, 1) == 6.7


@proves("gradient_flow.depth")
def test_an_identity_path_is_one_and_an_activation_after_the_sum_cuts_it():
    """The claim `identity_path`: with the branch's parameters at zero, differences pass unchanged."""
    (whole,) = gv.verify(Map(Block(), event_shape=3, identity_path=True), checks=["map.identity_path"])
    assert whole.outcome is gv.Outcome.PASS
    cut = nn.Sequential(Block(), nn.ReLU())
    (verdict,) = gv.verify(Map(cut, event_shape=3, identity_path=True), checks=["map.identity_path"])
    assert verdict.outcome is gv.Outcome.FAIL
