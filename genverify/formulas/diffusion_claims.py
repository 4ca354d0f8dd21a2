"""What is claimed of the forward process of a diffusion model, of its schedules, and of what a network predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ALPHA_BAR_FALLS", "BAYES", "BETWEEN", "COMPOSITION", "EQUIVALENT", "KL", "ONE_WEIGHT", "P2_UNIT", "PERTURBATIONS",
    "RATIO", "SCORE", "SCORE_MATCHING", "SNR_MONOTONE", "TELESCOPES", "ZERO_TERMINAL",
]  # fmt: skip

_HO = "Ho, Jain & Abbeel 2020"


def _composed() -> sympy.Basic:
    """A step after t steps: of the signal, and of the variance."""
    import sympy

    level, alpha = sympy.symbols("abar_t alpha_t+1", positive=True)
    signal, noise = sympy.sqrt(alpha) * sympy.sqrt(level), alpha * (1 - level) + (1 - alpha)
    return sympy.Eq(sympy.Matrix([[signal, noise]]), sympy.Matrix([[sympy.sqrt(alpha * level), 1 - alpha * level]]),
                    evaluate=False)  # fmt: skip


COMPOSITION = claim(
    "diffusion.q_sample.composition", Status.DERIVED,
    statement="t steps x_i = √α_i x_{i−1} + √β_i ε_i with independent standard normal ε_i give "
    "x_t | x_0 ~ N(√ᾱ_t x_0, (1 − ᾱ_t) I), ᾱ_t = α_1 ⋯ α_t",
    source=f"{_HO}, eq. 4", assumptions=("0 < β_i < 1, α_i = 1 − β_i",), equation=_composed,
    theorems=("a sum of independent normal variables is normal, and the variances add up",),
)  # fmt: skip


def _perturbed() -> sympy.Basic:
    """A step after several: the offsets and the variances."""
    import sympy

    gain, offset, variance, a, b, s2 = sympy.symbols("A B V a b s2", real=True)
    x = sympy.Symbol("x_0", real=True)
    left = sympy.Matrix([[a * (gain * x + offset) + b, a**2 * variance + s2]])
    right = sympy.Matrix([[(a * gain) * x + (a * offset + b), a**2 * variance + s2]])
    return sympy.Eq(left, right, evaluate=False)


PERTURBATIONS = claim(
    "diffusion.q_sample.many_steps", Status.DERIVED,
    statement="many steps, each a Gaussian perturbation x_i = a_i x_{i−1} + b_i + s_i ε_i of the one before, compose "
        "to one "
    "Gaussian perturbation of x_0: of gain Π a_i and of variance Σ_i s_i² Π_{j>i} a_j²",
    source="CSDS 440, high dimensional generative models", assumptions=("a_i, b_i, s_i do not depend on x",),
    equation=_perturbed, theorems=("a sum of independent normal variables is normal, and the variances add up",),
)  # fmt: skip


def _bayes() -> sympy.Basic:
    """Log q(x_t | x_{t−1}) + log q(x_{t−1} | x_0) less log N(x_{t−1}; μ̃, β̃), which does not depend on x_{t−1}."""
    import sympy

    from genverify.oracles import diffusion as oracle

    x, x0, xt = sympy.symbols("x_t-1 x_0 x_t", real=True)
    level, previous = oracle.posterior_mean.symbols[2:]
    alpha = level / previous
    mean = oracle.posterior_mean.expression.subs(dict(zip(oracle.posterior_mean.symbols[:2], (x0, xt), strict=True)))
    variance = oracle.posterior_variance.expression
    joint = -((xt - sympy.sqrt(alpha) * x) ** 2) / (2 * (1 - alpha)) - (x - sympy.sqrt(previous) * x0) ** 2 / (
        2 * (1 - previous)
    )
    return sympy.Eq(sympy.diff(joint, x), sympy.diff(-((x - mean) ** 2) / (2 * variance), x), evaluate=False)


BAYES = claim(
    "diffusion.posterior.bayes", Status.DERIVED,
    statement="q(x_{t−1} | x_t, x_0) ∝ q(x_t | x_{t−1}) q(x_{t−1} | x_0) is N(μ̃, β̃ I); as functions of x_{t−1} the "
        "two "
    "logarithms have the same slope everywhere. At t = 1 it is x_0 itself: μ̃ → x_0 and β̃ → 0 as ᾱ_{t−1} → 1",
    source=f"{_HO}, eqs. 6 and 7", assumptions=("0 < ᾱ_t < ᾱ_{t−1} < 1",), equation=_bayes,
)  # fmt: skip


def _least() -> sympy.Basic:
    import sympy

    level, previous = sympy.symbols("abar_t abar_t-1", positive=True)
    ratio = (1 - previous) / (1 - level)
    return sympy.Eq(1 - ratio, (previous - level) / (1 - level), evaluate=False)


BETWEEN = claim(
    "diffusion.learned_range_log_variance.between", Status.DERIVED,
    statement="β̃_t < β_t, since 1 − β̃_t/β_t = (ᾱ_{t−1} − ᾱ_t)/(1 − ᾱ_t) > 0; so that for v in [−1, 1] the learned "
        "variance "
    "is between them, and for v outside it is not",
    source="Nichol & Dhariwal 2021, eq. 15", assumptions=("0 < ᾱ_t < ᾱ_{t−1} < 1",), equation=_least,
)  # fmt: skip


def _rotated() -> sympy.Basic:
    """(x_t, v) is (x_0, ε) turned by φ, and back."""
    import sympy

    phi = sympy.Symbol("phi", real=True)
    turn = sympy.Matrix([[sympy.cos(phi), sympy.sin(phi)], [-sympy.sin(phi), sympy.cos(phi)]])
    return sympy.Eq(turn.T * turn, sympy.eye(2), evaluate=False)


EQUIVALENT = claim(
    "diffusion.parametrisations.equivalent", Status.DERIVED,
    statement="given x_t and 0 < ᾱ_t < 1, each of x_0, ε, v and the score −ε/√(1 − ᾱ) determines the others, and the "
    "conversions invert each other; (x_t, v) is (x_0, ε) turned by φ, cos φ = √ᾱ, so that x_0 and ε from v need no "
    "division",
    source="Salimans & Ho 2022, section 4 and appendix D", assumptions=("0 < ᾱ_t < 1",), equation=_rotated,
)  # fmt: skip


def _slope() -> sympy.Basic:
    import sympy

    x, mean, eps = sympy.symbols("x m epsilon", real=True)
    s = sympy.Symbol("s", positive=True)
    slope = sympy.diff(-((x - mean) ** 2) / (2 * s**2), x).subs(x, mean + s * eps)
    return sympy.Eq(slope, -eps / s, evaluate=False)


SCORE = claim(
    "diffusion.score_from_eps.gradient", Status.DERIVED,
    statement="at x_t = √ᾱ x_0 + √(1 − ᾱ) ε the score of q(x_t | x_0) is −ε/√(1 − ᾱ)",
    source="Vincent 2011; Song, Sohl-Dickstein et al. 2021, section 3.4", assumptions=("0 < ᾱ < 1",), equation=_slope,
)  # fmt: skip


def _weighted() -> sympy.Basic:
    import sympy

    eps, predicted, s = sympy.symbols("epsilon epsilon_theta s", real=True, positive=True)
    return sympy.Eq((-predicted / s + eps / s) ** 2, (eps - predicted) ** 2 / s**2, evaluate=False)


SCORE_MATCHING = claim(
    "diffusion.loss_simple.score_matching", Status.DERIVED,
    statement="with the model's score −ε_θ/√(1 − ᾱ), ‖ε − ε_θ‖² is (1 − ᾱ) times the denoising score matching loss, "
        "and so are "
    "the gradients; for Gaussian data and a linear score, the latter differs from explicit score matching by a "
    "constant",
    source="Vincent 2011, eq. 11; Ho, Jain & Abbeel 2020, section 3.2", assumptions=("0 < ᾱ < 1",), equation=_weighted,
)  # fmt: skip


def _divergence() -> sympy.Basic:
    """½ (μ̃ − μ)²/σ² in terms of ε − ε_θ, and with σ² = β̃ in those of x_0 − x̂_0."""
    import sympy

    from genverify.oracles import diffusion as oracle

    _, eps, level, previous = oracle.ddpm_mean.symbols
    other, spread = sympy.Symbol("epsilon_theta", real=True), sympy.Symbol("sigma2", positive=True)
    mean = oracle.ddpm_mean.expression
    alpha = level / previous
    left = (mean - mean.subs(eps, other)) ** 2 / (2 * spread)
    right = (1 - alpha) ** 2 / (2 * spread * alpha * (1 - level)) * (eps - other) ** 2
    return sympy.Eq(left, right, evaluate=False)


KL = claim(
    "diffusion.vlb_term.kl", Status.DERIVED,
    statement="KL(N(μ̃, σ² I) ‖ N(μ_θ, σ² I)) = β_t²/(2 σ² α_t (1 − ᾱ_t)) ‖ε − ε_θ‖², and with σ² = β̃_t it is "
    "½ (SNR_{t−1} − SNR_t) ‖x_0 − x̂_0‖²",
    source=f"{_HO}, eqs. 8 and 12; Kingma et al. 2021, eq. 13", assumptions=("0 < ᾱ_t < ᾱ_{t−1} < 1",
        "σ² is not learned"),
    equation=_divergence,
)  # fmt: skip


def _rises() -> sympy.Basic:
    import sympy

    level, beta = sympy.symbols("abar beta", positive=True)
    before, after = level / (1 - level), level * (1 - beta) / (1 - level * (1 - beta))
    return sympy.Eq(before - after, level * beta / ((1 - level) * (1 - level * (1 - beta))), evaluate=False)


SNR_MONOTONE = claim(
    "diffusion.snr.monotone", Status.DERIVED,
    statement="SNR_t − SNR_{t+1} = ᾱ_t β_{t+1}/((1 − ᾱ_t)(1 − ᾱ_{t+1})) > 0: the ratio falls strictly with t",
    source="Kingma, Salimans, Poole & Ho 2021, section 3.1", assumptions=("0 < β < 1, 0 < ᾱ_t < 1",), equation=_rises,
)  # fmt: skip


def _errors() -> sympy.Basic:
    """What an error of x_0 is as one of ε, and of v, x_t being given; squared."""
    import sympy

    x0, other, xt = sympy.symbols("x_0 xhat_0 x_t", real=True)
    level = sympy.Symbol("abar", positive=True)
    a, s = sympy.sqrt(level), sympy.sqrt(1 - level)

    def eps(x: sympy.Expr) -> sympy.Expr:
        return (xt - a * x) / s

    def velocity(x: sympy.Expr) -> sympy.Expr:
        return a * eps(x) - s * x

    ratio = level / (1 - level)
    left = sympy.Matrix([[(eps(x0) - eps(other)) ** 2, (velocity(x0) - velocity(other)) ** 2]])
    right = sympy.Matrix([[ratio * (x0 - other) ** 2, (ratio + 1) * (x0 - other) ** 2]])
    return sympy.Eq(left, right, evaluate=False)


ONE_WEIGHT = claim(
    "diffusion.min_snr_weight.one_weight", Status.DERIVED,
    statement="‖ε − ε̂‖² = SNR ‖x_0 − x̂_0‖² and ‖v − v̂‖² = (SNR + 1) ‖x_0 − x̂_0‖², so that the three weights "
        "min(SNR, γ), "
    "min(SNR, γ)/SNR and min(SNR, γ)/(SNR + 1) make one and the same loss; min(SNR + 1, γ)/(SNR + 1) makes another",
    source="Hang et al. 2023, section 3.4; Salimans & Ho 2022, section 4", assumptions=("0 < ᾱ < 1",),
    equation=_errors,
)  # fmt: skip


def _unit() -> sympy.Basic:
    import sympy

    level = sympy.Symbol("abar", positive=True)
    return sympy.Eq(1 / (1 + level / (1 - level)), 1 - level, evaluate=False)


P2_UNIT = claim(
    "diffusion.p2_weight.at_unit_k", Status.DERIVED,
    statement="at k = 1 the weight (k + SNR)^(−γ) is (1 − ᾱ)^γ: it falls to zero where there is no noise, and is one "
        "at the end",
    source="Choi et al. 2022, eq. 8", assumptions=("0 < ᾱ < 1",), equation=_unit,
)  # fmt: skip


def _logarithm() -> sympy.Basic:
    """The derivative of −log(1 − β) − β, which is 0 at 0; it is positive."""
    import sympy

    beta = sympy.Symbol("beta", positive=True)
    return sympy.Eq(sympy.diff(-sympy.log(1 - beta) - beta, beta), beta / (1 - beta), evaluate=False)


ALPHA_BAR_FALLS = claim(
    "diffusion.linear_betas.alpha_bar_falls", Status.DERIVED,
    statement="ᾱ_t falls strictly, and ᾱ_T < exp(−Σ β_t) = exp(−½ T (β_1 + β_T)) for rates on a line; with T = 1000, "
    "β_1 = 10⁻⁴ and β_T = 0.02 it ends below exp(−10.05) < 4.4·10⁻⁵",
    source=f"{_HO}, section 4", assumptions=("0 < β_t < 1",), equation=_logarithm,
)  # fmt: skip


def _telescoped() -> sympy.Basic:
    import sympy

    f = [sympy.Symbol(f"f_{t}", positive=True) for t in range(4)]
    product = sympy.prod([1 - (1 - f[t] / f[t - 1]) for t in range(1, 4)])
    return sympy.Eq(product, f[3] / f[0], evaluate=False)


TELESCOPES = claim(
    "diffusion.cosine_betas.telescopes", Status.DERIVED,
    statement="β_t = 1 − f(t)/f(t − 1) gives ᾱ_t = f(t)/f(0) at every t before a rate is clipped; the rates rise, "
        "β_{T−1} < ¾, "
    "and β_T = 1 without the clip, so that for every T ≥ 2 the last alone is clipped at 0.999",
    source="Nichol & Dhariwal 2021, eq. 17", assumptions=("f > 0 before T, f(T) = 0",), equation=_telescoped,
)  # fmt: skip


def _constant() -> sympy.Basic:
    import sympy

    low, high = sympy.symbols("sigma_min sigma_max", positive=True)
    i, n = sympy.symbols("i N", positive=True)

    def at(k: sympy.Expr) -> sympy.Expr:
        return low * (high / low) ** ((k - 1) / (n - 1))

    return sympy.Eq(at(i + 1) / at(i), (high / low) ** (1 / (n - 1)), evaluate=False)


RATIO = claim(
    "diffusion.ve_sigmas.ratio", Status.DERIVED,
    statement="σ_{i+1}/σ_i = (σ_max/σ_min)^(1/(N − 1)) for every i, σ_1 = σ_min and σ_N = σ_max",
    source="Song, Sohl-Dickstein et al. 2021, appendix C", assumptions=("0 < σ_min < σ_max, N ≥ 2",),
        equation=_constant,
)  # fmt: skip


def _moved() -> sympy.Basic:
    """The first and the last of the moved roots."""
    import sympy

    first, last = sympy.symbols("a_1 a_T", positive=True)

    def moved(root: sympy.Expr) -> sympy.Expr:
        return (root - last) * first / (first - last)

    return sympy.Eq(sympy.Matrix([[moved(first), moved(last)]]), sympy.Matrix([[first, 0]]), evaluate=False)


ZERO_TERMINAL = claim(
    "diffusion.zero_terminal_snr.ends", Status.DERIVED,
    statement="√ᾱ'_1 = √ᾱ_1 and ᾱ'_T = 0, the order is kept, and the rates are in (0, 1) but the last, which is 1",
    source="Lin, Liu, Li & Yang 2024, algorithm 1", assumptions=("ᾱ falls strictly, T ≥ 2",), equation=_moved,
)  # fmt: skip
