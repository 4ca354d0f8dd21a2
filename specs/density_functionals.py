"""What every density must obey: mass one, score of mean zero, an entropy, draws that follow it, digits in the tails.

Entropies of the Bernoulli and the Laplace distribution are derived, and the distribution function of the latter; then
sampler, density and entropy are held against each other, without Monte Carlo: the draws are intercepted and summed or
integrated out, so that E [−log p(draw)] is a number, and it is the entropy.

Sources: Fisher 1922, "On the mathematical foundations of theoretical statistics"; Cover & Thomas 2006, "Elements of
information theory"; Johnson, Kotz & Balakrishnan 1995, "Continuous univariate distributions", volume 2, chapter 24.
"""

from __future__ import annotations

import mpmath
import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.noise import expectation
from genverify.oracles import entropies as oracle
from genverify.reference.likelihood import densities as reference
from genverify.reference.likelihood import entropies

B = sympy.Symbol("b", positive=True)
T = sympy.Symbol("t", positive=True)
EPS = torch.finfo(torch.float64).eps


def passes(subject: gv.Formula) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# H = 1 + log 2b for Laplace, and σ(l) log(1 + e^(−l)) + σ(−l) log(1 + eˡ) for Bernoulli.


@proves("density.entropy.bernoulli")
def test_the_entropy_of_two_outcomes():
    """By the odds; its slope −l σ(l) σ(−l) vanishes at l = 0 alone; in bits is FAIL."""
    (confirmed,) = oracle.bernoulli.steps
    assert sympy.simplify(sympy.expand_log(confirmed.equation.lhs - confirmed.equation.rhs, force=True)) == 0
    u = sympy.Symbol("u", positive=True)
    entropy = confirmed.equation.rhs
    slope = sympy.simplify(u * sympy.diff(entropy, u))  # d/dl = u d/du
    assert sympy.simplify(sympy.expand_log(slope + sympy.log(u) * u / (1 + u) ** 2, force=True)) == 0
    assert sympy.simplify(entropy.subs(u, 1) - sympy.log(2)) == 0
    assert passes(gv.Formula(entropies.bernoulli, like="entropy.bernoulli"))

    def bits(probs: torch.Tensor) -> torch.Tensor:
        return -(probs * probs.log2() + (1 - probs) * (1 - probs).log2()).sum(-1)

    (verdict,) = gv.verify(gv.Formula(bits, like="entropy.bernoulli"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "in bits" in verdict.evidence.message


@proves("density.entropy.laplace")
def test_the_entropy_of_laplace():
    """Integrated in the oracle's derivation."""
    (confirmed,) = oracle.laplace.steps
    assert sympy.simplify(confirmed.equation.lhs.doit() - confirmed.equation.rhs) == 0
    assert passes(gv.Formula(entropies.laplace, like="entropy.laplace"))


@proves("density.laplace.distribution")
def test_the_slope_of_the_distribution_function():
    """On both sides of μ, and the limits."""
    x, mean, scale = oracle.laplace_cdf.symbols
    above = oracle.laplace_cdf.expression.subs(x, mean + T).doit()
    below = oracle.laplace_cdf.expression.subs(x, mean - T).doit()
    density = sympy.exp(-T / scale) / (2 * scale)
    assert sympy.simplify(sympy.diff(above, T) - density) == 0
    assert sympy.simplify(-sympy.diff(below, T) - density) == 0
    assert [sympy.limit(below, T, sympy.oo), sympy.limit(above, T, sympy.oo)] == [0, 1]
    assert passes(gv.Formula(entropies.laplace_cdf, like="density.laplace_cdf"))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E ∂ log p/∂θ = 0: the mass stays one when the parameter moves.


@proves("density.score.mean_zero")
def test_the_score_has_mean_zero():
    """Summed over outcomes; for Laplace integrated on both sides of μ."""
    logit = sympy.Symbol("l", real=True)
    masses = [1 / (1 + sympy.exp(-logit)), 1 / (1 + sympy.exp(logit))]
    assert sympy.simplify(sum(p * sympy.diff(sympy.log(p), logit) for p in masses)) == 0
    logits = sympy.symbols("l1:4", real=True)
    total = sum(map(sympy.exp, logits))
    classes = [sympy.exp(one) / total for one in logits]
    for one in logits:
        assert sympy.simplify(sum(p * sympy.diff(sympy.log(p), one) for p in classes)) == 0
    side = sympy.exp(-T / B) / (2 * B)
    # ∂/∂μ of −|x − μ|/b is ±1/b on the two sides; ∂/∂b is −1/b + t/b² on both.
    assert sympy.integrate(side / B, (T, 0, sympy.oo)) - sympy.integrate(side / B, (T, 0, sympy.oo)) == 0
    assert sympy.simplify(sympy.integrate(2 * side * sympy.diff(sympy.log(side), B), (T, 0, sympy.oo))) == 0


# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@proves("density.mass_of_the_references")
def test_the_mass_of_the_references():
    """Laplace by the check for densities, which finds a lost 2; outcomes by summing."""

    def density(x: torch.Tensor) -> torch.Tensor:
        return reference.laplace(x, torch.zeros(1).to(x), torch.full((1,), 0.75).to(x))

    report = gv.verify(gv.Density(density, event_shape=1), checks=["density.integrates_to_one"])
    assert report.count(gv.Outcome.PASS) == 1
    report = gv.verify(
        gv.Density(lambda x: density(x) + torch.tensor(2.0).log(), event_shape=1), checks=["density.integrates_to_one"]
    )
    assert report.count(gv.Outcome.FAIL) == 1
    logits = torch.tensor([[0.5, -1.0, 2.0]]).double().expand(3, 3)
    masses = torch.stack([reference.categorical(torch.tensor(k), logits[k]).exp() for k in range(3)])
    assert abs(float(masses.sum()) - 1) <= 16 * EPS


@proves("density.draws")
def test_the_surprise_at_the_draws_is_the_entropy():
    """E −log p(draw) over torch's own draws, exact for outcomes, to the error of the quadrature for numbers."""
    logit, logits = torch.tensor([0.7]).double(), torch.tensor([0.5, -1.0, 2.0]).double()
    scale = torch.tensor([0.75]).double()

    def coin() -> torch.Tensor:
        return -reference.bernoulli(torch.bernoulli(torch.sigmoid(logit)), logit)

    def die() -> torch.Tensor:
        drawn = torch.distributions.Categorical(logits=logits).sample()
        return -reference.categorical(drawn, logits)

    def double_exponential() -> torch.Tensor:
        magnitude = torch.distributions.Exponential(torch.ones(1).double()).sample() * scale
        return -reference.laplace(magnitude, torch.zeros(1).double(), scale)

    die_entropy = -(torch.softmax(logits, -1) * torch.log_softmax(logits, -1)).sum()
    for draw, entropy in (
        (coin, entropies.bernoulli(logit)),
        (die, die_entropy),
        (double_exponential, entropies.laplace(scale)),
    ):
        found = expectation(draw)
        assert found.converged, found.reason
        assert abs(float(found.mean.sum() - entropy)) <= float(found.error.sum()) + 64 * EPS * float(entropy)


@proves("density.tails")
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_digits_in_the_tails(size):
    """Against mpmath, where probabilities have underflowed long since."""
    logit = torch.tensor([-size]).double()
    with mpmath.workdps(40):
        true = -mpmath.log1p(mpmath.exp(mpmath.mpf(size)))
        assert abs(float(reference.bernoulli(torch.ones(1).double(), logit).sum()) - true) <= 8 * EPS * size
        two = torch.tensor([0.0, size]).double()
        assert abs(float(reference.categorical(torch.tensor(0), two)) - true) <= 8 * EPS * size
        far = torch.tensor([1e4 * size]).double()
        exact = -mpmath.log(2) - mpmath.mpf(1e4 * size)
        assert abs(float(reference.laplace(far, torch.zeros(1).double(), torch.ones(1).double())) - exact) <= (
            8 * EPS * abs(exact)
        )
