"""log|det J| of a subject's own forward map, by autodiff, with differences of its values as arbiter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.errors import GenverifyError
from genverify.numerics.finite_difference import finite_difference_jacobian
from genverify.numerics.jacobian import batch_jacobian
from genverify.subjects.evaluation import Evaluation
from genverify.subjects.region import Region

__all__ = ["Arbiter", "differences", "jacobian_logabsdet", "jacobians", "neighbours"]

# Differences evaluate the map some twenty times for each coordinate.
_LARGEST_DIFFERENCED = 64


def _square(y: Tensor, rows: int, numel: int, on_simplex: bool) -> Tensor:
    """Images as [rows, numel]; of a point of the simplex the last coordinate is redundant."""
    flat = y.reshape(rows, -1)
    return flat[:, :-1] if on_simplex and flat.shape[1] == numel + 1 else flat


def jacobians(at: Evaluation, x: Tensor) -> Tensor | None:
    """J[b, i, j] = ∂y_i/∂x_j of each row, [rows, n, n]; None where the map has no square Jacobian or none at all."""
    rows, numel = len(x), x[0].numel()
    direction = at.subject.calls.forward

    def images(points: Tensor) -> Tensor:
        context = None if at.context is None else at.context.expand(rows, *at.context.shape[1:]).clone()
        return _square(direction(points, context)[0], rows, numel, at.subject.onto.simplex)

    try:
        found = batch_jacobian(images, x)
    except GenverifyError:
        return None
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return None  # the map ran on these points; that it cannot be differentiated is not what it claims
    return found if found.shape[1] == found.shape[2] else None


def jacobian_logabsdet(at: Evaluation, x: Tensor) -> Tensor | None:
    """log|det J| of each row, [rows] in float64; −inf where J is singular, None as `jacobians`."""
    found = jacobians(at, x)
    if found is None:
        return None
    finite = torch.isfinite(found).flatten(1).all(1)
    if bool(finite.all()):
        return torch.linalg.slogdet(found.double()).logabsdet
    safe = torch.where(finite[:, None, None], found.double(), torch.eye(found.shape[1], dtype=torch.float64))
    return torch.where(finite, torch.linalg.slogdet(safe).logabsdet, torch.full((len(x),), math.nan).double())


@dataclass(frozen=True, kw_only=True)
class Arbiter:
    """log|det J| of one row from differences of values alone, and how far off that may be."""

    value: float
    error: float


def differences(at: Evaluation, x: Tensor) -> Arbiter | None:
    """The arbiter at a single row [1, *event] in float64; None where differences tell nothing.

    |δ log|det J|| ≤ Σ |J⁻¹|ᵀ |δJ| to first order.
    """
    numel = x[0].numel()
    if x.dtype != torch.float64 or numel > _LARGEST_DIFFERENCED:
        return None
    direction = at.subject.calls.forward

    def image(point: Tensor) -> Tensor:
        y, _ = direction(point.reshape(x.shape), None if at.context is None else at.context.clone())
        return _square(y.detach(), 1, numel, at.subject.onto.simplex)[0]

    try:
        found = finite_difference_jacobian(image, x.reshape(-1))
        inverse = torch.linalg.inv(found.value)
    except Exception:  # beside its domain a stranger's map may refuse in any way
        return None
    value = float(torch.linalg.slogdet(found.value).logabsdet)
    error = float((inverse.abs().T * found.error).sum())
    return Arbiter(value=value, error=error) if math.isfinite(value) and math.isfinite(error) else None


def neighbours(x: Tensor, where: Region) -> list[Tensor]:
    """Two generic points close by, on opposite sides: what holds at a kink alone does not hold there."""
    step = 16.0 * math.sqrt(torch.finfo(x.dtype).eps)
    wave = torch.sin(torch.arange(1, x.numel() + 1, dtype=torch.float64) * math.sqrt(2.0)).reshape(x.shape).to(x)
    reach = step * (wave.sign() * (0.5 + 0.5 * wave.abs()))
    found = []
    for sign in (1.0, -1.0):
        moved = x * (1.0 + sign * reach) if not where.whole else x + sign * reach * (1.0 + x.abs())
        if where.simplex:
            moved = moved / moved.sum(-1, keepdim=True)
        found.append(moved if where.holds(moved) else x)
    return found
