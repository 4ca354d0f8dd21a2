"""Sampling from a diffusion model: what each step back does to the moments of the data, and whether it can be undone.

A network that predicts the noise exactly is known for Gaussian data: it is linear. So every sampler can be followed to
the
end with nothing but numbers for a mean and a variance, and what it does to them is a closed recursion. This page
derives it
for DDPM and DDIM, the weights of PLMS, the exponents of guidance, and refutes that a DDIM step can always be undone.

Sources: Ho, Jain & Abbeel 2020; Song, Meng & Ermon 2021, "Denoising diffusion implicit models"; Liu, Ren, Lin & Zhao
2022;
Ho & Salimans 2022, "Classifier-free diffusion guidance".
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import diffusion_sampling_claims as topic
from genverify.numerics.rounding import gamma
from genverify.oracles import diffusion as oracle
from genverify.reference.diffusion import samplers, schedules
from specs.diffusion_process import holds, passes

_MEAN, _VARIANCE = 1.5, 0.25


def exact(x, level):
    """E[ε | x_t] for the data of this page."""
    return (1 - level).sqrt() * (x - level.sqrt() * _MEAN) / (level * _VARIANCE + 1 - level)


def moments(step, kept):
    """Mean and variance at the data, of the affine maps that the steps are; begun with those of x_T.

    `step(x, z, t)` is linear in x and z: its gains are differences.
    """
    mean, variance = kept[-1].sqrt() * _MEAN, kept[-1] * _VARIANCE + 1 - kept[-1]
    zero, one = (torch.full((1,), number, dtype=torch.float64) for number in (0.0, 1.0))
    for t in reversed(range(len(kept))):
        rest = step(zero, zero, t)
        gain, spread = step(one, zero, t) - rest, step(zero, one, t) - rest
        mean, variance = gain * mean + rest, gain**2 * variance + spread**2
    return float(mean), float(variance)


def schedule(steps):
    """As much noise in total as in the paper, in any number of steps."""
    return schedules.linear_betas(steps, 0.1 / steps, 20.0 / steps)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The mean of the reverse step is the posterior's, with the data as the network sees them.


@proves("diffusion.ddpm_mean.posterior")
def test_the_mean_is_the_posterior_at_the_predicted_data():
    """The displayed equation."""
    assert holds(topic.MEAN)
    assert passes(samplers.ddpm_mean, "ddpm_mean")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With the exact network DDPM keeps the mean, and the variance for one σ² alone, that of the data's own posterior.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# x_t ~ N(√ᾱ_t m, V_t), and E[ε | x_t] = √(1 − ᾱ_t)(x_t − √ᾱ_t m)/V_t, so that the mean has the gain A = (V_t −
# β_t)/(√α_t V_t) in x_t. V_{t−1} = (V_t − β_t)/α_t since V_t = α_t V_{t−1} + β_t. Then V_{t−1} − A² V_t = β_t
# V_{t−1}/V_t.


@proves("diffusion.ddpm_step.data_moments")
def test_ddpm_reaches_the_moments_of_gaussian_data_as_the_recursion_says():
    """The identity, both extremes; the reference's own steps against the recursion, over 40 to 640 of them."""
    assert holds(topic.DDPM_MOMENTS)
    level, previous = oracle.posterior_variance.symbols
    right = topic.DDPM_MOMENTS.equation().rhs
    c = next(one for one in right.free_symbols if str(one) == "c")
    assert sympy.simplify(right.subs(c, 0) - oracle.posterior_variance.expression) == 0
    assert sympy.simplify(right.subs(c, 1) - (1 - level / previous)) == 0
    x, noise, m = sympy.symbols("x epsilon m", real=True)
    mean = oracle.ddpm_mean.expression.subs(dict(zip(oracle.ddpm_mean.symbols[:2], (x, noise), strict=True)))
    carried = mean.subs(noise, topic.exact_eps(x, level, m, c)).subs(x, sympy.sqrt(level) * m)
    assert sympy.simplify(carried - sympy.sqrt(previous) * m) == 0

    errors = []
    for steps in (40, 160, 640):
        betas = schedule(steps)
        kept = schedules.alpha_bar(betas)
        before = schedules.alpha_bar_prev(betas)

        def step(x, z, t, betas=betas, kept=kept):
            return samplers.ddpm_step(x, exact(x, kept[t]), t, betas, z)

        got_mean, got = moments(step, kept)
        error = torch.zeros((), dtype=torch.float64)
        for t in reversed(range(steps)):
            now, then = (ab * _VARIANCE + 1 - ab for ab in (kept[t], before[t]))
            gain = (now - betas[t]) / ((1 - betas[t]).sqrt() * now)
            narrow = betas[t] * (1 - before[t]) / (1 - kept[t])
            error = gain**2 * error + narrow - betas[t] * then / now
        rounding = gamma(100 * steps, torch.float64)
        assert abs(got - (_VARIANCE + float(error))) < rounding
        assert abs(got_mean - _MEAN) < rounding
        errors.append(-float(error))
    # Too narrow by β̃, and less so with more steps.
    assert errors[0] > errors[1] > errors[2] > 0
    assert passes(samplers.ddpm_step, "ddpm_step")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A DDIM step keeps the law of x' given x_0, whatever is drawn; with η = 0 nothing is.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With the true ε, x̂_0 = x_0; ε given x_0 is standard normal, and z is independent of it: the variances (1 − ᾱ' − σ²)
# and σ² add up to 1 − ᾱ'. σ² at η = 1 is β̃ of the step from ᾱ to ᾱ', and (1 − ᾱ') (1 − ᾱ/ᾱ')/(1 − ᾱ) ≤ 1 − ᾱ' since ᾱ
# ≤ ᾱ/ᾱ'.


@proves("diffusion.ddim_step.marginal")
def test_a_ddim_step_keeps_the_marginal():
    """The sum of both variances; the bound of σ²; at η = 1 the step is DDPM's; at η = 0 the noise does not count."""
    assert holds(topic.MARGINAL)
    xt, eps, noise, level, previous, variance = oracle.ddim_step.symbols
    left = 1 - previous - oracle.ddim_variance.expression.subs(oracle.ddim_variance.symbols[2], 1)
    level_, previous_ = oracle.ddim_variance.symbols[:2]
    bound = (1 - previous_) * level_ * (1 - previous_) / ((1 - level_) * previous_)
    assert sympy.simplify(left.subs({level: level_, previous: previous_}) - bound) == 0
    eta = {variance: oracle.posterior_variance.expression}
    full = oracle.ddim_step.expression.subs(eta) - sympy.sqrt(oracle.posterior_variance.expression) * noise
    names = dict(zip(oracle.ddpm_mean.symbols, (xt, eps, level, previous), strict=True))
    numbers = {xt: 0.7, eps: -1.3, level: sympy.Rational(3, 10), previous: sympy.Rational(4, 10), noise: 0.0}
    ddpm = oracle.ddpm_mean.expression.subs(names)
    assert abs(sympy.N((full - ddpm).subs(numbers))) < gamma(64, torch.float64)
    # For all levels: (1 − ᾱ' − β̃) is a square, (1 − ᾱ')² ᾱ/((1 − ᾱ) ᾱ'), so that the coefficients of ε agree.
    root = (1 - previous) * sympy.sqrt(level) / sympy.sqrt((1 - level) * previous)
    assert sympy.simplify(root**2 - (1 - previous - oracle.posterior_variance.expression)) == 0
    slope = -sympy.sqrt(previous) * sympy.sqrt(1 - level) / sympy.sqrt(level) + root
    assert sympy.simplify((slope - sympy.diff(ddpm, eps)) * sympy.sqrt(1 - level) * sympy.sqrt(level * previous)) == 0
    betas, one = schedules.linear_betas(4, 0.1, 0.4), torch.ones(1, dtype=torch.float64)
    assert samplers.ddim_step(one, one, 3, 1, betas, one).equal(samplers.ddim_step(one, one, 3, 1, betas, 5 * one))
    assert passes(samplers.ddim_step, "ddim_step")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With the exact network a DDIM step loses variance: as much as the angle between two vectors costs.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The step has the gain (a a' c + s s')/V in x_t, so that x' has the variance (a a' c + s s')²/V. V V' less the square
# is, by Lagrange's identity for (√c a, s) and (√c a', s'), c (a' s − a s')². It is zero where the two are parallel.


@proves("diffusion.ddim_step.data_moments")
def test_ddim_narrows_gaussian_data_as_the_identity_says():
    """The identity; the gain; the reference from end to end, by the product of squared gains, in ever more steps."""
    assert holds(topic.DDIM_MOMENTS)
    xt, eps, noise, level, previous, variance = oracle.ddim_step.symbols
    m, c = sympy.Symbol("m", real=True), sympy.Symbol("c", nonnegative=True)
    step_ = oracle.ddim_step.expression.subs({variance: 0, noise: 0, eps: topic.exact_eps(xt, level, m, c)})
    gain = (sympy.sqrt(level * previous) * c + sympy.sqrt((1 - level) * (1 - previous))) / (level * c + 1 - level)
    at = {level: sympy.Rational(1, 4), previous: sympy.Rational(1, 2), c: sympy.Rational(3, 7)}
    for levels in (at, {**at, previous: sympy.Rational(9, 10)}, {**at, c: sympy.Integer(5)}):
        assert sympy.simplify((sympy.diff(step_, xt) - gain).subs(levels)) == 0
        assert sympy.simplify((step_.subs(xt, sympy.sqrt(level) * m) - sympy.sqrt(previous) * m).subs(levels)) == 0
    lost = []
    for steps in (40, 160, 640):
        betas = schedule(steps)
        kept, before = schedules.alpha_bar(betas), schedules.alpha_bar_prev(betas)

        def step(x, z, t, betas=betas, kept=kept):
            return samplers.ddim_step(x, exact(x, kept[t]), t, t - 1, betas, z)

        got_mean, got = moments(step, kept)
        inner = (kept * before).sqrt() * _VARIANCE + ((1 - kept) * (1 - before)).sqrt()
        start = kept[-1] * _VARIANCE + 1 - kept[-1]
        said = start * (inner / (kept * _VARIANCE + 1 - kept)).square().prod()
        rounding = gamma(100 * steps, torch.float64)
        assert abs(got - float(said)) < rounding
        assert abs(got_mean - _MEAN) < rounding
        lost.append(_VARIANCE - got)
    assert lost[0] > lost[1] > lost[2] > 0


# ── Claim, as it is told ─────────────────────────────────────────────────────────────────────────────────────────────
# A DDIM step with η = 0 is invertible.
#
# ── Counterexample, and what holds ───────────────────────────────────────────────────────────────────────────────────
# x' = A x + B ε(x) is constant for ε(x) = −(A/B) x. If |B| Lip ε < A, x ↦ (x' − B ε(x))/A is a contraction for every
# x', and has one fixed point (Banach): the inverse. ‖x'_1 − x'_2‖ ≥ (A − |B| Lip ε) ‖x_1 − x_2‖ bounds its slope.


@proves("diffusion.ddim_step.invertible")
def test_a_deterministic_step_need_not_be_invertible():
    """The reference sends every x to 0 under that network; a smaller one is inverted at the promised rate."""
    assert holds(topic.INVERTIBLE)
    betas = schedules.linear_betas(4, 0.1, 0.4)
    kept = schedules.alpha_bar(betas)
    a = (kept[1] / kept[2]).sqrt()
    b = (1 - kept[1]).sqrt() - a * (1 - kept[2]).sqrt()
    assert b < 0 < a
    x = torch.tensor([-3.0, 0.5, 7.0], dtype=torch.float64)
    nothing = torch.zeros_like(x)
    step = samplers.ddim_step(x, -(a / b) * x, 2, 1, betas, nothing)
    assert bool((step.abs() < gamma(64, torch.float64) * (a / b).abs() * x.abs() * 4).all())

    share = 0.5  # |B| Lip ε = A/2

    def network(x):
        return share * (a / b.abs()) * torch.sin(x)

    after = samplers.ddim_step(x, network(x), 2, 1, betas, nothing)
    found, gap = torch.zeros_like(x), x.abs().max()
    for _ in range(60):
        found = (after - b * network(found)) / a
        gap = share * gap
        assert bool(((found - x).abs() <= gap + gamma(256, torch.float64) * x.abs().max()).all())
    assert passes(lambda xt, eps, alpha_bar, previous_alpha_bar: samplers_by_level(xt, eps, alpha_bar,
        previous_alpha_bar),
                  "ddim_step")  # fmt: skip


def samplers_by_level(xt, eps, level, previous):
    """A x + B ε, as the claim has it."""
    a = (previous / level) ** 0.5
    return a * xt + ((1 - previous) ** 0.5 - a * (1 - level) ** 0.5) * eps


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The weights of PLMS are those of Adams and Bashforth.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The polynomial through the last k values, at 0, −1, …, is integrated from 0 to 1: exact for polynomials of degree
# below k.


@proves("diffusion.plms_step.order")
def test_the_weights_integrate_polynomials_exactly():
    """The integrals; all orders against monomials; with constant predictions the reference is DDIM's."""
    assert holds(topic.ADAMS)
    written = {1: ("1",), 2: ("3/2", "-1/2"), 3: ("23/12", "-16/12", "5/12"), 4: ("55/24", "-59/24", "37/24", "-9/24")}
    for k, words in written.items():
        weights = [sympy.Rational(word) for word in words]
        for degree in range(k):
            total = sum(w * sympy.Integer(-i) ** degree for i, w in enumerate(weights))
            assert total == sympy.Rational(1, degree + 1)
    betas = schedules.linear_betas(6, 0.05, 0.4)
    x, e = torch.tensor([0.5, -2.0], dtype=torch.float64), torch.tensor([1.5, 0.25], dtype=torch.float64)
    ddim = samplers.ddim_step(x, e, 4, 2, betas, torch.zeros_like(x))
    for past in range(4):
        gap = (samplers.plms_step(x, e, [e] * past, 4, 2, betas) - ddim).abs()
        assert bool((gap < gamma(64, torch.float64) * 10).all())
    assert passes(samplers.plms_step, "plms_step")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Guidance samples from a product of powers, as far as its score goes.


@proves("diffusion.classifier_free_guidance.exponents")
def test_guidance_is_the_score_of_a_product_of_powers():
    """The displayed equation, and the two forms in use."""
    assert holds(topic.EXPONENTS)
    cond, uncond, scale = oracle.guidance.symbols
    assert oracle.guidance.expression.subs(scale, 1) == cond
    assert oracle.guidance.expression.subs(scale, 0) == uncond
    assert passes(samplers.classifier_free_guidance, "classifier_free_guidance")
    found = gv.verify(gv.Formula(lambda cond, uncond, w: (1 + w) * cond - w * uncond,
                                 like="diffusion.classifier_free_guidance"), budget="quick")  # fmt: skip
    assert not found.failures
