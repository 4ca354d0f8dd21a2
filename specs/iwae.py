"""The importance-weighted bound: tighter with every draw, and how fast.

L_K = E log (1/K) Σ_k w_k with w_k = p(x, z_k)/q(z_k | x) is the ELBO for K = 1 and log p(x) for K → ∞. This page proves
the order of the bounds, measures it on exact numbers, and derives the gradient that is taken.

Sources: Burda, Grosse & Salakhutdinov 2016, "Importance weighted autoencoders"; Maddison et al. 2017, "Filtering
variational objectives"; Domke & Sheldon 2018, "Importance weighting and variational inference"; Tucker et al. 2019,
"Doubly reparameterized gradient estimators for Monte Carlo objectives".
"""

from __future__ import annotations

import itertools
import math

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import iwae_claims as claims
from genverify.noise.expectation import expectation
from genverify.noise.quadrature import gauss
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles import linear_gaussian_scalar as scalar
from genverify.oracles.importance_bound import by_laplace_transform, by_tensor_rule
from genverify.reference.likelihood import iwae
from genverify.reference.likelihood.linear_gaussian import LinearGaussianVAE

WIDE = torch.float64
# x | z ~ N(wz + c, s²), and q = N(m, l²): one pixel, one latent, an encoder that is off in mean and too wide, so that
# the weights have all moments.
X, W, C, S, M, L = 1.25, 0.75, 0.125, 0.625, 0.875, 0.75
EVIDENCE = scalar.log_evidence(X, W, C, S)
ELBO = scalar.elbo(X, W, C, S, M, L)


def passes(name: str) -> bool:
    """Whether every check that applies to the reference says PASS."""
    report = gv.verify(gv.Formula(getattr(iwae, name), like=f"iwae.{name}"), budget="quick")
    outcomes = {v.outcome for v in report}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def log_weight(epsilon: torch.Tensor) -> torch.Tensor:
    """log w/p(x) at z = m + lε."""
    z = M + L * epsilon
    log_joint = -0.5 * ((X - W * z - C) / S) ** 2 - math.log(S) - 0.5 * z**2
    return log_joint + 0.5 * epsilon**2 + math.log(L) - 0.5 * math.log(2 * math.pi) - EVIDENCE


def bound(draws: int) -> float:
    """L_K, integrated."""
    return by_laplace_transform(log_weight, draws) + EVIDENCE


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# L_1 = ELBO ≤ L_2 ≤ L_3 ≤ … ≤ log p(x).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The mean of K + 1 weights is the mean, over their K + 1 subsets of size K, of the subsets' means. The logarithm is
# concave: log of that ≥ the mean of the logarithms, each of which has expectation L_K, since the weights are
# independent and alike. And E log mean ≤ log E mean = log p(x).


@proves("iwae.bound.monotone")
def test_more_draws_tighten_the_bound():
    """The mean of three as a mean of means of two; the reference passes."""
    equation = claims.MONOTONE.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    w = sorted(equation.free_symbols, key=str)
    pairs = [sum(two) / sympy.Integer(2) for two in itertools.combinations(w, 2)]
    assert sympy.expand(sum(pairs) / 3 - equation.rhs) == 0
    t = sympy.Symbol("t", positive=True)
    assert sympy.diff(sympy.log(t), t, 2).is_negative  # concave
    assert passes("bound")


# ── A second witness ─────────────────────────────────────────────────────────────────────────────────────────────────
# L_K as a number: a Gauss–Hermite rule in K dimensions, and two nested one-dimensional integrals that do for any K. The
# inequalities are between these numbers.


@proves("iwae.bound.monotone")
def test_the_order_of_the_bounds_in_numbers():
    """L_1 is the closed form; two witnesses for K ≤ 3; strictly rising for K up to 4096, below log p(x)."""
    rounding = 2**12 * unit_roundoff(WIDE)
    bounds = [bound(2**k) for k in range(13)]
    assert abs(bounds[0] - ELBO) < rounding
    for draws, nodes in ((1, 60), (2, 60), (3, 60)):
        exact, fewer = (by_tensor_rule(log_weight, draws, n) + EVIDENCE for n in (nodes, nodes - 7))
        assert abs(exact - bound(draws)) < rounding + abs(exact - fewer)
    assert all(low < high for low, high in itertools.pairwise([*bounds, EVIDENCE]))
    gaps = [EVIDENCE - one for one in (bounds[0], bounds[3], bounds[6])]
    assert [f"{gap:.4f}" for gap in gaps] == ["0.0281", "0.0025", "0.0003"]


@proves("iwae.bound.monotone")
@pytest.mark.parametrize("draws", [1, 2, 3])
def test_the_reference_estimates_the_bound(draws):
    """The reference VAE at these numbers: its K draws of one row are integrated out, and give L_K."""
    vae = LinearGaussianVAE(1, 1).double()
    with torch.no_grad():
        for one, value in zip(vae.parameters(), (math.log(S), L, W, C, 0.0, M), strict=True):
            one.fill_(value)
    assert [name for name, _ in vae.named_parameters()][:3] == ["log_noise", "factor", "decoder.weight"]
    x = torch.tensor([[X]], dtype=WIDE)
    found = expectation(lambda: vae.importance_weighted_bound(x, draws).detach(), max_evaluations=2000)
    assert found.converged, found.reason
    assert abs(float(found.mean) - bound(draws)) <= float(found.error) + 1e-6 * abs(bound(draws))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The gap closes like ½ Var(w/p(x))/K.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With R = (1/K) Σ w/p(x), E R = 1 and Var R = Var(w/p(x))/K: log R = (R − 1) − ½ (R − 1)² + …, of expectation −½ Var R.


@proves("iwae.bound.rate")
def test_the_gap_closes_as_one_over_the_draws():
    """K times the gap at K = 64, 512 and 4096 approaches half the variance, each time six times closer or more."""
    points, weights = (torch.tensor(part, dtype=WIDE) for part in gauss("normal", 100))
    ratio = torch.exp(log_weight(points))
    assert abs(float((weights * ratio).sum()) - 1.0) < 2**12 * unit_roundoff(WIDE)
    half = 0.5 * float((weights * (ratio - 1) ** 2).sum())
    far = [abs(draws * (EVIDENCE - bound(draws)) - half) for draws in (64, 512, 4096)]
    assert far[1] < far[0] / 6
    assert far[2] < far[1] / 6


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The gradient of the bound is a weighted mean of those of the log-weights.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∇ log Σ w = Σ ∇w/Σ w, and ∇w = w ∇ log w. Σ w̃ log w has that gradient where w̃ is held fixed; else there is
# Σ log w_k ∇w̃_k more, which is no gradient of the bound.


@proves("iwae.weighted_elbo.gradient")
def test_the_gradient_of_the_bound():
    """At K = 3 with any functions of a parameter; the reference passes, and one that forgets `detach` fails."""
    t = sympy.Symbol("theta", real=True)
    logs = [sympy.Function(f"l{k}", real=True)(t) for k in range(3)]
    total = sum(sympy.exp(one) for one in logs)
    shares = [sympy.exp(one) / total for one in logs]
    slope = sympy.diff(sympy.log(total / 3), t)
    weighted = sum(share * sympy.diff(one, t) for share, one in zip(shares, logs, strict=True))
    assert sympy.simplify(slope - weighted) == 0
    more = sum(one * sympy.diff(share, t) for share, one in zip(shares, logs, strict=True))
    through = sympy.diff(sum(share * one for share, one in zip(shares, logs, strict=True)), t)
    assert sympy.simplify(through - weighted - more) == 0
    shown = claims.GRADIENT.equation().rhs
    k, first, last = shown.limits[0]
    terms = [shown.function.subs({k: at, last: 3}).doit() for at in range(int(first), 4)]
    found = sympy.S.Zero
    for term, one in zip(terms, logs, strict=True):
        values = {w: sympy.exp(logs[w.indices[0] - 1]) for w in term.atoms(sympy.Indexed)}
        (its_slope,) = (symbol for symbol in term.free_symbols if "nabla" in symbol.name)
        found += term.subs({**values, its_slope: sympy.diff(one, t)})
    assert sympy.simplify(found - weighted) == 0
    assert passes("weighted_elbo")

    def attached(log_w: torch.Tensor) -> torch.Tensor:
        return (torch.softmax(log_w, 1) * log_w).sum(1).mean()

    report = gv.verify(gv.Formula(attached, like="iwae.weighted_elbo"), budget="quick")
    assert [v.check for v in report.failures] == ["formula.gradient"]


# ── Where the weights are small ──────────────────────────────────────────────────────────────────────────────────────
# log-weights of images lie near −100 nats and below: in float32 e^(−104) is 0.


@proves("iwae.bound.monotone")
def test_a_bound_without_a_shift_is_lost():
    """log mean exp as it is written fails by its value where the weights underflow; the verdict has the input."""
    lost = torch.log(torch.exp(torch.tensor([-104.0, -105.0])).mean())
    kept = iwae.bound(torch.tensor([[-104.0, -105.0]]))
    assert float(lost) == -math.inf
    assert -105 < float(kept) < -104

    def unshifted(log_w: torch.Tensor) -> torch.Tensor:
        return torch.log(torch.exp(log_w).mean(1)).mean()

    report = gv.verify(gv.Formula(unshifted, like="iwae.bound"), budget="quick")
    assert [v.check for v in report.failures] == ["formula.extremes"]
