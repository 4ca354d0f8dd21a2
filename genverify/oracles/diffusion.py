"""Gaussian diffusion in closed form: every formula of one element, derived in SymPy from the two normal laws.

The process is x_t = √α_t x_{t−1} + √β_t ε with α_t = 1 − β_t, and ᾱ_t = α_1 ⋯ α_t. A formula of x_0 and x_t is written
in the signal a = √ᾱ_t and the noise s = √(1 − ᾱ_t); one of a step in ᾱ_t and ᾱ_{t−1}. Everything broadcasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ddim_step", "ddim_variance", "ddpm_mean", "eps_from_v", "eps_from_x0", "guidance", "p2_weight", "posterior_mean",
    "posterior_variance", "q_sample", "q_step", "score_from_eps", "snr", "velocity", "x0_from_eps", "x0_from_v",
]  # fmt: skip

_HO, _SONG, _SALIMANS = "Ho, Jain & Abbeel 2020", "Song, Meng & Ermon 2021", "Salimans & Ho 2022"
_SCALED = {"signal": "positive", "scale": "positive"}
_LEVELS = {"level": "positive", "previous": "positive"}


@closed_form(
    "diffusion.q_sample", arguments={"x0": "real", "noise": "real", **_SCALED}, source=f"{_HO}, eq. 4"
)  # fmt: skip
def q_sample(x0: sympy.Symbol, noise: sympy.Symbol, signal: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """A draw of x_t given x_0: x_t = a x_0 + s ε, a = √ᾱ_t, s = √(1 − ᾱ_t).

    Shapes: all broadcast.

    >>> q_sample(1.0, 2.0, 0.6, 0.8)
    2.2
    """
    return Derivation(value=signal * x0 + scale * noise)


@closed_form(
    "diffusion.q_step", arguments={"x": "real", "noise": "real", "beta": "positive"}, source=f"{_HO}, eq. 2"
)  # fmt: skip
def q_step(x: sympy.Symbol, noise: sympy.Symbol, beta: sympy.Symbol) -> Derivation:
    """One step of the process: x_t = √(1 − β) x_{t−1} + √β ε.

    Shapes: all broadcast. Domain: 0 < β < 1.

    >>> q_step(1.0, 2.0, 0.36)
    2.0
    """
    import sympy

    value = sympy.sqrt(1 - beta) * x + sympy.sqrt(beta) * noise
    kept = step(
        "a unit variance is kept",
        sympy.diff(value, x) ** 2 + sympy.diff(value, noise) ** 2,
        sympy.S.One,
        "(1 − β) + β = 1",
    )
    return Derivation(value=value, steps=(kept,), conditions=(beta < 1,))


def _bayes(x0: sympy.Expr, xt: sympy.Expr, level: sympy.Expr, previous: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Mean and variance of x_{t−1} given x_t and x_0, by completing the square in the sum of the two exponents."""
    import sympy

    x = sympy.Symbol("x", real=True)
    alpha = level / previous
    exponent = -((xt - sympy.sqrt(alpha) * x) ** 2) / (2 * (1 - alpha)) - (x - sympy.sqrt(previous) * x0) ** 2 / (
        2 * (1 - previous)
    )
    second = -sympy.diff(exponent, x, 2)
    first = sympy.diff(exponent, x).subs(x, 0)
    return sympy.simplify(first / second), sympy.simplify(1 / second)


@closed_form(
    "diffusion.posterior_mean", arguments={"x0": "real", "xt": "real", **_LEVELS}, source=f"{_HO}, eq. 7"
)  # fmt: skip
def posterior_mean(x0: sympy.Symbol, xt: sympy.Symbol, level: sympy.Symbol, previous: sympy.Symbol) -> Derivation:
    """The mean of x_{t−1} given x_t and x_0.

    μ̃ = √ᾱ_{t−1} β_t/(1 − ᾱ_t) x_0 + √α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) x_t

    Shapes: all broadcast; `level` is ᾱ_t, `previous` ᾱ_{t−1}. Domain: 0 < ᾱ_t < ᾱ_{t−1} ≤ 1.

    >>> posterior_mean(3.0, 7.0, 0.5, 1.0)
    3.0
    """
    import sympy

    alpha = level / previous
    value = (
        sympy.sqrt(previous) * (1 - alpha) / (1 - level) * x0
        + sympy.sqrt(alpha) * (1 - previous) / (1 - level) * xt
    )  # fmt: skip
    mean, _ = _bayes(x0, xt, level, previous)
    steps = (step("Bayes: the mean of the product of both densities", mean, value, "the square in x_{t−1} completed"),)
    return Derivation(value=value, steps=steps, conditions=(level < previous, previous <= 1))


@closed_form("diffusion.posterior_variance", arguments=_LEVELS, source=f"{_HO}, eq. 7")
def posterior_variance(level: sympy.Symbol, previous: sympy.Symbol) -> Derivation:
    """The variance of x_{t−1} given x_t and x_0: β̃_t = β_t (1 − ᾱ_{t−1})/(1 − ᾱ_t).

    Shapes: both broadcast; `level` is ᾱ_t, `previous` ᾱ_{t−1}. Zero where ᾱ_{t−1} = 1, at the first step.

    >>> posterior_variance(0.25, 0.5)
    0.3333333333333333
    """
    import sympy

    value = (1 - level / previous) * (1 - previous) / (1 - level)
    _, variance = _bayes(sympy.Symbol("x_0", real=True), sympy.Symbol("x_t", real=True), level, previous)
    steps = (step("Bayes: the precisions add up", variance, value, "α/β + 1/(1 − ᾱ_{t−1})"),)
    return Derivation(value=value, steps=steps, conditions=(level < previous, previous <= 1))


@closed_form(
    "diffusion.x0_from_eps", arguments={"xt": "real", "eps": "real", **_SCALED}, source=f"{_HO}, eq. 15"
)  # fmt: skip
def x0_from_eps(xt: sympy.Symbol, eps: sympy.Symbol, signal: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """The data that the noise leaves: x̂_0 = (x_t − s ε)/a.

    Shapes: all broadcast. Domain: a > 0.

    >>> x0_from_eps(2.0, 2.0, 0.5, 0.75)
    1.0
    """
    x = q_sample.expression.subs(dict(zip(q_sample.symbols, (xt, eps, signal, scale), strict=True)))
    value = xt / signal - scale * eps / signal
    back = step("it undoes q_sample", value.subs(xt, x), xt, "a x_0 + s ε − s ε = a x_0")
    return Derivation(value=value, steps=(back,))


@closed_form(
    "diffusion.eps_from_x0", arguments={"xt": "real", "x0": "real", **_SCALED}, source=f"{_SONG}, eq. 12"
)  # fmt: skip
def eps_from_x0(xt: sympy.Symbol, x0: sympy.Symbol, signal: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """The noise that the data leave: ε̂ = (x_t − a x_0)/s.

    Shapes: all broadcast. Domain: s > 0.

    >>> eps_from_x0(2.0, 1.0, 0.5, 0.75)
    2.0
    """
    value = xt / scale - signal * x0 / scale
    back = step("it undoes q_sample", value.subs(xt, signal * x0 + scale * xt), xt, "a x_0 + s ε − a x_0 = s ε")
    return Derivation(value=value, steps=(back,))


@closed_form(
    "diffusion.v_target", arguments={"x0": "real", "noise": "real", **_SCALED}, source=f"{_SALIMANS}, appendix D"
)  # fmt: skip
def velocity(x0: sympy.Symbol, noise: sympy.Symbol, signal: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """The velocity of the rotation from data to noise: v = a ε − s x_0.

    Shapes: all broadcast.

    >>> velocity(1.0, 2.0, 0.5, 0.25)
    0.75
    """
    import sympy

    phi = sympy.Symbol("phi", real=True)
    value = signal * noise - scale * x0
    turned: dict[Any, Any] = {signal: sympy.cos(phi), scale: sympy.sin(phi)}
    moved = sympy.Derivative(sympy.cos(phi) * x0 + sympy.sin(phi) * noise, phi)
    return Derivation(value=value, steps=(step("∂x/∂φ", moved, value.subs(turned), "a = cos φ, s = sin φ"),))


@closed_form(
    "diffusion.x0_from_v", arguments={"xt": "real", "v": "real", **_SCALED}, source=f"{_SALIMANS}, appendix D"
)  # fmt: skip
def x0_from_v(xt: sympy.Symbol, v: sympy.Symbol, signal: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """The data from the velocity: x̂_0 = a x_t − s v, where a² + s² = 1.

    Shapes: all broadcast.

    >>> x0_from_v(2.0, 4.0, 0.5, 0.25)
    0.0
    """
    return Derivation(value=signal * xt - scale * v)


@closed_form(
    "diffusion.eps_from_v", arguments={"xt": "real", "v": "real", **_SCALED}, source=f"{_SALIMANS}, appendix D"
)  # fmt: skip
def eps_from_v(xt: sympy.Symbol, v: sympy.Symbol, signal: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """The noise from the velocity: ε̂ = s x_t + a v, where a² + s² = 1.

    Shapes: all broadcast.

    >>> eps_from_v(2.0, 4.0, 0.5, 0.25)
    2.5
    """
    return Derivation(value=scale * xt + signal * v)


@closed_form(
    "diffusion.score_from_eps", arguments={"eps": "real", "scale": "positive"},
    source="Song, Sohl-Dickstein et al. 2021, section 3.4; Vincent 2011",
)  # fmt: skip
def score_from_eps(eps: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """The score of x_t given x_0 at x_t = a x_0 + s ε: ∇ log q = −ε/s.

    Shapes: both broadcast. Domain: s > 0.

    >>> score_from_eps(2.0, 0.5)
    -4.0
    """
    import sympy

    x, mean = sympy.symbols("x m", real=True)
    value = -eps / scale
    slope = sympy.diff(-((x - mean) ** 2) / (2 * scale**2), x).subs(x, mean + scale * eps)
    return Derivation(value=value, steps=(step("differentiate the exponent", slope, value, "x_t − a x_0 = s ε"),))


@closed_form("diffusion.ddpm_mean", arguments={"xt": "real", "eps": "real", **_LEVELS}, source=f"{_HO}, eq. 11")
def ddpm_mean(xt: sympy.Symbol, eps: sympy.Symbol, level: sympy.Symbol, previous: sympy.Symbol) -> Derivation:
    """The mean of the reverse step: μ = (x_t − β_t/√(1 − ᾱ_t) ε)/√α_t.

    Shapes: all broadcast; `level` is ᾱ_t, `previous` ᾱ_{t−1}.

    >>> ddpm_mean(1.0, 0.0, 0.25, 1.0)
    2.0
    """
    import sympy

    alpha = level / previous
    value = xt / sympy.sqrt(alpha) - (1 - alpha) / sympy.sqrt(1 - level) / sympy.sqrt(alpha) * eps
    x0 = (xt - sympy.sqrt(1 - level) * eps) / sympy.sqrt(level)
    names: dict[Any, Any] = dict(zip(posterior_mean.symbols, (x0, xt, level, previous), strict=True))
    into = posterior_mean.expression.subs(names, simultaneous=True)
    return Derivation(value=value, steps=(step("the posterior's mean at x̂_0", into, value, "x̂_0 = (x_t − s ε)/a"),))


@closed_form("diffusion.ddim_variance", arguments={**_LEVELS, "eta": "nonnegative"}, source=f"{_SONG}, eq. 16")
def ddim_variance(level: sympy.Symbol, previous: sympy.Symbol, eta: sympy.Symbol) -> Derivation:
    """The variance of a DDIM step: σ² = η² (1 − ᾱ')/(1 − ᾱ) (1 − ᾱ/ᾱ').

    Shapes: all broadcast; `level` is ᾱ, `previous` ᾱ'.

    >>> ddim_variance(0.25, 0.5, 1.0)
    0.3333333333333333
    """
    value = eta**2 * (1 - previous) / (1 - level) * (1 - level / previous)
    names: dict[Any, Any] = dict(zip(posterior_variance.symbols, (level, previous), strict=True))
    same = step("at η = 1 it is β̃", value.subs(eta, 1), posterior_variance.expression.subs(names), "as written")
    return Derivation(value=value, steps=(same,))


@closed_form(
    "diffusion.ddim_step",
    arguments={"xt": "real", "eps": "real", "noise": "real", **_LEVELS, "variance": "nonnegative"},
    source=f"{_SONG}, eq. 12",
)  # fmt: skip
def ddim_step(
    xt: sympy.Symbol, eps: sympy.Symbol, noise: sympy.Symbol, level: sympy.Symbol, previous: sympy.Symbol,
    variance: sympy.Symbol,
) -> Derivation:  # fmt: skip
    """A DDIM step from ᾱ to ᾱ': √ᾱ' (x_t − √(1 − ᾱ) ε)/√ᾱ + √(1 − ᾱ' − σ²) ε + σ z.

    Shapes: all broadcast.

    >>> ddim_step(2.0, 0.0, 0.0, 0.25, 1.0, 0.0)
    4.0
    """
    import sympy

    scaled = sympy.sqrt(previous) / sympy.sqrt(level)
    value = (
        scaled * xt - scaled * sympy.sqrt(1 - level) * eps
        + sympy.sqrt(1 - previous - variance) * eps + sympy.sqrt(variance) * noise
    )  # fmt: skip
    x0 = sympy.Symbol("x_0", real=True)
    exact = value.subs(xt, sympy.sqrt(level) * x0 + sympy.sqrt(1 - level) * eps)
    left = sympy.expand(sympy.simplify(exact)) - sympy.sqrt(previous) * x0
    kept = sympy.diff(left, eps) ** 2 + sympy.diff(left, noise) ** 2
    steps = (step("the marginal's variance is kept", kept, 1 - previous, "(1 − ᾱ' − σ²) + σ²"),)
    return Derivation(value=value, steps=steps)


@closed_form("diffusion.snr", arguments={"level": "positive"}, source="Kingma, Salimans, Poole & Ho 2021, eq. 1")
def snr(level: sympy.Symbol) -> Derivation:
    """The ratio of the signal's variance to the noise's: ᾱ/(1 − ᾱ).

    Shapes: as `level`. Domain: 0 < ᾱ < 1.

    >>> snr(0.75)
    3.0
    """
    import sympy

    value = level / (1 - level)
    rising = step("its slope is positive", sympy.Derivative(value, level), 1 / (1 - level) ** 2, "so it falls with ᾱ")
    return Derivation(value=value, steps=(rising,), conditions=(level < 1,))


@closed_form(
    "diffusion.p2_weight", arguments={"level": "positive", "gamma": "nonnegative", "k": "positive"},
    source="Choi et al. 2022, eq. 8",
)  # fmt: skip
def p2_weight(level: sympy.Symbol, gamma: sympy.Symbol, k: sympy.Symbol) -> Derivation:
    """The weight that prefers perceptual noise levels: (k + ᾱ/(1 − ᾱ))^(−γ).

    Shapes: all broadcast.

    >>> p2_weight(0.75, 1.0, 1.0)
    0.25
    """
    return Derivation(value=(k + level / (1 - level)) ** (-gamma), conditions=(level < 1,))


@closed_form(
    "diffusion.classifier_free_guidance", arguments={"conditional": "real", "unconditional": "real", "scale": "real"},
    source="Ho & Salimans 2022, eq. 6",
)  # fmt: skip
def guidance(conditional: sympy.Symbol, unconditional: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """Guidance by the difference of two predictions: u + s (c − u), s = 1 + w.

    Shapes: all broadcast.

    >>> guidance(2.0, 1.0, 3.0)
    4.0
    """
    import sympy

    w = sympy.Symbol("w", real=True)
    value = unconditional + scale * conditional - scale * unconditional
    paper = (1 + w) * conditional - w * unconditional
    return Derivation(value=value, steps=(step("as in the paper", value.subs(scale, 1 + w), paper, "s = 1 + w"),))
