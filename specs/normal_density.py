"""The normal density: its mass, its score, its entropy, its distribution function, and how it is computed.

A log-density is a loss: the negative log-likelihood of a Gaussian decoder, of a flow's base, of a regression with
learned variance. It is also the easiest formula to get wrong by a constant or by a factor ½, since training goes on.
This page proves that the density has mass one, from which every constant follows, in one dimension and in several, and
that the three usual ways of handing over a covariance matrix agree.

Sources: Bishop 2006, "Pattern Recognition and Machine Learning", sections 1.2.4 and 2.3; Cover & Thomas 2006, "Elements
of Information Theory", chapter 8; Hyvärinen 2005, "Estimation of non-normalized statistical models by score matching"
(JMLR 6); Abramowitz & Stegun 1964, "Handbook of Mathematical Functions", chapters 7 and 26.
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch
from torch.distributions import Normal

import genverify as gv
from genverify.claims import proves
from genverify.formulas import mvn, normal, normal_claims
from genverify.noise import expectation
from genverify.oracles import gaussian
from genverify.oracles.multivariate_gaussian import mvn_log_prob_2d
from genverify.oracles.normal_moments import normal_mean

X, MU, SIGMA = gaussian.log_prob.symbols
Z = sympy.Symbol("z", real=True)
LOG_DENSITY = gaussian.log_prob.expression


def integrated(integral):
    """An integral over x, after the substitution x = μ + σz, term by term."""
    substituted = integral.doit(integrals=False).transform(X, (MU + SIGMA * Z, Z))
    return sympy.integrate(sympy.expand(sympy.expand_log(substituted.function)), *substituted.limits)


def same(left, right):
    """Whether two expressions are equal, positive symbols taken out of logarithms."""
    return sympy.simplify(sympy.expand_log(sympy.factor(left - right), force=True)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∫ exp(−½((x − μ)/σ)² − log σ − ½ log 2π) dx = 1.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With x = μ + σz the factor 1/σ is cancelled by dx = σ dz, and ∫ exp(−z²/2) dz = √(2π). A missing ½ log 2π, or log σ²
# for log σ, would leave √(2π) or 1/σ: the mass fixes every constant.


@proves("normal.log_prob.normalised")
def test_the_density_has_mass_one():
    """The integral, taken by SymPy for symbolic μ and σ > 0; each usual slip leaves another mass."""
    equation = normal_claims.NORMALISED.equation()
    assert sympy.simplify(integrated(equation.lhs)) == equation.rhs == 1
    without_constant = sympy.Integral(sympy.exp(LOG_DENSITY + sympy.log(2 * sympy.pi) / 2), (X, -sympy.oo, sympy.oo))
    log_variance = sympy.Integral(sympy.exp(LOG_DENSITY - sympy.log(SIGMA)), (X, -sympy.oo, sympy.oo))
    assert sympy.simplify(integrated(without_constant)) == sympy.sqrt(2 * sympy.pi)
    assert sympy.simplify(integrated(log_variance)) == 1 / SIGMA


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The score ∂ log p/∂x = −(x − μ)/σ² has mean 0 and variance 1/σ².
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Differentiate, then integrate against the density. The derivatives in the parameters have mean 0 as well, which is the
# identity that the score-function estimator of a gradient rests on: E ∂_θ log p_θ = ∂_θ ∫ p_θ = ∂_θ 1 = 0.


@proves("normal.score.mean_zero")
def test_scores_have_mean_zero():
    """E ∂ log p = 0 in x, in μ and in σ."""
    equation = normal_claims.SCORE.equation()
    assert sympy.simplify(integrated(equation.lhs)) == equation.rhs == 0
    assert sympy.simplify(sympy.diff(LOG_DENSITY, X) - gaussian.score.expression) == 0
    for parameter in (MU, SIGMA):
        derivative = sympy.diff(LOG_DENSITY, parameter)
        mean = sympy.Integral(derivative * sympy.exp(LOG_DENSITY), (X, -sympy.oo, sympy.oo))
        assert sympy.simplify(integrated(mean)) == 0


@proves("normal.score.fisher_information")
def test_the_score_has_variance_one_over_sigma_squared():
    """E score² = −E ∂ score/∂x = 1/σ²."""
    equation = normal_claims.FISHER_INFORMATION.equation()
    assert sympy.simplify(integrated(equation.lhs) - equation.rhs) == 0
    assert sympy.simplify(-sympy.diff(LOG_DENSITY, X, 2) - equation.rhs) == 0  # constant in x: its own mean


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# H = −E log p = ½ log(2πe σ²).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# −log p at x = μ + σz is log σ + ½ log 2π + z²/2, and E z² = 1. μ does not enter; H is negative for σ < 1/√(2πe), which
# is about 0.242: a differential entropy is no count of bits.


@proves("normal.entropy.expected")
def test_the_entropy_is_the_expected_surprise():
    """−E log p, integrated."""
    equation = normal_claims.ENTROPY.equation()
    assert same(-integrated(-equation.lhs), equation.rhs)
    (root,) = sympy.solve(equation.rhs, SIGMA)
    assert sympy.simplify(root - 1 / sympy.sqrt(2 * sympy.pi * sympy.E)) == 0
    assert round(float(root), 3) == 0.242


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# P(X ≤ x) = ½ erfc(−(x − μ)/(σ√2)).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Its slope is the density and it starts at 0, hence it is the integral of the density; that it ends at 1 is the mass
# again. ½(1 + erf) is the same number, since erf = 1 − erfc, but keeps no digit of the lower tail.


@proves("normal.cdf.distribution")
def test_the_distribution_function_is_the_integral_of_the_density():
    """Slope and limits."""
    equation = normal_claims.CDF.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    value = gaussian.cdf.expression
    assert sympy.limit(value, X, -sympy.oo) == 0
    assert sympy.limit(value, X, sympy.oo) == 1
    other = (1 + sympy.erf((X - MU) / (SIGMA * sympy.sqrt(2)))) / 2
    assert sympy.simplify((value - other).rewrite(sympy.erf)) == 0
    ten_below = torch.tensor(-10.0, dtype=torch.float64)
    assert 0.5 * (1 + torch.erf(ten_below / math.sqrt(2))) == 0  # the other form, ten standard deviations below
    assert gaussian.cdf(ten_below, 0.0, 1.0) > 0


# ── Several dimensions ───────────────────────────────────────────────────────────────────────────────────────────────
# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log N(x | μ, Σ) = −½ (x − μ)ᵀΣ⁻¹(x − μ) − ½ log det Σ − (k/2) log 2π.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ = LLᵀ, and x = μ + Lε with ε ~ N(0, I). By the change of variables log p(x) = log N(ε | 0, I) − log|det L| at
# ε = L⁻¹(x − μ). Here ‖ε‖² = (x − μ)ᵀΣ⁻¹(x − μ), and log|det L| = ½ log det Σ. At k = 2 every entry is a symbol:
# L = [[a, 0], [b, c]].

X1, X2, M1, M2, A, B, C = mvn_log_prob_2d.symbols
LOWER = sympy.ImmutableMatrix([[A, 0], [B, C]])
POINT, MEAN, COVARIANCE = sympy.ImmutableMatrix([X1, X2]), sympy.ImmutableMatrix([M1, M2]), LOWER * LOWER.T
NOISE = sympy.symbols("epsilon1 epsilon2", real=True)
AT_NOISE = dict(zip((X1, X2), MEAN + LOWER * sympy.Matrix(NOISE), strict=True))


def at_two(expression):
    """A matrix expression at k = 2, its symbols written out."""
    two = expression.subs(sympy.Symbol("k", integer=True, positive=True), 2)
    written = {"x": POINT, "mu": MEAN, "Sigma": COVARIANCE}
    return two.subs({s: written[s.name] for s in two.atoms(sympy.MatrixSymbol)}).doit()


@proves("mvn.log_prob.change_of_variables")
def test_the_density_of_an_affine_image_of_standard_noise():
    """The textbook form at k = 2 is log φ(ε₁) + log φ(ε₂) − log det L."""
    equation = normal_claims.MVN_CHANGE_OF_VARIABLES.equation()
    noise = LOWER.inv() * (POINT - MEAN)
    by_change = sum(-(e**2) / 2 - sympy.log(2 * sympy.pi) / 2 for e in noise) - sympy.log(LOWER.det())
    assert same(at_two(equation.rhs), by_change)
    assert same(mvn_log_prob_2d.expression, by_change)  # what the oracle computes


@proves("mvn.log_prob.normalised")
def test_the_density_of_two_variables_has_mass_one():
    """The double integral: over x₂ first, where the density is that of N(m₂ + b(x₁ − m₁)/a, c²)."""
    equation = normal_claims.MVN_NORMALISED.equation()
    (inner, *_), (outer, *_) = equation.lhs.limits
    slope = M2 + B * (X1 - M1) / A
    once = sympy.Integral(equation.lhs.function, (inner, -sympy.oo, sympy.oo)).transform(inner, (slope + C * Z, Z))
    marginal = sympy.integrate(sympy.simplify(once.function), *once.limits)
    twice = sympy.Integral(marginal, (outer, -sympy.oo, sympy.oo)).transform(outer, (M1 + A * Z, Z))
    assert sympy.simplify(sympy.integrate(sympy.simplify(twice.function), *twice.limits)) == equation.rhs == 1


@proves("mvn.log_prob.parametrisations")
def test_covariance_precision_and_factor_say_the_same():
    """The squares and the log-determinants of the three parametrisations."""
    gap = POINT - MEAN
    precision, white = COVARIANCE.inv(), LOWER.inv() * gap
    assert sympy.simplify((gap.T * precision * gap)[0, 0] - (white.T * white)[0, 0]) == 0
    assert sympy.expand(COVARIANCE.det() - (A * C) ** 2) == 0  # so that ½ log det Σ = log a + log c
    assert sympy.simplify(precision.det() * COVARIANCE.det()) == 1


@proves("mvn.score.mean_zero")
def test_the_score_of_several_variables_has_mean_zero():
    """E s = 0 and E s sᵀ = Σ⁻¹, with x = μ + Lε and the moments of ε."""
    score = sympy.Matrix([sympy.diff(mvn_log_prob_2d.expression, x) for x in (X1, X2)])
    assert sympy.simplify(score + COVARIANCE.inv() * (POINT - MEAN)) == sympy.zeros(2, 1)
    noisy = score.subs(AT_NOISE).applyfunc(sympy.simplify)
    assert noisy.applyfunc(lambda entry: normal_mean(entry, *NOISE)) == sympy.zeros(2, 1)
    second = (noisy * noisy.T).applyfunc(lambda entry: normal_mean(entry, *NOISE))
    assert sympy.simplify(second - COVARIANCE.inv()) == sympy.zeros(2, 2)


@proves("mvn.entropy.expected")
def test_the_entropy_of_several_variables():
    """−E log p at k = 2, moment by moment, is ½ log det Σ + (k/2) log 2πe."""
    equation = normal_claims.MVN_ENTROPY.equation()
    surprise = -mvn_log_prob_2d.expression.subs(AT_NOISE)
    assert same(normal_mean(sympy.simplify(surprise), *NOISE), at_two(equation.rhs))


@proves("normal.standard_log_prob.product")
@pytest.mark.parametrize("k", [2, 3])
def test_the_standard_density_is_a_product(k):
    """With μ = 0 and Σ = I the square and the determinant fall apart into coordinates."""
    equation = normal_claims.MVN_CHANGE_OF_VARIABLES.equation()
    x = sympy.symbols(f"x1:{k + 1}", real=True)
    joint = equation.rhs.subs(sympy.Symbol("k", integer=True, positive=True), k)
    written = {
        "x": sympy.ImmutableMatrix(x),
        "mu": sympy.zeros(k, 1).as_immutable(),
        "Sigma": sympy.eye(k).as_immutable(),
    }
    joint = joint.subs({s: written[s.name] for s in joint.atoms(sympy.MatrixSymbol)}).doit()
    alone = sum(LOG_DENSITY.subs({MU: 0, SIGMA: 1, X: one}) for one in x)
    assert sympy.simplify(sympy.expand_log(joint - alone)) == 0


# ── Draws ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# torch.distributions.Normal draws μ + σε; its draws are intercepted and integrated out, so that the moments below are
# computed, not estimated.


@proves("normal.log_prob.sampler")
@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (-1.5, 0.3), (2.0, 4.0)])
def test_draws_of_torch_have_this_density(mu, sigma):
    """E x = μ, Var x = σ², and −E log p(x) is the entropy."""
    law = Normal(torch.tensor(mu, dtype=torch.float64), torch.tensor(sigma, dtype=torch.float64))

    def program():
        x = law.rsample()
        return torch.stack([x, x**2, -gaussian.log_prob(x, mu, sigma)])

    found = expectation(program)
    assert found.converged, found.reason
    want = torch.tensor([mu, mu**2 + sigma**2, gaussian.entropy(sigma)], dtype=torch.float64)
    assert bool(
        ((found.mean - want).abs() <= found.error + 64 * torch.finfo(torch.float64).eps * want.abs().clamp(min=1)).all()
    )


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.likelihood.normal` and `mvn`: value, gradients and effects over their whole domains. In the tails
# log p is computed as a quadratic; as the logarithm of p it is −∞ from 38.6 standard deviations on, where p underflows.


@proves("normal.log_prob.tails")
def test_the_logarithm_of_the_density_is_no_log_density():
    """Where float64 loses the density; the naive form is FAIL there, and nowhere else."""
    smallest = torch.finfo(torch.float64).smallest_normal * torch.finfo(torch.float64).eps  # of the subnormal numbers
    edge = math.sqrt(-2 * (math.log(smallest) - math.log(2) + 0.5 * math.log(2 * math.pi)))
    assert round(edge, 1) == 38.6
    x = torch.tensor([edge - 0.2, edge + 0.2], dtype=torch.float64)
    density = torch.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    assert density[0] > 0 == density[1]

    def naive(x: torch.Tensor) -> torch.Tensor:
        return (torch.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)).log().sum(-1)

    report = gv.verify(gv.Formula(naive, like="normal.standard_log_prob"))
    assert {v.check for v in report.failures} == {"formula.extremes"}
    gv.verify(normal.standard_log_prob(), checks=["formula.extremes"]).raise_for_failures()


@proves("normal.log_prob.normalised")
@pytest.mark.parametrize("reference", [normal.log_prob, normal.nll, normal.score, normal.cdf, normal.entropy])
def test_the_references_pass(reference):
    """Every check that applies to the reference says PASS."""
    outcomes = {v.outcome for v in gv.verify(reference(), budget="quick")}
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


@proves("mvn.log_prob.parametrisations")
@pytest.mark.parametrize(
    "reference", [mvn.log_prob_covariance, mvn.log_prob_precision, mvn.log_prob_cholesky, mvn.entropy]
)
def test_the_references_of_several_dimensions_pass(reference):
    """Every check that applies to the reference says PASS."""
    outcomes = {v.outcome for v in gv.verify(reference(), budget="quick")}
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


@proves("normal.log_prob.normalised")
def test_a_log_density_without_its_constant_is_no_log_density():
    """The verdict names the constant: −½ log 2π is missing, that is, 0.918939 too much."""

    def unnormalised(x: torch.Tensor, mu: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return -0.5 * ((x - mu) / sigma) ** 2 - sigma.log()

    (verdict,) = gv.verify(gv.Formula(unnormalised, like="normal.log_prob"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert f"plus {0.5 * math.log(2 * math.pi):.6g}" in verdict.evidence.message
