"""Losses of adversarial games: what the best discriminator is, what the generator then minimises, and what saturates.

A discriminator and a generator are trained on two losses of the same scores, and each has half a dozen forms. This page
derives what each form is minimised by, and where its gradient goes. Sums over x are sums over points: what is shown at
one point holds at all of them, since a discriminator may take any value at each.

Sources: Goodfellow et al. 2014, "Generative adversarial nets"; Lim & Ye 2017, "Geometric GAN"; Mao et al. 2017, "Least
squares generative adversarial networks"; Salimans et al. 2016, "Improved techniques for training GANs"; Arjovsky,
Chintala & Bottou 2017, "Wasserstein generative adversarial networks"; Jolicoeur-Martineau 2019, "The relativistic
discriminator"; Nguyen, Wainwright & Jordan 2009, "On surrogate loss functions and f-divergences".
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import gan_claims
from genverify.oracles import adversarial as oracle
from genverify.reference.adversarial import losses as reference

P, Q = sympy.symbols("p q", positive=True)
D = sympy.Symbol("D", positive=True)
T = sympy.Symbol("t", real=True)


def passes(f, like: str) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(f, like=like), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The best discriminator against a fixed generator is D* = p/(p + q), p the density of the data, q of the generator.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# At a point the game is p log D + q log(1 − D). Its slope p/D − q/(1 − D) vanishes at p/(p + q); the second derivative
# −p/D² − q/(1 − D)² is negative.


@proves("gan.minimax.optimal_discriminator")
def test_the_best_discriminator():
    """The stationary point, the curvature, and the closed form by log-densities; the references pass."""
    game = P * sympy.log(D) + Q * sympy.log(1 - D)
    assert sympy.solve(sympy.diff(game, D), D) == [P / (P + Q)]
    u = sympy.Symbol("u", positive=True)  # D = 1/(1 + u) lies between 0 and 1
    curvature = sympy.factor(sympy.diff(game, D, 2).subs(D, 1 / (1 + u)))
    assert curvature.is_negative
    data, generator = oracle.optimal_discriminator.symbols
    by_logs = oracle.optimal_discriminator.expression.subs({data: sympy.log(P), generator: sympy.log(Q)})
    assert sympy.simplify(by_logs - P / (P + Q)) == 0
    assert passes(reference.optimal_discriminator, "gan.optimal_discriminator")
    assert passes(reference.discriminator_loss_minimax, "gan.discriminator_loss_minimax")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Against D* the generator's loss is −log 4 + 2 JSD(p, q).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With m = (p + q)/2, p/(p + q) = p/(2m): each logarithm gives log(p/m) − log 2, and Σ p = Σ q = 1.


@proves("gan.minimax.value")
def test_the_value_at_the_best_discriminator():
    """The summand: what is left beside −(p + q) log 2 is twice the summand of the divergence."""
    best = P / (P + Q)
    m = (P + Q) / 2
    game = P * sympy.log(best) + Q * sympy.log(1 - best)
    divergence = (P * sympy.log(P / m) + Q * sympy.log(Q / m)) / 2
    rest = sympy.expand_log(game - 2 * divergence + (P + Q) * sympy.log(2), force=True)
    assert sympy.simplify(rest) == 0
    (divergence_symbol,) = gan_claims.VALUE.equation().rhs.free_symbols
    assert gan_claims.VALUE.equation().rhs.subs(divergence_symbol, 0).equals(-2 * sympy.log(2))
    assert passes(reference.value_at_optimum, "gan.value_at_optimum")
    p = torch.tensor([[0.3, 1.2, -0.5]], dtype=torch.float64)
    assert float(reference.value_at_optimum(p, p)) == pytest.approx(-math.log(4.0), rel=1e-15)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log(1 − D(G(z))) saturates where the discriminator wins, −log D(G(z)) does not.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With D = σ(f): d/df log(1 − σ(f)) = −σ(f) → 0 and d/df (−log σ(f)) = σ(f) − 1 → −1 as f → −∞.


@proves("gan.generator.saturation")
def test_what_saturates():
    """Both slopes, and their limits; the wrong form is FAIL under the other's name, and named."""
    (f,) = oracle.saturating_generator.symbols
    sigma = 1 / (1 + sympy.exp(-f))
    slopes = [
        sympy.diff(loss.expression.subs(loss.symbols[0], f), f)
        for loss in (oracle.saturating_generator, oracle.nonsaturating_generator)
    ]
    assert sympy.simplify(slopes[0] + sigma) == 0
    assert sympy.simplify(slopes[1] - (sigma - 1)) == 0
    assert [sympy.limit(slope, f, -sympy.oo) for slope in slopes] == [0, -1]
    (verdict,) = gv.verify(
        gv.Formula(reference.generator_loss_saturating, like="gan.generator_loss_nonsaturating"),
        checks=["formula.dialect"],
    )
    assert verdict.outcome is gv.Outcome.FAIL
    assert "gan.generator_loss_saturating" in verdict.evidence.message


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The hinge loss is least at ±1, and is then 2 min(p, q).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# p max(0, 1 − t) + q max(0, 1 + t) is piecewise linear with slopes −p, q − p, q: the least value is at −1 or at 1.


@proves("gan.hinge.optimum")
def test_the_hinge_is_least_at_the_margins():
    """The slopes of the three pieces, the two values between which the least lies, and the references."""
    real, fake = oracle.hinge_discriminator.symbols
    loss = oracle.hinge_discriminator.expression
    weighed = P * loss.subs({real: T, fake: -2}) + Q * loss.subs({real: 2, fake: T})
    slopes = [sympy.diff(weighed.subs(T, at + T), T).subs(T, 0).doit() for at in (-2, 0, 2)]
    slopes = [sympy.simplify(slope.rewrite(sympy.Piecewise)) for slope in slopes]
    assert slopes == [-P, Q - P, Q]
    values = [sympy.simplify(weighed.subs(T, at)) for at in (1, -1)]
    assert values == [2 * Q, 2 * P]
    assert passes(reference.discriminator_loss_hinge, "gan.discriminator_loss_hinge")
    assert passes(reference.generator_loss_hinge, "gan.generator_loss_hinge")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The least-squares discriminator is the mean of its labels, weighed by p and q.


@proves("gan.least_squares.optimum")
def test_the_least_squares_discriminator():
    """Where the slope vanishes, with labels a of generated and b of real samples."""
    a, b = sympy.symbols("a b", real=True)
    score, label = oracle.least_squares.symbols
    loss = oracle.least_squares.expression
    weighed = P * loss.subs({score: T, label: b}) + Q * loss.subs({score: T, label: a})
    (best,) = sympy.solve(sympy.diff(weighed, T), T)
    assert sympy.simplify(best - (b * P + a * Q) / (P + Q)) == 0
    assert sympy.diff(weighed, T, 2).is_positive
    assert passes(reference.discriminator_loss_least_squares, "gan.discriminator_loss_least_squares")
    assert passes(reference.generator_loss_least_squares, "gan.generator_loss_least_squares")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A relativistic loss, and a critic's, know scores up to a constant alone.


@proves("gan.relativistic.shift")
def test_a_constant_added_to_all_scores():
    """The relativistic loss stays, the minimax loss moves."""
    real, fake = oracle.relativistic.symbols
    shifted = {real: real + T, fake: fake + T}
    loss = oracle.relativistic.expression
    assert sympy.simplify(loss.subs(shifted, simultaneous=True) - loss) == 0
    r, f, smoothing, noise = oracle.minimax_discriminator.symbols
    plain = oracle.minimax_discriminator.expression.subs({smoothing: 0, noise: 0})
    assert sympy.diff(plain.subs({r: r + T, f: f + T}, simultaneous=True), T).subs({r: 0, f: 1, T: 0}) != 0


@proves("wgan.critic.shift")
def test_a_critic_is_known_up_to_a_constant_and_its_loss_is_unbounded():
    """Two samples of each: shifted and scaled scores."""
    scores = sympy.symbols("r1 r2 f1 f2", real=True)

    def loss(r1, r2, f1, f2):
        return (f1 + f2) / 2 - (r1 + r2) / 2

    assert sympy.expand(loss(*(s + T for s in scores)) - loss(*scores)) == 0
    assert sympy.expand(loss(*(T * s for s in scores)) - T * loss(*scores)) == 0
    assert passes(reference.critic_loss, "wgan.critic_loss")
    assert passes(reference.generator_loss_wasserstein, "wgan.generator_loss")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Feature matching sees means alone.


@proves("gan.feature_matching.zero")
def test_feature_matching_sees_means_alone():
    """Zero for other samples of the same mean; the slope in one generated feature."""
    g1, g2, m = sympy.symbols("g1 g2 m", real=True)
    loss = ((g1 + g2) / 2 - m) ** 2
    assert sympy.simplify(sympy.diff(loss, g1) - 2 * ((g1 + g2) / 2 - m) / 2) == 0
    real = torch.tensor([[0.0], [2.0]])
    assert float(reference.feature_matching(real, torch.tensor([[-5.0], [7.0]]))) == 0.0
    assert passes(reference.feature_matching, "gan.feature_matching")


# ── Claim, as it is written ──────────────────────────────────────────────────────────────────────────────────────────
# Taking the logarithm inside the expectation keeps the optimal discriminator of E[D(x) (1 − D(G(z)))].
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Two points, p = (0.6, 0.4), q = (0.4, 0.6). x and z are independent, so that the expectation is a product, bilinear
# in D at each point: its maximum over the square is at a corner or where a slope vanishes.


@proves("gan.minimax.log_inside")
def test_the_logarithm_inside_moves_the_best_discriminator():
    """(1, 0) for the product, (0.6, 0.4) for the logarithms."""
    p, q = (sympy.Rational(3, 5), sympy.Rational(2, 5)), (sympy.Rational(2, 5), sympy.Rational(3, 5))
    d1, d2 = sympy.symbols("d1 d2", real=True)
    product = (p[0] * d1 + p[1] * d2) * (q[0] * (1 - d1) + q[1] * (1 - d2))
    hessian = sympy.hessian(product, (d1, d2))
    assert hessian.det() < 0  # a saddle inside: the maximum is on the border
    borders = [product.subs({d1: 1}), product.subs({d1: 0}), product.subs({d2: 1}), product.subs({d2: 0})]
    free = [next(iter(border.free_symbols)) for border in borders]
    best = max(
        border.subs(name, at)
        for border, name in zip(borders, free, strict=True)
        for at in (0, 1, *(s for s in sympy.solve(sympy.diff(border, name), name) if 0 <= s <= 1))
    )
    assert product.subs({d1: 1, d2: 0}) == best == sympy.Rational(9, 25)
    by_logs = [x / (x + y) for x, y in zip(p, q, strict=True)]
    assert by_logs == [sympy.Rational(3, 5), sympy.Rational(2, 5)]


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# With a = E_p D and b = E_q D the product is a (1 − b). At q = p, a = b and a (1 − a) ≤ ¼; at any other q the
# discriminator that is 1 where p > q does better, since then a > b. The logarithms: −log 4 + 2 JSD(p, q).


@proves("gan.minimax.log_inside")
def test_the_generators_optimum_is_the_same():
    """On two points with q = (s, 1 − s): the best product is above ¼ for every s other than p's."""
    a, s = sympy.symbols("a s", real=True)
    assert sympy.solve(sympy.diff(a * (1 - a), a), a) == [sympy.Rational(1, 2)]
    p = sympy.Rational(3, 5)
    below, above = sympy.symbols("b c", positive=True)
    # D = (½ + δ, ½ − δ(p)/(1 − p)) keeps E_p D = ½ and lowers E_q D where s < p; the slope in δ is positive.
    delta = sympy.Symbol("delta", real=True)
    high, low = sympy.Rational(1, 2) + delta, sympy.Rational(1, 2) - delta * p / (1 - p)
    product = (p * high + (1 - p) * low) * (1 - s * high - (1 - s) * low)
    slope = sympy.simplify(sympy.diff(product, delta).subs(delta, 0))
    assert sympy.simplify(slope - (p - s) / (2 * (1 - p))) == 0
    assert slope.subs(s, p - below).is_positive
    assert slope.subs(s, p + above).is_negative  # then δ < 0
    assert sympy.simplify(product.subs(delta, 0)) == sympy.Rational(1, 4)
