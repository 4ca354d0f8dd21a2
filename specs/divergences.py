"""Divergences and entropies beside the normal ones: discrete, Laplace, Jensen–Shannon, Rényi; free bits; from draws.

The Kullback–Leibler divergence of two categorical distributions is one line, and is still written with the arguments
reversed, averaged over the classes, or with a logarithm of what underflows. This page derives the closed forms and
their bounds, and shows what the usual slips do.

Sources: Cover & Thomas 2006, "Elements of information theory"; Lin 1991, "Divergence measures based on the Shannon
entropy" (IEEE Transactions on Information Theory 37); van Erven & Harremoës 2014, "Rényi divergence and
Kullback–Leibler divergence"; Gil, Alajaji & Linder 2013, "Rényi divergence measures for commonly used univariate
continuous distributions"; Kingma et al. 2016, "Improved variational inference with inverse autoregressive flow";
Schulman 2020, "Approximating KL divergence".
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch
from torch.nn import functional

import genverify as gv
from genverify.claims import proves
from genverify.formulas import divergence_claims
from genverify.oracles import divergence as oracle
from genverify.oracles import gaussian
from genverify.reference.likelihood import divergences as reference

P, Q, T = sympy.symbols("p q t", positive=True)


def passes(subject: gv.Formula) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def dialect(f, like: str) -> gv.Verdict:
    """The verdict on how a function writes a formula."""
    (verdict,) = gv.verify(gv.Formula(f, like=like), checks=["formula.dialect"])
    return verdict


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# KL ≥ 0 (Gibbs), for any number of classes.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ p log p/q = Σ q g(p/q) with g(t) = t log t − t + 1, since Σ p = Σ q = 1. g(1) = 0, g'(t) = log t, g'' = 1/t > 0.


@proves("kl.categorical.nonnegative")
def test_gibbs():
    """The summand, and the scalar inequality; reversed arguments are FAIL, and named."""
    g = T * sympy.log(T) - T + 1
    assert sympy.simplify(sympy.expand_log(Q * g.subs(T, P / Q) - (P * sympy.log(P / Q) - P + Q))) == 0
    assert (g.subs(T, 1), sympy.solve(sympy.diff(g, T), T), sympy.diff(g, T, 2)) == (0, [1], 1 / T)
    assert passes(gv.Formula(reference.kl_categorical, like="kl.categorical"))

    def backwards(probs_p: torch.Tensor, probs_q: torch.Tensor) -> torch.Tensor:
        return functional.kl_div(probs_p.log(), probs_q, reduction="batchmean")

    verdict = dialect(backwards, "kl.categorical")
    assert verdict.outcome is gv.Outcome.FAIL
    assert "under the second" in verdict.evidence.message


@proves("kl.bernoulli.closed_form")
def test_two_outcomes_by_their_logits():
    """The step that the oracle confirms; the reference passes."""
    (confirmed,) = oracle.kl_bernoulli.steps
    assert sympy.simplify(sympy.expand_log(confirmed.equation.lhs - confirmed.equation.rhs, force=True)) == 0
    assert passes(gv.Formula(reference.kl_bernoulli, like="kl.bernoulli"))


@proves("kl.laplace.closed_form")
def test_laplace():
    """E log p/q = log c/b − E|X − μ|/b + E|X − ν|/c, with E|X − μ| = b and E|X − ν| integrated on three pieces."""
    mu, b, nu, c = oracle.kl_laplace.symbols
    (confirmed,) = oracle.kl_laplace.steps
    d, x = sympy.Symbol("d", positive=True), sympy.Symbol("x", positive=True)
    assert 2 * sympy.integrate(x * sympy.exp(-x / b) / (2 * b), (x, 0, sympy.oo)) == b
    mean = confirmed.equation.rhs
    divergence = sympy.log(c) - sympy.log(b) - 1 + mean / c
    assert sympy.simplify(oracle.kl_laplace.expression.subs({mu: 0, nu: d}) - divergence) == 0
    assert passes(gv.Formula(reference.kl_laplace, like="kl.laplace"))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Free bits: no gradient below λ. Divided by n pixels first, the same λ is nλ: a divergence of 3 nats with λ = 0.5 is
# pushed, and over 16 pixels it is not.


@proves("kl.free_bits.no_gradient_below")
def test_below_the_threshold_nothing_is_pushed():
    """Symbolic slopes on both sides, then the gradient of the reference and of the slip."""
    lam, gap = sympy.symbols("lambda gap", positive=True)
    k = sympy.Symbol("k", positive=True)
    slope = sympy.diff(sympy.Max(lam, k), k)
    assert (slope.subs(k, lam + gap), slope.subs(lam, k + gap)) == (1, 0)
    kl = torch.tensor([[0.1, 3.0]], dtype=torch.float64, requires_grad=True)
    (right,) = torch.autograd.grad(reference.free_bits(kl, 0.5), kl)
    (slip,) = torch.autograd.grad(reference.free_bits(kl / 16, 0.5), kl)
    assert (right.tolist(), slip.tolist()) == ([[0.0, 1.0]], [[0.0, 0.0]])
    assert passes(gv.Formula(reference.free_bits, like="kl.free_bits"))


@proves("kl.monte_carlo.unbiased")
def test_estimates_from_draws():
    """Expectations at two outcomes; half the square of the log-ratio has another."""
    p, q = sympy.Rational(1, 2), sympy.Rational(1, 5)
    outcomes = [(p, q), (1 - p, 1 - q)]
    kl = sum(a * sympy.log(a / b) for a, b in outcomes)
    k3 = sum(a * (b / a - 1 - sympy.log(b / a)) for a, b in outcomes)
    k2 = sum(a * sympy.log(a / b) ** 2 / 2 for a, b in outcomes)
    symbols = sum(a * (b / a - 1) for a, b in ((P, Q), (1 - P, 1 - Q)))
    assert sympy.simplify(symbols) == 0
    assert sympy.simplify(sympy.expand_log(k3 - kl, force=True)) == 0
    assert abs(float(k2 - kl)) > 0.01
    assert passes(gv.Formula(reference.monte_carlo, like="kl.monte_carlo"))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# 0 ≤ JSD ≤ log 2 in nats.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# m ≥ p/2, so that p log p/m ≤ p log 2; the sum of the halves is log 2, with equality where q = 0 wherever p > 0.


@proves("divergence.jensen_shannon.bounded")
def test_the_jensen_shannon_divergence_is_bounded():
    """The pointwise bound with slack q, equality without; bits and a lost half are named."""
    m = (P + Q) / 2
    slack = P * sympy.log(2) - P * sympy.log(P / m)
    assert sympy.simplify(sympy.exp(slack / P) - (P + Q) / P) == 0  # so that the slack is p log((p + q)/p) ≥ 0
    assert sympy.limit(P * sympy.log((P + Q) / P), Q, 0) == 0
    far = torch.tensor([1e4, 0.0], dtype=torch.float64)
    apart = reference.jensen_shannon_categorical(far, -far).item()
    assert abs(apart - math.log(2)) <= 8 * torch.finfo(torch.float64).eps
    like = "divergence.jensen_shannon_categorical"
    assert passes(gv.Formula(reference.jensen_shannon_categorical, like=like))
    for factor, word in ((2.0, "without ½"), (1 / math.log(2), "in bits")):

        def scaled(logits_p: torch.Tensor, logits_q: torch.Tensor, factor: float = factor) -> torch.Tensor:
            return factor * reference.jensen_shannon_categorical(logits_p, logits_q)

        verdict = dialect(scaled, like)
        assert verdict.outcome is gv.Outcome.FAIL
        assert word in verdict.evidence.message


@proves("entropy.categorical.bounded")
@pytest.mark.parametrize("name", ["entropy_categorical", "entropy_bonus"])
def test_the_entropy_is_at_most_that_of_the_uniform_distribution(name):
    """H = log K − KL(p ‖ 1/K), summand by summand; at two outcomes its slope vanishes at ½ alone."""
    k = sympy.Symbol("K", positive=True)
    summand = P * sympy.log(k) - P * sympy.log(P * k)
    assert sympy.simplify(sympy.expand_log(summand, force=True) + P * sympy.log(P)) == 0
    equation = divergence_claims.ENTROPY.equation()
    (p,) = equation.rhs.free_symbols
    assert sympy.simplify(sympy.expand_log(equation.lhs.doit() - equation.rhs, force=True)) == 0
    assert sympy.solve(equation.rhs, p) == [sympy.Rational(1, 2)]
    like = {"entropy_categorical": "entropy.categorical", "entropy_bonus": "entropy.bonus"}[name]
    assert passes(gv.Formula(getattr(reference, name), like=like))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Rényi's divergence of normal distributions, and its limit, the Kullback–Leibler divergence.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# p^α q^(1 − α) is a Gaussian bell of variance σ²τ²/v times e^(−α(1 − α)d²/(2v)), up to σ^(−α) τ^(α − 1); its integral
# is σ^(1 − α) τ^α v^(−½) e^(−α(1 − α)d²/(2v)), whose logarithm over α − 1 is the closed form.


@proves("divergence.renyi_normals.closed_form")
def test_renyi_by_completing_the_square():
    """The square, then the logarithm of the integral over α − 1."""
    mu, sigma, nu, tau, alpha = oracle.renyi_normals.symbols
    (square,) = oracle.renyi_normals.steps
    assert sympy.simplify(square.equation.lhs - square.equation.rhs) == 0
    v = sympy.Symbol("v", positive=True)
    d2 = (mu - nu) ** 2
    logarithm = (1 - alpha) * sympy.log(sigma) + alpha * sympy.log(tau) - sympy.log(v) / 2
    logarithm -= alpha * (1 - alpha) * d2 / (2 * v)
    spread = alpha * tau**2 + (1 - alpha) * sigma**2
    gap = oracle.renyi_normals.expression - (logarithm / (alpha - 1)).subs(v, spread)
    assert sympy.simplify(sympy.expand_log(gap, force=True)) == 0
    assert passes(gv.Formula(reference.renyi_normals, like="divergence.renyi_normals"))


@proves("divergence.renyi_normals.tends_to_kl")
def test_the_limit_is_kullback_leibler():
    """The singular part is a derivative at α = 1: log(τ²/v)/(2(α − 1)) → (σ² − τ²)/(2τ²), since dv/dα = τ² − σ²."""
    mu, sigma, nu, tau, alpha = oracle.renyi_normals.symbols
    equation = divergence_claims.RENYI_LIMIT.equation()
    v = alpha * tau**2 + (1 - alpha) * sigma**2
    slope = sympy.diff(sympy.log(tau**2 / v) / 2, alpha).subs(alpha, 1)
    limit = sympy.log(tau / sigma) + slope + (mu - nu) ** 2 / (2 * tau**2)
    assert sympy.simplify(limit - equation.rhs) == 0
    same = dict(zip(gaussian.kl_divergence.symbols, (mu, sigma, nu, tau), strict=True))
    gap = equation.rhs - gaussian.kl_divergence.expression.subs(same)
    assert sympy.simplify(sympy.expand_log(gap, force=True)) == 0
