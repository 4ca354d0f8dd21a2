"""Residual blocks are not always invertible; contractive ones are.

A block y = x + F(x) is often said to be invertible because of its skip connection. It is not: F(x) = −x refutes it. It
is when F contracts, and then the inverse is found by iteration at a rate that is known beforehand.

Sources: the Blog (the claim that is refuted); Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen 2019, "Invertible residual
networks" (ICML), theorem 1; Banach 1922, "Sur les opérations dans les ensembles abstraits", theorem 6.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow
from genverify.subjects.bijection import Bijection

# ── Claim, as its source states it (REFUTED) ─────────────────────────────────────────────────────────────────────────
# "Residual networks, due to their skip connections, are always full rank and invertible."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# F(x) = −x. Then x + F(x) = 0 for every x, and ∂y/∂x = I − I = 0 has rank 0.


@proves("residual_invertibility.skip_connection")
def test_the_counterexample_has_rank_zero():
    """The block of F(x) = −x maps all of the plane to one point."""
    x = sympy.Matrix(sympy.symbols("x1 x2", real=True))
    image = x + (-x)
    assert image.is_zero_matrix
    assert image.jacobian(x).rank() == 0


@proves("residual_invertibility.skip_connection")
def test_genverify_refutes_the_counterexample_and_a_fold():
    """F(x) = −x is singular everywhere; F(x) = −2 tanh x folds: det J has both signs."""
    for block in (lambda x: x + (-x), lambda x: x - 2.0 * torch.tanh(x)):
        subject = Bijection(block, event_shape=(1,), name="residual block")
        (verdict,) = gv.verify(subject, checks=["bijection.invertible"]).verdicts
        assert verdict.outcome is gv.Outcome.FAIL


# ── Corrected statement ──────────────────────────────────────────────────────────────────────────────────────────────
# If Lip F = L < 1, then (1 − L) ‖x − x'‖ ≤ ‖y − y'‖ ≤ (1 + L) ‖x − x'‖, and y has exactly one preimage.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Write d = ‖x − x'‖ and r = ‖F(x) − F(x')‖ ≤ L d. The triangle inequality gives d − r ≤ ‖y − y'‖ ≤ d + r, and with
# r = L d − q, q ≥ 0, both ends follow. The lower one is positive for d > 0: the block is injective. It is onto, since
# x ↦ y − F(x) has the Lipschitz constant L, too, and hence a fixed point (Banach), at which x + F(x) = y.


@proves("residual_invertibility.skip_connection")
def test_the_two_sided_bound():
    """d − r ≥ (1 − L) d and d + r ≤ (1 + L) d for every r = L d − q with q ≥ 0."""
    d, slack, lipschitz = sympy.symbols("d q L", nonnegative=True)
    r = lipschitz * d - slack
    assert sympy.expand((d - r) - (1 - lipschitz) * d) == slack
    assert sympy.expand((1 + lipschitz) * d - (d + r)) == slack
    displayed = flow.RESIDUAL.equation()
    symbols = {s.name: s for s in displayed.free_symbols}
    substituted = displayed.subs({symbols["r"]: symbols["L"] * symbols["d"] - slack})
    assert sympy.simplify(sympy.expand(substituted.lhs - substituted.rhs)) == slack


@proves("residual_invertibility.skip_connection")
def test_the_rate_of_the_iteration():
    """‖x_n − x*‖ ≤ Σ_{k ≥ n} Lᵏ ‖x_1 − x_0‖ = Lⁿ/(1 − L) ‖x_1 − x_0‖: the geometric series, executed."""
    n = sympy.Symbol("n", integer=True, nonnegative=True)
    k = sympy.Symbol("k", integer=True, nonnegative=True)
    half = sympy.Rational(1, 2)
    assert sympy.simplify(sympy.Sum(half ** (n + k), (k, 0, sympy.oo)).doit() - half**n / (1 - half)) == 0
    lipschitz = sympy.Symbol("L", positive=True)
    partial = sympy.summation(lipschitz**k, (k, 0, n))
    closed = (1 - lipschitz ** (n + 1)) / (1 - lipschitz)
    assert sympy.simplify(partial.args[1][0] - closed if partial.is_Piecewise else partial - closed) == 0


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.flows.residual.ContractiveResidual`: L = 1/2, 80 steps: Lⁿ/(1 − L) = 2⁻⁷⁹, below rounding.


@proves("residual_invertibility.skip_connection")
def test_the_contractive_reference_is_invertible():
    """Both round trips and both log-determinants of the reference; and the number of steps that they need."""
    subject = flow.residual()
    assert subject.f.coefficient**subject.f.steps / (1 - subject.f.coefficient) == 2.0**-79
    gv.verify(subject).raise_for_failures()


@proves("residual_invertibility.skip_connection")
def test_the_reference_iteration_keeps_to_the_rate():
    """The error after n steps is at most Lⁿ/(1 − L) ‖x_1 − x_0‖, for n up to 20."""
    block = flow.residual().f.double()
    with torch.no_grad():
        target = torch.tensor([[0.5, -1.5], [3.0, 2.0]], dtype=torch.float64)
        solution, x = block.inverse(target)[0], target
        first = torch.linalg.vector_norm(-block.residual(target), dim=1)
        for n in range(1, 21):
            x = target - block.residual(x)
            bound = block.coefficient**n / (1 - block.coefficient) * first
            rounding = 64 * torch.finfo(torch.float64).eps * (1 + torch.linalg.vector_norm(target, dim=1))
            assert bool((torch.linalg.vector_norm(x - solution, dim=1) <= bound + rounding).all())
