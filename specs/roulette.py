"""Russian roulette: the sum of infinitely many terms, without bias, from finitely many.

Cutting a series biases it. Stopping at random does not, if each term is weighed by the probability that it is reached.
The price is variance, and it may be infinite: the law of the last term must not fall faster than the squared terms.

Sources: Kahn 1955, "Use of different Monte Carlo sampling techniques"; Lyne, Girolami, Atchadé, Strathmann & Simpson
2015, "On Russian roulette estimates for Bayesian inference with doubly-intractable likelihoods"; Chen et al. 2019,
"Residual flows for invertible generative modeling".
"""

from __future__ import annotations

import itertools

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import stochastic_claims as topic
from genverify.noise import expectation
from genverify.reference.estimators import russian_roulette as reference
from genverify.subjects.estimator import GradientEstimator

D = torch.float64
TERMS = torch.tensor([1.0, -0.5, 0.75, 0.2], dtype=D)
STOPS = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=D)
REACHED = torch.tensor([1.0, 0.6, 0.3, 0.1], dtype=D)


def bias_verdict(f):
    """The verdict on the bias of an estimator of the sum, every place to stop enumerated."""
    subject = GradientEstimator(f, like="target.series_sum")
    (found,) = gv.verify(subject, checks=["gradient_estimator.bias"], budget="quick")
    return found.outcome


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E Σ_{k≤N} a_k/P(N ≥ k) = Σ_k a_k.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Term k is there when N ≥ k. Its mean is a_k/P(N ≥ k) times the probability of being there.


@proves("roulette.unbiased")
def test_each_term_is_paid_for_by_its_probability():
    """Four terms and any law of N, in symbols; the reference passes."""
    equation = topic.ROULETTE.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    assert bias_verdict(reference.roulette) is gv.Outcome.PASS


@proves("roulette.unbiased")
def test_the_weight_is_the_probability_of_being_reached():
    """P(N > k), P(N = k) for P(N ≥ k), no weight at all: each is another sum, and fails."""

    def beyond(terms, reached, last):
        return (terms / torch.cat([reached[1:], reached[-1:]])).cumsum(-1)[last].mean()

    def stopped(terms, pmf, last):
        return (terms / pmf).cumsum(-1)[last].mean()

    def unweighted(terms, reached, last):
        return (terms + 0 * reached).cumsum(-1)[last].mean()

    assert {bias_verdict(f) for f in (beyond, stopped, unweighted)} == {gv.Outcome.FAIL}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E a_N/P(N) = Σ_k a_k: one term stands for all.


@proves("roulette.single_term")
def test_one_term_over_its_probability():
    """Four terms and any law of N, in symbols; the reference passes, and fails with the other probability."""
    equation = topic.SINGLE_TERM.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    assert bias_verdict(reference.single_term) is gv.Outcome.PASS
    assert bias_verdict(lambda terms, reached, last: (terms / reached)[last].mean()) is gv.Outcome.FAIL


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Var Σ_{k≤N} a_k/P(N ≥ k) = Σ_jk a_j a_k (1/P(N ≥ min(j, k)) − 1).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E 1[N ≥ j] 1[N ≥ k] = P(N ≥ max(j, k)), which cancels one of P(N ≥ j) P(N ≥ k) and leaves the other.


@proves("roulette.variance")
def test_the_variance_is_a_double_sum():
    """Three terms and any law of N, in symbols; the reference's variance by enumeration, with four terms."""
    equation = topic.ROULETTE_VARIANCE.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    found = expectation(lambda: reference.roulette(TERMS, REACHED, torch.multinomial(STOPS, 1, replacement=True)))
    least = torch.minimum(torch.arange(4).unsqueeze(0), torch.arange(4).unsqueeze(1))
    exact = float((TERMS.outer(TERMS) * (1 / REACHED[least] - 1)).sum())
    assert found.method == "enumeration"
    assert abs(float(found.variance) - exact) <= 64 * torch.finfo(D).eps * float(TERMS.abs().sum() / 0.1) ** 2


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# For a_k = r^k and P(N ≥ k) = q^{k−1} it is r⁴(1 − q)/((1 − r)²(q − r²)) where r² < q, and infinite where r² ≥ q.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The double sum is Σ_k (a_k² + 2 a_k Σ_{j>k} a_j)/q^{k−1} − (Σ a_k)², two geometric series. The square of the estimate
# is at least that of its last term, (r^N/q^{N−1})², of mean (1 − q) r² Σ (r²/q)^n.


@proves("roulette.geometric")
def test_the_law_of_the_last_term_must_not_fall_faster_than_the_squares():
    """The sums by SymPy; partial sums of the double sum approach the closed form for r² < q, and grow for r² > q."""
    equation = topic.ROULETTE_GEOMETRIC.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    r, q = sympy.symbols("r q", positive=True)

    def partial(ratio, reach, size):
        """The variance of the sum of so many terms."""
        terms = torch.tensor([ratio**k for k in range(1, size + 1)], dtype=D)
        reached = torch.tensor([reach ** (k - 1) for k in range(1, size + 1)], dtype=D)
        later = terms.sum() - terms.cumsum(0)
        return float(((terms.square() + 2 * terms * later) * (1 / reached - 1)).sum())

    exact = float(equation.rhs.subs({r: 0.5, q: 0.5}))
    gaps = {size: abs(partial(0.5, 0.5, size) / exact - 1) for size in (8, 16, 32)}
    assert all(gap <= 64 * 0.5**size for size, gap in gaps.items())  # what is left of a series of ratio r²/q = ½
    grown = [partial(0.8, 0.5, size) for size in (8, 16, 32, 64)]  # r² = 0.64 > 0.5
    assert all(after > 2 * before for before, after in itertools.pairwise(grown))
    n = sympy.Symbol("n", integer=True, nonnegative=True)
    assert sympy.summation(sympy.Rational(64, 50) ** n, (n, 0, sympy.oo)) == sympy.oo


@proves("roulette.geometric")
def test_the_reference_has_that_variance():
    """Sixty terms of 1/2^k, the place to stop enumerated: beyond them 2^-60 is left."""
    terms = torch.tensor([0.5**k for k in range(1, 61)], dtype=D)
    reached = torch.tensor([0.7 ** (k - 1) for k in range(1, 61)], dtype=D)
    stops = reached - torch.cat([reached[1:], torch.zeros(1, dtype=D)])
    found = expectation(lambda: reference.roulette(terms, reached, torch.multinomial(stops, 1, replacement=True)))
    r, q = sympy.symbols("r q", positive=True)
    exact = float(topic.ROULETTE_GEOMETRIC.equation().rhs.subs({r: 0.5, q: 0.7}))
    rounding = 64 * torch.finfo(D).eps  # one for each term, and a few
    assert abs(float(found.variance) - exact) <= float(found.variance_error) + rounding * (1 + exact)
    assert abs(float(found.mean) - 1) <= float(found.error) + rounding
