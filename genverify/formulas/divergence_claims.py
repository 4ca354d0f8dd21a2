"""Claims on discrete divergences and entropies, Rényi's divergence, free bits, estimates from draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import divergence

if TYPE_CHECKING:
    import sympy

__all__ = [
    "BERNOULLI", "CATEGORICAL", "ENTROPY", "FREE_BITS", "JENSEN_SHANNON", "LAPLACE", "MONTE_CARLO", "RENYI",
    "RENYI_LIMIT",
]  # fmt: skip


def _entropy() -> sympy.Basic:
    import sympy

    p = sympy.Symbol("p", positive=True)
    h = -p * sympy.log(p) - (1 - p) * sympy.log(1 - p)
    return sympy.Eq(sympy.Derivative(h, p), sympy.log((1 - p) / p), evaluate=False)


def _limit() -> sympy.Basic:
    import sympy

    alpha = divergence.renyi_normals.symbols[-1]
    mu, sigma, nu, tau, _ = divergence.renyi_normals.symbols
    kl = sympy.log(tau / sigma) + (sigma**2 + (mu - nu) ** 2) / (2 * tau**2) - sympy.Rational(1, 2)
    return sympy.Eq(sympy.Limit(divergence.renyi_normals.expression, alpha, 1), kl, evaluate=False)


BERNOULLI = claim(
    "kl.bernoulli.closed_form", Status.DERIVED,
    statement="p log p/q + (1 − p) log (1 − p)/(1 − q) = σ(l) (l − m) − log(1 + eˡ) + log(1 + eᵐ), p = σ(l), q = σ(m)",
    source="Kullback & Leibler 1951, eq. 2.4, for two outcomes", assumptions=("l, m real",),
)  # fmt: skip

CATEGORICAL = claim(
    "kl.categorical.nonnegative", Status.DERIVED,
    statement="Σ_k p_k log p_k/q_k ≥ 0 (Gibbs), and = 0 only for p = q: it is Σ_k q_k g(p_k/q_k) with "
    "g(t) = t log t − t + 1 ≥ 0",
    source="Cover & Thomas 2006, theorem 2.6.3", assumptions=("p, q positive, both summing to one",),
)  # fmt: skip

LAPLACE = claim(
    "kl.laplace.closed_form", Status.DERIVED,
    statement="KL(Laplace(μ, b) ‖ Laplace(ν, c)) = log c/b + |μ − ν|/c + (b/c) e^(−|μ − ν|/b) − 1",
    source="Gil, Alajaji & Linder 2013", assumptions=("b, c > 0; by symmetry ν ≥ μ in the derivation",),
)  # fmt: skip

FREE_BITS = claim(
    "kl.free_bits.no_gradient_below", Status.DERIVED,
    statement="max(λ, k) has slope 0 in k below λ and 1 above: a latent that costs less than λ is not pushed, and "
    "where the divergence is divided by n before the threshold, nothing below nλ is",
    source="Kingma et al. 2016, on free bits", assumptions=("λ > 0; k ≠ λ",),
)  # fmt: skip

MONTE_CARLO = claim(
    "kl.monte_carlo.unbiased", Status.DERIVED,
    statement="with r = q/p, E_p[−log r] = E_p[r − 1 − log r] = KL(p ‖ q), since E_p r = 1; E_p ½ (log r)² is not",
    source="Schulman 2020, \"Approximating KL divergence\"",
    assumptions=("q positive where p is; the algebra is executed at two outcomes",),
)  # fmt: skip

JENSEN_SHANNON = claim(
    "divergence.jensen_shannon.bounded", Status.DERIVED,
    statement="0 ≤ JSD(p, q) ≤ log 2, and JSD = log 2 where p and q have no outcome in common: p_k log p_k/m_k ≤ "
    "p_k log 2, since m_k ≥ p_k/2",
    source="Lin 1991", assumptions=("p, q nonnegative, both summing to one",),
)  # fmt: skip

RENYI = claim(
    "divergence.renyi_normals.closed_form", Status.DERIVED,
    statement="(1/(α − 1)) log ∫ p^α q^(1 − α) = log τ/σ + log(τ²/v)/(2(α − 1)) + α (μ − ν)²/(2v), v = ατ² + (1 − α)σ²",
    source="Gil, Alajaji & Linder 2013; van Erven & Harremoës 2014, eq. 10",
    assumptions=("α > 0, α ≠ 1, v > 0 (else it is infinite)",),
)  # fmt: skip

RENYI_LIMIT = claim(
    "divergence.renyi_normals.tends_to_kl", Status.DERIVED,
    statement="D_α(p ‖ q) → KL(p ‖ q) as α → 1",
    source="van Erven & Harremoës 2014, theorem 5, for normal densities", assumptions=("σ, τ > 0",), equation=_limit,
)  # fmt: skip

ENTROPY = claim(
    "entropy.categorical.bounded", Status.DERIVED,
    statement="0 ≤ H(p) = log K − KL(p ‖ uniform) ≤ log K, with log K for the uniform distribution alone",
    source="Cover & Thomas 2006, theorem 2.6.4", assumptions=("p positive, summing to one",), equation=_entropy,
)  # fmt: skip
