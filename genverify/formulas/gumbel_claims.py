"""What is claimed of Gumbel noise, of the maximum that it decides and of its relaxation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import gumbel as oracle

if TYPE_CHECKING:
    import sympy

__all__ = ["CONCRETE", "FROM_UNIFORM", "MAXIMUM", "RELAXED_OBJECTIVE", "ROUNDING", "UNBIASED"]

_MADDISON = "Maddison, Mnih & Teh 2017"


def quantile_equation() -> sympy.Basic:
    """P(g ≤ x) at x = −log(−log u) is u."""
    import sympy

    u, loc, scale = oracle.from_uniform.symbols
    x = oracle.from_uniform.expression.subs({loc: 0, scale: 1})
    return sympy.Eq(sympy.exp(-sympy.exp(-x)), u, evaluate=False)


def maximum_equation() -> sympy.Basic:
    """P(θ_k + g_k is the largest), three outcomes, with s = exp(−x) for the value x that the k-th takes.

    Given x the others stay below it with probability exp(−s Σ_{j≠k} α_j), and x has density α_k s exp(−α_k s), where
    α = exp θ and dx = −ds/s.
    """
    import sympy

    s = sympy.Symbol("s", positive=True)
    a = sympy.symbols("alpha1:4", positive=True)
    chance = sympy.Integral(a[0] * sympy.exp(-s * a[0]) * sympy.exp(-s * (a[1] + a[2])), (s, 0, sympy.oo))
    return sympy.Eq(chance, a[0] / (a[0] + a[1] + a[2]), evaluate=False)


def two_outcomes() -> tuple[sympy.Basic, sympy.Basic]:
    """The distribution function of x₁ for two outcomes, and the Concrete density at (t, 1 − t)."""
    import sympy

    t, tau = sympy.symbols("t tau", positive=True)
    a, b = sympy.symbols("alpha1 alpha2", positive=True)
    below = b / (b + a * (t / (1 - t)) ** (-tau))
    density = tau * a * b * (t * (1 - t)) ** (-tau - 1) / (a * t**-tau + b * (1 - t) ** -tau) ** 2
    return below, density


def density_equation() -> sympy.Basic:
    """d/dt P(x₁ ≤ t) is the Concrete density, for two outcomes."""
    import sympy

    below, density = two_outcomes()
    return sympy.Eq(sympy.Derivative(below, sympy.Symbol("t", positive=True)), density, evaluate=False)


def bias_equation() -> sympy.Basic:
    """∂/∂θ E σ((θ + L)/τ) at θ = 0, τ = 1, L logistic: E p(1 − p) with p = σ(L) uniform, where p(1 − p) = ¼ is true."""
    import sympy

    p = sympy.Symbol("p", positive=True)
    return sympy.Eq(sympy.Integral(p * (1 - p), (p, 0, 1)), sympy.Rational(1, 6), evaluate=False)


FROM_UNIFORM = claim(
    "gumbel.from_uniform.law",
    Status.DERIVED,
    statement="−log(−log u) has distribution function exp(−exp(−x)) where u is uniform; so has −log e, e exponential",
    source="Gumbel 1954, lecture 1",
    equation=quantile_equation,
)

MAXIMUM = claim(
    "gumbel.max.categorical",
    Status.DERIVED,
    statement="P(argmax_k (θ_k + g_k) = k) = softmax(θ)_k exactly, g independent standard Gumbel numbers; with −g in "
    "place of g it is not",
    source="Yellott 1977; Maddison, Tarlow & Minka 2014, section 2",
    assumptions=("the algebra is executed at three outcomes, all weights symbols",),
    equation=maximum_equation,
)

ROUNDING = claim(
    "gumbel.softmax.rounding",
    Status.DERIVED,
    statement="The largest entry of softmax((θ + g)/τ) is k with probability softmax(θ)_k, at every temperature τ > 0",
    source=f"{_MADDISON}, proposition 1",
    assumptions=("softmax keeps order",),
)

CONCRETE = claim(
    "gumbel.concrete_log_prob.density",
    Status.DERIVED,
    statement="x = softmax((θ + g)/τ) has density Γ(K) τ^(K−1) Π α_k x_k^(−τ−1) / (Σ α_k x_k^(−τ))^K on the simplex, "
    "α = exp θ, and log x the same without Π x_k^(−1); it integrates to one",
    source=f"{_MADDISON}, proposition 1 and eq. 10",
    assumptions=("the algebra is executed at two and three outcomes",),
    equation=density_equation,
    theorems=("change of variables",),
)

RELAXED_OBJECTIVE = claim(
    "gumbel.softmax.relaxed_objective",
    Status.DERIVED,
    statement="For two outcomes at τ = 1, E y₁ = a(a − 1 − log a)/(a − 1)² with a = exp(θ₁ − θ₂), and not a/(1 + a): "
    "the gradient through the relaxation is unbiased for the relaxed objective",
    source=f"{_MADDISON}, section 3.2 (the relaxed objective); the integral is computed here",
    assumptions=("a ≠ 1",),
)

UNBIASED = claim(
    "gumbel.softmax.unbiased",
    Status.REFUTED,
    statement="Gumbel-softmax and straight-through gradients are unbiased estimates of ∇ E f",
    source=f"common reading of {_MADDISON} and of Jang, Gu & Poole 2017, who call them biased themselves",
    counterexample="two equal logits, τ = 1, f = y₁, which is linear: both have the mean 1/6, and the gradient is 1/4; "
    "for f = y₁² straight-through has 1/6, too",
    corrected="they are unbiased for the relaxed objective E f(y), whose gradient tends to that of E f as τ → 0: for "
    "f = y₁ and equal logits it is ∫ σ'(x) λ(τx) dx, λ the logistic density, and λ(0) = 1/4",
    equation=bias_equation,
    theorems=("dominated convergence, for the limit",),
)
