"""Weight decay: in the gradient, or beside the step.

For plain gradient descent it is a matter of scale. As soon as there is a memory, a momentum or a second moment, what is
put into the gradient is remembered with it, and the two are different methods.

Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization" (ICLR), section 2.
"""

from __future__ import annotations

import sympy

import genverify as gv
from genverify.claims import proves
from genverify.formulas import optimizer_claims_variants as claims
from genverify.oracles.recurrences import symbols
from genverify.oracles.recurrences_momentum import descent, momentum
from genverify.reference.optimizers.sgdw import SGDW
from genverify.subjects.optimizer import Optimizer


def _steps(recurrence, count, **start):
    """θ after so many steps, by the lines that run."""
    known = {symbols(name)[0]: value for name, value in start.items()}
    for _ in range(count):
        for name, expression in recurrence.lines:
            known[symbols(name)[0]] = expression.subs(known, simultaneous=True)
    return sympy.expand(known[symbols("theta")[0]])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Without momentum SGDW's decay λ is coupled decay λ/η.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# θ - η g - λ θ = θ - η (g + (λ/η) θ).


@proves("weight_decay.gradient_descent.rescaled")
def test_without_momentum_it_is_a_matter_of_scale():
    """The displayed identity, and the recurrences that run."""
    equation = claims.RESCALED_DECAY.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    theta, wd, lr, g = symbols("theta weight_decay lr g")
    start = {"theta": theta, "g": g}
    beside = _steps(descent(decay="decoupled_unscaled"), 1, **start)
    inside = _steps(descent(decay="coupled").replace(weight_decay=wd / lr), 1, **start)
    assert sympy.expand(beside - inside) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With momentum no coupled decay makes the steps of SGDW.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# At g = 0 SGDW's buffer stays zero: θ₂ = (1-λ)² θ₀. Coupled, the first step is the same only for λ' = λ/η; then the
# buffer holds λ' θ₀, and θ₂ = (1-λ)² θ₀ - β λ θ₀.


@proves("weight_decay.momentum.differs")
def test_momentum_remembers_the_decay():
    """Two steps of each, symbolically; and the only rescaling under which the first steps agree."""
    theta, wd, lr, beta, other = *symbols("theta weight_decay lr momentum"), sympy.Symbol("other", real=True)
    start = {"theta": theta, "g": 0, "b": 0}
    sgdw = momentum("heavy_ball", velocity="folded", decay="decoupled_unscaled")
    coupled = momentum("heavy_ball", velocity="folded", decay="coupled").replace(weight_decay=other)
    first = sympy.solve(_steps(sgdw, 1, **start) - _steps(coupled, 1, **start), other)
    assert [sympy.simplify(one - wd / lr) for one in first] == [0]
    rescaled = coupled.replace(other=wd / lr)
    assert sympy.expand(_steps(sgdw, 2, **start) - _steps(rescaled, 2, **start) - beta * wd * theta) == 0


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("weight_decay.momentum.differs")
def test_the_reference_passes_every_check():
    """SGDW, with λ beside the step and not multiplied by η."""
    report = gv.verify(Optimizer(SGDW, rule="sgdw"), budget="quick")
    assert not report.failures, str(report)
    assert any(verdict.outcome is gv.Outcome.PASS for verdict in report)
