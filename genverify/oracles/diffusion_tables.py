"""Whole schedules of a diffusion process, as additive terms, and the entry of a table that belongs to a step.

A table has one entry for each step, the first step at place 0. Other readings of a table are slips that strangers make:
the place before or behind, counted from one, the rate of one step where the product of all is meant.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "aligned",
    "alpha_bar",
    "alpha_bar_prev",
    "cosine_alpha_bar",
    "cosine_betas",
    "entry",
    "linear_betas",
    "ratios",
    "ve_sigmas",
    "zero_terminal_snr",
]  # fmt: skip

Terms = tuple[Tensor, ...]
Number = Any


def _counts(total: int, first: float, points: int) -> Tensor:
    return torch.arange(points, dtype=torch.float64) + first


def linear_betas(
    total: int, start: Number, end: Number, *, scaled: bool = False, roots: bool = False, last: int = 0,
    first: int = 0,
) -> Terms:  # fmt: skip
    """β_i = β_1 + (β_T − β_1) (i − 1)/(T − 1), i = 1, …, T.

    Other readings: `scaled` by 1000/T; the `roots` of the rates on a line; T + `last` points on it, of which T are
    kept, from the place `first`.

    Source: Ho, Jain & Abbeel 2020, section 4.

    >>> sum(linear_betas(3, torch.tensor(0.125), torch.tensor(0.375)))
    tensor([0.1250, 0.2500, 0.3750], dtype=torch.float64)
    """
    factor = 1000.0 / total if scaled else 1.0
    low, high = (torch.as_tensor(x, dtype=torch.float64) * factor for x in (start, end))
    part = _counts(total, first, total) / (total - 1 + last)
    if roots:
        low, high = low.sqrt(), high.sqrt()
        # The square of a sum, in its terms.
        return (low * (1 - part)).square(), 2 * low * high * part * (1 - part), (high * part).square()
    return low * (1 - part), high * part


def _angle(u: Tensor, offset: Number) -> Tensor:
    return (u + offset) / (1 + offset) * (math.pi / 2)


def _cosine_ratios(total: int, offset: Number, *, points: int, power: int, shift: int) -> tuple[Tensor, Tensor]:
    """f(t)/f(t − 1) for t = 1, …, T, and by how many roundings of one each of them moves with its angles.

    f is cos² of θ; where θ has a relative error ε the ratio has 2 (θ tan θ + θ' tan θ') ε, which at the end is large.
    """
    u = _counts(total, shift, total + 1) / (total + points)
    theta = _angle(u, torch.as_tensor(offset, dtype=torch.float64))
    f = theta.cos() ** power
    moved = power * (theta * theta.tan()).abs()
    # At the end f is (a rounding of θ)^p: what is not known is all of it.
    ratio = f[1:] / f[:-1]
    return ratio, torch.nan_to_num(ratio * (moved[1:] + moved[:-1]), nan=0.0, posinf=0.0)


def cosine_betas(
    total: int, offset: Number, largest: Number, *, smallest: float | None = None, clipped: bool = True,
    points: int = 0, power: int = 2, shift: int = 0,
) -> Terms:  # fmt: skip
    """β_t = min(1 − f(t)/f(t − 1), 0.999), f(t) = cos²((t/T + s)/(1 + s) π/2).

    Other readings: clipped from below, too; not `clipped`; T + `points` for T; another `power` of the cosine; t +
    `shift`
    for t.

    Source: Nichol & Dhariwal 2021, eq. 17.

    >>> sum(cosine_betas(2, torch.tensor(0.0), torch.tensor(0.999)))
    tensor([0.5000, 0.9990], dtype=torch.float64)
    """
    ratio, moved = _cosine_ratios(total, offset, points=points, power=power, shift=shift)
    one, zero = torch.ones_like(ratio), torch.zeros_like(ratio)
    over = (1 - ratio > largest) if clipped else torch.zeros_like(ratio, dtype=torch.bool)
    under = (1 - ratio < smallest) if smallest is not None else torch.zeros_like(ratio, dtype=torch.bool)
    held = torch.where(over, torch.as_tensor(largest, dtype=torch.float64), zero)
    held = torch.where(under, smallest if smallest is not None else 0.0, held)
    free = ~(over | under)
    return (held, *(torch.where(free, term, zero) for term in (one, -ratio, moved, -moved)))


def cosine_alpha_bar(
    total: int, offset: Number, largest: Number, *, clipped: bool = True, first: int = 1, smallest: float | None = None,
    power: int = 2, points: int = 0, normalised: bool = True,
) -> Terms:  # fmt: skip
    """ᾱ_t = f(t)/f(0) for t = 1, …, T, of the clipped rates or of the cosine itself.

    Other readings: from t = `first`; another `power`; T + `points` for T; not `normalised` by f(0).

    Source: Nichol & Dhariwal 2021, eq. 17.

    >>> sum(cosine_alpha_bar(2, torch.tensor(0.0), torch.tensor(0.999), clipped=False)).round(decimals=3)
    tensor([0.5000, 0.0000], dtype=torch.float64)
    """
    offset = torch.as_tensor(offset, dtype=torch.float64)
    if clipped:
        terms = cosine_betas(total, offset, largest, smallest=smallest)
        return (torch.cumprod(1 - sum(terms[:3], torch.zeros(())), -1),)
    theta = _angle(_counts(total, first, total) / (total + points), offset)
    zero = _angle(torch.zeros((), dtype=torch.float64), offset)
    level = theta.cos().abs() ** power / (zero.cos() ** power if normalised else 1.0)
    moved = torch.nan_to_num(power * level * (theta * theta.tan()).abs(), nan=0.0, posinf=0.0)
    return level, moved, -moved


def alpha_bar(level: Tensor, *, which: str = "") -> Terms:
    """ᾱ_t = α_1 ⋯ α_t, or with ᾱ_0 = 1 in front of it.

    Other readings: the factor α_t of the one step; the product of the rates, not of what they leave; 1 − Σ β.

    Source: Ho, Jain & Abbeel 2020, section 2.

    >>> sum(alpha_bar(torch.tensor([0.5, 0.25]), which="step"))
    tensor([0.5000, 0.5000])
    """
    if which == "front":
        return (torch.cat((torch.ones_like(level[..., :1]), level), -1),)
    steps = ratios(level)
    if which == "step":
        return (steps,)
    if which == "rates":
        return ((1 - steps).cumprod(-1),)
    if which == "sum":
        return torch.ones_like(level), -(1 - steps).cumsum(-1)
    if which == "exclusive":
        return alpha_bar_prev(level)
    return (level,)


def alpha_bar_prev(level: Tensor, *, front: str = "one", shift: int = 1) -> Terms:
    """ᾱ_{t−1}, which is 1 before the first step.

    Other readings: the table's own first entry, or 0, in `front`; a `shift` to the other side, or none.

    Source: Ho, Jain & Abbeel 2020, eq. 7.

    >>> alpha_bar_prev(torch.tensor([0.5, 0.25]))
    (tensor([1.0000, 0.5000]),)
    """
    if shift == 0:
        return (level,)
    ends = {"one": torch.ones_like(level[..., :1]), "zero": torch.zeros_like(level[..., :1]), "own": level[..., :1]}
    if shift < 0:
        return (torch.cat((level[..., 1:], ends[front]), -1),)
    return (torch.cat((ends[front], level[..., :-1]), -1),)


def ratios(level: Tensor) -> Tensor:
    """α_t = ᾱ_t/ᾱ_{t−1}.

    >>> ratios(torch.tensor([0.5, 0.125]))
    tensor([0.5000, 0.2500])
    """
    return level / alpha_bar_prev(level)[0]


def ve_sigmas(
    total: int, low: Number, high: Number, *, falling: bool = False, linear: bool = False, last: int = 0
) -> Terms:  # fmt: skip
    """σ_i = σ_min (σ_max/σ_min)^((i − 1)/(N − 1)), i = 1, …, N, rising or falling.

    Other readings: on a line; N + `last` points, of which N are kept.

    Source: Song, Sohl-Dickstein et al. 2021, appendix C.

    >>> sum(ve_sigmas(3, torch.tensor(0.5), torch.tensor(2.0)))
    tensor([0.5000, 1.0000, 2.0000], dtype=torch.float64)
    """
    low, high = (torch.as_tensor(x, dtype=torch.float64) for x in (low, high))
    part = _counts(total, 0, total) / (total - 1 + last)
    part = part.flip(-1) if falling else part
    if linear:
        return low * (1 - part), high * part
    value = low * (high / low) ** part
    # exp of a sum of logarithms, each of which is rounded.
    moved = value * (low.log().abs() + high.log().abs())
    return value, moved, -moved


def zero_terminal_snr(level: Tensor, *, result: str = "betas", scaled: bool = True, roots: bool = True) -> Terms:
    """√ᾱ moved so that it ends at 0, and scaled so that it begins where it did; from there the rates.

    √ᾱ'_t = (√ᾱ_t − √ᾱ_T) √ᾱ_1/(√ᾱ_1 − √ᾱ_T)

    Other readings: ᾱ' for the rates; not `scaled`; ᾱ moved, and not its `roots`.

    Source: Lin, Liu, Li & Yang 2024, algorithm 1.

    >>> sum(zero_terminal_snr(torch.tensor([0.25, 0.0625])))
    tensor([0.7500, 1.0000])
    """
    moved = level.sqrt() if roots else level
    shifted = moved - moved[..., -1:]
    if scaled:
        shifted = shifted * (moved[..., :1] / (moved[..., :1] - moved[..., -1:]))
    fresh = shifted.square() if roots else shifted
    return (fresh,) if result == "alpha_bar" else (torch.ones_like(fresh), -ratios(fresh))


def entry(table: Tensor, t: Any, *, back: int = 0, first: int = 0) -> Tensor:  # noqa: ANN401 - a tensor or an int
    """The table at the step t, or `back` steps before it, where 1 stands before the first; `first` is subtracted.

    Without t the table is itself what belongs to the step. A step that the table does not have gives NaN.

    >>> entry(torch.tensor([0.5, 0.25]), torch.tensor([0, 1]), back=1)
    tensor([1.0000, 0.5000])
    """
    if t is None:
        return table
    size = table.shape[-1] if table.dim() else 0
    at = torch.as_tensor(t) - first
    # As Python does it: before the first comes the last.
    at = torch.where(at < 0, at + size, at) - back
    if at.is_floating_point() or not size or bool((at >= size).any()) or bool((at < -back).any()):
        return torch.full(at.shape, math.nan, dtype=table.dtype)
    padded = torch.cat((table.new_ones(max(back, 1)), table))
    return padded[at + max(back, 1)]


def aligned(value: Tensor, like: Tensor) -> Tensor:
    """A number for each sample, with axes of size one for those of the sample.

    >>> aligned(torch.zeros(2), torch.zeros(2, 3, 4)).shape
    torch.Size([2, 1, 1])
    """
    return value.reshape(*value.shape, *[1] * (like.dim() - value.dim()))
