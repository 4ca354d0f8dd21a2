"""Planar, radial and Sylvester flows: the Jacobian written out as a matrix, and its determinant taken in full."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["constrained", "planar", "radial", "sylvester"]

Terms = tuple[Tensor, ...]


def constrained(u: Tensor, w: Tensor, *, norm: bool = False) -> Tensor:
    """û = u + (m(wᵀu) − wᵀu) w/‖w‖² with m(a) = −1 + log(1 + e^a), so that wᵀû > −1; `norm` divides by ‖w‖.

    Source: Rezende & Mohamed 2015, section A.1.

    >>> w = torch.tensor([1.0, 0.0])
    >>> constrained(torch.tensor([-3.0, 2.0]), w)
    tensor([-0.9514,  2.0000])
    """
    inner = (w * u).sum(-1, keepdim=True)
    length = (w * w).sum(-1, keepdim=True)
    return u + (torch.nn.functional.softplus(inner) - 1 - inner) * w / (length.sqrt() if norm else length)


def _logabsdet(jacobian: Tensor) -> Tensor:
    return torch.linalg.slogdet(jacobian).logabsdet


def planar(
    x: Tensor, w: Tensor, u: Tensor, b: Tensor | float, *, form: str = "", slip: str = "", added: float = 0.0
) -> tuple[Terms, Terms]:  # fmt: skip
    """X + u tanh(wᵀx + b), and log|det(I + u h′ wᵀ)|; `form` "constrained" uses û for u.

    Shapes: `x` [..., event]; `w` and `u` [..., event]; `b` [...].

    Source: Rezende & Mohamed 2015, eqs. 10–12.
    """
    if form:
        u = constrained(u, w, norm=form == "norm")
    inner, both = (w * x).sum(-1) + b, (w * u).sum(-1)
    h = torch.tanh(inner)
    slope = 1.0 / torch.cosh(inner) ** 2
    slope = {"no square": 1 - h, "no slope": torch.ones_like(h), "activation": h}.get(slip, slope)
    one = torch.eye(x.shape[-1], dtype=x.dtype)
    value = _logabsdet(one + u[..., :, None] * (slope[..., None] * w)[..., None, :])
    if slip == "w forgotten":
        value = torch.log((1 + slope * u.sum(-1)).abs())
    if added:
        value = torch.log(value.exp() + added)
    # û is made so that wᵀû depends on wᵀu alone, which its sum over the features finds to rounding only.
    aside = (2.0 * w * u.detach().abs()).sum(-1) if form else torch.zeros_like(both)
    return (x.expand(*h.shape, x.shape[-1]), *_saturating(u, h, inner)), _about_one(value, both, h, inner, aside)


def _saturating(factor: Tensor, h: Tensor, inner: Tensor) -> Terms:
    """F tanh a as f a and the rest, whose slopes are the two numbers that 1 − tanh² subtracts."""
    return factor * inner[..., None], factor * (h - inner)[..., None]


def _about_one(value: Tensor, factor: Tensor, h: Tensor, inner: Tensor, aside: Tensor) -> Terms:
    """log|1 + f (1 − tanh² a)| as two terms between which it, and its gradient, is lost in the computation.

    Each of the differences is rounded on the scale of 1, and divided by the determinant.
    """
    inverse = torch.exp(-value).detach()
    lost = inverse * (1.0 + factor + 2.0 * (h * factor).abs().detach() * inner + aside)
    return value - lost, lost


def radial(
    x: Tensor, center: Tensor, alpha: Tensor, beta: Tensor, *, form: str = "", slip: str = ""
) -> tuple[Terms, Terms]:
    """X + β (x − c)/(α + r), r = ‖x − c‖; logabsdet of the matrix (1 + β h) I + β h′ (x − c)(x − c)ᵀ/r.

    `form` "constrained" takes −α + log(1 + e^β) for β, which is above −α.

    Shapes: `x` and `center` [..., event]; the others [...].

    Source: Rezende & Mohamed 2015, eq. 14.
    """
    if form:
        beta = torch.nn.functional.softplus(beta) - alpha
    away = x - center
    # At the centre the second part vanishes, and r has no gradient.
    squared = (away * away).sum(-1)
    r = torch.where(squared > 0, squared, torch.nan).sqrt()
    h = 1.0 / (alpha + r)
    one = torch.eye(x.shape[-1], dtype=x.dtype)
    outer = away[..., :, None] * away[..., None, :] / r[..., None, None]
    tangential, size = 1 + beta * h, x.shape[-1]
    value = _logabsdet(tangential[..., None, None] * one - (beta * h**2)[..., None, None] * outer)
    radial_slope = tangential - beta * h**2 * r
    if slip == "power D":
        value = size * tangential.abs().log() + radial_slope.abs().log()
    elif slip == "power 1":
        value = tangential.abs().log() + radial_slope.abs().log()
    elif slip == "sign of h′":
        value = (size - 1) * tangential.abs().log() + (tangential + beta * h**2 * r).abs().log()
    elif slip == "no tangent":
        value = radial_slope.abs().log()
    elif slip == "no r":
        value = (size - 1) * tangential.abs().log() + (tangential - beta * h**2).abs().log()
    lost = 1 / tangential.abs() + 1 / radial_slope.abs()
    return (x, (beta * h)[..., None] * x, -(beta * h)[..., None] * center), (value - lost, lost)


def sylvester(x: Tensor, q: Tensor, r1: Tensor, r2: Tensor, b: Tensor, *, slip: str = "") -> tuple[Terms, Terms]:
    """X + Q R₁ tanh(R₂ Qᵀx + b), and log|det(I + Q R₁ diag(h′) R₂ Qᵀ)|, R₁ and R₂ upper triangular.

    Shapes: `x` [..., event]; `q` [event, rank] with orthonormal columns; `r1` and `r2` [rank, rank]; `b` [rank].

    Source: van den Berg, Hasenclever, Tomczak & Welling 2018, eqs. 9 and 13.
    """
    left, right = q @ torch.triu(r1), torch.triu(r2) @ q.mT
    inner = (right @ x[..., None])[..., 0] + b
    slope = 1.0 / torch.cosh(inner) ** 2
    one = torch.eye(x.shape[-1], dtype=x.dtype)
    value = _logabsdet(one + left @ (slope[..., :, None] * right))
    first, second = torch.diagonal(r1), torch.diagonal(r2)
    factors = 1 + slope * first * second
    if slip == "no slope":
        value = (1 + first * second).abs().log().sum(-1).expand(value.shape)
    elif slip == "one diagonal":
        value = (1 + slope * first).abs().log().sum(-1)
    elif slip == "trace":
        value = (1 + (slope * first * second).sum(-1)).abs().log()
    # Whether the small matrix is known to be triangular or not: all its entries may take part in the rounding.
    h, inverse = torch.tanh(inner), (1 / factors.abs()).detach().sum(-1)
    whole = (torch.triu(r2).abs() @ torch.triu(r1).abs()).sum(-2)
    lost = inverse * (1.0 + whole.sum(-1) + (2.0 * (h.abs() * whole).detach() * inner).sum(-1))
    parts = [(left * one[..., None, :]).unbind(-1) for one in (inner, h - inner)]
    return (x, *parts[0], *parts[1]), (value - lost, lost)
