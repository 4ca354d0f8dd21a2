"""Schedules: a rate as a function of the step, and the recursion that computes it.

A schedule is written down as a closed form, η(t), and run as a recursion, η(t + 1) from η(t), so that several can be
put on top of each other. Each recursion below is shown to be its closed form by induction: both begin at η₀, and the
closed form takes the recursion's step. The same closed forms anneal the weight of a KL term.

Source: Loshchilov & Hutter 2017; Smith 2017; Goyal et al. 2017; Vaswani et al. 2017; Bowman et al. 2016.
"""

from __future__ import annotations

import math

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import schedule, schedule_cycles, schedule_warmup
from genverify.formulas import schedule_claims as claims
from genverify.oracles import schedule as oracle
from genverify.oracles import schedule_phases as phases


def _holds(claim, assume=None):
    """The step of the induction, as it is displayed: the closed form at t + 1 is the recursion's of that at t."""
    equation = claim.equation()
    gap = equation.lhs - equation.rhs
    return sympy.simplify(sympy.powsimp(gap.subs(assume or {}, simultaneous=True))) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Equal steps, and torch's factors, give the straight line.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# At t = 0 the line is η₀. One step on it has risen by (η_T − η₀)/T. Divided by η(t), the rise is torch's factor, in
# which T has been cleared from numerator and denominator.


@proves("schedule.linear.recursion")
def test_equal_steps_and_equal_factors_are_the_line():
    """Both steps of the induction, and the start."""
    assert _holds(claims.LINEAR_RECURSION)
    t, total, start, end = oracle.linear.symbols
    now = oracle.linear.expression
    factor = 1 + (end - start) / (total * start + t * (end - start))
    assert sympy.simplify(now.subs(t, t + 1) - now * factor) == 0
    assert now.subs(t, 0) == start


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# η(t + 1) = γ η(t) is γᵗ; η(t) = γᵗ η(t − 1) is not.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The first is a geometric sequence. In the second the exponents add up: 1 + 2 + ⋯ + t = t(t + 1)/2.


@proves("schedule.exponential.recursion")
def test_a_factor_at_every_step_is_a_power():
    """The recursion solved, and the exponents of the one that compounds."""
    assert _holds(claims.EXPONENTIAL_RECURSION)
    t, base, gamma = oracle.exponential.symbols
    n, rate = sympy.Symbol("n", integer=True, nonnegative=True), sympy.Function("eta")
    solved = sympy.rsolve(rate(n + 1) - gamma * rate(n), rate(n), {rate(0): base})
    assert sympy.simplify(solved - oracle.exponential.expression.subs(t, n)) == 0
    i = sympy.Symbol("i", integer=True)
    assert sympy.factor(sympy.summation(i, (i, 0, n))) == n * (n + 1) / 2


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A factor γ whenever s divides t + 1 is γ^⌊t/s⌋.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Write t = qs + r, 0 ≤ r < s. Then ⌊t/s⌋ = q, and ⌊(t + 1)/s⌋ is q + 1 exactly when r = s − 1, that is when s | t + 1.


@proves("schedule.step.recursion")
def test_the_floor_rises_exactly_when_the_period_divides():
    """The displayed equation with t = qs + r, for every remainder of every period up to six."""
    equation = claims.STEP_RECURSION.equation()
    t, _, _, period = oracle.staircase.symbols
    q = sympy.Symbol("q", integer=True, nonnegative=True)
    for s in range(1, 7):
        for r in range(s):
            at = {t: q * s + r, period: sympy.Integer(s)}
            assert sympy.simplify(equation.lhs.subs(at) / equation.rhs.subs(at)) == 1, (s, r)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The ratio of the parts that are left, to the power p, carries the polynomial from step to step.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Let a = 1 − t/T and b = 1 − (t + 1)/T, a > 0 and b ≥ 0 for t < T. Then (b/a)^p a^p = b^p.


@proves("schedule.polynomial.recursion")
def test_the_ratio_of_what_is_left_telescopes():
    """The displayed equation in a and b."""
    t, total, start, end, power = oracle.polynomial.symbols
    a, b = sympy.symbols("a b", positive=True)
    equation = claims.POLYNOMIAL_RECURSION.equation()
    left, after = 1 - t / total, 1 - (t + 1) / total
    gap = (equation.lhs - equation.rhs).subs({after: b, left: a})
    assert not gap.has(t)
    assert sympy.simplify(sympy.expand(sympy.expand_power_base(gap))) == 0
    assert sympy.simplify(oracle.polynomial.expression.subs(t, 0) - start) == 0
    assert power.is_positive
    assert end in equation.free_symbols


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The ratio of 1 + cos carries the cosine from step to step, but not over the steps at which it is 0/0.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# η(t) − η_T = ½ (η₀ − η_T)(1 + cos πt/T), so the ratio of two of them is that of the brackets, where the lower one is
# not zero. It is zero where cos πt/T = −1: at t = T, 3T, 5T, … There η(t) = η_T and the next rate is the increment.


@proves("schedule.cosine.recursion")
def test_the_ratio_of_the_brackets_and_the_special_case_are_the_closed_form():
    """The displayed equation, and the closed form one step behind every odd multiple of T."""
    assert _holds(claims.COSINE_RECURSION)
    t, total, start, end = oracle.cosine.symbols
    k = sympy.Symbol("k", integer=True, nonnegative=True)
    turn, closed = (2 * k + 1) * total, oracle.cosine.expression
    increment = (start - end) * (1 - sympy.cos(sympy.pi / total)) / 2
    assert sympy.simplify(closed.subs(t, turn) - end) == 0
    after = sympy.expand_trig(sympy.expand(closed.subs(t, turn + 1)))
    assert sympy.simplify(after - end - increment) == 0
    rises = sympy.solveset(
        sympy.Eq(sympy.cos(sympy.Symbol("x", real=True)), -1), domain=sympy.Interval(0, 6 * sympy.pi)
    )
    assert rises == sympy.FiniteSet(sympy.pi, 3 * sympy.pi, 5 * sympy.pi)


# ── Claim, as it was once run ────────────────────────────────────────────────────────────────────────────────────────
# The ratio alone, at every step.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# t = T.


@proves("schedule.cosine.recursion_without_case")
def test_at_the_minimum_the_ratio_is_no_number():
    """0/0 there, while the closed form goes on; a stranger's recursion without the case fails by that."""
    t, total, _, end = oracle.cosine.symbols
    numerator, denominator = sympy.fraction(sympy.together(claims.cosine_ratio()))
    assert denominator.subs(t, total) == 0
    assert sympy.simplify(oracle.cosine.expression.subs(t, total) - end) == 0
    assert numerator.subs({t: total}).subs(total, 4) > 0
    rate = oracle.cosine(4.0 + 1.0, 4, 1.0, 0.0)
    assert abs(rate - 0.5 * (1 - math.cos(math.pi / 4))) <= torch.finfo(torch.float64).eps

    class Ratio:
        def __init__(self, lr, T_max):
            self.t, self.lr, self.T_max = 0, lr, T_max

        def step(self):
            self.t += 1
            below = 1 + math.cos(math.pi * (self.t - 1) / self.T_max)
            self.lr *= (1 + math.cos(math.pi * self.t / self.T_max)) / below

    report = gv.verify(gv.Formula(Ratio, like="schedule.cosine"), budget="quick", checks=["formula.value"])
    assert "ZeroDivisionError" in report.failures[0].evidence.message


# ── Corrected statement ──────────────────────────────────────────────────────────────────────────────────────────────
# With the special case the recursion is the closed form at every step, also beyond T, where it rises again.


@proves("schedule.cosine.recursion_without_case")
def test_torch_has_the_special_case():
    """torch's scheduler, stepped beyond T; and resumed half way."""
    subject = gv.Formula(torch.optim.lr_scheduler.CosineAnnealingLR, like="schedule.cosine")
    report = gv.verify(subject, budget="quick", checks=["formula.dialect", "formula.value"])
    assert {str(one.outcome) for one in report} == {"PASS"}, str(report)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Restarts come after a geometric sum of periods, and the mean over a period is half way.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Periods T₀, T₀m, T₀m², … add up to a geometric sum. cos π(T − t)/T = −cos πt/T, so that the two rates add up.


@proves("schedule.cosine_restarts.restarts")
def test_periods_add_up_and_a_period_is_symmetric():
    """The sum by induction, and the two halves of a wave."""
    equation = claims.RESTARTS.equation()
    n = next(one for one in equation.rhs.free_symbols if str(one) == "n")
    i = equation.lhs.limits[0][0]
    last = equation.lhs.function.subs(i, n)
    assert sympy.simplify(equation.rhs.subs(n, n + 1) - equation.rhs - last) == 0
    for count in range(4):
        assert sympy.simplify((equation.lhs - equation.rhs).subs(n, count).doit()) == 0
    first, growth = last.subs(n, 0), sympy.simplify(last.subs(n, 1) / last.subs(n, 0))
    assert sympy.limit(equation.rhs, growth, 1) == n * first
    t, total, start, end = oracle.cosine.symbols
    wave = oracle.cosine.expression
    mirrored = sympy.expand_trig(sympy.expand(wave.subs(t, total - t)))
    assert sympy.simplify(wave + mirrored - start - end) == 0
    at = [float(sum(phases.cosine_restarts(k, 2, 1.0, growth=3))) for k in (0, 2, 2 + 6, 2 + 6 + 18)]
    assert at == [1.0] * 4


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The logistic rise multiplies the odds by eᵏ at every step.


@proves("schedule.sigmoid.odds")
def test_the_odds_grow_geometrically():
    """The displayed equation in exponentials, and the recursion of the odds."""
    equation = claims.SIGMOID_ODDS.equation()
    assert sympy.simplify(equation.lhs.rewrite(sympy.exp) - equation.rhs) == 0
    t, _, slope, _ = oracle.sigmoid.symbols
    assert sympy.simplify(equation.rhs.subs(t, t + 1) / equation.rhs - sympy.exp(slope)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The Transformer's schedule is a warm-up to f/√(d w), and one over the root of the step from there.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# t w^(−3/2) = w^(−1/2) (t/w) and t^(−1/2) = w^(−1/2) √(w/t); the first rises in t, the second falls, and both are
# w^(−1/2) at t = w.


@proves("schedule.noam.peak")
def test_the_two_ways_to_write_it_agree_and_meet_at_the_peak():
    """The displayed equation before, at and after w; either argument of the minimum; and the signs of the slopes."""
    equation, (t, _, warmup, _) = claims.NOAM_PEAK.equation(), oracle.noam.symbols
    for part in (sympy.Rational(1, 4), sympy.Rational(4, 9), sympy.Integer(1), sympy.Rational(9, 4), sympy.Integer(25)):
        assert sympy.simplify((equation.lhs - equation.rhs).subs(t, part * warmup)) == 0
    t, base, warmup, width = oracle.noam.symbols
    peak = base / sympy.sqrt(width * warmup)
    scale = base / sympy.sqrt(width)
    rising, falling = scale * t * warmup ** sympy.Rational(-3, 2), scale / sympy.sqrt(t)
    assert sympy.simplify(oracle.noam.expression - scale * sympy.Min(falling / scale, rising / scale)) == 0
    assert sympy.simplify(rising - peak * t / warmup) == 0
    assert sympy.simplify(falling - peak * sympy.sqrt(warmup / t)) == 0
    assert sympy.simplify(rising.subs(t, warmup) - peak) == sympy.simplify(falling.subs(t, warmup) - peak) == 0
    assert sympy.diff(rising, t).is_positive
    assert sympy.diff(falling, t).is_negative


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A warm-up and a cosine of the steps that are left meet; a cosine of all the steps does not begin where the rise ends.


@proves("schedule.warmup_cosine.continuous")
def test_the_phases_meet_only_if_the_cosine_counts_from_the_end_of_the_warmup():
    """The displayed equation, and the drop of the other one."""
    equation = claims.WARMUP_CONTINUOUS.equation()
    t, total, start, end = oracle.cosine.symbols
    assert [sympy.simplify(side.doit() - start) for side in equation.args] == [0, 0]
    assert sympy.simplify(equation.rhs.args[0].subs(t, total) - end) == 0  # and it ends at the end
    warmup = sympy.Symbol("w", positive=True)
    drop = start - oracle.cosine.expression.subs(t, warmup)
    assert sympy.simplify(drop - (start - end) * (1 - sympy.cos(sympy.pi * warmup / total)) / 2) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# One cycle: η/d, then η, then η/(d f).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Each phase is a cosine (or a line) of the part x of its length; at x = 0 and x = 1 it is at its ends.


@proves("schedule.one_cycle.endpoints")
def test_each_phase_begins_and_ends_where_it_should():
    """The ends of both shapes for all symbols; and the oracle where pT − 1 is whole, exactly."""
    for form in (oracle.cosine, oracle.linear):
        t, total, start, end = form.symbols
        assert sympy.simplify(form.expression.subs(t, 0) - start) == 0
        assert sympy.simplify(form.expression.subs(t, total) - end) == 0
    how = {"fraction": 0.5, "division": 4.0, "final": 8.0}
    for shape in ("cosine", "linear"):
        rates = [float(sum(phases.one_cycle(k, 12, 1.0, shape=shape, **how))) for k in (0, 5, 11)]
        assert rates == [1 / 4, 1.0, 1 / 32]


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Smith's line of code is a triangle of period 2s.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A shift by 2s adds 2 to t/s and 1 to the floor, whose double takes it away again. From 0 to 2s the floor is 0, and
# what is left, 1 − |t/s − 1|, is t/s below s and 2 − t/s above.


@proves("schedule.cyclical.periodic")
def test_the_line_of_code_is_a_triangle():
    """The displayed period; its value on either half, symbols; and with the floor at fourteen places."""
    equation = claims.CYCLICAL_PERIOD.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    height = equation.rhs
    t, s = sorted(height.free_symbols, key=lambda one: str(one), reverse=True)
    u = sympy.Symbol("u", nonnegative=True)
    (floor,) = height.atoms(sympy.floor)
    assert floor.args[0] == t / (2 * s)  # below 1, so that the floor is 0
    first = height.subs(floor, 0)
    assert sympy.expand(first.subs(t, s * (1 - u)) - (1 - u)) == 0  # t/s = 1 − u
    assert sympy.expand(first.subs(t, s * (1 + u)) - (2 - (1 + u))) == 0  # t/s = 1 + u
    for part in (sympy.Rational(k, 7) for k in range(14)):
        wanted = part if part <= 1 else 2 - part
        assert height.subs(t, part * s) == wanted


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("schedule.exponential.recursion")
def test_the_references_pass():
    """Most of them go through the steps; the oracle does not."""
    subjects = [
        schedule.linear(), schedule.step(), schedule.multi_step(), schedule.exponential(), schedule.polynomial(),
        schedule.cosine(), schedule.cosine_restarts(), schedule.sigmoid(), schedule_warmup.linear_warmup(),
        schedule_warmup.warmup_cosine(), schedule_warmup.warmup_exponential(), schedule_warmup.noam(),
        schedule_warmup.inverse_square_root(), schedule_cycles.one_cycle(), schedule_cycles.triangular(),
        schedule_cycles.annealing_cycles(),
    ]  # fmt: skip
    report = gv.verify(subjects, budget="quick", checks=["formula.dialect"])
    assert {str(one.outcome) for one in report} == {"PASS"}, str(report)
