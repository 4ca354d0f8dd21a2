"""Gumbel noise: the maximum that draws from softmax exactly, and the softmax that relaxes it, whose gradient is biased.

Noise that is added to logits turns sampling into maximising. The maximum has no gradient; a softmax at temperature τ in
its place has one, and its draws have a density, the Concrete law's. This page derives both laws, and shows that the
gradient is unbiased for the relaxed objective and for no other.

Sources: Gumbel 1954; Yellott 1977; Maddison, Tarlow & Minka 2014, "A* sampling"; Maddison, Mnih & Teh 2017, "The
Concrete distribution" (ICLR); Jang, Gu & Poole 2017, "Categorical reparameterization with Gumbel-softmax" (ICLR).
"""

from __future__ import annotations

import itertools
import math

import pytest
import sympy
import torch
from scipy import integrate

import genverify as gv
from genverify.claims import proves
from genverify.formulas import gumbel_claims as topic
from genverify.noise import expectation
from genverify.reference.estimators import gumbel
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.sampler import Sampler

X, S = sympy.Symbol("x", real=True), sympy.Symbol("s", positive=True)


def passes(subject) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# −log(−log u) has the distribution function exp(−exp(−x)).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The function maps the number back to u, and u ≤ u₀ has probability u₀. −log e is at most x where e is at least
# exp(−x), which has probability exp(−exp(−x)).


@proves("gumbel.from_uniform.law")
def test_a_gumbel_number_from_a_uniform_one():
    """The composition is the identity; the exponential number gives the same law; formula and sampler pass."""
    equation = topic.FROM_UNIFORM.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    survival = sympy.integrate(sympy.exp(-S), (S, sympy.exp(-X), sympy.oo))
    assert sympy.simplify(survival - sympy.exp(-sympy.exp(-X))) == 0
    assert passes(gv.Formula(gumbel.from_uniform, like="gumbel.from_uniform"))
    assert passes(Sampler(gumbel.sample, law="law.gumbel", pathwise=True))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The index of the largest θ_k + g_k is k with probability softmax(θ)_k.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# θ_j + g_j stays below x with probability exp(−α_j s), with α = exp θ and s = exp(−x). Given that the k-th is at x, the
# others are below it with probability exp(−s Σ_{j≠k} α_j); integrate over the density of the k-th. With −g the least of
# the negatives decides: for the k-th to be above all others is to be first where each runs with weight 1/α_j among
# those that are left, which at three outcomes is another number.


@proves("gumbel.max.categorical")
def test_the_maximum_draws_from_softmax():
    """The integral, for all weights; formula and sampler pass."""
    equation = topic.MAXIMUM.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    assert passes(gv.Formula(gumbel.maximum, like="gumbel.max"))
    assert passes(Sampler(gumbel.sample_maximum, law="law.categorical"))


@proves("gumbel.max.categorical")
def test_with_the_other_sign_it_does_not():
    """P(θ₁ − g₁ is the largest) at α = (2, 1, 1): 8/15, and not 1/2; in t = exp(x)."""
    a = (sympy.Integer(2), sympy.Integer(1), sympy.Integer(1))
    t = sympy.Symbol("t", positive=True)
    density = sympy.exp(-t / a[0]) / a[0]
    below = (1 - sympy.exp(-t / a[1])) * (1 - sympy.exp(-t / a[2]))
    chance = sympy.integrate(sympy.expand(density * below), (t, 0, sympy.oo))
    assert chance == sympy.Rational(8, 15) != sympy.Rational(1, 2)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The largest entry of the relaxed draw is drawn from softmax(θ), at every temperature: dividing by τ > 0 and taking a
# softmax keep the order.


@proves("gumbel.softmax.rounding")
@pytest.mark.parametrize("temperature", [0.25, 4.0])
def test_rounding_the_relaxed_draw(temperature):
    """Of two entries the larger has the larger noisy logit; the index is held against the categorical law."""
    y, z = sympy.symbols("y z", real=True)
    tau = sympy.Symbol("tau", positive=True)
    gap = sympy.exp(y / tau) / sympy.exp(z / tau)
    assert sympy.simplify(sympy.log(gap) - (y - z) / tau) == 0  # of the sign of y − z

    def draw(logits):
        noise = gumbel.from_uniform(torch.rand_like(logits))
        return gumbel.softmax(logits, noise, temperature).argmax(-1)

    assert passes(Sampler(draw, law="law.categorical"))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The density of the relaxed draw on the simplex.
#
# ── Derivation, two outcomes ─────────────────────────────────────────────────────────────────────────────────────────
# e_k = exp(−θ_k − g_k) is exponential with rate α_k, and x ∝ e^(−1/τ). So x₁ ≤ t where e₁ ≥ c e₂ with
# c = (t/(1 − t))^(−τ), which has probability α₂/(α₂ + c α₁). It runs from 0 to 1; its derivative is the density.


@proves("gumbel.concrete_log_prob.density")
def test_the_density_for_two_outcomes():
    """P(e₁ ≥ c e₂) is integrated; its derivative is the density; it rises from 0 to 1, so the density has mass one."""
    a, b, c, t = sympy.symbols("alpha1 alpha2 c t", positive=True)
    chance = sympy.integrate(b * sympy.exp(-b * S) * sympy.exp(-a * c * S), (S, 0, sympy.oo))
    below, density = topic.two_outcomes()
    assert sympy.simplify(chance - b / (b + a * c)) == 0
    assert sympy.simplify(below - chance.subs(c, (t / (1 - t)) ** -sympy.Symbol("tau", positive=True))) == 0
    odds = sympy.Symbol("odds", positive=True)  # of t, with which all powers are of positive numbers
    ratio = (sympy.diff(below, t) / density).subs(t, odds / (1 + odds))
    assert sympy.simplify(sympy.expand_power_base(sympy.powdenest(sympy.simplify(ratio), force=True), force=True)) == 1
    unit = below.subs({sympy.Symbol("tau", positive=True): 1})
    assert sympy.limit(unit, t, 0) == 0
    assert sympy.limit(unit, t, 1, "-") == 1


# ── Derivation, three outcomes ───────────────────────────────────────────────────────────────────────────────────────
# e_k = s x_k^(−τ) with Σ x_k = 1 names every e by s > 0 and x. The Jacobian is s^(K−1) τ^(K−1) Π x_k^(−τ−1); the
# integral over s of s^(K−1) exp(−s A) is Γ(K)/A^K with A = Σ α_k x_k^(−τ). That is the density.


@proves("gumbel.concrete_log_prob.density")
def test_the_density_for_three_outcomes():
    """The determinant and the integral, in symbols."""
    tau, x1, x2 = sympy.symbols("tau x1 x2", positive=True)
    x = (x1, x2, 1 - x1 - x2)
    e = [S * one**-tau for one in x]
    determinant = sympy.Matrix(e).jacobian([S, x1, x2]).det()
    expected = S**2 * tau**2 * sympy.prod([one ** (-tau - 1) for one in x])
    gap = sympy.simplify(determinant**2 / expected**2)
    numbers = {S: 2, tau: sympy.Rational(3, 4), x1: sympy.Rational(1, 5), x2: sympy.Rational(1, 3)}
    assert gap == 1 or sympy.simplify(gap.subs(numbers)) == 1
    rate = sympy.Symbol("A", positive=True)
    assert sympy.integrate(S**2 * sympy.exp(-S * rate), (S, 0, sympy.oo)) == sympy.gamma(3) / rate**3


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.estimators.gumbel`: the density in logarithms, of total mass one.


@proves("gumbel.concrete_log_prob.density")
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_reference_density_has_mass_one(temperature):
    """Integrated over log(x₁/x₂), in which dx₁ = x₁ x₂ d(log x₁/x₂); the pointwise formula passes."""
    logits = torch.tensor([0.7, -0.4], dtype=torch.float64)

    def mass(odds: float) -> float:
        x = torch.softmax(torch.tensor([odds, 0.0], dtype=torch.float64), -1)
        return float((gumbel.concrete_log_prob(x, logits, temperature) + x.log().sum()).exp())

    total, error = integrate.quad(mass, -80.0, 80.0, points=[0.0], limit=200)
    assert abs(total - 1) <= error + 80 * math.exp(-80 * min(1.0, temperature))
    assert passes(gv.Formula(gumbel.concrete_log_prob, like="gumbel.concrete_log_prob"))


# ── Claim, REFUTED ───────────────────────────────────────────────────────────────────────────────────────────────────
# "Gumbel-softmax and straight-through gradients are unbiased."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Two equal logits and f = y₁, as simple as can be. y₁ = σ((θ + L)/τ) with θ = θ₁ − θ₂ and L = g₁ − g₂ logistic. At
# τ = 1 the slope is p(1 − p), p = σ(L) uniform: its mean is 1/6. The gradient of P(k = 1) = σ(θ) is 1/4.


def relaxed(logits, n, temperature, hard=False):
    """The gradient in θ₁ of the mean of f over n draws, the noise drawn as uniform numbers."""
    leaf = logits.clone().requires_grad_()
    rewards = torch.tensor([1.0, 0.0], dtype=logits.dtype)
    loss = gumbel.straight_through_loss if hard else gumbel.relaxed_loss
    return torch.autograd.grad(loss(leaf, rewards, temperature, n), leaf)[0][0]


@proves("gumbel.softmax.unbiased")
def test_the_relaxed_gradient_is_biased_for_the_simplest_reward():
    """1/6 by SymPy and by integrating the reference's own draws, for both estimators; 1/4 is the truth."""
    equation = topic.UNBIASED.equation()
    assert equation.lhs.doit() == equation.rhs == sympy.Rational(1, 6)
    theta = sympy.Symbol("theta", real=True)
    assert sympy.diff(1 / (1 + sympy.exp(-theta)), theta).subs(theta, 0) == sympy.Rational(1, 4)
    logits = torch.zeros(2, dtype=torch.float64)
    for hard in (False, True):
        found = expectation(lambda hard=hard: relaxed(logits, 1, 1.0, hard))
        assert abs(float(found.mean) - 1 / 6) <= 1 / 64, found
        assert abs(float(found.mean) - 1 / 4) > 1 / 16


# For f = y₁² straight-through evaluates f'(hard) = 2·1[y₁ > ½], so its mean is E 2·1[p > ½] p(1 − p), again 1/6, while
# E f of a one-hot is P(k = 1) once more, of slope 1/4.


@proves("gumbel.softmax.unbiased")
def test_straight_through_is_biased_for_a_square():
    """Half of the uniform numbers, twice the slope."""
    p = sympy.Symbol("p", positive=True)
    assert sympy.integrate(2 * p * (1 - p), (p, sympy.Rational(1, 2), 1)) == sympy.Rational(1, 6)


# ── Corrected claim ──────────────────────────────────────────────────────────────────────────────────────────────────
# The gradient is that of the relaxed objective; its distance from the true one vanishes as τ → 0. For f = y₁ at equal
# logits the mean is ∫ (1/τ) σ'(L/τ) λ(L) dL = ∫ σ'(x) λ(τx) dx, and tends to λ(0) = 1/4: λ is bounded and continuous.


@proves("gumbel.softmax.unbiased")
def test_the_bias_vanishes_with_the_temperature():
    """λ(0) = 1/4 and ∫ σ' = 1; by quadrature the bias falls to less than a third for each halving of τ from ½ on."""
    x = sympy.Symbol("x", real=True)
    slope = sympy.exp(-x) / (1 + sympy.exp(-x)) ** 2
    assert slope.subs(x, 0) == sympy.Rational(1, 4)
    assert sympy.limit(1 / (1 + sympy.exp(-x)), x, sympy.oo) - sympy.limit(1 / (1 + sympy.exp(-x)), x, -sympy.oo) == 1

    def logistic(v: float) -> float:
        return 1.0 / (4.0 * math.cosh(v / 2) ** 2)

    biases = [
        0.25 - integrate.quad(lambda v, tau=tau: logistic(v) * logistic(tau * v), -50, 50)[0]
        for tau in (1.0, 0.5, 0.25, 0.125)
    ]
    assert abs(biases[0] - (1 / 4 - 1 / 6)) < 1e-9
    assert all(later < earlier / 3 for earlier, later in itertools.pairwise(biases[1:]))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# At τ = 1 the relaxed objective itself has a closed form: y₁ = a p/(a p + 1 − p) with p uniform and a = exp(θ₁ − θ₂).


@proves("gumbel.softmax.relaxed_objective")
def test_the_relaxed_objective_and_its_gradient():
    """∫ a p/(a p + 1 − p) dp; the reference's estimate of its gradient is unbiased, and that of E f is missed."""
    p, b = sympy.symbols("p b", positive=True)
    a = 1 + b  # a > 1; for a < 1 exchange the outcomes
    mean = sympy.integrate(sympy.apart(a * p / (a * p + 1 - p), p), (p, 0, 1))
    closed = a * (a - 1 - sympy.log(a)) / (a - 1) ** 2
    assert sympy.simplify(sympy.expand_log(mean - closed, force=True)) == 0
    assert sympy.simplify(closed - a / (1 + a)) != 0

    def objective(theta):
        a = (theta[0] - theta[1]).exp()
        return a * (a - 1 - a.log()) / (a - 1) ** 2

    logits = torch.tensor([0.9, -0.1], dtype=torch.float64)
    rewards = torch.tensor([1.0, 0.0], dtype=torch.float64)

    def estimate(theta):
        leaf = theta.detach().clone().requires_grad_()
        return torch.autograd.grad(gumbel.relaxed_loss(leaf, rewards, 1.0), leaf)[0]

    exact = torch.autograd.functional.jacobian(objective, logits)
    right = GradientEstimator(estimate, target=exact, at=(logits,))
    wrong = GradientEstimator(
        estimate, target=torch.autograd.functional.jacobian(lambda t: torch.softmax(t, -1)[0], logits), at=(logits,)
    )
    assert not gv.verify(right, budget="quick").failures
    assert [v.check for v in gv.verify(wrong, budget="quick").failures] == ["gradient_estimator.bias"]
