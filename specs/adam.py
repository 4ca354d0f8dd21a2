"""Adam: a mean of the gradients over the root of a mean of their squares.

Both means begin at zero and are too small at first; dividing by 1 - βᵗ undoes that exactly, in expectation. A step is
usually about α long, but not because it must be: the bound that the paper states is false, and the true one is found by
Cauchy and Schwarz. Weight decay stands in the gradient (Adam) or beside the step (AdamW), which is not the same.

Source: Kingma & Ba 2015, "Adam: a method for stochastic optimization" (ICLR); Loshchilov & Hutter 2019.
"""

from __future__ import annotations

import math

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import optimizer_claims as claims
from genverify.oracles.recurrences import symbols
from genverify.oracles.recurrences_adaptive import adam
from genverify.oracles.recurrences_momentum import descent
from genverify.reference.optimizers.adam import Adam
from genverify.subjects.optimizer import Optimizer

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E m̂_t = E g and E v̂_t = E g², for every t, when the gradients are stationary.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Unrolled from zero, m_t = Σ_i (1-β) β^(t-i) g_i. Expectation is linear and E g_i = E g does not depend on i, so that
# E m_t = E g · Σ_i (1-β) β^(t-i) = E g · (1 - βᵗ): a geometric sum. Dividing by 1 - βᵗ leaves E g. The same for v and
# g².


@proves("adam.bias_correction.unbiased")
def test_the_weights_of_the_corrected_mean_sum_to_one():
    """The displayed sum, for symbolic t; and the recurrence that runs, unrolled, has these weights."""
    equation = claims.BIAS_CORRECTION.equation()
    total = sympy.simplify(equation.lhs.doit())
    beta = next(one for one in equation.free_symbols if str(one) == "beta_1")
    below_one = sympy.Symbol("q", positive=True)
    assert sympy.simplify(total.subs(beta, 1 / (1 + below_one)) - 1) == 0  # 0 < β < 1
    m, d, one = symbols("m d beta1")
    line, unrolled = dict(adam().lines)["m"], sympy.Integer(0)
    gradients = sympy.symbols("g_1:6", real=True)
    for k, g in enumerate(gradients, start=1):
        unrolled = sympy.expand(line.subs({m: unrolled, d: g}, simultaneous=True))
        assert sympy.expand(unrolled - sum((1 - one) * one ** (k - i) * gradients[i - 1] for i in range(1, k + 1))) == 0
        stationary = unrolled.subs(dict.fromkeys(gradients, d))
        assert sympy.simplify(stationary / (1 - one**k) - d) == 0


# ── Claim, as the paper states it ────────────────────────────────────────────────────────────────────────────────────
# |Δ| ≤ α(1-β₁)/√(1-β₂) where 1-β₁ > √(1-β₂), and |Δ| ≤ α otherwise.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Gradients that grow as g_i = (β₁/β₂)^(T-i). At the defaults and T = 1000 the last step is 5.78 α, and the bound is
# 3.16 α; at β = (0.99, 0.999) it comes to 2.30 α, and the bound is α.


def _last_step(beta1, beta2, steps, *, kind=torch.optim.Adam):
    """The length of the last step of a real optimizer, in units of α; scaled so that no square under- or overflows."""
    w = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = kind([w], lr=1.0, betas=(beta1, beta2), eps=1e-300)
    before = 0.0
    for i in range(1, steps + 1):
        before = w.item()
        w.grad = torch.full_like(w, 1e150 * (beta1 / beta2) ** (steps - i))
        optimizer.step()
    return abs(w.item() - before)


def _papers_bound(beta1, beta2):
    return max((1 - beta1) / math.sqrt(1 - beta2), 1.0)


def _true_bound(beta1, beta2):
    names = {"alpha": 1, "beta_1": sympy.Rational(str(beta1)), "beta_2": sympy.Rational(str(beta2))}
    right = claims.STEP_BOUND.equation().rhs
    return float(right.subs({one: names[str(one)] for one in right.free_symbols}))


@proves("adam.step.bound")
def test_torchs_adam_steps_beyond_the_papers_bound():
    """The figures of the counterexample, measured on torch.optim.Adam."""
    assert f"{_papers_bound(0.9, 0.999):.2f}" == "3.16"
    assert f"{_last_step(0.9, 0.999, 1000):.2f}" == "5.78"
    assert _papers_bound(0.99, 0.999) == 1.0
    assert f"{_last_step(0.99, 0.999, 8000):.2f}" == "2.30"


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# |Δ_T| ≤ α(1-β₁)/√((1-β₂)(1-r)), r = β₁²/β₂ < 1, for every T.
#
# m_T = (1-β₁) Σ β₁^(T-i) g_i and v_T = (1-β₂) Σ β₂^(T-i) g_i². Write β₁^(T-i) g_i = (β₁/√β₂)^(T-i) · β₂^((T-i)/2) g_i;
# by
# Cauchy and Schwarz m_T² / v_T ≤ (1-β₁)²/(1-β₂) · Σ r^(T-i), with equality iff g_i ∝ (β₁/β₂)^(T-i). The sum is
# (1-r^T)/(1-r). With the corrections
#     (Δ/α)² ≤ (1-β₁)²/((1-β₂)(1-r)) · (1-r^T)(1-β₂^T)/(1-β₁^T)²,
# and the last factor is at most 1: the denominator less the numerator is r^T + β₂^T - 2β₁^T = (r^(T/2) - β₂^(T/2))² ≥
# 0,
# since r β₂ = β₁². It tends to 1, so that the bound is the supremum. ε only shortens the step.


@proves("adam.step.bound")
def test_the_corrected_bound_is_cauchy_schwarz_and_a_square():
    """The geometric sum, the case of equality, and the square, with x = r^(T/2), y = β₂^(T/2), so that β₁^T = x y."""
    x, y = sympy.symbols("x y", positive=True)
    slack = sympy.expand((1 - x * y) ** 2 - (1 - x**2) * (1 - y**2))
    assert sympy.factor(slack) in ((x - y) ** 2, (y - x) ** 2)
    r = sympy.Symbol("r", positive=True)
    k, steps = sympy.symbols("k T", integer=True, positive=True)
    geometric = sympy.simplify(sympy.summation(r**k, (k, 0, steps - 1)).subs(r, 1 / (1 + x)))
    assert sympy.simplify(geometric - ((1 - r**steps) / (1 - r)).subs(r, 1 / (1 + x))) == 0
    one, two = sympy.symbols("beta_1 beta_2", positive=True)
    extreme, n = (one / two), sympy.Symbol("n", integer=True, nonnegative=True)
    weights = (one / sympy.sqrt(two)) ** n, two ** (n / 2) * extreme**n
    quotient = sympy.expand_power_base(weights[0] / weights[1])
    assert sympy.simplify(sympy.powsimp(quotient, force=True)) == 1  # proportional: equality
    bound = claims.STEP_BOUND.equation().rhs
    alpha = sympy.Symbol("alpha", positive=True)
    assert sympy.simplify(bound - alpha * (1 - one) / sympy.sqrt((1 - two) * (1 - one**2 / two))) == 0


@proves("adam.step.bound")
def test_the_corrected_bound_holds_and_is_approached():
    """7.27 α at the defaults; the extremal gradients come within a hundredth of it at T = 6000."""
    assert f"{_true_bound(0.9, 0.999):.2f}" == "7.27"
    assert f"{_true_bound(0.99, 0.999):.2f}" == "2.30"
    for steps in (1, 2, 10, 100, 1000):
        assert _last_step(0.9, 0.999, steps) <= _true_bound(0.9, 0.999)
    assert 0.99 < _last_step(0.9, 0.999, 6000) / _true_bound(0.9, 0.999) <= 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Coupled and decoupled decay are the same for gradient descent, and differ for Adam.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# θ - η(g + λθ) = θ(1-ηλ) - ηg. Adam divides the decay by √v̂ as well: at g = 0, ε = 0 its first step is -η sign θ.


@proves("adam.decay.coupled_is_not_decoupled")
def test_decay_in_the_gradient_and_beside_the_step():
    """Composed from the lines that run."""

    def step(recurrence, **values):
        known = {symbols(name)[0]: value for name, value in values.items()}
        for name, expression in recurrence.lines:
            known[symbols(name)[0]] = expression.subs(known, simultaneous=True)
        return known[symbols("theta")[0]]

    theta, lr, wd, g = symbols("theta lr weight_decay g")
    start = {"theta": theta, "g": g}
    one, other = step(descent(decay="coupled"), **start), step(descent(decay="decoupled"), **start)
    assert sympy.expand(one - other) == 0
    equation = claims.DECAY.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    positive = sympy.Symbol("w", positive=True)
    fresh = {"theta": positive, "g": 0, "m": 0, "v": 0, "t": 1, "eps": 0, "weight_decay": sympy.Rational(1, 10)}
    fresh |= {"beta1": sympy.Rational(9, 10), "beta2": sympy.Rational(999, 1000)}
    assert sympy.simplify(step(adam(decay="coupled"), **fresh) - (positive - lr)) == 0
    decoupled = {**fresh, "eps": sympy.Rational(1, 10**8)}
    assert sympy.simplify(step(adam(decay="decoupled"), **decoupled) - positive * (1 - lr / 10)) == 0
    assert wd in descent(decay="coupled").lines[1][1].free_symbols


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("adam.bias_correction.unbiased")
def test_the_reference_passes_every_check():
    """Trajectory, first step, state, groups and the rest; with ε outside the root, as algorithm 1 has it."""
    report = gv.verify(Optimizer(Adam, rule="adam"), budget="quick")
    assert not report.failures, str(report)
    assert any(verdict.outcome is gv.Outcome.PASS for verdict in report)
