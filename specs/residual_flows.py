"""Residual flows: what an iteration that stops leaves, and what a series that stops at random costs.

A residual block x + g(x) with Lip g = L < 1 is invertible (`residual_invertibility`). Its inverse is found by iteration
and its logabsdet by a series; both are stopped somewhere. How far off they are then is known beforehand, and code that
does not say so is wrong by as much.

Sources: Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen 2019, "Invertible residual networks" (ICML); Chen, Behrmann,
Duvenaud & Jacobsen 2019, "Residual flows for invertible generative modeling" (NeurIPS); Banach 1922.
"""

from __future__ import annotations

import logging
import math

import pytest
import sympy
import torch
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_residual_claims as topic
from genverify.noise import expectation
from genverify.oracles import flow_residual as oracle
from genverify.reference.flows import residual as reference
from genverify.reference.flows import residual_series
from genverify.subjects.bijection import Bijection
from genverify.subjects.contractions import Contraction
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from genverify.subjects.map import Map

D = torch.float64
WEIGHT = torch.tensor([[[0.9, -0.4], [0.3, 0.8]], [[0.5, 0.2], [-0.3, 0.4]]], dtype=D)
X = torch.tensor([[0.5, -1.0]], dtype=D)


def outcome(subject, check):
    """The outcome of one check."""
    (found,) = gv.verify(subject, checks=[check], budget="quick").verdicts
    return found.outcome


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# det(I + J) > 0, and d log(1 − L) ≤ log det(I + J) ≤ d log(1 + L).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A real eigenvalue gives a factor 1 + λ between 1 − L and 1 + L. A pair ρ e^{±iθ} gives |1 + ρ e^{iθ}|², which exceeds
# (1 − ρ)² by 2ρ (1 + cos θ) ≥ 0 and falls short of (1 + ρ)² by 2ρ (1 − cos θ) ≥ 0.


@proves("residual_flows.determinant")
def test_every_eigenvalue_gives_a_positive_factor():
    """Both bounds for a conjugate pair, in symbols; and the drawn branch between them."""
    equation = topic.DETERMINANT.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    angle, radius = sympy.symbols("theta rho", real=True)
    factor = equation.lhs + (1 - radius) ** 2
    assert sympy.simplify((1 + radius) ** 2 - factor - 2 * radius * (1 - sympy.cos(angle))) == 0
    value, bound = float(oracle.logabsdet(WEIGHT, X)[0]), float(torch.linalg.matrix_norm(oracle.jacobian(WEIGHT, X), 2))
    assert 2 * math.log1p(-bound) <= value <= 2 * math.log1p(bound)


@proves("residual_flows.determinant")
def test_the_reference_passes_and_the_branch_alone_does_not():
    """Image and logabsdet of the reference; log|det J| without the identity is recognised."""
    assert outcome(Formula(reference.residual, like="flow.residual"), "formula.dialect") is gv.Outcome.PASS

    def without_identity(g, x):
        jacobian = torch.func.vmap(torch.func.jacrev(g))(x)
        return x + g(x), torch.linalg.slogdet(jacobian).logabsdet

    assert outcome(Formula(without_identity, like="flow.residual"), "formula.dialect") is gv.Outcome.FAIL


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The bound Lⁿ/(1 − L) ‖x_1 − x_0‖ is attained.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# For g(x) = −L x the iteration x ← y + L x from y makes y (1 − L^{n+1})/(1 − L), the solution is y/(1 − L), and
# x_1 − x_0 = L y.


@proves("residual_flows.rate")
def test_the_bound_of_the_iteration_is_attained():
    """In symbols, with the iterates by induction; and the reference's iterates."""
    equation = topic.RATE.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    n = sympy.Symbol("n", integer=True, nonnegative=True)
    y, lipschitz = sympy.symbols("y L", positive=True)
    iterate = y * (1 - lipschitz ** (n + 1)) / (1 - lipschitz)
    assert sympy.simplify(iterate.subs(n, 0) - y) == 0
    assert sympy.simplify(y + lipschitz * iterate - iterate.subs(n, n + 1)) == 0
    one = torch.ones(1, 1, dtype=D)
    for steps in (1, 5, 20):
        error = float(2 * one - reference.residual_inverse(lambda x: -0.5 * x, one, steps))
        assert error == 0.5**steps / 0.5 * 0.5  # powers of two: no rounding


# ── Claim, as its source is read (REFUTED) ───────────────────────────────────────────────────────────────────────────
# (x_n − x_{n−1})² < atol + rtol |y| gives the inverse to within atol + rtol |y|.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# A square is compared with a tolerance: the step is bounded by its root. And the error is larger than the step by
# L/(1 − L), which is 9 for L = 0.9 and 32 for the usual 0.97.


def published_inverse(g, y, atol=1e-5, rtol=1e-5, most=1000):
    """The rule of rtqichen/residual-flows: steps until all squared differences are below the tolerance, then a log."""
    x, before = y - g(y), y
    tolerance, count = atol + rtol * y.abs(), 0
    while not bool(torch.all((x - before) ** 2 / tolerance < 1)):
        x, before, count = y - g(x), x, count + 1
        if count > most:
            logging.getLogger(__name__).info("no convergence after %d steps", most)
            break
    return x


@proves("residual_flows.stopping_rule")
def test_the_published_rule_leaves_the_root_of_its_tolerance():
    """The figures of the counterexample, and that the error is L/(1 − L) times the last step."""
    equation = topic.STOPPING.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    y = torch.ones(1, 1, dtype=D)
    found = published_inverse(lambda x: -0.9 * x, y)
    error, last = float(10 * y - found), float(found - (found - y) / 0.9)
    assert (f"{error:.1e}", f"{last:.1e}") == ("3.8e-02", "4.2e-03")
    assert error > 1000 * (1e-5 + 1e-5)
    assert last < math.sqrt(2e-5)


class PublishedBlock(nn.Module):
    """A block in the style of the published code: weights over a power iteration's norm, times a coefficient.

    The norm is that of a few iterations, never above the true one, and taken anew in each call from one start.
    """

    def __init__(self, features: int = 2, hidden: int = 8, coefficient: float = 0.97, iterations: int = 20) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, features)
        self.coefficient, self.iterations = coefficient, iterations

    def _scaled(self, layer: nn.Linear) -> torch.Tensor:
        v = torch.ones(layer.in_features, dtype=layer.weight.dtype)
        for _ in range(self.iterations):
            u = nn.functional.normalize(layer.weight @ v, dim=0)
            v = nn.functional.normalize(layer.weight.mT @ u, dim=0)
        sigma = u @ layer.weight @ v
        return layer.weight * (self.coefficient / sigma).clamp(max=1.0)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        inner = nn.functional.elu(nn.functional.linear(x, self._scaled(self.first), self.first.bias))
        return nn.functional.linear(inner, self._scaled(self.second), self.second.bias)

    def _logabsdet(self, x: torch.Tensor) -> torch.Tensor:
        jacobian = torch.func.vmap(torch.func.jacrev(self.branch))(x)
        return torch.linalg.slogdet(torch.eye(x.shape[1]).to(x) + jacobian).logabsdet

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + self.branch(x), self._logabsdet(x)

    def inverse(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = published_inverse(self.branch, y)
        return x, -self._logabsdet(x)


def published() -> PublishedBlock:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        made = PublishedBlock()
        with torch.no_grad():  # weights as a training leaves them: at the bound
            for parameter in made.parameters():
                parameter.mul_(4.0)
        return made


@proves("residual_flows.stopping_rule")
def test_genverify_says_what_the_published_block_leaves():
    """Its inverse misses by as much as the rule allows, and passes with the accuracy stated; its logabsdet is exact."""
    block = Bijection(published(), event_shape=2)
    (found,) = gv.verify(block, checks=["bijection.round_trip_forward"], budget="quick").verdicts
    assert found.outcome is gv.Outcome.FAIL
    assert found.evidence.observed > 1e-4
    assert outcome(block, "bijection.logabsdet") is gv.Outcome.PASS
    left = 0.97 / (1 - 0.97) * math.sqrt(1e-5)  # of a unit: the corrected bound
    assert outcome(Bijection(published(), event_shape=2, accuracy=left), "bijection.round_trip_forward") is (
        gv.Outcome.PASS
    )


@proves("residual_flows.stopping_rule")
def test_the_branch_is_certified_and_a_coefficient_above_one_refuted():
    """Lip g ≤ 0.97² < 0.97 of the branch as it runs; three times the weights, and a pair of points refutes one."""
    branch = nn.Sequential(nn.Linear(2, 4, dtype=D), nn.ELU(), nn.Linear(4, 2, dtype=D))
    with torch.no_grad():
        for layer in (branch[0], branch[2]):
            layer.weight.mul_(0.97 / torch.linalg.matrix_norm(layer.weight, 2))
    assert outcome(Map(branch, lipschitz=0.97, event_shape=2), "map.lipschitz") is gv.Outcome.PASS
    with torch.no_grad():
        for layer in (branch[0], branch[2]):
            layer.weight.mul_(3.0)
    assert outcome(Map(branch, lipschitz=1.0, event_shape=2), "map.lipschitz") is gv.Outcome.FAIL


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E Σ_{k ≤ m + N} (−1)^{k+1}/k · vᵀJ^k v / P(N ≥ k − m) = log det(I + J). (The bias of a series that is cut instead is
# bounded in `stochastic_traces`: d L^{n+1}/((n + 1)(1 − L)).)
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The k-th term beyond the exact ones is there when N ≥ k − m, and is paid for by that probability. N and v are
# independent, and E vᵀJ^k v = tr J^k.


@proves("residual_flows.roulette")
def test_the_mean_is_the_whole_series():
    """Four terms and any law of N, in symbols; the reference with its signs and stops enumerated."""
    equation = topic.ROULETTE.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0

    def estimate():
        probe = 2 * torch.bernoulli(torch.full((1, 2), 0.5, dtype=D)) - 1
        count = int(torch.empty((), dtype=D).geometric_(0.5))
        return residual_series.logabsdet_roulette(Contraction(WEIGHT / 2), X, probe, count, 0.5, exact=1)

    found = expectation(estimate)
    assert found.method == "enumeration"
    assert abs(float(found.mean) - float(oracle.logabsdet(WEIGHT / 2, X)[0])) <= float(found.error)


@proves("residual_flows.roulette")
def test_weights_of_another_law_are_biased():
    """P(N ≥ k + 1) for P(N ≥ k), no weight, P(N = k): each is found."""

    branch = Contraction(WEIGHT / 2)
    jacobian = oracle.jacobian(WEIGHT / 2, X)[0]

    def stopped(share):
        def estimate():
            probe = 2 * torch.bernoulli(torch.full_like(X, 0.5)) - 1
            count = int(torch.empty((), dtype=D).geometric_(0.5))
            row, total = probe, torch.zeros((), dtype=D)
            for k in range(1, count + 1):
                row = row @ jacobian
                total = total + (-1) ** (k + 1) / k * (row * probe).sum() / share(k)
            return total

        return GradientEstimator(estimate, target=reference.residual(branch, X)[1][0])

    check = "gradient_estimator.bias"
    assert outcome(stopped(lambda k: 0.5 ** (k - 1)), check) is gv.Outcome.PASS
    for wrong in (lambda k: 0.5**k, lambda k: 1.0):  # the first is P(N = k), too, since p = ½
        assert outcome(stopped(wrong), check) is gv.Outcome.FAIL


# ── Claim, as an option suggests it (REFUTED) ────────────────────────────────────────────────────────────────────────
# With Poisson stops the variance is finite, too.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# For J = −ρ in one dimension a_k = −ρ^k/k, and the variance is Σ_jk a_j a_k (1/P(N ≥ min) − 1) (`roulette`), all of
# whose terms are positive. P(N ≥ k) = Σ_{j ≥ k} e^{−λ} λ^j/j! = λ^k/k! · Σ_i e^{−λ} λ^i k!/(k + i)! is at most λ^k/k!,
# since k!/(k + i)! ≤ 1/i!. So the diagonal is at least Σ (ρ^k/k)² (k!/λ^k − 1), whose ratio of terms grows with k.


@proves("residual_flows.poisson_variance")
def test_the_terms_of_the_variance_grow_without_bound():
    """The ratio of terms by SymPy; partial sums at ρ = ½ and λ = 2; geometric stops converge."""
    equation = topic.POISSON.equation()
    assert sympy.simplify(sympy.gammasimp(equation.lhs - equation.rhs)) == 0
    k = sympy.Symbol("k", integer=True, positive=True)
    assert sympy.limit(equation.rhs, k, sympy.oo) == sympy.oo
    assert all(math.factorial(k) * math.factorial(i) <= math.factorial(k + i) for k in range(1, 8) for i in range(8))

    def partial(law, rate, size):
        return sum((0.5**j / j) ** 2 * (1 / float(oracle.reached(law, rate, j)) - 1) for j in range(1, size + 1))

    assert partial("poisson", 2.0, 40) > 1e6 * partial("poisson", 2.0, 20)
    assert partial("from one", 0.5, 40) - partial("from one", 0.5, 20) < 0.5**20  # of ratio L²/(1 − p) = ½


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂ log det(I + J) = Σ (−1)^k tr(J^k ∂J).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Jacobi: ∂ log det M = tr M⁻¹ ∂M, and (I + J)⁻¹ is Neumann's series.


@proves("residual_flows.neumann")
def test_the_series_of_the_gradient():
    """For one eigenvalue, summed by SymPy; for the drawn branch scaled by s, against automatic differentiation."""
    equation = topic.NEUMANN.equation()
    s, u = sorted(equation.lhs.free_symbols, key=str)
    k = sympy.Symbol("k", integer=True)
    summed = u * sympy.summation((-sympy.Rational(1, 3)) ** k, (k, 0, sympy.oo))
    assert sympy.simplify(sympy.diff(sympy.log(1 + s * u), s).subs(s, 1 / (3 * u)) - summed) == 0
    jacobian = oracle.jacobian(WEIGHT, X)[0]
    scale = torch.ones((), dtype=D, requires_grad=True)
    (exact,) = torch.autograd.grad(torch.logdet(torch.eye(2, dtype=D) + scale * jacobian), scale)
    power, total = jacobian, 0.0
    for order in range(200):
        total += (-1) ** order * float(power.trace())
        power = power @ jacobian
    assert abs(total - float(exact)) <= 64 * torch.finfo(D).eps


@proves("residual_flows.neumann")
@pytest.mark.parametrize("terms", [3, 6])
def test_as_a_value_it_is_recognised(terms):
    """Neumann's sum returned for the logabsdet: FAIL, and named."""

    def neumann(g, x, v, n):
        pull = torch.func.vjp(g, x)[1]
        row, total = v, 0.0
        for k in range(1, n + 1):
            (row,) = pull(row)
            total = total + (-1) ** (k + 1) * (row * v).sum(-1)
        return total

    subject = Formula(neumann, like="flow.residual_logabsdet_series", fixed={"n": terms})
    (found,) = gv.verify(subject, checks=["formula.dialect"], budget="quick").verdicts
    assert found.outcome is gv.Outcome.FAIL
    assert "without 1/k" in found.evidence.message
