"""Normalisation by the moments of chosen axes, as sums of terms whose sizes say how far rounding may carry.

Every layer here is y = (x − μ) γ + β with γ = w / √(v + ε); they differ in the axes over which μ and v are taken and in
whether μ is taken at all. `x γ` and `−μ γ` are given as terms of their own, since an implementation may fuse them. A
variance computed as E x² − μ² loses the digits of E x² / v: two terms that are each other's negative say so. And as y
does not change where x is multiplied by a number (but for ε), its gradient is what is left when the direct part and
that through γ cancel: two terms with γ held fixed say so.

Sources: Ioffe & Szegedy 2015, algorithms 1 and 2; Ba, Kiros & Hinton 2016, eq. 4; Wu & He 2018, eq. 1–7;
Ulyanov, Vedaldi & Lempitsky 2016, eq. 4; Zhang & Sennrich 2019, eq. 4; Salimans & Kingma 2016, eq. 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["layer_norm", "normalised", "over_groups", "rms_norm", "statistics", "weight_norm"]

Number = Tensor | float


def statistics(x: Tensor, dims: Sequence[int], *, unbiased: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and mean square over the axes, which stay with size one; the variance by n, or by n − 1.

    >>> [float(one) for one in statistics(torch.tensor([1.0, 3.0]), (0,))]
    [2.0, 1.0, 5.0]
    """
    mean, square = x.mean(tuple(dims), keepdim=True), (x**2).mean(tuple(dims), keepdim=True)
    variance = ((x - mean) ** 2).mean(tuple(dims), keepdim=True)
    if unbiased:
        count = x.numel() // mean.numel()
        variance = variance * (count / (count - 1) if count > 1 else float("nan"))
    return mean, variance, square


def normalised(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    square: Tensor,
    eps: Number,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    outside: bool = False,
) -> tuple[Tensor, ...]:
    """The terms of (x − μ) w / √(v + ε) + b, or of (x − μ) w / (√v + ε) + b; everything broadcasts with x.

    `square` is the second moment from which a variance may have been computed by cancellation.
    """
    below = torch.sqrt(variance) + eps if outside else torch.sqrt(variance + eps)
    gain = torch.reciprocal(below) if weight is None else weight / below
    terms = [x * gain, (-mean * gain).expand_as(x)]
    if bias is not None:
        terms.append(bias.expand_as(x))
    cancelled = ((x - mean) * gain * square / (2 * below**2)).abs().detach()
    direct = (x - mean) * gain.detach()
    return (*terms, cancelled, -cancelled, direct, -direct)


def layer_norm(
    x: Tensor, eps: Number, weight: Tensor | None = None, bias: Tensor | None = None, *,
    unbiased: bool = False, outside: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Moments over the last axis.

    Shapes: x [..., feature], weight and bias [feature].

    Source: Ba, Kiros & Hinton 2016, eq. 4.

    >>> sum(layer_norm(torch.tensor([1.0, 3.0]), 0.0)).tolist()
    [-1.0, 1.0]
    """
    return normalised(x, *statistics(x, (-1,), unbiased=unbiased), eps, weight, bias, outside=outside)


def rms_norm(
    x: Tensor, eps: Number | None, weight: Tensor | None = None, *, outside: bool = False, offset: float = 0.0,
    centred: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The terms of x (w + offset) / √(mean x² + ε), by the last axis; an eps of None is a unit of rounding.

    Shapes: x [..., feature], weight [feature].

    Source: Zhang & Sennrich 2019, eq. 4.

    >>> rms_norm(torch.tensor([1.0, 7.0]), 0.0)[0].tolist()
    [0.20000000298023224, 1.399999976158142]
    """
    middle = x - x.mean(-1, keepdim=True) if centred else x
    square = (middle**2).mean(-1, keepdim=True)
    used = torch.finfo(torch.float64).eps if eps is None else eps
    below = torch.sqrt(square) + used if outside else torch.sqrt(square + used)
    y = middle / below
    y = y if weight is None else y * (weight + offset)
    direct = middle / below.detach() * (1.0 if weight is None else weight + offset)
    if eps is not None:
        return y, direct, -direct
    # ε moves the result by |y| ε / (2 mean x²): with ε a few units of rounding, that of a term of this size.
    moved = (y / (square + used)).abs().detach()
    return y, direct, -direct, moved, -moved


def over_groups(
    x: Tensor, groups: int, eps: Number, weight: Tensor | None = None, bias: Tensor | None = None, *,
    unbiased: bool = False, outside: bool = False, interleaved: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Moments over each sample's groups of adjacent channels and all positions; as many groups as channels, or one.

    Shapes: x [batch, channel, *space], weight and bias [channel].

    Source: Wu & He 2018, eq. 7; Ulyanov, Vedaldi & Lempitsky 2016, eq. 4 for a group for each channel.
    """
    batch, channels, *space = x.shape
    apart = (batch, channels // groups, groups) if interleaved else (batch, groups, channels // groups)
    grouped = x.reshape(*apart, *space)
    dims = [i for i in range(1, grouped.dim()) if i != (2 if interleaved else 1)]
    mean, variance, square = (
        one.expand(*apart, *([1] * len(space))).reshape(batch, channels, *([1] * len(space)))
        for one in statistics(grouped, dims, unbiased=unbiased)
    )
    w, b = (None if one is None else one.reshape(channels, *([1] * len(space))) for one in (weight, bias))
    return normalised(x, mean, variance, square, eps, w, b, outside=outside)


def weight_norm(v: Tensor, g: Tensor | None, *, over: str = "row") -> tuple[Tensor, ...]:
    """The terms of w = g v / ‖v‖ for each row of v; over a "column", or over "all" entries, by option.

    Shapes: v [out, in], g [out]; w [out, in].

    Source: Salimans & Kingma 2016, eq. 2.

    >>> weight_norm(torch.tensor([[3.0, 4.0]]), torch.tensor([10.0]))[0].tolist()
    [[6.0, 8.0]]
    """
    squares = v**2
    length = {"row": squares.sum(1, keepdim=True), "column": squares.sum(0, keepdim=True), "all": squares.sum()}[over]
    below = torch.sqrt(length)
    longer = torch.ones_like(v[:, :1]) if g is None else g[:, None]
    direct = longer * v / below.detach()
    return longer * v / below, direct, -direct
