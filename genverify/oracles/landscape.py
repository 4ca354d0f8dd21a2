"""Directions and planes of a loss landscape, written by norms and by ridges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .calculus import wave

__all__ = ["direction", "directions", "plane"]


def direction(direction: Tensor, weight: Tensor, *, norm: str = "filter") -> Tensor:
    """A direction with the norms of the weights, by filter as Li et al. 2018 have it, or as others do.

    Args:
        direction: [filters, inputs].
        weight: The same shape.
        norm: "filter", "layer" (one factor for all), "unit" (filters of norm one) or "weight" (entry by entry, d w).

    >>> direction(torch.tensor([[2.0]]), torch.tensor([[-3.0]]))
    tensor([[3.]])
    """
    if norm == "weight":
        return direction * weight
    dims = (0, 1) if norm == "layer" else (1,)
    length = torch.sqrt((direction**2).sum(dims, keepdim=True))
    wanted = torch.ones_like(length) if norm == "unit" else torch.sqrt((weight**2).sum(dims, keepdim=True))
    return direction * (wanted / length)


def directions(
    directions: Sequence[Tensor], weights: Sequence[Tensor], *, norm: str = "filter", biases: str = "zero"
) -> tuple[Tensor, ...]:
    """The same for matrices and vectors of a network; a vector's direction is zero, the vector, or normalised.

    >>> directions([torch.ones(2)], [torch.ones(2)])
    (tensor([0., 0.]),)
    """
    made = []
    for d, w in zip(directions, weights, strict=True):
        if d.dim() > 1:
            made.append(direction(d, w, norm=norm))
        elif biases == "normalised":
            made.append(direction(d[None], w[None])[0])
        else:
            made.append(torch.zeros_like(d) if biases == "zero" else w + 0 * d)
    return tuple(made)


def plane(
    weight: Tensor, centre: Tensor, direction_1: Tensor, direction_2: Tensor, alphas: Tensor, betas: Tensor,
    *, transposed: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Σ_h φ(w_h · (θ + αδ + βη)) for all α and β, [A, B] or [B, A], a term for each ridge."""
    along = alphas[:, None, None] * direction_1 + betas[None, :, None] * direction_2
    parts = wave.terms((centre + along) @ weight.mT)
    terms = tuple(one for part in parts for one in part.unbind(-1))
    return tuple(one.mT for one in terms) if transposed else terms
