"""How far a function moves when its arguments do: absolute derivatives, weighted and summed over the arguments."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .forward_mode import load_forward_mode

__all__ = ["corners", "elementwise_sensitivity", "sizes", "weighted_sensitivity"]

# Doubles that one vectorised evaluation may fill: 2^22 are 32 MiB.
_CHUNK_ELEMENTS = 2**22
# Beyond as many coordinates, and where outputs are few, rows of the Jacobian are taken and not columns.
_WIDE = 1024
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def sizes(x: Tensor, event_dims: int | None) -> Tensor:
    """The size that each entry is perturbed in proportion to: its own, or the largest of its matrix (normwise)."""
    if event_dims is None or x.numel() == 0:
        return x.abs()
    dims = tuple(range(max(x.ndim - event_dims, 0), x.ndim))
    return x.abs().amax(dim=dims, keepdim=True).expand_as(x) if dims else x.abs()


def _signs(x: Tensor) -> Tensor:
    """±1 in an order without a period, so that no axis of a reshaped batch moves in step."""
    index = torch.arange(1, x.numel() + 1, dtype=torch.float64, device=x.device)
    return (torch.where((index * _GOLDEN) % 1.0 < 0.5, 1.0, -1.0).to(x)).reshape(x.shape)


def corners(
    args: Sequence[Tensor], extents: Sequence[Tensor], rate: float, matrices: Sequence[bool]
) -> list[list[Tensor]]:
    """The point, and for each argument a point of the box around it; square matrices move to symmetric ones."""
    points = [list(args)]
    for a, (x, size) in enumerate(zip(args, extents, strict=True)):
        moved = list(args)
        signs = _signs(x)
        if matrices[a] and x.ndim >= 2 and x.shape[-1] == x.shape[-2]:
            # A symmetric matrix is moved to a symmetric one, or the oracle would leave its domain.
            signs = torch.triu(signs) + torch.triu(signs, 1).mT
        moved[a] = x + rate * size * signs
        points.append(moved)
    return points


def weighted_sensitivity(
    stacked: Callable[..., Tensor], points: list[list[Tensor]], weights: Sequence[Tensor], outputs: int
) -> Tensor:
    """The largest over points of Σ_i w_i Σ_j |∂t_j/∂x_i|, as forward derivatives along every coordinate at once.

    Forward mode, since there a NaN stays in the output that it belongs to: in reverse mode the zeros of a one-hot
    cotangent times an infinite local derivative would spoil the other outputs as well.
    """
    load_forward_mode()
    shapes = [x.shape for x in points[0]]
    counts = [x.numel() for x in points[0]]
    total = sum(counts)
    flat = torch.stack([torch.cat([x.reshape(-1) for x in point]) for point in points])
    weight = torch.cat([w.reshape(-1) for w in weights])

    def unflatten(vector: Tensor) -> list[Tensor]:
        return [part.reshape(shape) for part, shape in zip(vector.split(counts), shapes, strict=True)]

    def along(vector: Tensor, tangent: Tensor) -> Tensor:
        return torch.func.jvp(lambda v: stacked(*unflatten(v)), (vector,), (tangent,))[1].abs().sum(0)

    if total > _WIDE and outputs * len(flat) < total:
        found = _by_rows(lambda v: stacked(*unflatten(v)), flat, weight)
        if found is not None:
            return found
    if len(flat) * total * max(outputs, total, 1) <= _CHUNK_ELEMENTS:
        basis = torch.eye(total, dtype=flat.dtype, device=flat.device)
        with contextlib.suppress(Exception):  # a branch on a value: see below
            slopes = torch.func.vmap(torch.func.vmap(along, in_dims=(None, 0)), in_dims=(0, None))(flat, basis)
            return (weight.reshape(-1, *[1] * (slopes.ndim - 2)) * slopes).sum(1).amax(0)  # which keeps NaN
    return _point_by_point(along, flat, weight, outputs)


def _by_rows(function: Callable[[Tensor], Tensor], flat: Tensor, weight: Tensor) -> Tensor | None:
    """The same by reverse derivatives, one for each term and output; None where one of them is not finite."""
    largest = None
    for vector in flat:
        stack, pullback, *_ = torch.func.vjp(function, vector)
        basis = torch.eye(stack.numel(), dtype=stack.dtype, device=stack.device).reshape(-1, *stack.shape)
        rows = torch.stack([pullback(one)[0] for one in basis])
        if not bool(torch.isfinite(rows).all()):
            return None
        summed = (rows.abs() * weight).sum(-1).reshape(stack.shape).sum(0)
        largest = summed if largest is None else torch.maximum(largest, summed)
    return largest


def _point_by_point(along: Callable[[Tensor, Tensor], Tensor], flat: Tensor, weight: Tensor, outputs: int) -> Tensor:
    """The same with one point after the other, for functions that are large, or that branch on a value."""
    total = flat.shape[1]
    chunk = max(1, min(total, _CHUNK_ELEMENTS // max(outputs, total, 1)))
    largest = None
    for vector in flat:
        summed = None
        for start in range(0, total, chunk):
            stop = min(start + chunk, total)
            basis = torch.zeros(stop - start, total, dtype=vector.dtype, device=vector.device)
            basis[torch.arange(stop - start), torch.arange(start, stop)] = 1.0
            slopes = torch.func.vmap(along, in_dims=(None, 0))(vector, basis)
            part = (weight[start:stop].reshape(-1, *[1] * (slopes.ndim - 1)) * slopes).sum(0)
            summed = part if summed is None else summed + part
        assert summed is not None
        largest = summed if largest is None else torch.maximum(largest, summed)  # maximum keeps NaN
    assert largest is not None
    return largest


def elementwise_sensitivity(
    stacked: Callable[..., Tensor], points: list[list[Tensor]], weights: Sequence[Tensor]
) -> Tensor:
    """`weighted_sensitivity` of an elementwise function of arguments of one shape: one derivative an argument."""
    load_forward_mode()
    columns = tuple(torch.stack(column) for column in zip(*points, strict=True))  # [points, *shape] each
    total = torch.zeros_like(columns[0])
    for a, weight in enumerate(weights):
        tangents = tuple(torch.ones_like(c) if i == a else torch.zeros_like(c) for i, c in enumerate(columns))
        total = total + weight * torch.func.jvp(stacked, columns, tangents)[1].abs().sum(0)
    return total.amax(0)  # which keeps NaN
