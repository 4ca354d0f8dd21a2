"""AMSGrad: what Adam forgets.

Adam's second moment is a mean of the recent squares. A rare great gradient, which says where to go, is divided by its
own size; the many small ones after it, which point elsewhere, are divided by what is left of it, and win. The theorem
that Adam's regret vanishes is false, and the counterexample is a function of one variable. AMSGrad keeps the largest
second moment that it has seen, and goes the right way.

Source: Reddi, Kale & Kumar 2018, "On the convergence of Adam and beyond" (ICLR); Kingma & Ba 2015.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import optimizer_claims_variants as claims
from genverify.oracles.recurrences import symbols
from genverify.oracles.recurrences_adaptive import adam
from genverify.reference.optimizers.amsgrad import AMSGrad
from genverify.subjects.optimizer import Optimizer

C, ALPHA = 3, sympy.Rational(1, 2)
BETA = sympy.Rational(1, 1 + C**2)

# ── Claim, as the paper states it ────────────────────────────────────────────────────────────────────────────────────
# Adam's average regret vanishes on every bounded sequence of convex functions over a bounded set.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# On [-1, 1] let f_t(x) = 3x when t mod 3 = 1 and -x otherwise. In each cycle x = -1 gains 1, and x = 1 loses 1. With
# β₁ = 0, β₂ = 1/(1+3²) and steps α/√t, α = 1/2, projected Adam returns to x = 1 after every cycle.


def _visited(steps, *, amsgrad=False):
    """Where torch's Adam is before each step, projected to [-1, 1], with its bias corrections; from x = 1."""
    x = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = torch.optim.Adam([x], lr=0.5, betas=(0.0, 0.1), eps=1e-300, amsgrad=amsgrad)
    found = []
    for t in range(1, steps + 1):
        found.append(x.item())
        x.grad = torch.full_like(x, 3.0 if t % 3 == 1 else -1.0)
        optimizer.param_groups[0]["lr"] = 0.5 / t**0.5
        optimizer.step()
        with torch.no_grad():
            x.clamp_(-1, 1)
    return found


@proves("amsgrad.adam.converges")
def test_torchs_adam_returns_to_the_worst_point():
    """Before the cycles 1, 2, …, 200 it stands at 1, and loses 1 in each; at -1 it would gain 1."""
    cycle = 3 - 1 - 1
    assert (cycle * 1, cycle * -1) == (1, -1)  # the loss of a cycle at x = 1, and at x = -1
    visited = _visited(600)
    assert all(x == 1.0 for x in visited[::3])


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# x₃ₜ₊₁ = 1 for every t (without bias corrections, as Reddi et al. have it).
#
# Suppose x₃ₜ₊₁ = 1. Since β₂ = 1/(1+C²), β₂ C² = 1-β₂. All squares are at most C², so v ≤ C² always.
# The step down has v ≥ (1-β₂) C²: its length is at most q/√(3t+1), q = α/√(1-β₂) < 1, so that nothing is clipped at -1.
# Afterwards v ≤ β₂ C² + (1-β₂) = 2(1-β₂), and it stays below that: the two steps up are together at least
# q (1/√(3t+2) + 1/√(3t+3))/√2. For t ≥ 1 that is at least q/√(3t+1): 1/√ is convex, so the sum is at least
# 2/√(3t + 5/2), and 2(3t+1) ≥ 3t + 5/2. For t = 0 it is reckoned from v = 0. If the first step up is clipped at 1, the
# second stays there. So x₃ₜ₊₄ = 1.


@proves("amsgrad.adam.converges")
def test_the_steps_up_are_at_least_as_long_as_the_step_down():
    """The bounds on v by the line that runs; the displayed inequality for t ≥ 1; the first cycle exactly."""
    v, d, two = symbols("v d beta2")
    line = dict(adam(correction="none").lines)["v"].subs(two, BETA)
    rest = 1 - BETA
    assert BETA * C**2 == rest
    assert line.subs({v: 0, d: C}) == rest * C**2  # the step down has at least this
    assert line.subs({v: C**2, d: 1}) == 2 * rest  # the first step up has at most this
    assert line.subs({v: 2 * rest, d: 1}) <= 2 * rest  # and so has the second
    assert sympy.sqrt(rest) > ALPHA
    equation = claims.CONVERGES.equation()
    (t,), u = equation.free_symbols, sympy.Symbol("u", positive=True)
    down, first_up, second_up = (3 * t + k for k in (1, 2, 3))
    up = (1 / sympy.sqrt(first_up) + 1 / sympy.sqrt(second_up)) * sympy.sqrt(rest / (2 * rest))
    assert sympy.simplify(equation.lhs - up) == sympy.simplify(equation.rhs - 1 / sympy.sqrt(down)) == 0
    assert sympy.diff(1 / sympy.sqrt(u), u, 2).is_positive  # convex, so that the mean of the two is above the middle
    middle = sympy.sqrt(2) / sympy.sqrt((first_up + second_up) / 2)
    gap = sympy.expand(2 / middle**2 - 2 / equation.rhs**2)
    assert gap == sympy.Rational(1, 2) - 3 * t
    assert gap.subs(t, 1) < 0
    first = [line.subs({v: 0, d: C})]
    first += [line.subs({v: first[0], d: 1})]
    first += [line.subs({v: first[1], d: 1})]
    down = C / sympy.sqrt(first[0])
    up = 1 / sympy.sqrt(2 * first[1]) + 1 / sympy.sqrt(3 * first[2])
    assert up > down


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# On the same functions AMSGrad goes to x = -1.
#
# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# Its denominator never falls below the largest v, so that a step down is C times as long as a step up.


@proves("amsgrad.reddi.converges")
def test_amsgrad_goes_to_the_best_point():
    """torch.optim.Adam(amsgrad=True) from the worst point: beside -1 in the last thirty of 300 cycles."""
    visited = _visited(900, amsgrad=True)
    assert max(visited[-90:]) < -0.9


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("amsgrad.reddi.converges")
def test_the_reference_passes_every_check():
    """AMSGrad, with torch's bias corrections."""
    report = gv.verify(Optimizer(AMSGrad, rule="amsgrad"), budget="quick")
    assert not report.failures, str(report)
    assert any(verdict.outcome is gv.Outcome.PASS for verdict in report)
