"""Monotone rational-quadratic splines, as the quotients of two quadratic polynomials that they are."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import sympy

__all__ = ["knots_of", "piece", "spline"]

Terms = tuple[Tensor, ...]


@functools.cache
def piece() -> dict[str, sympy.Expr]:
    """One piece in SymPy: y(ξ) as Gregory & Delbourgo write it, as Durkan et al. do, and its slope as they state it.

    Source: Gregory & Delbourgo 1982, eqs. 2.6–2.8; Durkan et al. 2019, eqs. 4 and 5.
    """
    import sympy

    t = sympy.Symbol("xi", real=True)
    y0, height, width, d0, d1 = sympy.symbols("y_0 h w delta_0 delta_1", positive=True)
    s, y1 = height / width, y0 + height
    below = s + (d1 + d0 - 2 * s) * t * (1 - t)
    above = s * y1 * t**2 + (y0 * d1 + y1 * d0) * t * (1 - t) + s * y0 * (1 - t) ** 2
    return {
        "xi": t, "width": width, "quotient": above / below,
        "stated": y0 + height * (s * t**2 + d0 * t * (1 - t)) / below,
        "slope": s**2 * (d1 * t**2 + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2) / below**2,
    }  # fmt: skip


def knots_of(
    widths: Tensor, heights: Tensor, slopes: Tensor, bound: float, *, least: float, least_slope: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Knots and slopes from unconstrained numbers: softmax with a least bin, softplus with a least slope, ends of one.

    Shapes: [..., bins] twice and [..., bins − 1] → [..., bins + 1] each, the first two from −bound to bound.

    Source: Durkan et al. 2019, section 3.1.
    """
    made = []
    for raw in (widths, heights):
        parts = least + (1.0 - least * raw.shape[-1]) * torch.softmax(raw, -1)
        ends = torch.cumsum(parts, -1)[..., :-1]
        edge = torch.ones_like(parts[..., :1])
        made.append(bound * torch.cat([-edge, 2 * ends - 1, edge], -1))
    inner = least_slope + torch.nn.functional.softplus(slopes)
    one = torch.ones_like(made[0][..., :1])
    return made[0], made[1], torch.cat([one, inner, one], -1)


def spline(
    x: Tensor, knots_x: Tensor, knots_y: Tensor, slopes: Tensor, *, inverse: bool = False, slip: str = "",
    inside: bool = False,
) -> tuple[Terms, Terms]:  # fmt: skip
    """The spline through the knots with these slopes, and the identity outside; `inside`, nothing is said of outside.

    Shapes: `x` [..., event]; the others [..., event, bins + 1], or without the leading axes → elementwise terms.

    Source: Gregory & Delbourgo 1982, eqs. 2.6–2.8.
    """
    shape = (*x.shape, knots_x.shape[-1])
    xs, ys, ds = (one.expand(shape) for one in (knots_x, knots_y, slopes))
    places = ys if inverse else xs
    within = (x >= places[..., 0]) & (x <= places[..., -1])
    held = torch.where(within, x, (places[..., 0] + places[..., -1]) / 2)
    index = (held[..., None] >= places[..., :-1]).sum(-1, keepdim=True).clamp(1, shape[-1] - 1)

    def around(one: Tensor) -> tuple[Tensor, Tensor]:
        return one.gather(-1, index - 1)[..., 0], one.gather(-1, index)[..., 0]

    (x0, x1), (y0, y1), (d0, d1) = (around(one) for one in (xs, ys, ds))
    width, height = x1 - x0, y1 - y0
    s = height / width
    if inverse:
        a = height * (s - d0) + (held - y0) * (d1 + d0 - 2 * s)
        b = height * d0 - (held - y0) * (d1 + d0 - 2 * s)
        c = -s * (held - y0)
        t = 2 * c / (-b - torch.sqrt(b**2 - 4 * a * c))
    else:
        t = (held - x0) / width
    below = s + (d1 + d0 - 2 * s) * t * (1 - t)
    above = s * t**2 + d0 * t * (1 - t)
    first, second = (d0, d1) if slip != "slopes exchanged" else (d1, d0)
    rise = second * t**2 + 2 * s * t * (1 - t) + first * (1 - t) ** 2
    value = torch.log(rise) - 2 * torch.log(below) + (1.0 if slip == "s for s²" else 2.0) * torch.log(s)
    value = value + (torch.log(below) if slip == "once" else 0.0) - (torch.log(width) if slip == "width" else 0.0)
    value = -value if inverse else value
    image = (x0, width * t) if inverse else (y0, height * above / below)
    outside = torch.nan if inside else x
    tail = torch.nan if inside else 0.0
    made = (torch.where(within, image[0], outside), torch.where(within, image[1], 0.0 * x))
    # In the gradient both quadratics lose what their terms have more than their sum; the other sign keeps it.
    lost = (d1 * t**2 + 2 * s * (t + t**2) + d0 * (1 + t) ** 2) / rise.detach()
    lost = torch.where(within, lost + 2 * (s + (d1 + d0 + 2 * s) * (t + t**2)) / below.detach(), 0.0)
    return made, (torch.where(within, value, tail) - lost, lost)
