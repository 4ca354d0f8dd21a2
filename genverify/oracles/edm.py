"""Karras et al.'s design space: noise levels, the scalings around a network, the weight of its loss, and the steps.

The scalings are derived: of data of variance σ_d² and a noise level σ, inputs and training targets of the network have
variance one, and its output is amplified as little as that allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ancestral", "c_in", "c_out", "c_skip", "dpm_multistep", "dpm_step", "euler", "heun", "level", "loss_weight",
    "slope",
]  # fmt: skip

Denoiser = Callable[..., Tensor]

_AT = {"sigma": "positive", "data": "positive"}


@closed_form(
    "edm.level",
    arguments={"part": "nonnegative", "low": "positive", "high": "positive", "rho": "positive"},
    source="Karras et al. 2022, eq. 5",
)
def level(part: sympy.Symbol, low: sympy.Symbol, high: sympy.Symbol, rho: sympy.Symbol) -> Derivation:
    """The noise level at a part of the way from the highest to the lowest, equally spaced in σ^(1/ρ).

    σ = (σ_max^(1/ρ) + p (σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ, p = i/(n − 1)

    Shapes: all broadcast. Domain: 0 ≤ p ≤ 1.

    >>> level(0.5, 1.0, 9.0, 2.0), level(0.0, 0.002, 80.0, 7.0)
    (4.0, 80.0)
    """
    import sympy

    root = (1 - part) * high ** (1 / rho) + part * low ** (1 / rho)
    value, more = root**rho, sympy.Symbol("delta", real=True)
    steps = (
        step("it begins at the highest", value.subs(part, 0), high, "(σ^(1/ρ))^ρ = σ"),
        step("it ends at the lowest", value.subs(part, 1), low, "(σ^(1/ρ))^ρ = σ"),
        step(
            "equal steps in the root", root.subs(part, part + more) - root,
            more * (low ** (1 / rho) - high ** (1 / rho)), "it is linear in p",
        ),
    )  # fmt: skip
    return Derivation(value=value, steps=steps)


@closed_form("edm.c_in", arguments=_AT, source="Karras et al. 2022, eqs. 114 to 117")
def c_in(sigma: sympy.Symbol, data: sympy.Symbol) -> Derivation:
    """What the network's input is multiplied with: c_in = 1/√(σ² + σ_d²).

    >>> c_in(3.0, 4.0)
    0.2
    """
    import sympy

    value = 1 / sympy.sqrt(sigma**2 + data**2)
    unit = step("inputs have variance one", value**2 * (data**2 + sigma**2), sympy.S.One, "Var(y + n) = σ_d² + σ²")
    return Derivation(value=value, steps=(unit,))


@closed_form("edm.c_skip", arguments=_AT, source="Karras et al. 2022, eqs. 122 to 131")
def c_skip(sigma: sympy.Symbol, data: sympy.Symbol) -> Derivation:
    """How much of the noisy sample is kept: c_skip = σ_d²/(σ² + σ_d²), where c_out is least.

    >>> c_skip(1.0, 2.0)
    0.8
    """
    import sympy

    kept = sympy.Symbol("c", real=True)
    squared = (1 - kept) ** 2 * data**2 + kept**2 * sigma**2
    (value,) = sympy.solve(sympy.diff(squared, kept), kept)
    least = step(
        "c_out is stationary there", sympy.diff(squared, kept).subs(kept, value), sympy.S.Zero, "c_out² is a parabola"
    )
    upward = step("and least", sympy.diff(squared, kept, 2), 2 * (data**2 + sigma**2), "which is positive")
    return Derivation(value=value, steps=(least, upward))


@closed_form("edm.c_out", arguments=_AT, source="Karras et al. 2022, eqs. 118 to 121 and 132 to 138")
def c_out(sigma: sympy.Symbol, data: sympy.Symbol) -> Derivation:
    """What the network's output is multiplied with: c_out = σ σ_d/√(σ² + σ_d²).

    >>> c_out(3.0, 4.0)
    2.4
    """
    import sympy

    kept = data**2 / (sigma**2 + data**2)
    value = sigma * data / sympy.sqrt(sigma**2 + data**2)
    unit = step(
        "targets have variance one", ((1 - kept) ** 2 * data**2 + kept**2 * sigma**2) / value**2, sympy.S.One,
        "the target is ((1 − c_skip) y − c_skip n)/c_out",
    )  # fmt: skip
    return Derivation(value=value, steps=(unit,))


@closed_form("edm.loss_weight", arguments=_AT, source="Karras et al. 2022, eqs. 139 to 144")
def loss_weight(sigma: sympy.Symbol, data: sympy.Symbol) -> Derivation:
    """The weight of ‖D − y‖² that makes it ‖F − target‖²: λ = (σ² + σ_d²)/(σ σ_d)² = 1/c_out².

    >>> loss_weight(1.0, 0.5)
    5.0
    """
    import sympy

    value = 1 / data**2 + 1 / sigma**2
    as_written = step(
        "as it is written", (sigma**2 + data**2) / (sigma * data) ** 2, value, "divided by each of the two"
    )
    scaled = sigma * data / sympy.sqrt(sigma**2 + data**2)
    even = step("every level weighs the same", value * scaled**2, sympy.S.One, "λ c_out² = 1")
    return Derivation(value=value, steps=(as_written, even))


def slope(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """The slope of the probability flow in σ: ``dx/dσ = (x − D)/σ``.

    Shapes: x, denoised [batch, event]; sigma broadcasts.
    """
    return (x - denoised) / sigma


def euler(x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor) -> tuple[Tensor, ...]:
    """Euler's step as a mean of the sample and what it is denoised to: ``(σ′/σ) x + (1 − σ′/σ) D``.

    In three terms, since people write ``x − (1 − σ′/σ) x``, which is what is left of x where σ′ is near zero.

    >>> sum(float(t) for t in euler(torch.tensor(4.0), torch.tensor(2.0), torch.tensor(2.0), torch.tensor(1.0)))
    3.0
    """
    share = sigma_next / sigma
    return x, (share - 1) * x, (1 - share) * denoised


def heun(denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> tuple[Tensor, ...]:
    """Heun's step: the slope is the mean of those at both ends; at σ′ = 0 it is Euler's, where there is no slope.

    Shapes: x [batch, event]; sigma, sigma_next [batch] or numbers.
    """
    now, then = _column(sigma), _column(sigma_next)
    first = slope(x, now, denoiser(x, sigma))
    width = then - now
    ahead = x + width * first
    ends = then == 0
    safe = torch.where(ends, torch.ones_like(then), then)
    second = slope(ahead, safe, denoiser(ahead, sigma_next))
    return x, width * first / 2, width * torch.where(ends, first, second) / 2


def _column(number: Tensor) -> Tensor:
    """Noise levels beside samples [batch, event]."""
    number = torch.as_tensor(number, dtype=torch.float64)
    return number[:, None] if number.dim() else number


def ancestral(sigma: Tensor, sigma_next: Tensor, eta: float = 1.0) -> tuple[Tensor, Tensor]:
    """The level to step down to, and that of the noise that is added: σ_down² + σ_up² = σ′².

    σ_up = min(σ′, η σ′ √(1 − (σ′/σ)²)); with η = 1 it is the spread of x(σ′) given x(σ) and the data.

    >>> ancestral(torch.tensor(2.0), torch.tensor(1.0), 0.0)
    (tensor(1.), tensor(0.))
    """
    share = torch.as_tensor(sigma_next / sigma)
    risen = torch.clamp(eta * torch.sqrt((1 - share) * (1 + share)), max=1.0)
    return sigma_next * torch.sqrt((1 - risen) * (1 + risen)), sigma_next * risen


def dpm_step(
    denoiser: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor, kind: str = "first"
) -> tuple[Tensor, ...]:
    """A step of DPM-Solver with scale one: `first` order, or second order with a point between.

    In h = log σ/σ′ the flow is dx/dλ = −x + … , so e^(−h) = σ′/σ multiplies the sample and 1 − e^(−h) the data:
    ``(σ′/σ) x + (1 − σ′/σ) D``, D taken at the sample (`first`), or at the geometric middle of the levels, to which a
    first step leads (`data`); `noise` takes (x − D)/σ there instead, and goes with it from x as Euler's step does,
    `cubic` the same with the middle of the cube roots.
    """
    now, then = _column(sigma), _column(sigma_next)
    denoised = denoiser(x, sigma)
    if kind == "first":
        return euler(x, denoised, now, then)
    roots = (now ** (1 / 3) + then ** (1 / 3)) / 2
    middle = roots**3 if kind == "cubic" else torch.sqrt(now * then)
    between = torch.stack(euler(x, denoised, now, middle)).sum(0)
    flat = middle[:, 0] if middle.dim() else middle
    again = denoiser(between, flat)
    if kind == "data":
        return euler(x, again, now, then)
    return x, (then - now) * slope(between, middle, again)


def dpm_multistep(
    x: Tensor, denoised: Tensor, before: Tensor, sigma: Tensor, sigma_next: Tensor, sigma_before: Tensor
) -> tuple[Tensor, ...]:
    """DPM-Solver++(2M) with scale one: D is extrapolated in log σ to the middle of the step; first order at σ′ = 0.

    ``(σ′/σ) x + (1 − σ′/σ) (D + (D − D₋)/(2r))``, r = log(σ₋/σ)/log(σ/σ′)
    """
    share = sigma_next / sigma
    ends = torch.as_tensor(sigma_next == 0)
    width = torch.where(ends, torch.zeros_like(share), torch.log(sigma / torch.where(ends, sigma, sigma_next)))
    forward = width / torch.log(sigma_before / sigma) / 2
    left = 1 - share
    return x, -left * x, left * denoised, left * forward * denoised, -left * forward * before
