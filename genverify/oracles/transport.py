"""Wasserstein distances that are known: of samples on the line, and of normal laws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["between_normals", "normals_first", "normals_squared", "on_the_line"]

Terms = tuple[Tensor, ...]
_PAIR = {"mean_p": "real", "std_p": "positive", "mean_q": "real", "std_q": "positive"}


def on_the_line(x: Tensor, y: Tensor, order: float = 1.0, *, root: bool = True, paired: bool = False) -> Terms:
    """W_p of two samples: ``(∫₀¹ |F⁻¹(u) − G⁻¹(u)|^p du)^(1/p)``.

    Both quantile functions are constant on pieces of the length 1/lcm(n, m), so that each order statistic is repeated
    and the integral is a mean. `paired` leaves the samples in the order in which they are given.

    Shapes: [..., n] and [..., m] → one term, [...].

    Source: Villani 2003, "Topics in optimal transportation", theorem 2.18 and remark 2.19.

    >>> sum(on_the_line(torch.tensor([0.0, 2.0]), torch.tensor([1.0])))
    tensor(1.)
    """
    pieces = math.lcm(x.shape[-1], y.shape[-1])
    x, y = (one if paired else one.sort(-1).values for one in (x, y))
    x, y = (one.repeat_interleave(pieces // one.shape[-1], -1) for one in (x, y))
    gaps = (x - y).abs()
    whole = (gaps if order == 1.0 else gaps**order).sum(-1) / pieces
    if not root or order == 1.0:
        return (whole,)
    # Where the samples agree a root has no derivative; the value there is that of the power.
    return (torch.where(whole > 0, whole, torch.nan) ** (1.0 / order),)


@closed_form("transport.normals_squared", arguments=_PAIR, source="Dowson & Landau 1982; Givens & Shortt 1984")
def normals_squared(mean_p: sympy.Symbol, std_p: sympy.Symbol, mean_q: sympy.Symbol, std_q: sympy.Symbol) -> Derivation:
    """W₂² of two normal laws on the line: equal quantiles are μ + σz and ν + τz for one standard normal z.

    (μ − ν)² + (σ − τ)²

    Shapes: broadcast.

    Source: Dowson & Landau 1982; Givens & Shortt 1984, proposition 7.

    >>> normals_squared(torch.tensor(0.0), torch.tensor(1.0), torch.tensor(3.0), torch.tensor(5.0))
    tensor(25.)
    """
    import sympy

    z = sympy.Symbol("z", real=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    gap = sympy.expand((mean_p + std_p * z - mean_q - std_q * z) ** 2)
    value = (mean_p - mean_q) ** 2 + (std_p - std_q) ** 2
    mean = sympy.integrate(gap * density, (z, -sympy.oo, sympy.oo))
    return Derivation(value=value, steps=(step("equal quantiles", mean, value, "E z = 0 and E z² = 1"),))


@closed_form("transport.normals_first", arguments={"shift": "real", "spread": "positive"}, source="a folded normal law")
def normals_first(shift: sympy.Symbol, spread: sympy.Symbol) -> Derivation:
    """W₁ of two normal laws on the line with means δ apart and standard deviations s apart: E|δ + s z|.

    √(2/π) s exp(−δ²/(2s²)) + δ erf(δ/(s√2))

    Shapes: broadcast; where s = 0 it is |δ|.

    Source: Leone, Nelson & Nottingham 1961 (the mean of a folded normal law).

    >>> normals_first(torch.tensor(0.0), torch.tensor(1.0))
    tensor(0.7979)
    """
    import sympy

    z = sympy.Symbol("z", real=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    value = sympy.sqrt(2 / sympy.pi) * spread * sympy.exp(-(shift**2) / (2 * spread**2)) + shift * sympy.erf(
        shift / (spread * sympy.sqrt(2))
    )
    above = sympy.integrate((shift + spread * z) * density, (z, -shift / spread, sympy.oo))
    below = sympy.integrate((shift + spread * z) * density, (z, -sympy.oo, -shift / spread))
    return Derivation(
        value=value,
        steps=(step("the two signs", (above - below).rewrite(sympy.erf), value, "E|·| on either side of zero"),),
    )


def between_normals(
    mean_p: Tensor, std_p: Tensor, mean_q: Tensor, std_q: Tensor, *, root: bool = False,
    slip: str = "",
) -> Terms:  # fmt: skip
    """W₂² of normal laws with diagonal covariances, a term for each coordinate; `root` W₂ itself.

    `slip`: "variances" has the difference of the variances, "norms" ‖μ − ν‖ + ‖σ − τ‖ without their squares.

    Shapes: [..., event] each; each term [...].

    Source: Dowson & Landau 1982.

    >>> zero, one = torch.zeros(2), torch.ones(2)
    >>> sum(between_normals(zero, one, 3 * one, 5 * one))
    tensor(50.)
    """
    first = (mean_p - mean_q) ** 2
    second = (std_p**2 - std_q**2) ** 2 if slip == "variances" else (std_p - std_q) ** 2
    # Written out, σ² + τ² − 2στ cancels: a usual way, since it is that of matrices.
    cancelled = (2 * std_p * std_q).detach() if slip != "variances" else torch.zeros_like(first)
    if slip == "norms":
        return first.sum(-1).sqrt(), second.sum(-1).sqrt()
    parts = torch.stack([first, second, cancelled, -cancelled])
    terms = (*parts[0].unbind(-1), *parts[1].unbind(-1), *parts[2].unbind(-1), *parts[3].unbind(-1))
    if not root:
        return terms
    whole = (parts[0] + parts[1]).sum(-1)
    size = torch.where(whole > 0, whole, torch.nan).sqrt()
    spread = (parts[2].sum(-1) / size).detach()
    return size, spread, -spread
