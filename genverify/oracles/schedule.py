"""Schedules as functions of the step t: the pieces of which every schedule of a rate or of a weight is made.

A closed form says what the rate is at step t without going through the steps before; the recursions that people run
are derived from it in the specs. Sums are left expanded, so that their terms say how much may cancel: near the end of a
cosine 1 + cos is a difference of two numbers near one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["cosine", "exponential", "inverse_square_root", "linear", "noam", "polynomial", "sigmoid", "staircase"]

_T = {"t": "nonnegative", "total": "positive"}


@closed_form(
    "schedule.linear",
    arguments={**_T, "start": "real", "end": "real"},
    source="Goodfellow, Bengio & Courville 2016, eq. 8.14",
)
def linear(t: sympy.Symbol, total: sympy.Symbol, start: sympy.Symbol, end: sympy.Symbol) -> Derivation:
    """From `start` at t = 0 to `end` at t = T by equal steps.

    η(t) = η₀ + (η_T − η₀) t/T

    Shapes: all broadcast. Domain: 0 ≤ t ≤ T.

    >>> linear(1, 4, 1.0, 0.0)
    0.75
    """
    value = start - start * t / total + end * t / total
    steps = (
        step("it begins at the start", value.subs(t, 0), start, "t = 0"),
        step("it ends at the end", value.subs(t, total), end, "t = T"),
        step("its steps are equal", value.subs(t, t + 1) - value, (end - start) / total, "by subtraction"),
    )
    return Derivation(value=value, steps=steps)


@closed_form(
    "schedule.exponential", arguments={"t": "nonnegative", "base": "positive", "gamma": "positive"},
    source="Li & Arora 2020, section 1; torch.optim.lr_scheduler.ExponentialLR",
)  # fmt: skip
def exponential(t: sympy.Symbol, base: sympy.Symbol, gamma: sympy.Symbol) -> Derivation:
    """Multiplied by γ at every step: η(t) = η₀ γᵗ.

    Shapes: all broadcast.

    >>> exponential(2, 1.0, 0.5)
    0.25
    """
    value = base * gamma**t
    return Derivation(
        value=value,
        steps=(step("each step multiplies by γ", value.subs(t, t + 1), gamma * value, "the law of exponents"),),
    )


@closed_form(
    "schedule.step",
    arguments={"t": "nonnegative", "base": "positive", "gamma": "positive", "period": "positive"},
    source="He et al. 2016, section 4.2; torch.optim.lr_scheduler.StepLR",
)
def staircase(t: sympy.Symbol, base: sympy.Symbol, gamma: sympy.Symbol, period: sympy.Symbol) -> Derivation:
    """Multiplied by γ at every s-th step: η(t) = η₀ γ^⌊t/s⌋.

    Shapes: all broadcast; s a whole number of steps.

    >>> staircase(2, 1.0, 0.5, 3), staircase(3, 1.0, 0.5, 3)
    (1.0, 0.5)
    """
    import sympy

    return Derivation(value=base * gamma ** sympy.floor(t / period))


@closed_form(
    "schedule.polynomial", arguments={**_T, "start": "real", "end": "real", "power": "positive"},
    source="Liu, Rabinovich & Berg 2015; torch.optim.lr_scheduler.PolynomialLR",
)  # fmt: skip
def polynomial(
    t: sympy.Symbol, total: sympy.Symbol, start: sympy.Symbol, end: sympy.Symbol, power: sympy.Symbol
) -> Derivation:
    """A power of the part that is left: η(t) = η_T + (η₀ − η_T) (1 − t/T)^p.

    Shapes: all broadcast. Domain: 0 ≤ t ≤ T.

    >>> polynomial(1, 2, 1.0, 0.0, 2.0)
    0.25
    """
    left = (1 - t / total) ** power
    return Derivation(value=end + start * left - end * left)


@closed_form(
    "schedule.cosine", arguments={**_T, "start": "real", "end": "real"}, source="Loshchilov & Hutter 2017, eq. 5"
)
def cosine(t: sympy.Symbol, total: sympy.Symbol, start: sympy.Symbol, end: sympy.Symbol) -> Derivation:
    """Half a wave from `start` at t = 0 to `end` at t = T.

    η(t) = η_T + ½ (η₀ − η_T) (1 + cos πt/T)

    Shapes: all broadcast. Beyond T it rises again, with the period 2T.

    >>> cosine(2, 4, 1.0, 0.0)
    0.5
    """
    import sympy

    wave = sympy.cos(sympy.pi * t / total)
    value = start / 2 + end / 2 + start * wave / 2 - end * wave / 2
    steps = (
        step("as it is written", end + (start - end) * (1 + wave) / 2, value, "multiplied out"),
        step("it begins at the start", value.subs(t, 0), start, "cos 0 = 1"),
        step("it ends at the end", value.subs(t, total), end, "cos π = −1"),
    )
    return Derivation(value=value, steps=steps)


@closed_form(
    "schedule.inverse_square_root", arguments={"t": "positive", "base": "positive", "warmup": "positive"},
    source="Vaswani et al. 2017, eq. 3",
)  # fmt: skip
def inverse_square_root(t: sympy.Symbol, base: sympy.Symbol, warmup: sympy.Symbol) -> Derivation:
    """What follows the warm-up: η(t) = η₀ √(w/t) for t ≥ w, so that η(w) = η₀.

    Shapes: all broadcast. Domain: t ≥ 1.

    >>> inverse_square_root(16, 1.0, 4)
    0.5
    """
    import sympy

    value = base * sympy.sqrt(warmup / t)
    return Derivation(value=value, steps=(step("the peak is at w", value.subs(t, warmup), base, "t = w"),))


@closed_form(
    "schedule.noam", arguments={"t": "positive", "base": "positive", "warmup": "positive", "width": "positive"},
    source="Vaswani et al. 2017, eq. 3",
)  # fmt: skip
def noam(t: sympy.Symbol, base: sympy.Symbol, warmup: sympy.Symbol, width: sympy.Symbol) -> Derivation:
    """The schedule of the Transformer: η(t) = f d^(−1/2) min(t^(−1/2), t w^(−3/2)), f a factor, d the model's width.

    Shapes: all broadcast. Domain: t ≥ 1.

    >>> noam(4, 1.0, 4, 4)
    0.25
    """
    import sympy

    rising, falling = t * warmup ** sympy.Rational(-3, 2), 1 / sympy.sqrt(t)
    steps = (step("the two meet at w", rising.subs(t, warmup), falling.subs(t, warmup), "w · w^(−3/2) = w^(−1/2)"),)
    return Derivation(value=base * sympy.Min(falling, rising) / sympy.sqrt(width), steps=steps)


@closed_form(
    "schedule.sigmoid", arguments={"t": "real", "base": "positive", "slope": "positive", "midpoint": "real"},
    source="Bowman et al. 2016, section 3.1",
)  # fmt: skip
def sigmoid(t: sympy.Symbol, base: sympy.Symbol, slope: sympy.Symbol, midpoint: sympy.Symbol) -> Derivation:
    """A logistic rise: η(t) = η₀ / (1 + exp(−k (t − t₀))).

    Shapes: all broadcast; k in units of one over steps.

    >>> sigmoid(3, 1.0, 2.0, 3)
    0.5
    """
    import sympy

    u = slope * (t - midpoint)
    value = base / 2 + base * sympy.tanh(u / 2) / 2
    logistic = base / (1 + sympy.exp(-u))
    same = step("tanh for exp", logistic.rewrite(sympy.exp), value.rewrite(sympy.exp), "tanh u/2 = 2/(1 + e^(−u)) − 1")
    half = step("half at the midpoint", value.subs(t, midpoint), base / 2, "tanh 0 = 0")
    return Derivation(value=value, steps=(same, half))
