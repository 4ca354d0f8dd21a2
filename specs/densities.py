"""Log-densities beside the normal one: Bernoulli, categorical, Laplace, logistic, and the logistic on a grid.

The decoder of an autoencoder says how likely the data are, and does it in one of these. Each is a few symbols, of which
people lose the 2 of the Laplace distribution, the normaliser of the logits, or the tails of the outermost bins of a
grid. This page shows that each has mass one, and writes each so that it keeps its digits in the tails.

Sources: Bishop 2006, "Pattern recognition and machine learning"; Johnson, Kotz & Balakrishnan 1995, "Continuous
univariate distributions", volume 2, chapters 23 and 24; Salimans, Karpathy, Chen & Kingma 2017, "PixelCNN++" (ICLR),
eqs. 1 and 2.
"""

from __future__ import annotations

import mpmath
import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import density, density_claims
from genverify.oracles import density as oracle
from genverify.reference.likelihood import densities as reference

X, MU, S = oracle.laplace.symbols


def passes(subject: gv.Formula) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Bernoulli: log p(x) = x log σ(l) + (1 − x) log σ(−l). Categorical: log p(k) = log softmax(l)_k.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# σ(l) + σ(−l) = 1. The softmax divides by its own sum; a constant added to all logits cancels in it.


@proves("density.bernoulli.normalised")
def test_two_masses_sum_to_one():
    """For a symbolic logit; the reference passes every check."""
    equation = density_claims.BERNOULLI.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    assert passes(gv.Formula(reference.bernoulli, like=density.BERNOULLI.name))


@proves("density.categorical.normalised")
def test_the_masses_of_the_classes_sum_to_one():
    """At three classes; a logit taken for a log-probability is FAIL."""
    logits = sympy.symbols("l1:4", real=True)
    c = sympy.Symbol("c", real=True)
    total = sum(sympy.exp(one) for one in logits)
    masses = [sympy.exp(one) / total for one in logits]
    assert sympy.simplify(sum(masses)) == 1
    for mass in masses:
        moved = mass.subs({one: one + c for one in logits}, simultaneous=True)
        assert sympy.simplify(moved - mass) == 0

    def raw(x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return logits.gather(-1, x[..., None])[..., 0]

    (verdict,) = gv.verify(gv.Formula(raw, like="density.categorical"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert passes(gv.Formula(reference.categorical, like=density.CATEGORICAL.name))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Laplace: log p(x) = −log 2b − |x − μ|/b, of variance 2b².
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Each side of μ has ∫₀^∞ e^(−t/b)/(2b) dt = ½, and ∫₀^∞ t² e^(−t/b)/(2b) dt = b² of the second moment.


@proves("density.laplace.normalised")
def test_the_laplace_density_has_mass_one():
    """One half on each side, for symbolic μ and b."""
    equation, t = density_claims.LAPLACE.equation(), sympy.Symbol("t", positive=True)
    (integrand, (x, *_)) = equation.lhs.args
    sides = [sympy.integrate(integrand.subs(x, MU + sign * t), (t, 0, sympy.oo)) for sign in (1, -1)]
    assert sides == [sympy.Rational(1, 2)] * 2
    assert sum(sides) == equation.rhs
    assert passes(gv.Formula(reference.laplace, like=density.LAPLACE.name))


@proves("density.laplace.variance")
def test_the_scale_is_no_standard_deviation():
    """The second moment is 2b², and code that reads b as a standard deviation is told so."""
    t = sympy.Symbol("t", positive=True)
    half = sympy.integrate(t**2 * sympy.exp(oracle.laplace.expression.subs(X, MU + t)), (t, 0, sympy.oo))
    assert sympy.simplify(2 * half - 2 * S**2) == 0

    def by_deviation(x: torch.Tensor, loc: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return torch.distributions.Laplace(loc, scale / 2**0.5).log_prob(x)

    (verdict,) = gv.verify(gv.Formula(by_deviation, like="density.laplace"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "√2 b" in verdict.evidence.message


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Logistic: log p(x) = log σ(z) + log σ(−z) − log s, z = (x − μ)/s.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# It is the derivative of the distribution function σ(z), and σ' = σ(z) σ(−z).


@proves("density.logistic.normalised")
def test_the_logistic_density_is_the_slope_of_the_sigmoid():
    """The derivative, its two forms, and the limits of the distribution function."""
    equation = density_claims.LOGISTIC.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    written = sympy.exp(oracle.logistic.expression.rewrite(sympy.log))
    u = sympy.Symbol("u", positive=True)  # e^(−z)
    rational = [form.subs(X, MU - S * sympy.log(u)) for form in (written, equation.rhs)]
    assert sympy.simplify(sympy.simplify(rational[0]) - sympy.simplify(rational[1])) == 0
    distribution = equation.lhs.expr
    assert [sympy.limit(distribution, X, end) for end in (-sympy.oo, sympy.oo)] == [0, 1]
    assert passes(gv.Formula(reference.logistic, like=density.LOGISTIC.name))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The logistic on a grid: the bins of neighbouring levels share an edge, so that the sum telescopes to σ at the upper
# edge of the last minus σ at the lower edge of the first: 1 − 0 where these have the tails, and less where not.


@proves("density.discretised_logistic.sums_to_one")
def test_the_masses_of_the_levels_sum_to_one():
    """The telescoping sum for 2 to 6 levels, then the reference at 256."""
    sigma = sympy.Function("sigma")
    for levels in range(2, 7):
        h = sympy.Rational(1, levels - 1)
        grid = [-1 + 2 * h * k for k in range(levels)]
        narrow = sum(sigma((x + h - MU) / S) - sigma((x - h - MU) / S) for x in grid)
        assert sympy.expand(narrow - sigma((1 + h - MU) / S) + sigma((-1 - h - MU) / S)) == 0
        tails = (1 - sigma((1 + h - MU) / S)) + sigma((-1 - h - MU) / S)
        assert sympy.expand(narrow + tails) == 1
    levels = torch.linspace(-1, 1, 256, dtype=torch.float64)
    mean, scale = torch.tensor(0.3, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    total = reference.discretised_logistic(levels, mean, scale).exp().sum()
    assert abs(total.item() - 1) <= 256 * 64 * torch.finfo(torch.float64).eps


@proves("density.discretised_logistic.stable")
def test_the_difference_is_a_product():
    """By rational algebra; 60 scales out the difference is 0 in float64, and the product right."""
    (confirmed,) = oracle.discretised_logistic_inside.steps
    assert sympy.simplify(confirmed.equation.lhs - confirmed.equation.rhs) == 0
    x, one = torch.tensor(60.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    half = 1 / 255
    assert (torch.sigmoid(x + half) - torch.sigmoid(x - half)).item() == 0
    found = oracle.discretised_logistic_inside(x, 0 * one, one, half).item()
    with mpmath.workdps(60):
        true = mpmath.log(1 / (1 + mpmath.exp(-60 - mpmath.mpf(half))) - 1 / (1 + mpmath.exp(-60 + mpmath.mpf(half))))
    assert abs(found - true) <= 8 * torch.finfo(torch.float64).eps * abs(true)


@proves("density.discretised_logistic.sums_to_one")
@pytest.mark.parametrize("name", ["discretised_logistic", "discretised_logistic_mixture"])
def test_the_references_on_a_grid_pass(name):
    """Every check that applies to the reference says PASS."""
    assert passes(gv.Formula(getattr(reference, name), like=f"density.{name}"))
