"""Which gradient estimator has the lower variance: it depends on the problem, and here are four, in exact numbers.

All estimate ∂/∂μ E f(z), z ~ N(μ, 1), from two values of f (or of its slope). What is cheap for a linear f is dear for
a wave, and along the path a step has no gradient at all. So an order is an inequality between two numbers, each with
its error, and not a property of the estimators.

Sources: Mohamed, Rosca, Figurnov & Mnih 2020, "Monte Carlo gradient estimation in machine learning" (JMLR 21), section
3; Kool, van Hoof & Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sympy
import torch

from genverify.claims import proves
from genverify.formulas import variance_claims as topic
from genverify.noise import expectation
from genverify.reference.estimators import leave_one_out, measure_valued, pathwise, score_function

D = torch.float64
FAR, PANEL = 12, 0.3

# f, its slope, and μ.
PROBLEMS = {
    "linear": (lambda z: z, torch.ones_like, 1.0),
    "quadratic": (lambda z: z * z, lambda z: 2 * z, 1.0),
    "sin 10z": (lambda z: torch.sin(10 * z), lambda z: 10 * torch.cos(10 * z), 0.0),
    "step": (lambda z: (z > 0).to(D), torch.zeros_like, 0.3),
}

# The variances, to four digits; the slope of a step is zero, and no estimate of anything.
TABLE = {
    "linear": {
        "path": 0.0, "antithetic path": 0.0, "measure-valued": 0.2732, "baseline": 1.0, "score": 1.5,
        "leave-one-out": 2.0, "antithetic score": 2.0,
    },
    "quadratic": {
        "antithetic path": 0.0, "measure-valued": 1.0930, "path": 2.0, "antithetic score": 8.0, "baseline": 9.0,
        "leave-one-out": 14.0, "score": 15.0,
    },
    "sin 10z": {
        "score": 0.25, "baseline": 0.25, "measure-valued": 0.3191, "antithetic score": 0.5, "leave-one-out": 0.5,
        "path": 25.0, "antithetic path": 50.0,
    },
    "step": {
        "measure-valued": 0.0067, "baseline": 0.0588, "antithetic score": 0.1028, "score": 0.1790,
        "leave-one-out": 0.2496,
    },
}  # fmt: skip


def mean(values, noise):
    """E of a function of ε from its values at the nodes of `grid`."""
    return float((values * noise[1]).sum())


def grid():
    """Gauss–Legendre panels on both sides of every kink: nodes, and weights times the normal density."""
    nodes, weights = (torch.from_numpy(one) for one in np.polynomial.legendre.leggauss(20))
    left = torch.arange(-FAR, FAR, PANEL, dtype=D).unsqueeze(-1)
    e = (left + PANEL * (nodes + 1) / 2).reshape(-1)
    return e, (PANEL / 2 * weights).repeat(len(left)) * torch.exp(-e.square() / 2) / math.sqrt(2 * math.pi)


def exact(name):
    """Each variance from one-dimensional integrals, on paper; the gradient, E f and Var f."""
    f, slope, mu = PROBLEMS[name]
    noise = grid()
    e = noise[0]
    value, apart, steep = f(mu + e), f(mu + e) - f(mu - e), slope(mu + e)
    g, m, square = mean(value * e, noise), mean(value, noise), mean(value**2, noise)
    found = {
        "score": (mean((value * e) ** 2, noise) - g**2) / 2,
        "baseline": (mean(((value - m) * e) ** 2, noise) - g**2) / 2,
        "leave-one-out": (mean((value * e) ** 2, noise) + square) / 2 - mean(value * e**2, noise) * m,
        "antithetic score": mean((apart * e / 2) ** 2, noise) - g**2,
        # E h(W) = √(π/2) E |ε| h(|ε|) for W Rayleigh.
        "measure-valued": math.sqrt(math.pi / 2) * mean(e.abs() * apart**2, noise) / (2 * math.pi) - g**2,
    }
    if name != "step":
        both = (slope(mu + e) + slope(mu - e)) / 2
        found["path"] = (mean(steep**2, noise) - g**2) / 2
        found["antithetic path"] = mean(both**2, noise) - g**2
    return found, (g, m, square - m**2)


def estimators(name):
    """One estimate by our references, with the number of independent ones that two values of f allow."""
    f, _, mu = PROBLEMS[name]
    at, one = torch.tensor([mu], dtype=D), torch.ones(1, dtype=D)
    level = exact(name)[1][1]

    def reward(z):
        return f(z).sum(-1)

    def noise(n=1):
        return torch.randn(n, 1, dtype=D)

    def by_score(e, b=0.0):
        return score_function.normal(at, one, lambda z: reward(z) - b, at + e)[0]

    made = {
        "score": (lambda: by_score(noise()), 2),
        "baseline": (lambda: by_score(noise(), level), 2),
        "leave-one-out": (lambda: leave_one_out.estimate(reward(at + (e := noise(2))), e), 1),
        "antithetic score": (lambda: by_score(torch.cat([e := noise(), -e])), 1),
    }
    if name != "step":
        made["path"] = (lambda: pathwise.normal(at, one, reward, noise())[0], 2)
        made["antithetic path"] = (lambda: pathwise.normal(at, one, reward, torch.cat([e := noise(), -e]))[0], 1)
    return made


# ── Claim, REFUTED ───────────────────────────────────────────────────────────────────────────────────────────────────
# "Gradient estimators are ordered by variance: score function, with a baseline, measure-valued, reparameterised."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# The table: a linear f orders them so; sin 10z turns the order round, and mirrored draws help the path of a quadratic
# and harm its wave.


@proves("variance_ordering.none")
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_table_is_exact(name):
    """Every number from one-dimensional integrals; neighbours in the order differ, or are equal to rounding."""
    found, _ = exact(name)
    shown = TABLE[name]
    assert set(found) == set(shown)
    assert {one: f"{value:.4f}" for one, value in shown.items()} == {k: f"{abs(v):.4f}" for k, v in found.items()}
    numbers = [found[one] for one in shown]
    error = 4_096 * torch.finfo(D).eps * max(numbers)
    assert all(low <= high + error for low, high in itertools.pairwise(numbers))


@proves("variance_ordering.none")
def test_no_order_holds_for_all_four():
    """Pairs that are in one order here and in the other there, each by more than both errors."""
    found = {name: exact(name)[0] for name in PROBLEMS}

    def less(name, one, other):
        return found[name][one] < 0.99 * found[name][other]

    for one, other, here, there in (
        ("path", "score", "quadratic", "sin 10z"),
        ("path", "measure-valued", "linear", "sin 10z"),
        ("antithetic path", "path", "quadratic", "sin 10z"),
        ("antithetic score", "score", "quadratic", "linear"),
        ("path", "measure-valued", "linear", "quadratic"),
    ):
        assert less(here, one, other)
        assert less(there, other, one)


@proves("variance_ordering.none")
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_measure_valued_reference_has_its_variance(name):
    """One Rayleigh draw on both sides, of density w exp(-w²/2) for w > 0, by the same panels."""
    f, _, mu = PROBLEMS[name]
    e, weights = grid()
    w, weights = e[e > 0], (weights * e * math.sqrt(2 * math.pi))[e > 0]
    at, one = torch.tensor(mu, dtype=D), torch.ones((), dtype=D)
    estimates = torch.stack([measure_valued.normal_mean(at, one, f, draw) for draw in w.unsqueeze(-1)])
    found, (g, _, _) = exact(name)
    first, second = float(estimates @ weights), float(estimates**2 @ weights)
    rounding = 4_096 * torch.finfo(D).eps
    assert abs(first - g) <= rounding
    assert abs(second - first**2 - found["measure-valued"]) <= rounding * (1 + second)


@proves("variance_ordering.none")
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_references_have_these_variances(name):
    """Their draws integrated out, and the variance within the error of integration."""
    found, (g, _, _) = exact(name)
    for one, (estimate, copies) in estimators(name).items():
        options = {"nodes": (140, 180, 220)} if name == "sin 10z" else {"max_evaluations": 4_096}
        made = expectation(estimate, **options)
        assert made.converged, (one, made.reason)
        rounding = 4_096 * torch.finfo(D).eps * (1 + found[one] + g**2)
        error = float(made.variance_error.sum()) / copies
        assert abs(float(made.variance) / copies - found[one]) <= error + rounding, one
        assert abs(float(made.mean) - g) <= float(made.error) + rounding, one


# ── Corrected claim ──────────────────────────────────────────────────────────────────────────────────────────────────
# Of leave-one-out with two samples and the baseline E f, the latter has less variance by ½ (Var f + g²), for every f:
# the baseline that comes for free is noisy. Whether it gains on no baseline at all depends on E f.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The estimate is ½ (f₁ − f₂)(s₁ − s₂). Independence, E s = 0 and E s² = I leave
# ½ (E f²s² + E f² I) − E f E fs² for its variance, g = E fs.


@proves("variance_ordering.none")
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_free_baseline_costs_half_the_variance_of_the_reward(name):
    """For all symbols; and the numbers of the table."""
    equation = topic.NONE.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    found, (g, _, spread) = exact(name)
    gap = found["leave-one-out"] - found["baseline"]
    assert abs(gap - (spread + g**2) / 2) <= 4_096 * torch.finfo(D).eps * (1 + found["leave-one-out"])
