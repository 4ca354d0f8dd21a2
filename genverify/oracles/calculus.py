"""Derivatives of ridge functions in closed form, independent of autograd.

The functions that a derivative is taken of are made of ridges φ(w · x). SymPy differentiates φ; the chain rule does
the rest: ∂φ(w · x)/∂x = φ′(w · x) w and ∂²φ(w · x)/∂x∂xᵀ = φ″(w · x) w wᵀ. Every function here returns additive terms,
whose sum is the value: one for each ridge and each term of φ′ or φ″, since that is where roundings cancel.

Shapes: weights W [h, n], one ridge a row; x [..., n]; what depends on x has its leading axes, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form

if TYPE_CHECKING:
    import sympy

__all__ = [
    "coupled_jacobian", "critical_point", "directional_second_derivative", "gradient", "hessian", "hessian_diagonal",
    "hvp", "jacobian", "jvp", "laplacian", "logabsdet", "vjp", "wave", "wave_curvature", "wave_slope",
]  # fmt: skip

Terms = tuple[Tensor, ...]


@closed_form("calculus.wave", arguments={"u": "real"}, source="by definition")
def wave(u: sympy.Symbol) -> Derivation:
    """The ridge φ(u) = sin u + cos u: at no u do two derivatives in a row vanish.

    >>> wave(0.0), wave_slope(0.0), wave_curvature(0.0)
    (1.0, 1.0, -1.0)
    """
    import sympy

    return Derivation(value=sympy.sin(u) + sympy.cos(u))


wave_slope = wave.derivative("u")
wave_curvature = wave_slope.derivative("u")


def gradient(weight: Tensor, x: Tensor) -> Terms:
    """∇f = Σ_h φ′(w_h · x) w_h of f = Σ_h φ(w_h · x): [..., n].

    >>> sum(gradient(torch.tensor([[2.0]]).double(), torch.zeros(1).double()))
    tensor([2.], dtype=torch.float64)
    """
    slopes = wave_slope.terms(x @ weight.mT)
    return tuple(slope[..., h, None] * weight[h] for slope in slopes for h in range(len(weight)))


def jacobian(weight: Tensor, x: Tensor) -> Terms:
    """J_kj = φ′(w_k · x) w_kj of the map f_k = φ(w_k · x): [..., m, n]."""
    return tuple(slope[..., None] * weight for slope in wave_slope.terms(x @ weight.mT))


def coupled_jacobian(weight: Tensor, x: Tensor, *, summed: bool = False) -> Terms:
    """∂y_b/∂x_b of y_bk = φ(w_k · x_b + v_k · x̄), x̄ the mean of the rows: φ′(u_bk) (w_k + v_k/B), [B, m, n].

    With `summed`, what differentiating Σ_b′ y_b′k gives instead: φ′(u_bk) w_k + Σ_b′ φ′(u_b′k) v_k/B.

    Shapes: weights [m, n, 2], x [B, n].
    """
    own, mean = weight.unbind(-1)
    slopes = wave_slope.terms(x @ own.mT + x.mean(0) @ mean.mT)
    terms = [slope[..., None] * own for slope in slopes]
    for slope in slopes:
        weights = slope.sum(0, keepdim=True).expand_as(slope) if summed else slope
        terms.append(weights[..., None] * mean / len(x))
    return tuple(terms)


def jvp(weight: Tensor, x: Tensor, v: Tensor) -> Terms:
    """J v = φ′(w_k · x) (w_k · v): [..., m]."""
    along = v @ weight.mT
    return tuple(slope * along for slope in wave_slope.terms(x @ weight.mT))


def vjp(weight: Tensor, x: Tensor, u: Tensor) -> Terms:
    """uᵀJ = Σ_k u_k φ′(w_k · x) w_k: [..., n]."""
    slopes = wave_slope.terms(x @ weight.mT)
    return tuple((u * slope)[..., k, None] * weight[k] for slope in slopes for k in range(len(weight)))


def hessian(weight: Tensor, x: Tensor) -> Terms:
    """H = Σ_h φ″(w_h · x) w_h w_hᵀ of f = Σ_h φ(w_h · x): [..., n, n]."""
    curvatures = wave_curvature.terms(x @ weight.mT)
    return tuple(
        curvature[..., h, None, None] * torch.outer(weight[h], weight[h])
        for curvature in curvatures
        for h in range(len(weight))
    )


def hessian_diagonal(weight: Tensor, x: Tensor) -> Terms:
    """H_ii = Σ_h φ″(w_h · x) w_hi²: [..., n]."""
    curvatures = wave_curvature.terms(x @ weight.mT)
    return tuple(c[..., h, None] * weight[h] ** 2 for c in curvatures for h in range(len(weight)))


def laplacian(weight: Tensor, x: Tensor) -> Terms:
    """Δf = tr H = Σ_h φ″(w_h · x) ‖w_h‖²: [...]."""
    square = (weight**2).sum(-1)
    return tuple(c[..., h] * square[h] for c in wave_curvature.terms(x @ weight.mT) for h in range(len(weight)))


def hvp(weight: Tensor, x: Tensor, v: Tensor) -> Terms:
    """H v = Σ_h φ″(w_h · x) (w_h · v) w_h: [..., n]."""
    along = v @ weight.mT
    curvatures = wave_curvature.terms(x @ weight.mT)
    return tuple((c * along)[..., h, None] * weight[h] for c in curvatures for h in range(len(weight)))


def directional_second_derivative(weight: Tensor, x: Tensor, v: Tensor) -> Terms:
    """∂²f(x + tv)/∂t² at t = 0: vᵀHv = Σ_h φ″(w_h · x) (w_h · v)²: [...]."""
    along = v @ weight.mT
    curvatures = wave_curvature.terms(x @ weight.mT)
    return tuple((c * along * along)[..., h] for c in curvatures for h in range(len(weight)))


def logabsdet(lower: Tensor, upper: Tensor, x: Tensor) -> Terms:
    """log|det J| of f(x) = R (u + ½ sin u), u = L x, with |det R| = 1: Σ_k log(1 + ½ cos u_k) + Σ_k log L_kk, [...].

    An implementation forms the entries of J, and rounding them by γ|R||S||L| moves log|det J| by
    tr(J⁻¹ δJ): the size of that is a term here that cancels.
    """
    u = x @ lower.mT
    slope = 1 + torch.cos(u) / 2
    dense = upper @ (slope[..., None] * lower)
    sizes = upper.abs() @ (slope[..., None] * lower.abs())
    spread = (torch.linalg.inv(dense).mT.abs() * sizes).sum((-2, -1)).detach()
    diagonal = torch.log(torch.diagonal(lower)).sum().expand_as(spread)
    return (*torch.log(slope).unbind(-1), diagonal, spread, -spread)


def critical_point(hessian: Tensor, *, any_zero: bool = False) -> Tensor:
    """The second-derivative test by the signs of the eigenvalues: 0 minimum, 1 maximum, 2 saddle, 3 degenerate.

    With `any_zero` a zero among eigenvalues of both signs makes the point degenerate, too, as Morse theory has it.
    Eigenvalues are told from zero as float32 tells them: a matrix is judged whose eigenvalues are far from it, or zero.

    Source: Nocedal & Wright 2006, theorems 2.3 and 2.4; Milnor 1963, section 2.

    >>> critical_point(torch.diag(torch.tensor([1.0, -1.0])))
    tensor(2.)
    """
    values = torch.linalg.eigvalsh(hessian.detach())
    small = values.shape[-1] * torch.finfo(torch.float32).eps * values.abs().amax(-1, keepdim=True)
    up, down, flat = (values > small).any(-1), (values < -small).any(-1), (values.abs() <= small).any(-1)
    saddle = up & down & ~flat if any_zero else up & down
    code = torch.where(saddle, 2, torch.where(flat, 3, torch.where(down, 1, 0)))
    return code.to(hessian.dtype)
