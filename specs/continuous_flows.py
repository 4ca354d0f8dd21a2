"""Continuous flows: the logabsdet is an integral of a divergence, and what steps make of it is not quite that.

A sample follows a field, and log|det| of its sensitivities grows by the trace of the field's Jacobian. That is exact in
the limit; a computer takes steps, whose map has another determinant and another inverse. So a continuous flow has to
state how accurate it is, and is then held to it.

Sources: Chen, Rubanova, Bettencourt & Duvenaud 2018, "Neural ordinary differential equations" (NeurIPS); Grathwohl,
Chen, Bettencourt, Sutskever & Duvenaud 2019, "FFJORD" (ICLR); Hairer, Nørsett & Wanner 1993, "Solving ordinary
differential equations I".
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_continuous_claims as topic
from genverify.noise import expectation
from genverify.oracles import flow_continuous as oracle
from genverify.reference.estimators import hutchinson
from genverify.reference.flows import continuous as reference
from genverify.subjects.bijection import Bijection
from genverify.subjects.formula import Formula
from genverify.subjects.timed_functions import TimedWaves

D = torch.float64
WEIGHT = torch.tensor([[[0.9, -0.4], [0.3, 0.8]], [[0.5, 0.2], [-0.3, 0.4]]], dtype=D)
X = torch.tensor([[0.5, -1.0], [0.25, 2.0]], dtype=D)
A = torch.tensor([[0.5, -1.0], [0.75, 0.25]], dtype=D)


def outcome(subject, check):
    """The outcome of one check."""
    (found,) = gv.verify(subject, checks=[check], budget="quick").verdicts
    return found.outcome


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# d log|det Φ|/dt = tr ∂f/∂x.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# d det Φ/dt is a sum over the entries of dΦ/dt with their cofactors. With dΦ/dt = J Φ each row is a combination of the
# rows of Φ, of which the row itself alone survives: J_ii det Φ. The sum is tr J det Φ.


@proves("continuous_flows.change_of_variables")
@pytest.mark.parametrize("size", [2, 3])
def test_the_determinant_grows_by_the_trace(size):
    """For all functions φ_ij(t) and all symbols J."""
    equation = topic.change_equation(size)
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    if size == 2:
        assert topic.CHANGE.equation() == equation


@proves("continuous_flows.change_of_variables")
def test_the_integral_is_the_logabsdet_of_the_solution():
    """The oracle's integral against log|det| of the Jacobian of its own solution; forward and backward cancel."""
    made, integral = oracle.flowed(WEIGHT, X, 0.0, 1.0)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: oracle.flowed(WEIGHT, x[None], 0.0, 1.0)[0][0]))(X)
    allowed = 256 * torch.finfo(D).eps * float(oracle.lost(WEIGHT, X, 1.0)[1].max())
    assert float((torch.linalg.slogdet(jacobian).logabsdet - integral).abs().max()) <= allowed
    back, minus = oracle.flowed(WEIGHT, made, 1.0, 0.0)
    assert float((minus + integral).abs().max()) <= allowed
    assert float((back - X).abs().max()) <= 256 * torch.finfo(D).eps * float(oracle.lost(WEIGHT, X, 1.0)[0].max())


@proves("continuous_flows.change_of_variables")
def test_the_reference_passes_and_the_sum_over_all_entries_does_not():
    """Four steps of Runge and Kutta pass as such; the gradient of the sum of f adds up whole columns, and is named."""
    assert outcome(Formula(reference.continuous, like="flow.continuous"), "formula.dialect") is gv.Outcome.PASS

    def all_entries(f, x, n_steps):
        total = torch.zeros_like(x[:, 0])
        for n in range(n_steps):
            at = x.detach().requires_grad_(True)
            found = f(at, torch.tensor(n / n_steps, dtype=x.dtype))
            total = total + torch.autograd.grad(found.sum(), at)[0].sum(1) / n_steps
            x = x + found / n_steps
        return x, total

    subject = Formula(all_entries, like="flow.continuous")
    (found,) = gv.verify(subject, checks=["formula.dialect"], budget="quick").verdicts
    assert found.outcome is gv.Outcome.FAIL
    assert "all entries of the Jacobian" in found.evidence.message


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Along f(x) = A x: e^{AT} x and T tr A.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# d e^{At}/dt = A e^{At}; the trace does not depend on x or t. det e^{AT} is the product of e^{λ_i T}.


@proves("continuous_flows.linear")
def test_a_linear_field():
    """For a matrix of symbols in its eigenvectors' coordinates; the reference with many steps."""
    first, second, t = sympy.symbols("lambda1 lambda2 t", real=True)
    p = sympy.Matrix([[1, 2], [3, 7]])
    matrix = p * sympy.diag(first, second) * p.inv()
    exponential = p * sympy.diag(sympy.exp(first * t), sympy.exp(second * t)) * p.inv()
    assert (exponential.diff(t) - matrix * exponential).expand().is_zero_matrix
    assert sympy.simplify(exponential.det() - sympy.exp(t * matrix.trace())) == 0
    exact, integral = oracle.linear(A, X, 2.0)
    gaps = []
    for steps in (16, 32):
        made, found = reference.continuous(lambda x, t: x @ A.mT, X, steps, 0.0, 2.0)
        assert float((found - integral).abs().max()) <= 256 * torch.finfo(D).eps
        gaps.append(float((made - exact).abs().max()))
    assert round(math.log2(gaps[0] / gaps[1])) == 4


# ── Claim, as its source is read (REFUTED) ───────────────────────────────────────────────────────────────────────────
# The logabsdet that is integrated is that of the map that the steps compute.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# f(x) = x, one Euler step of width one: x ↦ 2x, and ∫ tr = 1.


@proves("continuous_flows.discretised")
def test_steps_have_another_determinant():
    """The counterexample, and the limit of n times the gap by SymPy; the check of the logabsdet says it."""
    map_of = oracle.stepped(lambda x, t: x, torch.ones(1, dtype=D), 0.0, 1.0, 1, "euler")
    assert (float(map_of), round(math.log(2.0), 3)) == (2.0, 0.693)
    equation = topic.DISCRETISED.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0

    def flow(steps):
        def forward(x):
            total = torch.zeros_like(x[:, 0])
            for _ in range(steps):
                slopes = torch.tanh(x)
                total = total + (1 - slopes**2).sum(1) / steps
                x = x + slopes / steps
            return x, total

        return Bijection(forward, event_shape=2)

    assert outcome(flow(4), "bijection.logabsdet") is gv.Outcome.FAIL
    stated = Bijection(flow(64).f, event_shape=2, accuracy=2 / 64)  # (aT)²/(2n) for each of two features, a ≤ 1
    assert outcome(stated, "bijection.logabsdet") is gv.Outcome.PASS


# ── Claim, as its source is read (REFUTED) ───────────────────────────────────────────────────────────────────────────
# Integrating backwards inverts it exactly.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# One Euler step along f(x) = x there, 2x, and one back, 2x − 2x = 0.


@proves("continuous_flows.reversed")
def test_steps_back_do_not_invert_steps():
    """In symbols; and the round trip of a flow by Euler's method fails unless its accuracy is stated."""
    equation = topic.REVERSED.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    one = torch.ones(1, dtype=D)
    there = oracle.stepped(lambda x, t: x, one, 0.0, 1.0, 1, "euler")
    assert float(oracle.stepped(lambda x, t: x, there, 1.0, 0.0, 1, "euler")) == 0.0

    def euler(x, end):
        for _ in range(32):
            x = x + end / 32 * torch.tanh(x)
        return x

    claims = {"inverse": lambda y: euler(y, -1.0), "event_shape": 2}
    check = "bijection.round_trip_forward"
    assert outcome(Bijection(lambda x: euler(x, 1.0), **claims), check) is gv.Outcome.FAIL
    assert outcome(Bijection(lambda x: euler(x, 1.0), accuracy=1 / 32, **claims), check) is gv.Outcome.PASS


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# One probe kept all the way is enough: E ∫ vᵀ(∂f/∂x)v dt = ∫ tr ∂f/∂x dt.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The sample's way does not depend on v, so that the integral, or the sum over steps, is Σ_ij (∫ J_ij dt) v_i v_j, whose
# mean is the trace of ∫ J dt (`stochastic_traces`). That the draws of different times are equal does not enter.


@proves("continuous_flows.one_probe")
@pytest.mark.parametrize("fresh", [False, True])
def test_the_mean_over_probes_is_the_integral_by_the_same_steps(fresh):
    """Every sign enumerated, one probe for all stages or a new one for each step: the same mean."""
    field, x = TimedWaves(WEIGHT), X[:1]

    def sign():
        return 2 * torch.bernoulli(torch.full((1, 2), 0.5, dtype=D)) - 1

    def estimate():
        kept, at, total = sign(), x, torch.zeros((), dtype=D)
        for n in range(2):
            v = sign() if fresh else kept
            time = torch.tensor(n / 2, dtype=D)
            total = total + reference.probed_divergence(field, at, time, v)[0] / 2
            at = at + field(at, time) / 2
        return total

    found = expectation(estimate)
    exact = oracle.flowed(WEIGHT, x, 0.0, 1.0, steps=2, method="euler")[1]
    assert found.method == "enumeration"
    assert abs(float(found.mean) - float(exact)) <= float(found.error) + 64 * torch.finfo(D).eps


@proves("continuous_flows.one_probe")
def test_each_estimate_is_held_to_its_own_probe():
    """The reference trace passes with its probe given; a probe of unit length is recognised."""
    assert outcome(Formula(hutchinson.jacobian_trace, like="trace.hutchinson"), "formula.dialect") is gv.Outcome.PASS

    def unit(f, x):
        v = torch.nn.functional.normalize(torch.randn_like(x), dim=1)
        return hutchinson.jacobian_trace(f, x, v)

    (found,) = gv.verify(Formula(unit, like="trace.hutchinson"), checks=["formula.dialect"], budget="quick").verdicts
    assert found.outcome is gv.Outcome.FAIL
    assert "of unit length" in found.evidence.message
