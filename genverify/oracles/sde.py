"""Stochastic differential equations of diffusion: coefficients, and the moments that solve them.

Of ``dx = f x dt + g dw`` from x(0) the mean m and the variance v obey ``m′ = f m``, ``v′ = 2 f v + g²``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "flow_slope", "sub_vp_diffusion", "ve_diffusion", "ve_std", "vp_diffusion", "vp_integral", "vp_mean", "vp_rate",
    "vp_std",
]  # fmt: skip

_VP = {"t": "positive", "low": "positive", "high": "positive"}
_VE = {"t": "real", "low": "positive", "high": "positive"}
_SONG = "Song et al. 2021"


@closed_form("sde.vp_rate", arguments=_VP, source=f"{_SONG}, eq. 32")
def vp_rate(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """The rate of noise: ``β(t) = β_min + t (β_max − β_min)``.

    >>> vp_rate(0.5, 0.0625, 20.0625)
    10.0625
    """
    return Derivation(value=low - t * low + t * high)


@closed_form("sde.vp_integral", arguments=_VP, source=f"{_SONG}, eq. 33")
def vp_integral(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """The noise up to t: ``∫₀ᵗ β = t β_min + ½ t² (β_max − β_min)``.

    >>> vp_integral(1.0, 1.0, 3.0)
    2.0
    """
    import sympy

    s = sympy.Symbol("s", real=True)
    value = sympy.expand(sympy.integrate(low + s * (high - low), (s, 0, t)))
    return Derivation(
        value=value, steps=(step("its slope is β", sympy.diff(value, t), low + t * (high - low), "calculus"),)
    )


@closed_form("sde.vp_diffusion", arguments=_VP, source=f"{_SONG}, eq. 11")
def vp_diffusion(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """What multiplies the noise: ``g = √β(t)``.

    >>> vp_diffusion(0.5, 1.0, 7.0)
    2.0
    """
    import sympy

    return Derivation(value=sympy.sqrt((1 - t) * low + t * high))


@closed_form("sde.vp_mean", arguments=_VP, source=f"{_SONG}, eq. 29")
def vp_mean(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """What is left of x(0) in the mean: ``exp(−½ ∫β)``, which solves ``m′ = −½ β m``.

    >>> round(vp_mean(1.0, 1.0, 3.0), 6)
    0.367879
    """
    import sympy

    whole = t * low + t**2 * (high - low) / 2
    value = sympy.exp(-whole / 2)
    rate = low + t * (high - low)
    return Derivation(
        value=value, steps=(step("it solves the equation", sympy.diff(value, t), -rate * value / 2, "chain rule"),)
    )


@closed_form("sde.vp_std", arguments=_VP, source=f"{_SONG}, eq. 29")
def vp_std(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """The deviation given x(0): ``√(1 − exp(−∫β))``, whose square solves ``v′ = β − β v``.

    >>> round(vp_std(1.0, 1.0, 3.0), 6)
    0.929873
    """
    import sympy

    whole = t * low + t**2 * (high - low) / 2
    rate, variance = low + t * (high - low), 1 - sympy.exp(-whole)
    steps = (
        step("it solves the equation", sympy.diff(variance, t), rate - rate * variance, "chain rule"),
        step("it begins at zero", variance.subs(t, 0), sympy.S.Zero, "exp 0 = 1"),
        step(
            "without the cancellation", (2 * sympy.exp(-whole / 2) * sympy.sinh(whole / 2)).rewrite(sympy.exp),
            variance, "2 sinh u = eᵘ − e^(−u)",
        ),
    )  # fmt: skip
    return Derivation(value=sympy.sqrt(2 * sympy.exp(-whole / 2) * sympy.sinh(whole / 2)), steps=steps)


@closed_form("sde.sub_vp_diffusion", arguments=_VP, source=f"{_SONG}, eq. 12")
def sub_vp_diffusion(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """The diffusion of the sub-VP equation: ``√(β (1 − exp(−2 ∫β)))``; its variance is the square of VP's.

    >>> round(sub_vp_diffusion(1.0, 1.0, 3.0), 6)
    1.716116
    """
    import sympy

    whole = t * low + t**2 * (high - low) / 2
    rate, variance = low + t * (high - low), (1 - sympy.exp(-whole)) ** 2
    slope = rate * (1 - sympy.exp(-2 * whole)) - rate * variance
    value = sympy.sqrt(((1 - t) * low + t * high) * 2 * sympy.exp(-whole) * sympy.sinh(whole))
    return Derivation(value=value, steps=(step("its variance", sympy.diff(variance, t), slope, "chain rule"),))


@closed_form("sde.ve_std", arguments=_VE, source=f"{_SONG}, eq. 30")
def ve_std(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """The noise level, rising as a power: ``σ(t) = σ_min (σ_max/σ_min)^t``.

    >>> ve_std(0.5, 1.0, 4.0)
    2.0
    """
    return Derivation(value=low * (high / low) ** t)


@closed_form("sde.ve_diffusion", arguments=_VE, source=f"{_SONG}, eq. 31")
def ve_diffusion(t: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol) -> Derivation:
    """What multiplies the noise: ``g = σ(t) √(2 log(σ_max/σ_min))``, so that g² is the slope of σ².

    >>> round(ve_diffusion(0.0, 1.0, 7.38905609893065), 6)
    2.0
    """
    import sympy

    level = low * (high / low) ** t
    value = level * sympy.sqrt(2 * sympy.log(high / low))
    return Derivation(value=value, steps=(step("v′ = g²", sympy.diff(level**2, t), value**2, "the chain rule"),))


def flow_slope(drift: Tensor, diffusion: Tensor, score: Tensor, share: float = 0.5) -> tuple[Tensor, Tensor]:
    """The slope of the probability flow: ``f − ½ g² s``, in two terms; with `share` = 1 the drift back in time.

    >>> import torch
    >>> [float(t) for t in flow_slope(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0))]
    [1.0, -6.0]
    """
    return drift, -share * diffusion**2 * score
