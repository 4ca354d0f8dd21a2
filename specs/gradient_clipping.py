"""Clipping: what a gradient is projected on, and what must be done to it before.

Clipping by the norm is the projection on a ball, clipping by value that on a box; everything else that is said of them
follows. The gradient must be that of the loss when it is clipped: the mean over the whole batch, without the scale that
half precision needs.

Source: Pascanu, Mikolov & Bengio 2013; Micikevicius et al. 2018; Boyd & Vandenberghe 2004, section 8.1.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import accumulation, clipping
from genverify.formulas import clipping_claims as claims
from genverify.oracles import clipping as oracle

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# g min(1, c/‖g‖) is the closest point of the ball.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Inside the ball g is closest to itself. Outside, p = g c/‖g‖ is at the distance ‖g‖ − c. Any x of the ball, ‖x‖ = r,
# is at the squared distance r² − 2 r ‖g‖ cos ∠ + ‖g‖². With r = c − a, ‖g‖ = c + b and cos ∠ = 1 − u the difference of
# the two squares is a² + 2ab + 2 r ‖g‖ u: no term is negative, and all vanish only for a = 0 and u = 0, which is x = p.


@proves("clipping.global_norm.projection")
def test_no_point_of_the_ball_is_closer():
    """The displayed identity, whose right side cannot be negative, and where it is zero."""
    equation = claims.NORM_PROJECTION.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    assert equation.rhs.is_nonnegative
    a, b, r, u = (next(s for s in equation.free_symbols if str(s) == name) for name in "abru")
    # b > 0 is a point outside: then the right side vanishes only where a and u do, for r = c − a > 0.
    outside = equation.rhs.subs(b, sympy.Symbol("b", positive=True))
    assert outside.subs({a: 0, u: 0}) == 0
    assert outside.subs(a, sympy.Symbol("a", positive=True)).is_positive
    assert outside.subs({a: 0, r: sympy.Symbol("r", positive=True), u: sympy.Symbol("u", positive=True)}).is_positive


@proves("clipping.global_norm.projection")
def test_the_norm_the_direction_and_what_is_left_alone():
    """The oracle at a gradient of norm 5, in two tensors, on either side of the bound."""
    g = [torch.tensor([3.0], dtype=torch.float64), torch.tensor([0.0, 4.0], dtype=torch.float64)]
    flat = torch.cat(g)
    clipped = oracle.clipped_by_norm(g, 2.5)
    assert clipped.norm() == 2.5
    assert torch.equal(clipped, flat / 2)
    assert torch.equal(oracle.clipped_by_norm(g, 5.0), flat)
    assert torch.equal(oracle.clipped_by_norm([torch.zeros(2)], 1.0), torch.zeros(2))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Twice is once; up to ε where ε is added.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A projection leaves the points of its set alone. torch scales by c/(n + ε), to the norm n₁ = c n/(n + ε) < c; but then
# n₁ + ε ≥ c, so it scales again, by c/(n₁ + ε), and n₁ + ε ≤ c + ε.


@proves("clipping.global_norm.idempotent")
def test_torchs_second_clipping_moves_by_less_than_epsilon():
    """The displayed right side is not negative, and n₁ < c; the projection, and torch's function, twice."""
    equation = claims.IDEMPOTENT.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    assert equation.rhs.is_nonnegative
    c, n, epsilon = sympy.symbols("c n varepsilon", positive=True)
    assert sympy.simplify(c - c * n / (n + epsilon)).is_positive
    g = [torch.tensor([3.0, 4.0], dtype=torch.float64)]
    assert torch.equal(oracle.clipped_by_norm([oracle.clipped_by_norm(g, 2.5)], 2.5), oracle.clipped_by_norm(g, 2.5))
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor([3.0, 4.0], dtype=torch.float64)
    torch.nn.utils.clip_grad_norm_(w, 1.0)
    once = float(w.grad.norm())
    torch.nn.utils.clip_grad_norm_(w, 1.0)
    assert once < 1.0
    assert 1 / (1 + 1e-6) <= float(w.grad.norm()) / once < 1.0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# By value: the closest point of the box.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The squared distance is a sum over entries, and each is smallest by itself. An entry g = c + b, b ≥ 0, is at b² from
# c, and at (a + b)² from any x = c − a of the box, which is more by a² + 2ab; so on the other side; inside, at 0.


@proves("clipping.value.projection")
def test_no_point_of_the_box_is_closer():
    """The displayed identity, and its sign."""
    equation = claims.VALUE_PROJECTION.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    assert equation.rhs.is_nonnegative


# ── Claim, as it is often understood ─────────────────────────────────────────────────────────────────────────────────
# Clipping by value bounds the norm by c.
#
# ── Counterexample, and corrected statement ──────────────────────────────────────────────────────────────────────────
# (3, 1) → (1, 1). Each of n squares is at most c², so the norm is at most c √n.


@proves("clipping.value.norm")
def test_the_box_is_not_the_ball():
    """The counterexample; and the bound for all symbols."""
    g = torch.tensor([3.0, 1.0], dtype=torch.float64)
    clipped = oracle.clipped_by_value([g], 1.0)
    assert clipped.tolist() == [1.0, 1.0]
    assert clipped.norm() > 1.0
    assert g[0] * clipped[1] != g[1] * clipped[0]
    c, n = sympy.symbols("c n", positive=True)
    i = sympy.Symbol("i", integer=True)
    assert sympy.simplify(sympy.sqrt(sympy.Sum(c**2, (i, 1, n)).doit()) - c * sympy.sqrt(n)) == 0
    subject = gv.Formula(torch.nn.utils.clip_grad_value_, like="clipping.global_norm")
    assert gv.verify(subject, budget="quick", checks=["formula.dialect"]).failures


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Parts count by their sizes.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With S_i the sum of the gradients of part i, g_i = S_i/n_i; Σ n_i g_i = Σ S_i.


@proves("accumulation.mean_gradient.identity")
def test_sizes_cancel():
    """The displayed equation; and on a loss, by autograd, with a last part that is smaller."""
    equation = claims.IDENTITY.equation()
    sizes, sums = sympy.symbols("n_1 n_2", integer=True, positive=True), sympy.symbols("S_1 S_2", real=True)
    means = dict(
        zip(sympy.symbols("g_1 g_2", real=True), (s / n for s, n in zip(sums, sizes, strict=True)), strict=True)
    )
    assert sympy.simplify(equation.lhs.subs(means) - equation.rhs) == 0
    assert sympy.simplify(equation.rhs - sum(sums) / sum(sizes)) == 0
    w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    x = torch.arange(1.0, 6.0, dtype=torch.float64)

    def slope(part):
        return torch.autograd.grad(((w * part - 1.0) ** 2).mean(), w)[0]

    parts = x.split(2)
    accumulated = sum(oracle.mean_gradient([slope(part) for part in parts], [len(part) for part in parts]))
    assert abs(accumulated - slope(x)) <= 8 * torch.finfo(x.dtype).eps * abs(slope(x))


@proves("accumulation.mean_of_means")
def test_the_mean_of_the_means_is_another_gradient():
    """The counterexample; and when the two agree, for all symbols."""
    g = [torch.tensor(1.0), torch.tensor(4.0)]
    assert float(sum(oracle.mean_gradient(g, (2, 1)))) == 2.0
    assert float(sum(oracle.mean_gradient(g, (2, 1), equal=True))) == 2.5
    n, k = sympy.symbols("n_1 n_2", positive=True)
    first, second = sympy.symbols("g_1 g_2", real=True)
    gap = sympy.factor((n * first + k * second) / (n + k) - (first + second) / 2)
    assert sympy.simplify(gap - (n - k) * (first - second) / (2 * (n + k))) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Unscale, then clip.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Clipping S g to c and dividing by S scales g by min(1, c/(S ‖g‖)) = min(1, (c/S)/‖g‖): the bound was c/S.


@proves("accumulation.loss_scaling.order")
def test_clipping_first_divides_the_bound_by_the_scale():
    """The displayed equation, on both sides of the bound; and the two orders of the oracle."""
    equation = claims.SCALING_ORDER.equation()
    clip = sympy.Function("clip")
    early, late = (side.replace(clip, lambda n, c: n * sympy.Min(1, c / n)) for side in equation.args)
    assert sympy.simplify(early - late) == 0
    bound, scale, norm = sympy.symbols("c S n", positive=True)
    assert early == norm * sympy.Min(1, bound / (scale * norm))
    g = torch.tensor([3.0, 4.0], dtype=torch.float64)
    early = oracle.unscaled([8.0 * g], 8.0, 2.5, early=True)
    assert torch.equal(early, oracle.clipped_by_norm([g], 2.5 / 8.0))
    assert torch.equal(oracle.unscaled([8.0 * g], 8.0, 2.5), oracle.clipped_by_norm([g], 2.5))


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("clipping.global_norm.projection")
def test_the_references_pass():
    """Clipping both ways, accumulation, unscaling."""
    subjects = [clipping.global_norm(), clipping.value(), accumulation.mean_gradient(), accumulation.loss_scaling()]
    report = gv.verify(subjects, budget="quick", checks=["formula.dialect", "formula.value"])
    assert {str(one.outcome) for one in report} == {"PASS"}, str(report)
