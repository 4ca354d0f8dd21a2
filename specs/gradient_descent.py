"""Gradient descent: w ← w - η ∇f(w), and how large η may be.

Near a minimum every smooth function is a quadratic, and on a quadratic everything about gradient descent can be said:
along each eigenvector of the curvature the error is multiplied by 1 - ηλ at every step. It dies out in all directions
when η < 2/λ_max, and the slowest direction is fastest when the two extreme factors are equal and opposite.

Source: Cauchy 1847; Nesterov 2018, "Lectures on Convex Optimization"; the Blog, "gradient descent".
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import optimizer_claims as claims
from genverify.oracles.recurrences_momentum import descent
from genverify.reference.optimizers.gradient_descent import GradientDescent, descend
from genverify.subjects.optimizer import Optimizer

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# On f(w) = ½ (w - w*)ᵀ A (w - w*), A ≻ 0: converges from every start iff 0 < η < 2/λ_max.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∇f(w) = A (w - w*). By the spectral theorem A = QΛQᵀ; in z = Qᵀ(w - w*) the step is z_k ← (1 - ηλ_k) z_k, one number
# for each eigenvalue. Hence z_k(t) = (1 - ηλ_k)ᵗ z_k(0), which tends to 0 from every start iff |1 - ηλ_k| < 1, that is
# iff 0 < η < 2/λ_k. All k hold together iff the largest eigenvalue does.


@proves("gradient_descent.quadratic.converges")
def test_a_mode_is_multiplied_by_one_minus_eta_lambda():
    """The recurrence of the rule, on the gradient λz of one mode, solved for the t-th iterate."""
    theta, lr, g = (sympy.Symbol(name, real=True) for name in ("theta", "lr", "g"))
    eta, curvature, start = sympy.symbols("eta lambda z_0", positive=True)
    lines = dict(descent().lines)
    step = lines["theta"].subs(sympy.Symbol("d", real=True), lines["d"].subs(sympy.Symbol("a", real=True), g))
    mode = sympy.expand(step.subs({lr: eta, g: curvature * theta}))
    assert sympy.simplify(mode - (1 - eta * curvature) * theta) == 0
    t, z = sympy.Symbol("t", integer=True, nonnegative=True), sympy.Function("z")
    solved = sympy.rsolve(z(t + 1) - (1 - eta * curvature) * z(t), z(t), {z(0): start})
    assert sympy.simplify(solved - (1 - eta * curvature) ** t * start) == 0


@proves("gradient_descent.quadratic.converges")
def test_the_factor_is_below_one_iff_eta_is_below_two_over_lambda():
    """The displayed equivalence: with s = ηλ > 0, |1 - s| < 1 holds exactly on (0, 2)."""
    contracts, bound = claims.CONVERGES.equation().args
    s = sympy.Symbol("s", positive=True)
    eta, curvature = sympy.symbols("eta lambda_max", positive=True)
    scaled = {one.subs(eta, s / curvature) for one in (contracts, bound)}
    margins = {sympy.simplify((one.gts - one.lts) * (1 if one.has(sympy.Abs) else curvature)) for one in scaled}
    assert margins == {1 - sympy.Abs(s - 1), 2 - s}
    real = sympy.Symbol("s", real=True)
    assert sympy.solveset(sympy.Abs(1 - real) < 1, real, sympy.S.Reals) == sympy.Interval.open(0, 2)


@proves("gradient_descent.quadratic.converges")
def test_at_the_bound_it_oscillates_and_beyond_it_diverges():
    """λ_max = 2: η = 0.99 converges, η = 1 keeps |w|, η = 1.01 leaves."""
    start = torch.ones(2, dtype=torch.float64)
    curvature = torch.tensor([0.5, 2.0], dtype=torch.float64)

    def end(eta):
        w, _ = descend(lambda w: 0.5 * (curvature * w**2).sum(), start, steps=2000, lr=eta, threshold=0.0)
        return float(w[1].abs())

    assert end(0.99) < 1e-12 < end(1.0) == 1.0 < 1e12 < end(1.01)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# min over η of max_k |1 - ηλ_k| is (κ-1)/(κ+1), at η* = 2/(λ_min + λ_max).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# |1 - ηλ| is convex in λ, so that its maximum over the spectrum is at an end. At η* the two ends are 1 - η*λ_min and
# η*λ_max - 1, and both are (κ-1)/(κ+1). A larger η makes the second larger, a smaller one the first.


@proves("gradient_descent.quadratic.best_rate")
def test_both_ends_meet_at_the_best_rate_and_any_other_is_worse():
    """The displayed equation, and a move of η to either side."""
    equation = claims.BEST_RATE.equation()
    low, gap, eta, delta = sympy.symbols("lambda_min gap eta delta", positive=True)
    best, high = 2 / (2 * low + gap), low + gap
    assert sympy.simplify((1 - best * low) - (best * high - 1)) == 0
    assert sympy.simplify((1 - best * low) - equation.rhs) == 0
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    assert ((best + delta) * high - 1 - equation.rhs).simplify().is_positive
    assert (1 - (best - delta) * low - equation.rhs).simplify().is_positive
    assert eta.is_positive


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("gradient_descent.quadratic.best_rate")
def test_the_reference_contracts_at_that_rate():
    """κ = 9: the error falls by 0.8 at every step."""
    curvature = torch.tensor([1.0, 9.0], dtype=torch.float64)
    start = torch.tensor([1.0, 1.0], dtype=torch.float64)
    w, trace = descend(lambda w: 0.5 * (curvature * w**2).sum(), start, steps=10, lr=2 / 10, threshold=0.0)
    assert len(trace) == 11
    assert torch.allclose(w.abs(), torch.full_like(w, 0.8**10), rtol=16 * torch.finfo(w.dtype).eps, atol=0.0)


@proves("gradient_descent.quadratic.converges")
def test_the_reference_passes_every_check():
    """Every increment is the rule's."""
    report = gv.verify(Optimizer(GradientDescent, rule="gradient_descent"), budget="quick")
    assert not report.failures, str(report)
    assert any(verdict.outcome is gv.Outcome.PASS for verdict in report)
