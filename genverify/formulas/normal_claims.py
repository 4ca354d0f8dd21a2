"""Claims on the densities of the normal distribution, in one dimension and in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.oracles import gaussian
from genverify.oracles.multivariate_gaussian import mvn_log_prob_2d

if TYPE_CHECKING:
    import sympy

__all__ = [
    "CDF", "ENTROPY", "FISHER_INFORMATION", "MVN_CHANGE_OF_VARIABLES", "MVN_ENTROPY", "MVN_NORMALISED",
    "MVN_PARAMETRISATIONS", "MVN_SCORE", "NORMALISED", "SAMPLER", "SCORE", "STANDARD", "TAILS",
]  # fmt: skip

_POSITIVE_SCALE = ("μ real, σ > 0",)
_AT_TWO = (
    "Σ symmetric positive definite, hence Σ = LLᵀ with L lower triangular and a positive diagonal",
    "the algebra is executed at k = 2 with all entries of L, μ and x symbols",
)


def _over_the_line(integrand: sympy.Expr) -> sympy.Integral:
    import sympy

    return sympy.Integral(integrand, (gaussian.log_prob.symbols[0], -sympy.oo, sympy.oo))


def _log_density() -> sympy.Expr:
    return gaussian.log_prob.expression


def _density() -> sympy.Expr:
    import sympy

    return sympy.exp(_log_density())


def _mass() -> sympy.Basic:
    import sympy

    return sympy.Eq(_over_the_line(_density()), 1, evaluate=False)


def _mean_score() -> sympy.Basic:
    import sympy

    x = gaussian.log_prob.symbols[0]
    return sympy.Eq(_over_the_line(sympy.Derivative(_log_density(), x) * _density()), 0, evaluate=False)


def _information() -> sympy.Basic:
    import sympy

    x, _, sigma = gaussian.log_prob.symbols
    return sympy.Eq(_over_the_line(sympy.Derivative(_log_density(), x) ** 2 * _density()), sigma**-2, evaluate=False)


def _expected_surprise() -> sympy.Basic:
    import sympy

    return sympy.Eq(-_over_the_line(_log_density() * _density()), gaussian.entropy.expression, evaluate=False)


def _slope() -> sympy.Basic:
    import sympy

    x = gaussian.log_prob.symbols[0]
    return sympy.Eq(sympy.Derivative(gaussian.cdf.expression, x), _density(), evaluate=False)


def _mass_2d() -> sympy.Basic:
    import sympy

    x1, x2 = mvn_log_prob_2d.symbols[:2]
    whole = (-sympy.oo, sympy.oo)
    integral = sympy.Integral(sympy.exp(mvn_log_prob_2d.expression), (x2, *whole), (x1, *whole))
    return sympy.Eq(integral, 1, evaluate=False)


def _matrix_log_density() -> sympy.Basic:
    import sympy

    k = sympy.Symbol("k", integer=True, positive=True)
    gap: Any = sympy.MatrixSymbol("x", k, 1) - sympy.MatrixSymbol("mu", k, 1)
    cov = sympy.MatrixSymbol("Sigma", k, k)
    square = sympy.Trace(gap.T * cov.I * gap)
    value = -square / 2 - sympy.log(sympy.Determinant(cov)) / 2 - k * sympy.log(2 * sympy.pi) / 2
    return sympy.Eq(sympy.Symbol(r"\log\mathcal{N}(x \mid \mu, \Sigma)"), value, evaluate=False)


def _matrix_entropy() -> sympy.Basic:
    import sympy

    k = sympy.Symbol("k", integer=True, positive=True)
    cov = sympy.MatrixSymbol("Sigma", k, k)
    value = sympy.log(sympy.Determinant(cov)) / 2 + k * sympy.log(2 * sympy.pi * sympy.E) / 2
    return sympy.Eq(sympy.Symbol(r"H\left[\mathcal{N}(\mu, \Sigma)\right]"), value, evaluate=False)


NORMALISED = claim(
    "normal.log_prob.normalised", Status.DERIVED,
    statement="exp log N(x | μ, σ²) integrates to 1 over the real line, for all μ and all σ > 0",
    source="Bishop 2006, eq. 1.46 and 1.48", assumptions=_POSITIVE_SCALE, equation=_mass,
)  # fmt: skip

SCORE = claim(
    "normal.score.mean_zero", Status.DERIVED,
    statement="the score −(x − μ)/σ² is the derivative of the log-density in x and has mean 0; so have the derivatives "
    "of the log-density in μ and in σ",
    source="Hyvärinen 2005, section 2; Fisher 1922", assumptions=_POSITIVE_SCALE, equation=_mean_score,
)  # fmt: skip

FISHER_INFORMATION = claim(
    "normal.score.fisher_information", Status.DERIVED,
    statement="the score has variance 1/σ², which is minus the mean of its derivative",
    source="Fisher 1922", assumptions=_POSITIVE_SCALE, equation=_information,
)  # fmt: skip

ENTROPY = claim(
    "normal.entropy.expected", Status.DERIVED,
    statement="−E log p(X) = ½ log(2πe σ²) for X ~ N(μ, σ²), whatever μ is",
    source="Cover & Thomas 2006, eq. 8.9", assumptions=_POSITIVE_SCALE, equation=_expected_surprise,
)  # fmt: skip

CDF = claim(
    "normal.cdf.distribution", Status.DERIVED,
    statement="½ erfc(−(x − μ)/(σ√2)) has the density as its slope, tends to 0 at −∞ and to 1 at ∞",
    source="Abramowitz & Stegun 1964, eqs. 26.2.29 and 7.1.2", assumptions=_POSITIVE_SCALE, equation=_slope,
)  # fmt: skip

STANDARD = claim(
    "normal.standard_log_prob.product", Status.DERIVED,
    statement="log N(x | 0, I) = Σ_i log N(x_i | 0, 1): without correlations the coordinates are independent",
    source="Bishop 2006, eq. 2.43 at Σ = I",
    assumptions=("the algebra is executed at k = 2 and 3; the sum over coordinates is the same for every k",),
)  # fmt: skip

TAILS = claim(
    "normal.log_prob.tails", Status.SUPPORTED,
    statement="the quadratic form of log p keeps its digits in the tails, where log(p(x)) is −∞: in float64 p(x) "
    "underflows to 0 for |x − μ| > 38.6σ",
    source="IEEE 754-2019, section 7.5 (underflow)",
    assumptions=("IEEE 754 arithmetic with gradual underflow", "σ = 1 where figures are given"),
)  # fmt: skip

SAMPLER = claim(
    "normal.log_prob.sampler", Status.SUPPORTED,
    statement="draws of torch.distributions.Normal have the moments and the entropy of this density",
    source="torch.distributions.Normal", assumptions=("three settings of μ and σ, integrated by Gauss–Hermite nodes",),
)  # fmt: skip

MVN_CHANGE_OF_VARIABLES = claim(
    "mvn.log_prob.change_of_variables", Status.DERIVED,
    statement="if ε ~ N(0, I_k), then x = μ + Lε has the log-density "
    "−½ (x − μ)ᵀΣ⁻¹(x − μ) − ½ log det Σ − (k/2) log 2π, with Σ = LLᵀ",
    source="Bishop 2006, eq. 2.43", assumptions=_AT_TWO, equation=_matrix_log_density,
    theorems=("change of variables for densities", "Cholesky factorisation"),
)  # fmt: skip

MVN_NORMALISED = claim(
    "mvn.log_prob.normalised", Status.DERIVED,
    statement="exp log N(x | μ, Σ) integrates to 1 over ℝᵏ",
    source="Bishop 2006, section 2.3", assumptions=_AT_TWO, equation=_mass_2d, theorems=("Fubini's theorem",),
)  # fmt: skip

MVN_PARAMETRISATIONS = claim(
    "mvn.log_prob.parametrisations", Status.DERIVED,
    statement="by covariance Σ, by precision Λ = Σ⁻¹ and by Cholesky factor L the log-density is the same: its square "
    "is (x − μ)ᵀΛ(x − μ) = ‖L⁻¹(x − μ)‖², and −½ log det Σ = ½ log det Λ = −Σ log L_ii",
    source="Bishop 2006, section 2.3.1", assumptions=_AT_TWO,
)  # fmt: skip

MVN_SCORE = claim(
    "mvn.score.mean_zero", Status.DERIVED,
    statement="the score −Σ⁻¹(x − μ) has mean 0 and covariance Σ⁻¹",
    source="Hyvärinen 2005, section 2", assumptions=_AT_TWO,
)  # fmt: skip

MVN_ENTROPY = claim(
    "mvn.entropy.expected", Status.DERIVED,
    statement="−E log p(X) = ½ log det(2πe Σ) for X ~ N(μ, Σ)",
    source="Cover & Thomas 2006, theorem 8.4.1", assumptions=_AT_TWO, equation=_matrix_entropy,
)  # fmt: skip
