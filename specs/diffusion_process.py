"""The forward process of diffusion: many small perturbations make one, and what one network may predict of it.

Noise is added to data in many steps, each of which shrinks what is there a little and adds a little noise. All of them
together are one such step, so that any time can be reached at once; and given the data, the step back is known, too.
This
page derives both, the schedules in use, and why noise, data, velocity and score are four names for one prediction.

Sources: Sohl-Dickstein et al. 2015; Ho, Jain & Abbeel 2020, "Denoising diffusion probabilistic models"; Nichol &
Dhariwal
2021; Song, Sohl-Dickstein et al. 2021; Kingma, Salimans, Poole & Ho 2021; Salimans & Ho 2022; Choi et al. 2022; Hang et
al.
2023; Lin, Liu, Li & Yang 2024; Vincent 2011; CSDS 440.
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import diffusion_claims as topic
from genverify.numerics.rounding import gamma
from genverify.oracles import diffusion as oracle
from genverify.reference.diffusion import losses, parametrisations, process, schedules

# The worst accumulation of roundings in a product of a thousand factors, each of which is rounded twice.
_THOUSAND = gamma(2000, torch.float64)


def passes(f, like: str, **declared) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(f, like=f"diffusion.{like}", **declared), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def holds(claim) -> bool:
    """Whether the displayed equation is an identity."""
    equation = claim.equation()
    gap = sympy.sympify(equation.lhs - equation.rhs)
    entries = list(gap) if isinstance(gap, sympy.MatrixBase) else [gap]
    return all(sympy.simplify(sympy.expand(one.doit())) == 0 for one in entries)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Steps of rates β_1, …, β_t from x_0 are one step: N(√ᾱ_t x_0, (1 − ᾱ_t) I).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# By induction. For t = 1, ᾱ_1 = α_1. If x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, one more step multiplies the signal by √α and
# the variance by α, and adds β = 1 − α: α (1 − ᾱ_t) + 1 − α = 1 − α ᾱ_t, the displayed equation. That sums of
# independent normal variables are normal is cited.


@proves("diffusion.q_sample.composition")
def test_all_steps_at_once_are_the_steps_one_by_one():
    """The induction; and the reference's steps, whose gain and variance are read off at x = 1 and at unit noise."""
    assert holds(topic.COMPOSITION)
    x, noise, beta = oracle.q_step.symbols
    level = sympy.Symbol("abar", positive=True)
    after = oracle.q_step.expression.coeff(x) ** 2 * (1 - level) + oracle.q_step.expression.coeff(noise) ** 2
    assert sympy.simplify(after - (1 - (1 - beta) * level)) == 0
    betas = schedules.linear_betas(8, 0.01, 0.4)
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    gain, variance = one, zero
    for t in range(8):
        gain = process.q_step(gain, t, betas, zero)
        variance = process.q_step(one, t, betas, zero) ** 2 * variance + process.q_step(zero, t, betas, one) ** 2
        assert abs(float(gain - process.q_sample(one, t, betas, zero))) < gamma(40, torch.float64)
        assert abs(float(variance - process.q_sample(zero, t, betas, one) ** 2)) < gamma(80, torch.float64)
    assert passes(process.q_sample, "q_sample")
    assert passes(process.q_step, "q_step")
    assert passes(schedules.alpha_bar, "alpha_bar")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# "Many steps, each a perturbation of the previous" compose to one Gaussian, whatever their gains, offsets and
# variances.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# x = A x_0 + B + √V ε and one more step: a x + b + s ε' = (aA) x_0 + (aB + b) + a √V ε + s ε', of variance a² V + s².
# The sum of the statement solves the recursion V ← a² V + s²: each s_i² is multiplied by the a_j² that come after it.


@proves("diffusion.q_sample.many_steps")
def test_perturbations_of_perturbations_are_one_perturbation():
    """The step of the induction, and the sum at four steps with symbols for everything."""
    assert holds(topic.PERTURBATIONS)
    gains, spreads = sympy.symbols("a_1:5", real=True), sympy.symbols("s_1:5", real=True)
    variance = sympy.Integer(0)
    for a, s in zip(gains, spreads, strict=True):
        variance = a**2 * variance + s**2
    total = sum(s**2 * sympy.prod([a**2 for a in gains[i + 1 :]]) for i, s in enumerate(spreads))
    assert sympy.expand(variance - total) == 0
    preserving = {s: sympy.sqrt(1 - a**2) for a, s in zip(gains, spreads, strict=True)}
    assert sympy.simplify(variance.subs(preserving) - (1 - sympy.prod([a**2 for a in gains]))) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Given x_0, the step back is normal: Bayes' rule multiplies two exponentials of squares in x_{t−1}.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The exponent of the product is a square in x_{t−1} of second derivative −(α_t/β_t + 1/(1 − ᾱ_{t−1})), and so is that
# of N(μ̃, β̃). Two squares with one slope everywhere differ by a constant, which the normalisation takes away.


@proves("diffusion.posterior.bayes")
def test_the_posterior_is_the_product_of_both_laws():
    """The slopes agree; at the first step the limits are x_0 and 0; the reference PASSes, and there returns x_0."""
    assert holds(topic.BAYES)
    x0, _, _, previous = oracle.posterior_mean.symbols
    assert sympy.limit(oracle.posterior_mean.expression, previous, 1) == x0
    assert sympy.limit(oracle.posterior_variance.expression, previous, 1) == 0
    assert passes(process.posterior, "posterior")
    assert passes(schedules.alpha_bar_prev, "alpha_bar_prev")
    data, state = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    assert process.posterior(data, state, 0, torch.tensor([0.5, 0.5]))[0].equal(data)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# β̃ is below β, so that a share between 0 and 1 of their logarithms lies between them.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# β̃/β = (1 − ᾱ_{t−1})/(1 − ᾱ_t), which is less than one where ᾱ falls. The logarithm is increasing, and v ↦ log σ² a
# line from log β̃ at v = −1 to log β at v = 1.


@proves("diffusion.learned_range_log_variance.between")
def test_a_learned_variance_lies_between_both_extremes():
    """The identity, and the reference at v = −1, 0, 1 and outside."""
    assert holds(topic.BETWEEN)
    betas = schedules.linear_betas(6, 0.05, 0.5)
    at = [
        float(process.learned_range_log_variance(torch.full((1, 1), v, dtype=torch.float64), 3, betas))
        for v in (-2.0, -1.0, 0.0, 1.0, 2.0)
    ]
    assert at == sorted(at)
    low, high = process.posterior(torch.zeros(1, 1), torch.zeros(1, 1), 3, betas)[1], betas[3]
    assert abs(at[1] - math.log(low)) < gamma(32, torch.float64) * abs(at[1])
    assert abs(at[3] - math.log(high)) < gamma(32, torch.float64) * abs(at[3])
    assert passes(process.learned_range_log_variance, "learned_range_log_variance")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Noise, data, velocity and score say the same.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Write √ᾱ = cos φ and √(1 − ᾱ) = sin φ. Then x_t = cos φ x_0 + sin φ ε and v = cos φ ε − sin φ x_0 = ∂x_t/∂φ: a
# rotation, whose inverse is its transpose. From ε or x_0 alone the other follows by division by sin φ or cos φ.


@proves("diffusion.parametrisations.equivalent")
def test_each_prediction_gives_the_others_and_back():
    """The rotation; each conversion after its inverse, in symbols; the references PASS."""
    assert holds(topic.EQUIVALENT)
    x0, noise, phi = sympy.symbols("x_0 epsilon phi", real=True)
    a, s = sympy.cos(phi), sympy.sin(phi)

    def of(form, *values):
        return form.expression.subs(dict(zip(form.symbols, (*values, a, s), strict=True)), simultaneous=True)

    xt, v = of(oracle.q_sample, x0, noise), of(oracle.velocity, x0, noise)
    assert sympy.simplify(of(oracle.x0_from_eps, xt, noise) - x0) == 0
    assert sympy.simplify(of(oracle.eps_from_x0, xt, x0) - noise) == 0
    assert sympy.simplify(of(oracle.x0_from_v, xt, v) - x0) == 0
    assert sympy.simplify(of(oracle.eps_from_v, xt, v) - noise) == 0
    for name in parametrisations.__all__:
        assert passes(getattr(parametrisations, name), name), name


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The score of the noised data is the noise, turned and divided by its deviation.


@proves("diffusion.score_from_eps.gradient")
def test_the_score_is_the_noise_over_its_deviation():
    """The exponent differentiated; and autodiff of torch's normal log-density at a draw."""
    assert holds(topic.SCORE)
    data, noise = torch.tensor([0.5, -1.0], dtype=torch.float64), torch.tensor([0.25, 2.0], dtype=torch.float64)
    betas = schedules.linear_betas(6, 0.05, 0.5)
    level = schedules.alpha_bar(betas)[3]
    x = process.q_sample(data, 3, betas, noise).requires_grad_()
    law = torch.distributions.Normal(level.sqrt() * data, (1 - level).sqrt())
    (slope,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    claimed = parametrisations.score_from_eps(noise, level)
    assert bool(
        ((slope - claimed).abs() < gamma(64, torch.float64) * (claimed.abs() + slope.abs() + 1 / (1 - level))).all()
    )


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The simple loss is score matching, weighted by the variance of the noise.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# −ε_θ/s − (−ε/s) = (ε − ε_θ)/s; the factor 1/s² does not depend on the parameters. For x_0 ~ N(m, c) the marginal of
# x_t is N(a m, V), V = a² c + s², and a linear score w x + b: E over x_0 and ε of both losses is a polynomial in w and
# b.


@proves("diffusion.loss_simple.score_matching")
def test_the_simple_loss_is_denoising_score_matching():
    """The identity; and with moments of the normal law, a difference from explicit score matching without w and b."""
    assert holds(topic.SCORE_MATCHING)
    w, b, a, s, m, c = sympy.symbols("w b a s m c", real=True)
    z, e = sympy.symbols("z epsilon", real=True)

    def mean(polynomial):
        """E over independent standard normal z and ε, moment by moment."""
        moment = {0: 1, 1: 0, 2: 1}
        terms = sympy.Poly(sympy.expand(polynomial), z, e).terms()
        return sum(coefficient * moment[i] * moment[j] for (i, j), coefficient in terms)

    x = a * (m + c * z) + s * e
    variance = a**2 * c**2 + s**2
    denoising = mean((w * x + b + e / s) ** 2)
    explicit = mean((w * x + b + (x - a * m) / variance) ** 2)
    gap = sympy.simplify(denoising - explicit)
    assert not gap.free_symbols & {w, b}
    assert passes(losses.loss_simple, "loss_simple")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A term of the variational bound is the simple loss with a weight, and a difference of two ratios of signal to noise.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# KL(N(μ̃, σ²) ‖ N(μ, σ²)) = ½ (μ̃ − μ)²/σ², and both means are linear in ε with the coefficient β/(√(1 − ᾱ) √α). In x_0
# the coefficient is √ᾱ_{t−1} β/(1 − ᾱ), whose square over 2 β̃ is ½ (SNR_{t−1} − SNR_t).


@proves("diffusion.vlb_term.kl")
def test_a_term_of_the_bound_is_a_weighted_square():
    """The displayed identity, and the one in x_0."""
    assert holds(topic.KL)
    level, previous = oracle.posterior_variance.symbols
    slope = sympy.diff(oracle.posterior_mean.expression, oracle.posterior_mean.symbols[0])
    ratio = oracle.snr.expression
    difference = ratio.subs(oracle.snr.symbols[0], previous) - ratio.subs(oracle.snr.symbols[0], level)
    assert sympy.simplify(slope**2 / (2 * oracle.posterior_variance.expression) - difference / 2) == 0
    assert passes(losses.vlb_term, "vlb_term")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The ratio of signal to noise falls with every step.


@proves("diffusion.snr.monotone")
def test_the_ratio_of_signal_to_noise_falls():
    """The difference, every factor of which is positive; and the reference over a thousand steps."""
    assert holds(topic.SNR_MONOTONE)
    ratio = losses.snr(schedules.alpha_bar(schedules.linear_betas(1000)))
    assert bool((ratio[1:] < ratio[:-1]).all())
    assert passes(losses.snr, "snr")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Min-SNR's three weights are one; with + 1 inside the min they are not.


@proves("diffusion.min_snr_weight.one_weight")
def test_the_three_weights_make_one_loss():
    """Errors at the same x_t, and the reference's weights times them; the slip's weight at SNR = 1, γ = 5."""
    assert holds(topic.ONE_WEIGHT)
    levels = torch.tensor([0.125, 0.5, 0.9375], dtype=torch.float64)
    ratio = losses.snr(levels)
    of_data = losses.min_snr_weight(levels, 5.0, "sample")
    for kind, factor in (("epsilon", ratio), ("v_prediction", ratio + 1)):
        gap = (losses.min_snr_weight(levels, 5.0, kind) * factor - of_data).abs()
        assert bool((gap < gamma(16, torch.float64) * of_data).all())
    one = sympy.Integer(1)
    slipped, right = sympy.Min(one + 1, 5) / (one + 1), sympy.Min(one, 5) / (one + 1)
    assert (slipped, right) == (1, sympy.Rational(1, 2))
    assert passes(losses.min_snr_weight, "min_snr_weight")


@proves("diffusion.p2_weight.at_unit_k")
def test_the_perceptual_weight_is_a_power_of_the_noise():
    """The identity, its two limits, and the reference."""
    assert holds(topic.P2_UNIT)
    level, power, k = oracle.p2_weight.symbols
    at_one = sympy.simplify(oracle.p2_weight.expression.subs({k: 1, power: 2}))
    assert sympy.simplify(at_one - (1 - level) ** 2) == 0
    assert sympy.limit(at_one, level, 1) == 0
    assert sympy.limit(at_one, level, 0) == 1
    assert passes(losses.p2_weight, "p2_weight")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ᾱ falls, and ends near zero.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ᾱ_{t+1} = ᾱ_t (1 − β_{t+1}) < ᾱ_t. −log(1 − β) − β is 0 at β = 0 and has the slope β/(1 − β) > 0 beyond: −log ᾱ_T > Σ
# β. The sum of an arithmetic sequence is its number of terms times the mean of both ends.


@proves("diffusion.linear_betas.alpha_bar_falls")
def test_little_is_left_of_the_signal_at_the_end():
    """The slope, the sum, and the thousand steps of the paper."""
    assert holds(topic.ALPHA_BAR_FALLS)
    betas = schedules.linear_betas(1000)
    kept = schedules.alpha_bar(betas)
    assert bool((kept[1:] < kept[:-1]).all())
    total = 0.5 * 1000 * (1e-4 + 0.02)
    assert abs(float(betas.sum()) - total) < gamma(2000, torch.float64) * total
    assert float(kept[-1]) < math.exp(-total) * (1 + _THOUSAND) < 4.4e-5
    assert passes(schedules.linear_betas, "linear_betas")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The cosine's rates multiply to the cosine, until the last, which alone is clipped.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The product telescopes. f(T) = cos² π/2 = 0, so that β_T = 1. The rates rise, since log cos is concave and equal steps
# of the angle lower it by ever more. The last but one is 1 − sin²δ/sin²2δ = 1 − 1/(4 cos²δ) < ¾, δ = π/(2 T (1 + s)).


@proves("diffusion.cosine_betas.telescopes")
def test_the_rates_of_the_cosine_multiply_to_it():
    """Three factors, the last rate but one, the concavity; and the reference for many T."""
    assert holds(topic.TELESCOPES)
    delta = sympy.Symbol("delta", positive=True)
    before = 1 - sympy.sin(delta) ** 2 / sympy.sin(2 * delta) ** 2
    assert sympy.simplify(before - (1 - 1 / (4 * sympy.cos(delta) ** 2))) == 0
    assert sympy.simplify(sympy.diff(sympy.log(sympy.cos(delta)), delta, 2) + 1 / sympy.cos(delta) ** 2) == 0
    for steps in (*range(2, 101), 1000, 4000):
        betas = schedules.cosine_betas(steps)
        assert int((betas == 0.999).sum()) == 1, steps
        assert bool(betas[-1] == 0.999)
        assert bool((betas[1:] > betas[:-1]).all())
    kept, s = schedules.cosine_alpha_bar(10), 0.008
    for t in range(1, 10):
        f = math.cos((t / 10 + s) / (1 + s) * math.pi / 2) ** 2 / math.cos(s / (1 + s) * math.pi / 2) ** 2
        assert abs(float(kept[t - 1]) - f) < gamma(200, torch.float64)
    assert passes(schedules.cosine_betas, "cosine_betas")
    assert passes(schedules.cosine_alpha_bar, "cosine_alpha_bar")


@proves("diffusion.ve_sigmas.ratio")
def test_neighbouring_deviations_have_one_ratio():
    """The identity and both ends."""
    equation = topic.RATIO.equation()
    assert sympy.simplify(sympy.expand_log(sympy.log(equation.lhs) - sympy.log(equation.rhs), force=True)) == 0
    sigmas = schedules.ve_sigmas(12, 0.5, 32.0)
    assert float(sigmas[0]) == 0.5
    assert abs(float(sigmas[-1]) - 32.0) < gamma(32, torch.float64) * 32.0
    assert passes(schedules.ve_sigmas, "ve_sigmas")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The roots are moved so that the last is zero, and scaled so that the first is as before.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Moving and scaling by a positive number keep the order, so that neighbours have ratios in (0, 1), and 0 at the end.


@proves("diffusion.zero_terminal_snr.ends")
def test_nothing_is_left_of_the_signal_at_the_end():
    """Both ends; the paper's schedule; a schedule of one step is refused, since its two ends are one."""
    assert holds(topic.ZERO_TERMINAL)
    betas = schedules.zero_terminal_snr(schedules.linear_betas(1000))
    assert float(betas[-1]) == 1.0
    assert bool(((betas[:-1] > 0) & (betas[:-1] < 1)).all())
    with pytest.raises(ValueError, match="at least 2"):
        schedules.zero_terminal_snr(torch.tensor([0.5]))
    assert passes(schedules.zero_terminal_snr, "zero_terminal_snr")
