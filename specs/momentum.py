"""Momentum: the same name for three recurrences.

The Blog averages the gradients, m ← β m + (1-β) g; Polyak's heavy ball and torch sum them, b ← β b + g; Nesterov looks
ahead. The average and the sum are one method at two scales of the learning rate. What looks like a third way to say it,
torch's `dampening=β`, is not: its first step is undamped.

Source: the Blog, "momentum"; Polyak 1964; torch.optim.SGD.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import optimizer_claims as claims
from genverify.oracles.recurrences import symbols
from genverify.oracles.recurrences_momentum import momentum
from genverify.reference.optimizers.heavy_ball import HeavyBall
from genverify.reference.optimizers.momentum_ema import MomentumEMA
from genverify.subjects.optimizer import Optimizer


def _unrolled(form, steps):
    """The buffer after each step as an expression in g_1, …, g_steps, by the recurrence that runs."""
    b, d, t = symbols("b d t")
    line = dict(momentum(form).lines)["b"]
    buffer, found = sympy.Integer(0), []
    for k in range(1, steps + 1):
        buffer = line.subs({b: buffer, d: sympy.Symbol(f"g_{k}", real=True), t: k}, simultaneous=True)
        buffer = buffer.subs(symbols("dampening")[0], symbols("momentum")[0])
        found.append(sympy.expand(buffer))
    return found


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The average with η makes the same steps as the heavy ball with η(1-β).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# By induction m_t = (1-β) b_t. At t = 0 both are zero. If it holds before a step, then
# β m + (1-β) g = β (1-β) b + (1-β) g = (1-β)(β b + g). So η m_t = η(1-β) b_t.


@proves("momentum.ema.equals_heavy_ball")
def test_the_average_is_the_sum_scaled_by_one_minus_beta():
    """The step of the induction on the very lines that run; and the first four steps unrolled."""
    b, d, beta = symbols("b d momentum")
    average, heavy = dict(momentum("ema").lines)["b"], dict(momentum("heavy_ball").lines)["b"]
    assert sympy.simplify(average.subs(b, (1 - beta) * b) - (1 - beta) * heavy) == 0
    assert average.subs({b: 0, d: 0}) == heavy.subs({b: 0, d: 0}) == 0
    for m, sum_ in zip(_unrolled("ema", 4), _unrolled("heavy_ball", 4), strict=True):
        equation = claims.EMA_IS_HEAVY_BALL.equation()
        names = {str(one): one for one in equation.free_symbols}
        found = {names["m_t"]: m, names["b_t"]: sum_, names["beta"]: beta}
        assert sympy.expand((equation.lhs - equation.rhs).subs(found)) == 0


# ── Claim, as it is usually read ─────────────────────────────────────────────────────────────────────────────────────
# torch.optim.SGD(momentum=β, dampening=β) is the average.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# The buffer is *set* to g at the first step. With g₁ = 1, β = 0.9, η = 0.1 torch moves by -0.1, the average by -0.01.


@proves("momentum.torch_dampening.is_ema")
def test_torchs_first_step_is_undamped():
    """Real torch, and the reference of the average."""
    moved = []
    for make in (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.9), lambda p: MomentumEMA(p, lr=0.1)):
        w = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        w.grad = torch.ones_like(w)
        make([w]).step()
        moved.append(w.item())
    assert moved[0] == -0.1
    assert abs(moved[1] + 0.01) <= torch.finfo(torch.float64).eps
    report = gv.verify(
        Optimizer(torch.optim.SGD, rule="momentum_ema", lr=0.1, momentum=0.9, dampening=0.9), budget="quick",
        checks=["optimizer.first_step"],
    )  # fmt: skip
    assert "first step is undamped" in report.failures[0].evidence.message


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# b_t = m_t + βᵗ g₁. The difference δ_t = b_t - m_t is g₁ - (1-β) g₁ = β g₁ after the first step, and from then on both
# buffers obey the same line, which is linear: δ_{t+1} = β δ_t. That is the average begun at m₀ = g₁ in place of 0.


@proves("momentum.torch_dampening.is_ema")
def test_the_buffers_differ_by_a_power_of_beta():
    """Unrolled on the recurrences that run, and against the displayed equation."""
    (beta,) = symbols("momentum")
    equation = claims.DAMPENING.equation()
    names = {str(one): one for one in equation.free_symbols}
    for t, (torchs, average) in enumerate(zip(_unrolled("torch", 5), _unrolled("ema", 5), strict=True), start=1):
        values = {"b_t": torchs, "m_t": average, "beta": beta, "t": t, "g_1": sympy.Symbol("g_1", real=True)}
        found = {names[name]: value for name, value in values.items()}
        assert sympy.expand((equation.lhs - equation.rhs).subs(found, simultaneous=True)) == 0
    b, d, m = sympy.symbols("b d m", real=True)
    line = dict(momentum("ema").lines)["b"]
    difference = line.subs({symbols("b")[0]: b}) - line.subs({symbols("b")[0]: m})
    assert sympy.expand(difference - beta * (b - m)) == 0
    assert not difference.has(d)


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("momentum.ema.equals_heavy_ball")
def test_the_references_pass_under_their_own_names_and_not_under_each_others():
    """PASS, PASS; and under the other's name FAIL, with the convention named."""
    for kind, rule in ((MomentumEMA, "momentum_ema"), (HeavyBall, "heavy_ball")):
        report = gv.verify(Optimizer(kind, rule=rule), budget="quick")
        assert not report.failures, str(report)
    crossed = gv.verify(Optimizer(HeavyBall, rule="momentum_ema"), budget="quick", checks=["optimizer.first_step"])
    assert "heavy ball" in crossed.failures[0].evidence.message
