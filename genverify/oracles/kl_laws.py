"""The laws of `kl_pairs`: log-densities as sums of functions of the outcome, and the expectations of these.

Each entry is written down once, in SymPy, from the textbooks; the page `specs/kl_registry.py` derives the expectations
(from the derivatives of the log-normaliser in exponential families, by integration elsewhere).

Source: Johnson, Kotz & Balakrishnan 1994 and 1995, "Continuous univariate distributions"; Johnson, Kemp & Kotz 2005,
"Univariate discrete distributions"; Loaiza-Ganem & Cunningham 2019 (continuous Bernoulli); Chyzak & Nielsen 2019
(Cauchy).
"""

from __future__ import annotations

import math
from typing import Any

from .kl_pairs import Law

__all__ = ["ALL"]

_REAL, _POSITIVE, _FROM_ZERO = (-math.inf, math.inf), (0, math.inf), (0, math.inf)
_LOC_SCALE = {"loc": "real", "scale": "positive"}
_PROBS = {"probs": "positive"}


def _sympy() -> Any:  # noqa: ANN401 - imported when a law is first written out
    import sympy

    return sympy


def log(x: Any) -> Any:  # noqa: ANN401
    """The logarithm, as SymPy's."""
    return _sympy().log(x)


def exp(x: Any) -> Any:  # noqa: ANN401
    """The exponential, as SymPy's."""
    return _sympy().exp(x)


def lgamma(x: Any) -> Any:  # noqa: ANN401
    """The logarithm of the gamma function."""
    return _sympy().loggamma(x)


def digamma(x: Any) -> Any:  # noqa: ANN401
    """Its derivative."""
    return _sympy().digamma(x)


def _half() -> Any:  # noqa: ANN401
    return _sympy().Rational(1, 2)


def _euler() -> Any:  # noqa: ANN401
    return _sympy().EulerGamma


def _log_two_pi() -> Any:  # noqa: ANN401
    return log(2 * _sympy().pi)


def _logit(p: Any) -> Any:  # noqa: ANN401
    return log(p) - log(1 - p)


BERNOULLI = Law(
    name="Bernoulli", parameters=_PROBS, discrete=True,
    support=lambda p: (0 if p < 1 else 1, 1 if p > 0 else 0),
    log_density=lambda p: {("x",): log(p), ("rest", 1): log(1 - p)},
    mean=lambda p: p,
    moments={"rest": lambda p, n: n - p, "log_factorial": lambda p: 0},
)  # fmt: skip

BINOMIAL = Law(
    name="Binomial", parameters={"total_count": "positive", "probs": "positive"}, discrete=True,
    support=lambda n, p: (0, n if p > 0 else 0),
    # The binomial coefficient is the same for both laws where the counts are, and has no closed expectation.
    log_density=lambda n, p: {("x",): log(p), ("rest", n): log(1 - p), ("log_choose",): 1},
    mean=lambda n, p: n * p,
    moments={"rest": lambda n, p, m: m - n * p},
)  # fmt: skip

POISSON = Law(
    name="Poisson", parameters={"rate": "positive"}, discrete=True,
    support=lambda r: _FROM_ZERO if r > 0 else (0, 0),
    log_density=lambda r: {("x",): log(r), ("one",): -r, ("log_factorial",): -1},
    mean=lambda r: r,
)  # fmt: skip

GEOMETRIC = Law(
    name="Geometric", parameters=_PROBS, discrete=True,
    support=lambda p: _FROM_ZERO,
    log_density=lambda p: {("one",): log(p), ("x",): log(1 - p)},
    mean=lambda p: (1 - p) / p,
)  # fmt: skip


def _continuous_mean(p: Any) -> Any:  # noqa: ANN401
    return p / (2 * p - 1) - 1 / _logit(p)


def _continuous_variance(p: Any) -> Any:  # noqa: ANN401
    return 1 / _logit(p) ** 2 - p * (1 - p) / (1 - 2 * p) ** 2


CONTINUOUS_BERNOULLI = Law(
    name="ContinuousBernoulli", parameters=_PROBS, support=lambda p: (0, 1),
    # x log p + (1 − x) log(1 − p) + log C, C = logit p/(2p − 1), which is 2 at p = ½.
    log_density=lambda p: {("x",): _logit(p), ("one",): log(1 - p) + log(_logit(p) / (2 * p - 1))},
    mean=_continuous_mean, variance=_continuous_variance,
)  # fmt: skip


def _log_beta(a: Any, b: Any) -> Any:  # noqa: ANN401
    return lgamma(a) + lgamma(b) - lgamma(a + b)


BETA = Law(
    name="Beta", parameters={"concentration1": "positive", "concentration0": "positive"}, support=lambda a, b: (0, 1),
    log_density=lambda a, b: {("log",): a - 1, ("log1m",): b - 1, ("one",): -_log_beta(a, b)},
    mean=lambda a, b: a / (a + b), variance=lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1)),
    moments={"log": lambda a, b: digamma(a) - digamma(a + b), "log1m": lambda a, b: digamma(b) - digamma(a + b)},
)  # fmt: skip

GAMMA = Law(
    name="Gamma", parameters={"concentration": "positive", "rate": "positive"}, support=lambda k, r: _POSITIVE,
    log_density=lambda k, r: {("log",): k - 1, ("x",): -r, ("one",): k * log(r) - lgamma(k)},
    mean=lambda k, r: k / r, variance=lambda k, r: k / r**2,
    moments={
        "log": lambda k, r: digamma(k) - log(r),
        "decay": lambda k, r, t, c: exp(t * c - k * log(1 + t / r)),
    },
)  # fmt: skip

EXPONENTIAL = Law(
    name="Exponential", parameters={"rate": "positive"}, support=lambda r: _POSITIVE,
    log_density=lambda r: {("x",): -r, ("one",): log(r)},
    mean=lambda r: 1 / r, variance=lambda r: 1 / r**2,
    moments={
        "log": lambda r: -_euler() - log(r),
        "decay": lambda r, t, c: exp(t * c - log(1 + t / r)),
    },
)  # fmt: skip

NORMAL = Law(
    name="Normal", parameters=_LOC_SCALE, support=lambda m, s: _REAL,
    log_density=lambda m, s: {("square", m): -1 / (2 * s**2), ("one",): -log(s) - _log_two_pi() / 2},
    mean=lambda m, s: m, variance=lambda m, s: s**2,
    moments={
        "decay": lambda m, s, t, c: exp(-t * (m - c) + (t * s) ** 2 / 2),
        "abs": lambda m, s, c: s * _sympy().sqrt(2 / _sympy().pi) * exp(-(((m - c) / s) ** 2) / 2)
        + (m - c) * _sympy().erf((m - c) / (s * _sympy().sqrt(2))),
    },
)  # fmt: skip

HALF_NORMAL = Law(
    name="HalfNormal", parameters={"scale": "positive"}, support=lambda s: _POSITIVE,
    log_density=lambda s: {("square", 0): -1 / (2 * s**2), ("one",): log(2) - log(s) - _log_two_pi() / 2},
    moments={"square": lambda s, c: s**2 + c * (c - 2 * s * _sympy().sqrt(2 / _sympy().pi))},
)  # fmt: skip

LAPLACE = Law(
    name="Laplace", parameters=_LOC_SCALE, support=lambda m, b: _REAL,
    log_density=lambda m, b: {("abs", m): -1 / b, ("one",): -log(2 * b)},
    mean=lambda m, b: m, variance=lambda m, b: 2 * b**2,
    moments={"abs": lambda m, b, c: abs(m - c) + b * exp(-abs(m - c) / b)},
)  # fmt: skip

GUMBEL = Law(
    name="Gumbel", parameters=_LOC_SCALE, support=lambda m, b: _REAL,
    log_density=lambda m, b: {("x",): -1 / b, ("decay", 1 / b, m): -1, ("one",): m / b - log(b)},
    mean=lambda m, b: m + _euler() * b, variance=lambda m, b: (_sympy().pi * b) ** 2 / 6,
    moments={"decay": lambda m, b, t, c: exp(lgamma(1 + t * b) - t * (m - c))},
)  # fmt: skip

UNIFORM = Law(
    name="Uniform", parameters={"low": "real", "high": "real"}, support=lambda a, b: (a, b),
    log_density=lambda a, b: {("one",): -log(b - a)},
    mean=lambda a, b: (a + b) / 2, variance=lambda a, b: (b - a) ** 2 / 12,
    moments={
        "log": lambda a, b: (b * log(b) - a * log(a)) / (b - a) - 1,
        "log1m": lambda a, b: ((1 - a) * log(1 - a) - (1 - b) * log(1 - b)) / (b - a) - 1,
        "decay": lambda a, b, t, c: (exp(-t * (a - c)) - exp(-t * (b - c))) / (t * (b - a)),
    },
)  # fmt: skip

PARETO = Law(
    name="Pareto", parameters={"scale": "positive", "alpha": "positive"}, support=lambda s, a: (s, math.inf),
    log_density=lambda s, a: {("one",): log(a) + a * log(s), ("log",): -(a + 1)},
    mean=lambda s, a: a * s / (a - 1), variance=lambda s, a: s**2 * a / ((a - 1) ** 2 * (a - 2)),
    moments={"log": lambda s, a: log(s) + 1 / a},
    finite={"x": lambda s, a: a > 1, "square": lambda s, a: a > 2},
)  # fmt: skip

CAUCHY = Law(
    name="Cauchy", parameters=_LOC_SCALE, support=lambda m, g: _REAL,
    log_density=lambda m, g: {("log_square", m, g): -1, ("one",): log(g) - log(_sympy().pi)},
    moments={"log_square": lambda m, g, c, h: log((g + h) ** 2 + (m - c) ** 2)},
)  # fmt: skip

ALL = (
    BERNOULLI, BETA, BINOMIAL, CAUCHY, CONTINUOUS_BERNOULLI, EXPONENTIAL, GAMMA, GEOMETRIC, GUMBEL, HALF_NORMAL,
    LAPLACE, NORMAL, PARETO, POISSON, UNIFORM,
)  # fmt: skip
