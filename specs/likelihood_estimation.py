"""Estimates of log p(x) from draws, why the naive one fails in many dimensions, and bits per dimension.

p(x) = E p(x | z) over the prior is a mean that can be estimated; it is unbiased, and of no use where few draws of the
prior explain x. This page derives how bad it is, what weights of the encoder's draws do for it, and in which unit
models are compared.

Sources: Doersch 2016, "Tutorial on variational autoencoders", section 2; the VAE-GAN post; Robert & Casella 2004,
"Monte Carlo statistical methods"; Rezende, Mohamed & Wierstra 2014, "Stochastic backpropagation and approximate
inference in deep generative models", appendix E; Theis, van den Oord & Bethge 2016, "A note on the evaluation of
generative models"; Papamakarios, Pavlakou & Murray 2017, "Masked autoregressive flow for density estimation",
appendix D; Song et
al. 2021, "Score-based generative modeling through stochastic differential equations".
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch
from torch.distributions import Normal

import genverify as gv
from genverify.claims import proves
from genverify.formulas import likelihood_claims as claims
from genverify.noise.expectation import expectation
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles import linear_gaussian_scalar as scalar
from genverify.reference.likelihood import bits_per_dimension, iwae, marginal

WIDE = torch.float64
X, W, C, S = 1.25, 0.75, 0.125, 0.625


def passes(f: object, like: str) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(f, like=like), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E (1/n) Σ p(x | z_k) = p(x), and so with weights; but E log (1/n) Σ p(x | z_k) ≤ log p(x).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# An expectation is linear: E p(x | z) = Σ_z p(z) p(x | z), and Σ_z q(z) p(x | z) p(z)/q(z) is the same sum. The
# logarithm is concave. The mean of the logarithms is log p(x) less KL(p(z) ‖ p(z | x)), for any number of draws.


@proves("likelihood.naive_monte_carlo.unbiased")
@pytest.mark.parametrize(
    ("reference", "like"),
    [
        (iwae.naive_monte_carlo, "likelihood.naive_monte_carlo"),
        (iwae.importance_sampled, "likelihood.importance_sampled"),
    ],
)
def test_the_mean_of_likelihoods_is_unbiased(reference, like):
    """At two outcomes of z, both estimates, and the mean of logarithms; the references pass."""
    prior, q, first, second = sympy.symbols("pi q a b", positive=True)
    evidence = prior * first + (1 - prior) * second
    weighted = q * (first * prior / q) + (1 - q) * (second * (1 - prior) / (1 - q))
    assert sympy.simplify(weighted - evidence) == 0
    logs = prior * sympy.log(first) + (1 - prior) * sympy.log(second)
    posterior = [sympy.log(first) - sympy.log(evidence), sympy.log(second) - sympy.log(evidence)]
    kl = -(prior * posterior[0] + (1 - prior) * posterior[1])  # log p(z)/p(z | x) = log p(x)/p(x | z)
    assert sympy.expand(sympy.log(evidence) - kl - logs) == 0
    assert passes(reference, like)


@proves("likelihood.naive_monte_carlo.unbiased")
@pytest.mark.parametrize("estimate", [marginal.naive, marginal.weighted])
def test_the_estimates_of_the_evidence_pass(estimate):
    """As estimators of p(x) in the linear-Gaussian model: their draws are integrated out."""
    subject = gv.GradientEstimator(estimate, like="target.marginal_likelihood")
    gv.verify(subject, checks=["gradient_estimator.bias"], budget="quick").raise_for_failures()


@proves("likelihood.naive_monte_carlo.unbiased")
def test_the_draws_of_the_laboratory():
    """Two draws of the prior integrated out: the mean of likelihoods is p(x), both logarithms less."""

    def likelihood() -> torch.Tensor:
        z = torch.randn(2, dtype=WIDE)
        return Normal(W * z + C, S).log_prob(torch.tensor(X, dtype=WIDE))

    def program() -> torch.Tensor:
        logs = likelihood()
        return torch.stack((logs.exp().mean(), iwae.naive_monte_carlo(logs), logs.mean()))

    found = expectation(program, max_evaluations=6000)
    assert found.converged, found.reason
    plain, logarithm, inside = found.mean.tolist()
    exact = scalar.log_evidence(X, W, C, S)
    assert abs(plain - math.exp(exact)) <= float(found.error[0]) + 64 * unit_roundoff(WIDE)
    assert inside < logarithm < exact


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Over d independent dimensions the relative variance of the naive estimate is (ρᵈ − 1)/n.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E of a product of independent factors is the product: E p(x | z)² = (E p(x_1 | z_1)²)ᵈ and p(x) = p(x_1)ᵈ. In one
# dimension the square of N(x; wz + c, s²) is N(x; wz + c, s²/2)/(2s√π), whose mean over z is N(x; c, w² + s²/2)/(2s√π).
# ρ² at x = c is (w² + s²)²/(s²(2w² + s²)), and (w² + s²)² − s²(2w² + s²) = w⁴.


@proves("likelihood.naive_monte_carlo.variance")
def test_the_second_moment_and_what_it_does_in_many_dimensions():
    """ρ in closed form, above 1; the absolute variance falls for s = 0.625, and rises for s = 0.02."""
    equation = claims.VARIANCE.equation()
    x, w, c, s = scalar.log_second_moment_ratio.symbols
    assert equation.rhs == scalar.log_second_moment_ratio.expression
    at_centre = sympy.exp(2 * equation.rhs.subs(x, c))
    assert sympy.simplify(at_centre - (w**2 + s**2) ** 2 / (s**2 * (2 * w**2 + s**2))) == 0
    assert sympy.expand((w**2 + s**2) ** 2 - s**2 * (2 * w**2 + s**2) - w**4) == 0
    away = equation.rhs - equation.rhs.subs(x, c)
    assert sympy.simplify(away - w**2 * (x - c) ** 2 / ((w**2 + s**2) * (2 * w**2 + s**2))) == 0  # at least 0
    rho = math.exp(scalar.log_second_moment_ratio(X, W, C, S))
    evidence = math.exp(scalar.log_evidence(X, W, C, S))
    relative = [rho**d - 1 for d in (1, 10, 100)]
    absolute = [(rho * evidence**2) ** d - evidence ** (2 * d) for d in (1, 10, 100)]
    assert rho > 1
    assert relative[0] < relative[1] < relative[2]
    assert absolute[0] > absolute[1] > absolute[2]
    sharp = math.exp(scalar.log_second_moment_ratio(X, W, C, 0.02) + 2 * scalar.log_evidence(X, W, C, 0.02))
    assert rho * evidence**2 < 1 < sharp  # E p(x | z)²
    # Draws for a relative standard deviation of 10 %, in 100 dimensions: 5e+32 of them.
    assert f"{relative[2] / 0.01:.0e}" == "5e+32"


@proves("likelihood.naive_monte_carlo.variance")
@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_variance_by_exact_expectation(dimensions):
    """The variance of two draws' mean in d dimensions, integrated out of a program, against (ρᵈ − 1)/2 · p(x)²."""

    def program() -> torch.Tensor:
        z = torch.randn(2 if dimensions == 1 else 1, dimensions, dtype=WIDE)
        logs = Normal(W * z + C, S).log_prob(torch.tensor(X, dtype=WIDE)).sum(-1)
        return logs.exp().mean()

    found = expectation(program, max_evaluations=6000)
    rho = math.exp(scalar.log_second_moment_ratio(X, W, C, S))
    evidence = math.exp(scalar.log_evidence(X, W, C, S))
    draws = 2 if dimensions == 1 else 1
    exact = (rho**dimensions - 1) / draws * evidence ** (2 * dimensions)
    assert abs(float(found.variance) - exact) <= float(found.variance_error) + 1e-6 * exact


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# −(log p(y) − D log L)/(D log 2) for y = (x + u)/L, and what it bounds.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# p(x + u) = p(y) |dy/dx|ᴰ = p(y) L^(−D). The mass of a cell is P(x) = ∫ p(x + u) du, and by Jensen's inequality
# ∫ log p(x + u) du ≤ log P(x).


@proves("likelihood.bits_per_dimension.quantised")
def test_scaling_the_data_costs_the_logarithm_of_the_levels():
    """The change of variables for any density; the inequality for a density that is linear on a cell."""
    equation = claims.QUANTISED.equation()
    t, u = sympy.symbols("t u", real=True)
    levels = sympy.Symbol("L", positive=True)
    cdf = sympy.Function("F", increasing=True)
    scaled = sympy.diff(cdf(t * levels), t)  # P(X/L ≤ t) = F(tL)
    density = sympy.Subs(sympy.Derivative(cdf(u), u), u, t * levels)
    assert sympy.simplify(scaled - levels * density) == 0
    d = sympy.Symbol("D", positive=True)
    log_p = next(one for one in equation.rhs.free_symbols if "log" in one.name)
    assert sympy.expand(equation.rhs * d * sympy.log(2) + log_p - d * sympy.log(levels)) == 0
    low, rise = sympy.Rational(1, 2), sympy.Integer(1)
    mean_log = sympy.integrate(sympy.log(low + rise * u), (u, 0, 1))
    assert float(mean_log) < float(sympy.log(low + rise / 2))
    assert passes(bits_per_dimension.bits_per_dimension, "likelihood.bits_per_dimension")


@proves("likelihood.bits_per_dimension.quantised")
def test_the_scale_is_missed():
    """256 levels are 8 bits a dimension: a uniform density on [0, 1] is worth that, and a function without it fails."""
    assert float(bits_per_dimension.bits_per_dimension(torch.zeros(1), 7)) == pytest.approx(8.0, rel=1e-6)

    def without(log_px: torch.Tensor, D: int, levels: int = 256) -> torch.Tensor:
        return -log_px / (D * math.log(2.0))

    (verdict,) = gv.verify(
        gv.Formula(without, like="likelihood.bits_per_dimension"), checks=["formula.dialect"], budget="quick"
    )
    assert verdict.outcome is gv.Outcome.FAIL
    assert "log₂ levels" in verdict.evidence.message
