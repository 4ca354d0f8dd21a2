"""Kullback–Leibler divergences from their definition: ∫ p (log p − log q), or the sum, in mpmath.

The second witness of `kl_pairs`: log-densities are written out once more, as the textbooks print them, and integrated
at any precision. Slow, and of moderate parameters only; it needs no closed form.

Source: Kullback & Leibler 1951, eq. 2.4; Takahasi & Mori 1974 (the double-exponential rule that mpmath uses).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genverify.errors import UsageError, nearest

__all__ = ["DENSITIES", "divergence", "integral"]


@dataclass(frozen=True, kw_only=True)
class Density:
    """A log-density, its support, and points between which it is smooth and has its mass.

    Attributes:
        log: The outcome and the parameters → log-density.
        ends: The parameters → lower and upper end of the support.
        inside: The parameters → points at which the integral is split.
        discrete: Whether the law is on the integers.
    """

    log: Callable[..., Any]
    ends: Callable[..., tuple[Any, Any]]
    inside: Callable[..., tuple[Any, ...]] = lambda *_: ()
    discrete: bool = False


def _mp() -> Any:  # noqa: ANN401
    import mpmath

    return mpmath


def _xlogy(x: Any, y: Any) -> Any:  # noqa: ANN401
    return x * _mp().log(y) if x != 0 else 0


def _binomial(x: Any, n: Any, p: Any) -> Any:  # noqa: ANN401
    mp = _mp()
    return mp.log(mp.binomial(n, x)) + _xlogy(x, p) + _xlogy(n - x, 1 - p)


def _continuous_bernoulli(x: Any, p: Any) -> Any:  # noqa: ANN401
    mp = _mp()
    normaliser = mp.mpf(2) if p == mp.mpf("0.5") else 2 * mp.atanh(1 - 2 * p) / (1 - 2 * p)
    return _xlogy(x, p) + _xlogy(1 - x, 1 - p) + mp.log(normaliser)


def _beta(x: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
    mp = _mp()
    return (a - 1) * mp.log(x) + (b - 1) * mp.log(1 - x) - mp.log(mp.beta(a, b))


def _gamma(x: Any, k: Any, r: Any) -> Any:  # noqa: ANN401
    mp = _mp()
    return k * mp.log(r) - mp.log(mp.gamma(k)) + (k - 1) * mp.log(x) - r * x


def _normal(x: Any, m: Any, s: Any) -> Any:  # noqa: ANN401
    mp = _mp()
    return -(((x - m) / s) ** 2) / 2 - mp.log(s * mp.sqrt(2 * mp.pi))


def _gumbel(x: Any, m: Any, b: Any) -> Any:  # noqa: ANN401
    mp = _mp()
    z = max((x - m) / b, -200)  # e^(−e^200) is nothing at any precision, and takes for ever to compute
    return -z - (mp.exp(-z) if z < _NOTHING else 0) - mp.log(b)


_ALL, _HALF = (-math.inf, math.inf), (0, math.inf)

_GUARD = 10  # digits beyond those asked for
_NOTHING = 10**4  # e^(−10⁴) is below every precision asked for, and below its product with any log-density here

DENSITIES: Mapping[str, Density] = {
    "Bernoulli": Density(log=lambda x, p: _binomial(x, 1, p), ends=lambda p: (0, 1), discrete=True),
    "Beta": Density(log=_beta, ends=lambda a, b: (0, 1), inside=lambda a, b: (_mp().mpf(1) / 2,)),
    "Binomial": Density(log=_binomial, ends=lambda n, p: (0, int(n)), discrete=True),
    "Cauchy": Density(
        log=lambda x, m, g: -_mp().log(_mp().pi * g * (1 + ((x - m) / g) ** 2)), ends=lambda m, g: _ALL,
        inside=lambda m, g: (m - g, m, m + g),
    ),
    "ContinuousBernoulli": Density(log=_continuous_bernoulli, ends=lambda p: (0, 1)),
    "Exponential": Density(log=lambda x, r: _mp().log(r) - r * x, ends=lambda r: _HALF, inside=lambda r: (1 / r,)),
    "Gamma": Density(log=_gamma, ends=lambda k, r: _HALF, inside=lambda k, r: (k / r,)),
    "Geometric": Density(
        log=lambda x, p: _mp().log(p) + _xlogy(x, 1 - p), ends=lambda p: _HALF, discrete=True
    ),
    "Gumbel": Density(log=_gumbel, ends=lambda m, b: _ALL, inside=lambda m, b: (m - b, m, m + 2 * b)),
    "HalfNormal": Density(
        log=lambda x, s: _mp().log(2) + _normal(x, 0, s), ends=lambda s: _HALF, inside=lambda s: (s,)
    ),
    "Laplace": Density(
        log=lambda x, m, b: -abs(x - m) / b - _mp().log(2 * b), ends=lambda m, b: _ALL, inside=lambda m, b: (m,)
    ),
    "Normal": Density(log=_normal, ends=lambda m, s: _ALL, inside=lambda m, s: (m - s, m, m + s)),
    "Pareto": Density(
        log=lambda x, s, a: _mp().log(a) + a * _mp().log(s) - (a + 1) * _mp().log(x),
        ends=lambda s, a: (s, math.inf), inside=lambda s, a: (2 * s,),
    ),
    "Poisson": Density(
        log=lambda x, r: x * _mp().log(r) - r - _mp().log(_mp().factorial(x)), ends=lambda r: _HALF, discrete=True
    ),
    "Uniform": Density(log=lambda x, a, b: -_mp().log(b - a), ends=lambda a, b: (a, b)),
}  # fmt: skip


def divergence(p: str, q: str, first: Mapping[str, float], second: Mapping[str, float], *, dps: int = 20) -> Any:  # noqa: ANN401
    """KL(p ‖ q) by its definition, with the laws and parameters of torch.distributions; an mpf.

    Raises:
        UsageError: There is no such law.

    >>> round(float(divergence("Normal", "Normal", {"loc": 1.0, "scale": 1.0}, {"loc": 0.0, "scale": 1.0})), 15)
    0.5
    >>> divergence("Normal", "Beta", {"loc": 1.0, "scale": 1.0}, {"concentration1": 1.0, "concentration0": 2.0})
    mpf('+inf')
    """
    for name in (p, q):
        if name not in DENSITIES:
            raise UsageError(given=f"law {name!r}", expected="a scalar law", do=nearest(name, DENSITIES))
    mp, one, other = _mp(), DENSITIES[p], DENSITIES[q]
    with mp.workdps(dps + _GUARD):
        these, those = ([mp.mpf(v) for v in values.values()] for values in (first, second))
        low, high = one.ends(*these)
        least, most = other.ends(*those)
        if low < least or high > most:
            return mp.inf
        if one.discrete:
            return _sum(lambda x: one.log(x, *these), lambda x: other.log(x, *those), low, high)
        kinks = [x for x in other.inside(*those) if low < x < high]
        return integral(
            lambda x: one.log(x, *these), lambda x: other.log(x, *those), low, high, (*one.inside(*these), *kinks)
        )


def integral(
    log_p: Callable[[Any], Any],
    log_q: Callable[[Any], Any],
    low: Any,  # noqa: ANN401
    high: Any,  # noqa: ANN401
    inside: tuple[Any, ...] = (),
) -> Any:  # noqa: ANN401
    """∫ p (log p − log q) between two points, for any log-densities in mpmath.

    >>> import mpmath
    >>> uniform = integral(lambda x: mpmath.mpf(0), lambda x: mpmath.log(2 * x), 0, 1)
    >>> round(float(uniform), 12) == round(1 - math.log(2), 12)
    True
    """
    mp = _mp()

    def integrand(x: Any) -> Any:  # noqa: ANN401
        here = log_p(x)
        return mp.exp(here) * (here - log_q(x)) if here > -_NOTHING else mp.mpf(0)

    return mp.quad(integrand, sorted({mp.mpf(low), *inside, mp.mpf(high)}))


def _sum(log_p: Callable[[Any], Any], log_q: Callable[[Any], Any], low: Any, high: Any) -> Any:  # noqa: ANN401
    """The sum over the integers: until terms beyond the mode no longer count."""
    mp = _mp()
    total, mass, x = mp.mpf(0), mp.mpf(0), int(low)
    while x <= high:
        here = log_p(x)
        chance = mp.exp(here)
        total += chance * (here - log_q(x))
        mass += chance
        if 1 - mass < mp.eps * mp.mpf(10) ** (_GUARD // 2) and chance * abs(here) < mp.eps * abs(total):
            break
        x += 1
    return total
