"""Importance sampling: an expectation under p from draws of q, its bias where the weights are normalised, and its size.

The importance-weighted bound, off-policy gradients and covariate shift all weight draws by w = p/q. This page shows
when the estimate is unbiased, what normalising the weights by their own sum costs, and how many draws the weights are
worth.

Sources: Robert & Casella 2004, "Monte Carlo statistical methods", sections 3.3.1 and 3.3.2; Kong 1992, "A note on
importance sampling using standardized weights"; Liu 2001, "Monte Carlo strategies in scientific computing"; Shimodaira
2000, "Improving predictive inference under covariate shift by weighting the log-likelihood function".
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import importance, stochastic_claims
from genverify.noise import expectation
from genverify.reference.estimators import importance_sampling as estimator
from genverify.reference.likelihood import importance as reference
from genverify.subjects.estimator import GradientEstimator


def passes(name: str) -> bool:
    """Whether every check that applies to the reference says PASS."""
    subject = gv.Formula(getattr(reference, name), like=f"importance.{name}")
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E_q[w f] = E_p f.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ q (p/q) f = Σ p f, outcome by outcome; where q = 0 and p f is not, that outcome is missing.


@proves("importance.mean.unbiased")
@pytest.mark.parametrize("name", ["weights", "mean", "weighted_nll"])
def test_the_weights_make_up_for_the_proposal(name):
    """At two outcomes with symbolic probabilities; the references pass."""
    p, q, f1, f2 = sympy.symbols("p q f1 f2", positive=True)
    estimate = q * (p / q) * f1 + (1 - q) * ((1 - p) / (1 - q)) * f2
    assert sympy.simplify(estimate - (p * f1 + (1 - p) * f2)) == 0
    assert passes(name)


@proves("importance.mean.unbiased")
def test_an_estimator_of_the_mean_under_another_law_passes():
    """Every outcome of its draws is counted; with the weights upside down, or normalised, it fails."""

    def upside_down(f, p, q, n):
        x = q.sample((n,))
        return (f(x) * (q.log_prob(x) - p.log_prob(x)).exp()).mean()

    def normalised(f, log_w, x):
        return (torch.softmax(log_w, 0) * f(x)).sum()

    for f, outcome in (
        (estimator.mean, gv.Outcome.PASS), (upside_down, gv.Outcome.FAIL), (normalised, gv.Outcome.FAIL),
    ):  # fmt: skip
        subject = GradientEstimator(f, like="target.mean_under_target")
        (found,) = gv.verify(subject, checks=["gradient_estimator.bias"], budget="quick")
        assert found.outcome is outcome, str(found)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# n times its variance is E_q[(fp/q)²] − (E_p f)², which is at least (E_p|f|)² − (E_p f)²; equal for q ∝ |f|p.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ p²f²/q − (Σ p|f|)² = Σ q (p|f|/q − Σ p|f|)² ≥ 0, by Σ q = 1. For a positive f the best proposal leaves no variance
# at all; p itself leaves Var_p f.


@proves("importance.mean.variance")
def test_the_best_proposal_is_not_the_target():
    """The sum of squares for all symbols; the reference's variance by enumeration for p, the best q, another."""
    equation = stochastic_claims.IMPORTANCE_VARIANCE.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    p, f = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)
    found = []
    for q in (p, p * f / (p @ f), torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)):

        def once(q=q):
            return estimator.mean(
                lambda k: f[k], lambda k: p[k].log(), lambda k: q[k].log(), torch.multinomial(q, 2, replacement=True)
            )

        made = expectation(once)
        exact = float(((p * f).square() / q).sum() - (p @ f).square()) / 2
        assert abs(float(made.variance) - exact) <= float(made.variance_error)
        found.append(exact)
    assert found[1] < found[0] < found[2]
    assert abs(found[1]) <= 8 * torch.finfo(torch.float64).eps


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ w f / Σ w is biased by O(1/n). p = (½, ½), q = (¼, ¾), f = (1, 0): E_p f = ½, and with one draw the estimate is f
# itself, of expectation E_q f = ¼.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The number k of draws that are the first outcome is binomial: the expectation is a sum of n + 1 rational numbers. A
# ratio of means expands to E_p f + (E_p f Var w − Cov(w, wf))/n + O(1/n²), here −1/(3n).


@proves("importance.self_normalised_mean.bias")
def test_the_bias_falls_as_one_over_n():
    """Exactly, for up to 256 draws: n times the bias approaches −1/3, each time closer than a fourth as far."""
    q = (Fraction(1, 4), Fraction(3, 4))
    w = tuple(Fraction(1, 2) / one for one in q)

    def bias(n: int) -> Fraction:
        masses = (comb(n, k) * q[0] ** k * q[1] ** (n - k) for k in range(n + 1))
        return sum(m * Fraction(k * w[0], k * w[0] + (n - k) * w[1]) for k, m in enumerate(masses)) - Fraction(1, 2)

    variance = sum(b * a**2 for a, b in zip(w, q, strict=True)) - 1
    covariance = q[0] * w[0] * w[0] - Fraction(1, 2)
    limit = Fraction(1, 2) * variance - covariance
    assert (bias(1), limit) == (Fraction(-1, 4), Fraction(-1, 3))
    gaps = [abs(n * bias(n) - limit) for n in (16, 64, 256)]
    assert gaps[1] < gaps[0] / 3
    assert gaps[2] < gaps[1] / 3
    assert passes("self_normalised_mean")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# 1 ≤ (Σ w)²/Σ w² ≤ n.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# (Σ w)² = Σ w² + Σ_{i≠j} w_i w_j ≥ Σ w², and n Σ w² − (Σ w)² = Σ_{i<j} (w_i − w_j)² ≥ 0. With mean m and standard
# deviation c m, Σ w = n m and Σ w² = n m² (1 + c²).


@proves("importance.effective_sample_size.bounds")
def test_the_effective_sample_size_is_between_one_and_n():
    """Both inequalities as sums of squares and products at three draws; Kong's form."""
    w = sympy.symbols("w1:4", nonnegative=True)
    total, squares = sum(w) ** 2, sum(one**2 for one in w)
    pairs = [(a, b) for i, a in enumerate(w) for b in w[i + 1 :]]
    assert sympy.expand(total - squares - 2 * sum(a * b for a, b in pairs)) == 0
    assert sympy.expand(3 * squares - total - sum((a - b) ** 2 for a, b in pairs)) == 0
    equation = importance.ESS.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    assert passes("effective_sample_size")
