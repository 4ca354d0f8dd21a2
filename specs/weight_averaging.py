"""Averages of weights: how much each step counts.

An exponential moving average is run as a recursion of one line. Unrolled, it says how much every earlier value counts;
begun at zero, the weights do not add up to one, and the bias correction divides by what they do add up to.

Source: Polyak & Juditsky 1992; Kingma & Ba 2015, sections 3 and 7.2.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import ema
from genverify.formulas import ema_claims as claims
from genverify.oracles import ema as oracle

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Begun at θ₁ the average is β^(n−1) θ₁ + Σ_{i=2}^n (1 − β) β^(n−i) θ_i.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# At n = 1 the sum is empty. One step multiplies all there is by β and adds (1 − β) θ_{n+1}: each exponent n − i grows
# by one, and the new term, i = n + 1, has the exponent zero.


@proves("ema.weights.closed_form")
def test_one_step_takes_the_closed_form_to_the_next():
    """The displayed step of the induction, term by term and for n ≤ 4; and four steps of the line that runs."""
    equation = claims.CLOSED_FORM.equation()
    n = next(one for one in equation.free_symbols if str(one) == "n")
    for count in range(1, 5):
        assert sympy.expand((equation.lhs - equation.rhs).subs(n, count).doit()) == 0
    (before,), (after,) = (side.atoms(sympy.Sum) for side in equation.args)
    shown = next(one for one in equation.free_symbols if str(one) == "beta")
    assert sympy.simplify(after.function - shown * before.function) == 0
    theta, new = sympy.IndexedBase("theta", real=True), after.function.subs(before.variables[0], n + 1)
    assert sympy.simplify(new - (1 - shown) * theta[n + 1]) == 0
    average, weights, beta = oracle.update.symbols
    thetas = sympy.symbols("theta_1:6", real=True)
    value = thetas[0]
    for n, theta in enumerate(thetas[1:], start=2):
        value = oracle.update.expression.subs({average: value, weights: theta}, simultaneous=True)
        closed = beta ** (n - 1) * thetas[0]
        closed += sum((1 - beta) * beta ** (n - i) * thetas[i - 1] for i in range(2, n + 1))
        assert sympy.expand(value - closed) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Begun at zero the weights add up to 1 − βⁿ.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# (1 − β)(1 + β + ⋯ + β^(n−1)) = 1 − βⁿ, the geometric sum. A constant θ thus gives (1 − βⁿ) θ, and divided by 1 − βⁿ it
# gives θ, whatever n.


@proves("ema.weights_bias_corrected.constant")
def test_the_weights_add_up_and_a_constant_is_kept():
    """The displayed sum by induction over n; and the oracle on a constant, where nothing is rounded."""
    equation = claims.CONSTANT.equation()
    n = next(one for one in equation.rhs.free_symbols if str(one) == "n")
    beta = next(one for one in equation.rhs.free_symbols if str(one) == "beta")
    # The sum to n + 1 is β times the sum to n, and the new weight.
    step = beta * equation.rhs + (1 - beta) - equation.rhs.subs(n, n + 1)
    assert sympy.simplify(sympy.expand(step)) == 0
    assert sympy.simplify(equation.lhs.subs(n, 1).doit() - equation.rhs.subs(n, 1)) == 0
    assert sympy.simplify(equation.lhs.subs(n, 4).doit() - equation.rhs.subs(n, 4)) == 0
    for count in (1, 2, 5):
        constant = torch.full((count, 1), 3.0, dtype=torch.float64)
        assert float(sum(oracle.corrected(constant, 0.5))) == 3.0
        assert float(sum(oracle.corrected(constant, 0.5, correct=False))) == 3.0 * (1 - 0.5**count)


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("ema.weights.closed_form")
def test_the_references_pass_and_an_average_begun_at_zero_fails():
    """One step, all steps, all steps with correction; and the slip, by its name."""
    subjects = [ema.weights(), ema.weights_over_steps(), ema.weights_bias_corrected()]
    report = gv.verify(subjects, budget="quick", checks=["formula.dialect", "formula.value"])
    assert {str(one.outcome) for one in report} == {"PASS"}, str(report)

    class Zero:
        def __init__(self, decay):
            self.decay, self.mean = decay, 0.0

        def __call__(self, weights):
            self.mean = self.decay * self.mean + (1 - self.decay) * weights
            return self.mean

    (verdict,) = gv.verify(gv.Formula(Zero, like="ema.weights_bias_corrected"), checks=["formula.dialect"])
    assert "not corrected" in verdict.evidence.message
