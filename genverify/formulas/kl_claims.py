"""Claims on Kullback–Leibler divergences between normal distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.oracles import gaussian

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ADDITIVE", "AFFINE_INVARIANCE", "ASYMMETRIC", "BIJECTION_INVARIANCE", "DIAGONAL_TO_STANDARD", "EXPECTATION", "MVN",
    "MVN_TO_STANDARD", "NONNEGATIVE", "NORMAL", "SAMPLED", "TINY_STD",
]  # fmt: skip

_SCALES = ("μ, ν real, σ, τ > 0",)
_MATRICES = (
    "Σ₀, Σ₁ symmetric positive definite",
    "the algebra is executed at k = 2 with all entries of the Cholesky factors and of the means symbols",
)
_LEFT = r"\mathrm{KL}\left(\mathcal{N}(\mu_0, \Sigma_0) \,\Vert\, \mathcal{N}(%s)\right)"


def _log_ratio() -> sympy.Expr:
    """The logarithm of p(x)/q(x) for p = N(μ, σ²), q = N(ν, τ²)."""
    _, mu, sigma = gaussian.log_prob.symbols
    _, _, nu, tau = gaussian.kl_divergence.symbols
    log_density = gaussian.log_prob.expression
    return log_density - log_density.subs({mu: nu, sigma: tau}, simultaneous=True)


def _integral() -> sympy.Basic:
    import sympy

    x = gaussian.log_prob.symbols[0]
    integrand = sympy.exp(gaussian.log_prob.expression) * _log_ratio()
    return sympy.Eq(
        sympy.Integral(integrand, (x, -sympy.oo, sympy.oo)), gaussian.kl_divergence.expression, evaluate=False
    )


def _latent_sum() -> sympy.Basic:
    import sympy

    k, i = sympy.Symbol("k", integer=True, positive=True), sympy.Symbol("i", integer=True, positive=True)
    mu: Any = sympy.IndexedBase("mu")
    sigma: Any = sympy.IndexedBase("sigma")
    term = (mu[i] ** 2 + sigma[i] ** 2 - 1 - sympy.log(sigma[i] ** 2)) / 2
    left = sympy.Symbol(
        r"\mathrm{KL}\left(\mathcal{N}(\mu, \operatorname{diag} \sigma^2) \,\Vert\, \mathcal{N}(0, I)\right)"
    )
    return sympy.Eq(left, sympy.Sum(term, (i, 1, k)), evaluate=False)


def _difference() -> sympy.Basic:
    import sympy

    mu, sigma, nu, tau = gaussian.kl_divergence.symbols
    there = gaussian.kl_divergence.expression
    back = there.subs({mu: nu, sigma: tau, nu: mu, tau: sigma}, simultaneous=True)
    square = (mu - nu) ** 2
    value = 2 * sympy.log(tau / sigma) + (sigma**2 + square) / (2 * tau**2) - (tau**2 + square) / (2 * sigma**2)
    return sympy.Eq(there - back, value, evaluate=False)


def _matrices() -> sympy.Basic:
    import sympy

    k = sympy.Symbol("k", integer=True, positive=True)
    first, second = sympy.MatrixSymbol("Sigma_0", k, k), sympy.MatrixSymbol("Sigma_1", k, k)
    gap: Any = sympy.MatrixSymbol("mu_1", k, 1) - sympy.MatrixSymbol("mu_0", k, 1)
    logs = sympy.log(sympy.Determinant(second) / sympy.Determinant(first))
    value = (sympy.Trace(second.I * first) + sympy.Trace(gap.T * second.I * gap) - k + logs) / 2
    return sympy.Eq(sympy.Symbol(_LEFT % r"\mu_1, \Sigma_1"), value, evaluate=False)


def _matrices_to_standard() -> sympy.Basic:
    import sympy

    k = sympy.Symbol("k", integer=True, positive=True)
    cov, mean = sympy.MatrixSymbol("Sigma_0", k, k), sympy.MatrixSymbol("mu_0", k, 1)
    value = (sympy.Trace(cov) + sympy.Trace(mean.T * mean) - k - sympy.log(sympy.Determinant(cov))) / 2
    return sympy.Eq(sympy.Symbol(_LEFT % "0, I"), value, evaluate=False)


def _eigenvalues() -> sympy.Basic:
    import sympy

    k, i = sympy.Symbol("k", integer=True, positive=True), sympy.Symbol("i", integer=True, positive=True)
    eigenvalue: Any = sympy.IndexedBase("lambda", positive=True)
    white: Any = sympy.IndexedBase("w", real=True)
    term = (eigenvalue[i] - 1 - sympy.log(eigenvalue[i]) + white[i] ** 2) / 2
    return sympy.Eq(sympy.Symbol(_LEFT % r"\mu_1, \Sigma_1"), sympy.Sum(term, (i, 1, k)), evaluate=False)


def _unconscious() -> sympy.Basic:
    import sympy

    x, y = sympy.symbols("x y", real=True)
    p, g = sympy.Function("p"), sympy.Function("f")
    whole = (-sympy.oo, sympy.oo)
    pushed = sympy.Function("p_Y")
    return sympy.Eq(
        sympy.Integral(y * pushed(y), (y, *whole)), sympy.Integral(g(x) * p(x), (x, *whole)), evaluate=False
    )


NORMAL = claim(
    "kl.normal.closed_form", Status.DERIVED,
    statement="KL(N(μ, σ²) ‖ N(ν, τ²)) = log τ/σ + (σ² + (μ − ν)²)/(2τ²) − ½, the expectation being under the first",
    source="Kullback & Leibler 1951, eq. 2.4 (the definition), integrated", assumptions=_SCALES, equation=_integral,
)  # fmt: skip

ADDITIVE = claim(
    "kl.diagonal_normals.additive", Status.DERIVED,
    statement="the divergence between products of densities is the sum of the divergences of the factors: it adds up "
    "over independent coordinates, and is not averaged",
    source="Cover & Thomas 2006, theorem 2.5.3 (chain rule)",
    assumptions=("two independent factors (more by induction); the densities integrate to 1",),
    theorems=("Fubini's theorem",),
)  # fmt: skip

DIAGONAL_TO_STANDARD = claim(
    "kl.diagonal_to_standard_normal.closed_form", Status.DERIVED,
    statement="KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ_i (μ_i² + σ_i² − 1 − log σ_i²)",
    source="Kingma & Welling 2014, appendix B", assumptions=("μ real, σ > 0",), equation=_latent_sum,
)  # fmt: skip

MVN = claim(
    "kl.mvn.closed_form", Status.DERIVED,
    statement="KL(N(μ₀, Σ₀) ‖ N(μ₁, Σ₁)) = ½ [tr Σ₁⁻¹Σ₀ + (μ₁ − μ₀)ᵀΣ₁⁻¹(μ₁ − μ₀) − k + log det Σ₁/det Σ₀]",
    source="Doersch 2016, eq. 6; Rasmussen & Williams 2006, eq. A.23", assumptions=_MATRICES, equation=_matrices,
    theorems=("change of variables for densities", "Cholesky factorisation"),
)  # fmt: skip

MVN_TO_STANDARD = claim(
    "kl.mvn.to_standard_normal", Status.DERIVED,
    statement="KL(N(μ, Σ) ‖ N(0, I)) = ½ [tr Σ + μᵀμ − k − log det Σ]",
    source="CSDS440 slides, \"Second term\"; Doersch 2016, eq. 7",
    assumptions=_MATRICES, equation=_matrices_to_standard,
)  # fmt: skip

NONNEGATIVE = claim(
    "kl.mvn.nonnegative", Status.DERIVED,
    statement="KL(N(μ₀, Σ₀) ‖ N(μ₁, Σ₁)) = ½ Σ_i (λ_i − 1 − log λ_i) + ½ ‖w‖² ≥ 0, with λ_i > 0 the eigenvalues of "
    "Σ₁⁻¹Σ₀ and w = L₁⁻¹(μ₁ − μ₀); it is 0 only where μ₀ = μ₁ and Σ₀ = Σ₁",
    source="Cover & Thomas 2006, theorem 8.6.1, for normal densities",
    assumptions=_MATRICES, equation=_eigenvalues,
    theorems=("Σ₁⁻¹Σ₀ is similar to the symmetric positive definite L₁⁻¹Σ₀L₁⁻ᵀ, hence diagonalisable with λ_i > 0",),
)  # fmt: skip

AFFINE_INVARIANCE = claim(
    "kl.mvn.affine_invariance", Status.DERIVED,
    statement="KL is the same after x ↦ Ax + b has been applied to both distributions, for every invertible A",
    source="Kullback & Leibler 1951 (invariance under nonsingular transformations)",
    assumptions=("A invertible; the algebra is executed at k = 2, all entries symbols",),
)  # fmt: skip

BIJECTION_INVARIANCE = claim(
    "kl.bijection_invariance", Status.DERIVED,
    statement="KL is the same after a C¹ bijection y = g(x) with nowhere vanishing derivative has been applied to both "
    "distributions: the derivative cancels in the ratio of the densities",
    source="Kullback & Leibler 1951 (invariance under nonsingular transformations)",
    assumptions=("g strictly increasing and differentiable, on the real line",), theorems=("change of variables",),
)  # fmt: skip

ASYMMETRIC = claim(
    "kl.normal.asymmetric", Status.DERIVED,
    statement="KL(p ‖ q) − KL(q ‖ p) = 2 log τ/σ + (σ² + d²)/(2τ²) − (τ² + d²)/(2σ²) with d = μ − ν: 0 for "
    "σ = τ, and not in general, so KL is no distance",
    source="Kullback & Leibler 1951, section 2 (which symmetrises it)", assumptions=_SCALES, equation=_difference,
)  # fmt: skip

SAMPLED = claim(
    "kl.normal.sampled", Status.SUPPORTED,
    statement="log p(z) − log q(z) at one draw z of p is unbiased for KL(p ‖ q): its exact expectation over the draw "
    "is the closed form, and under q it is not",
    source="Kingma & Welling 2014, section 2.3",
    assumptions=("the settings of the spec; Gauss–Hermite integration of the draws",),
)  # fmt: skip

TINY_STD = claim(
    "kl.diagonal_to_standard_normal.tiny_std", Status.SUPPORTED,
    statement="as σ → 0 the divergence grows like −log σ, and by log-variance it is computed to rounding there; "
    "through σ² it is infinite as soon as σ² underflows (float32: σ < 2.6e-23)",
    source="Kingma & Welling 2014, appendix C (encoders give log σ²)",
    assumptions=("IEEE 754 arithmetic with gradual underflow",),
)  # fmt: skip

EXPECTATION = claim(
    "kl.expectation_formula", Status.REFUTED,
    statement="E[f(x)] = ∫ x f(x) dx",
    source="One-a-week: VAE, on expectations in the divergence", equation=_unconscious,
    counterexample="X ~ N(0, 1), f(x) = exp(−x²): E f(X) = 1/√3, but ∫ x f(x) dx = 0",
    corrected="E f(X) = ∫ f(x) p(x) dx, with p the density of X; ∫ x f(x) dx is E X where f is itself the density of X",
    assumptions=("p a density; f strictly increasing in the derivation, measurable in general",),
    theorems=("law of the unconscious statistician",),
)  # fmt: skip
