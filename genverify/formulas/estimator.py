"""Gradient estimators as pointwise formulas: the log-derivative estimate and its surrogate; their claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.oracles import estimators as oracle
from genverify.reference.estimators import leave_one_out, reparameterisation, score_function
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.sampler import Sampler
from genverify.subjects.specification import Axis, Option, Specification

if TYPE_CHECKING:
    import sympy

__all__ = [
    "BASELINE",
    "BATCH_MEAN",
    "COVARIANCE",
    "DERIVATIVES",
    "LEAVE_ONE_OUT",
    "LOG_DERIVATIVE",
    "LOWER_VARIANCE",
    "OPTIMAL_BASELINE",
    "SCORE_FUNCTION",
    "SURROGATE",
    "three_outcomes",
]

_REWARD = (
    "reward", "rewards", "r", "f", "fz", "f_z", "returns", "R", "G", "advantage", "advantages", "adv", "cost", "costs",
    "value", "values",
)  # fmt: skip
_LOSS = Axis(
    name="sign",
    options=(Option(name=""), Option(name="negated, as a loss", keywords={"sign": -1.0})),
)

SCORE_FUNCTION = formula(
    Specification(
        name="estimator.score_function",
        statement="f(z) ∇_θ log p_θ(z)",
        source="Williams 1992, section 3",
        arguments=(
            any_real("reward", "batch", *_REWARD),
            any_real("score", "batch parameter", "grad_log_prob", "grad_log_p", "dlogp", "scores", "s", "glogp"),
        ),
        oracle=lambda reward, score, sign=1.0: sign * reward.unsqueeze(-1) * score,
        output="batch parameter",
        dialects=(reduction("batch", ("mean", "none", "sum")), _LOSS),
        derivation="score_function.log_derivative",
    )
)

SURROGATE = formula(
    Specification(
        name="estimator.surrogate",
        statement="log p_θ(z) f(z), with f(z) held fixed in the gradient",
        source="Schulman, Heess, Weber & Abbeel 2015, section 3.1",
        arguments=(
            any_real("log_prob", "batch", "log_probs", "logp", "log_p", "lp", "logprob", "log_pi", "logprobs"),
            any_real("reward", "batch", *_REWARD, differentiable=False),
        ),
        oracle=lambda log_prob, reward, sign=1.0: sign * log_prob * reward,
        output="batch",
        dialects=(reduction("batch", ("mean", "none", "sum")), _LOSS),
        derivation="score_function.log_derivative",
    )
)


def three_outcomes() -> tuple[list[Any], list[Any], list[Any]]:
    """Logits, probabilities and rewards of a categorical law with three outcomes, all symbols."""
    import sympy

    theta = list(sympy.symbols("theta1:4", real=True))
    total = sympy.Add(*map(sympy.exp, theta))
    return theta, [sympy.exp(one) / total for one in theta], list(sympy.symbols("f1:4", real=True))


def log_derivative_equation() -> sympy.Basic:
    """Σ_k ∂p_k/∂θ₁ f_k = Σ_k p_k f_k ∂log p_k/∂θ₁, for three outcomes."""
    import sympy

    theta, p, f = three_outcomes()
    left = sum((sympy.diff(p[k], theta[0]) * f[k] for k in range(3)), sympy.S.Zero)
    right = sum((p[k] * f[k] * sympy.diff(sympy.log(p[k]), theta[0]) for k in range(3)), sympy.S.Zero)
    return sympy.Eq(left, right, evaluate=False)


def covariance_equation() -> sympy.Basic:
    """E (z - μ)(z - μ)ᵀ = L Lᵀ for z = μ + Lε, in two dimensions, by E εεᵀ = I."""
    import sympy

    lower = sympy.Matrix([[sympy.Symbol("l11"), 0], [sympy.Symbol("l21"), sympy.Symbol("l22")]])
    first, second = sympy.symbols("epsilon1 epsilon2", real=True)
    deviation = lower * sympy.Matrix([first, second])
    outer = deviation * deviation.T
    expected = outer.applyfunc(
        lambda entry: oracle.standard_expectation(oracle.standard_expectation(entry, first), second)
    )
    return sympy.Eq(expected, lower * lower.T, evaluate=False)


def variance_gap_equation() -> sympy.Basic:
    """Var score - Var path for a quadratic, as a sum of squares."""
    import sympy

    a, b, c, mu, sigma = oracle.quadratic_variances.symbols
    score, path = oracle.quadratic_variances.expressions
    value, slope = a * mu**2 + b * mu + c, 2 * a * mu + b
    squares = (value / sigma + 3 * a * sigma) ** 2 + 2 * (a * sigma) ** 2 + 2 * slope**2
    return sympy.Eq(score - path, squares, evaluate=False)


LOG_DERIVATIVE = claim(
    "score_function.log_derivative",
    Status.DERIVED,
    statement="∇_θ E f(z) = E[f(z) ∇_θ log p_θ(z)]",
    source="Williams 1992, section 3",
    assumptions=("p_θ is differentiable in θ and the derivative may be taken under the integral",),
    equation=log_derivative_equation,
    theorems=("differentiation under the integral sign, where the law is continuous",),
)

BASELINE = claim(
    "score_function.baseline",
    Status.DERIVED,
    statement="E[(f - b) s] = E[f s] if and only if E[b s] = 0; b independent of the sample suffices, and is not "
    "necessary: b = (z - μ)² will do for the mean of a normal law",
    source="Williams 1992, section 3; the condition is linearity",
    assumptions=("the expectations exist",),
)

OPTIMAL_BASELINE = claim(
    "score_function.optimal_baseline",
    Status.DERIVED,
    statement="Of all constants, b = E[f s²]/E[s²] makes the variance of (f - b) s smallest, component by component",
    source="Greensmith, Bartlett & Baxter 2004, section 4; Weaver & Tao 2001",
    assumptions=("0 < E[s²] < ∞",),
)

LEAVE_ONE_OUT = claim(
    "score_function.leave_one_out",
    Status.DERIVED,
    statement="With the mean reward of the other samples for a baseline, the estimate is unbiased for every n ≥ 2",
    source="Mnih & Rezende 2016; Kool, van Hoof & Welling 2019",
    assumptions=("samples are independent",),
)

BATCH_MEAN = claim(
    "score_function.batch_mean_baseline",
    Status.DERIVED,
    statement="With the mean reward of all n samples for a baseline, the estimate has mean exactly (1 - 1/n) ∇ E f",
    source="linearity: the own reward enters the baseline with weight 1/n",
    assumptions=("samples are independent and identically distributed",),
)

LOWER_VARIANCE = claim(
    "reparameterisation.lower_variance",
    Status.REFUTED,
    statement="The reparameterised gradient has lower variance than the score-function gradient",
    source="common reading of Kingma & Welling 2014, section 2.4, and of Rezende, Mohamed & Wierstra 2014",
    counterexample="f(z) = sin 10z at μ = 0, σ = 1: variance 50 along the path, 1/2 by the score",
    corrected="For quadratic f, every μ and σ: Var score - Var path = (f(μ)/σ + 3aσ)² + 2a²σ² + 2f'(μ)² ≥ 0, with "
    "f(z) = az² + bz + c; for smooth f in general Var path ≤ σ² E f''² (Poincaré), and no order",
    equation=variance_gap_equation,
    theorems=("Gaussian Poincaré inequality (Chernoff 1981), for the general bound",),
)

DERIVATIVES = claim(
    "reparameterisation.derivatives",
    Status.DERIVED,
    statement="z = μ + σε has ∂z/∂μ = 1, ∂z/∂σ = ε, mean μ and variance σ²",
    source="Kingma & Welling 2014, section 2.4",
)

COVARIANCE = claim(
    "reparameterisation.covariance",
    Status.DERIVED,
    statement="z = μ + Lε with ε ~ N(0, I) has covariance L Lᵀ",
    source="Anderson 2003, theorem 2.4.1",
    equation=covariance_equation,
)


@declares_reference
def log_derivative_estimate() -> Formula:
    """The reference log-derivative estimate."""
    return Formula(score_function.log_derivative, like="estimator.score_function")


@declares_reference
def surrogate_loss() -> Formula:
    """The reference surrogate."""
    return Formula(score_function.surrogate, like="estimator.surrogate")


@declares_reference
def score_function_categorical() -> GradientEstimator:
    """The reference score-function estimator of a categorical law."""
    return GradientEstimator(score_function.categorical, like="target.gradient_categorical")


@declares_reference
def score_function_bernoulli() -> GradientEstimator:
    """The reference score-function estimator of a Bernoulli law."""
    return GradientEstimator(
        score_function.bernoulli, like="target.gradient_bernoulli", name="bernoulli score function"
    )


@declares_reference
def score_function_normal() -> GradientEstimator:
    """The reference score-function estimator of a normal law."""
    return GradientEstimator(score_function.normal, like="target.gradient_normal", name="normal score function")


@declares_reference
def leave_one_out_categorical() -> GradientEstimator:
    """The reference leave-one-out estimator."""
    return GradientEstimator(leave_one_out.categorical, like="target.gradient_categorical", name="leave one out")


@declares_reference
def pathwise_normal() -> GradientEstimator:
    """The reference pathwise estimator, as the loss that is differentiated."""
    return GradientEstimator(reparameterisation.pathwise_loss, like="target.gradient_normal")


@declares_reference
def sampler_diagonal() -> Sampler:
    """The reference reparameterised sample of a diagonal normal law."""
    return Sampler(reparameterisation.sample_diagonal, law="law.normal_diagonal", pathwise=True)


@declares_reference
def sampler_mvn() -> Sampler:
    """The reference reparameterised sample of a multivariate normal law."""
    return Sampler(reparameterisation.sample_mvn, law="law.mvn", pathwise=True)
