"""The β-NLL: a likelihood weighted by a power of the variance, through which no gradient flows.

A network that predicts mean and variance learns the mean slowly where it believes the variance large. Seitzer et al.
weigh the likelihood by σ^(2β), and stop the gradient there. The value and the gradient of this loss are two different
things, and code that forgets to stop the gradient has the right value.

Source: Seitzer, Tavakoli, Antic & Martius 2022, "On the pitfalls of heteroscedastic uncertainty estimation with
probabilistic neural networks" (ICLR).
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.reference.likelihood import beta_nll as reference

X, MU = sympy.symbols("x mu", real=True)
S, BETA = sympy.symbols("sigma beta", positive=True)
NLL = (X - MU) ** 2 / (2 * S**2) + sympy.log(S)
WEIGHT = S ** (2 * BETA)

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With the weight held fixed, the gradient is σ^(2β) ∂NLL: (μ − x)/σ^(2 − 2β) in μ, σ^(2β)(1/σ − (x − μ)²/σ³) in σ.


@proves("normal.beta_nll.equal_weights")
def test_what_beta_does():
    """At β = 1 the slope in μ is that of ½ (x − μ)², at β = 0 that of the likelihood; σ has one optimum for all β."""
    slope = WEIGHT * sympy.diff(NLL, MU)
    assert sympy.simplify(slope.subs(BETA, 1) - sympy.diff((X - MU) ** 2 / 2, MU)) == 0
    assert sympy.simplify(slope.subs(BETA, 0) - sympy.diff(NLL, MU)) == 0
    gap = sympy.Symbol("d", positive=True)
    spread = (WEIGHT * sympy.diff(NLL, S)).subs(X, MU + gap)
    assert sympy.simplify(spread.subs(S, gap)) == 0
    assert sympy.solve(sympy.simplify(spread / WEIGHT * S**3), S) == [gap]


@proves("normal.beta_nll.stopped")
def test_the_gradient_is_no_derivative_of_the_value():
    """At x = μ, σ = 2, β = 1: the value 4 log 2 has slope 4 log 2 + 2 in σ, and the gradient is 2."""
    at = {X: MU, S: 2, BETA: 1}
    assert sympy.simplify(sympy.diff(WEIGHT * NLL, S).subs(at) - (4 * sympy.log(2) + 2)) == 0
    assert (WEIGHT * sympy.diff(NLL, S)).subs(at) == 2
    # By the curl: slopes in μ and σ of one function would have equal cross derivatives.
    cross = sympy.diff(WEIGHT * sympy.diff(NLL, MU), S) - sympy.diff(WEIGHT * sympy.diff(NLL, S), MU)
    assert sympy.simplify(cross - 2 * BETA * WEIGHT * (MU - X) / S**3) == 0


@proves("normal.beta_nll.stopped")
def test_value_and_gradient_are_judged_apart():
    """The reference passes; the same value with a gradient through the weight is FAIL in the gradient alone."""
    gv.verify(gv.Formula(reference.beta_nll, like="normal.beta_nll"), budget="quick").raise_for_failures()

    def through(x: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, beta: float = 0.5) -> torch.Tensor:
        return (variance**beta * 0.5 * ((x - mean) ** 2 / variance + torch.log(variance))).mean()

    report = gv.verify(gv.Formula(through, like="normal.beta_nll"), budget="quick")
    assert {verdict.check for verdict in report.failures} == {"formula.gradient"}
