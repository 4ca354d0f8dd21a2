"""Layers of Lipschitz critics and of discriminators: sorting in groups, deviations over a batch, the steepest cell."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from .operator_norm import spectral

# Nearer than that a hyperplane goes through a corner of others, and what occurs is a matter of roundings.
_GENERAL = 1e-6

__all__ = ["batch_deviation", "group_sorted", "steepest_cell"]


def group_sorted(
    x: Tensor, size: int, *, axis: int = 1, halves: bool = False, gathered: bool = False, falling: bool = False
) -> Tensor:
    """Sorts groups of so many channels, each by itself.

    `halves` groups channels i, i + n/size, … for neighbours; `gathered` puts all least ones first, then the next;
    `falling` sorts downwards.

    Source: Anil, Lucas & Grosse 2019, section 4.1.

    >>> group_sorted(torch.tensor([[2.0, 1.0, 4.0, 3.0]]), 2)
    tensor([[1., 2., 3., 4.]])
    """
    moved = x.movedim(axis, -1)
    n = moved.shape[-1]
    groups = moved.unflatten(-1, (size, n // size)).mT if halves else moved.unflatten(-1, (n // size, size))
    groups = groups.sort(-1, descending=falling).values
    back = groups.mT if gathered or halves else groups
    return back.flatten(-2).movedim(-1, axis)


def batch_deviation(
    x: Tensor, size: int | None, *, eps: float = 1e-8, neighbours: bool = False, unbiased: bool = False,
    whole: bool = False, variance: bool = False,
) -> Tensor:  # fmt: skip
    """Appends a channel: the mean over channels and places of the deviations within a group of samples.

    `neighbours` has samples i·G … i·G + G − 1 in a group, for every M-th; `whole` one deviation of all numbers;
    `variance` leaves out the root.

    Shapes: [n, c, h, w] → [n, c + 1, h, w].

    Source: Karras et al. 2018, section 3.

    >>> batch_deviation(torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1), None)[0].flatten()
    tensor([0., 1.])
    """
    n = len(x)
    group = n if size is None else min(size, n)
    count = n // group
    parts = x.unflatten(0, (count, group)) if neighbours else x.unflatten(0, (group, count)).transpose(0, 1)
    centred = x - x.mean() if whole else parts - parts.mean(1, keepdim=True)
    if whole:
        found = (centred**2).sum() / (x.numel() - unbiased)
    else:
        found = (centred**2).sum(1) / (group - unbiased)
    deviation = found if variance else (found + eps).sqrt()
    values = deviation.mean().expand(n) if whole else deviation.flatten(1).mean(1)
    if not whole:
        values = values.repeat_interleave(group) if neighbours else values.repeat(group)
    return torch.cat([x, values[:, None, None, None].expand(n, 1, *x.shape[2:])], 1)


def steepest_cell(inner: Tensor, bias: Tensor | None, outer: Tensor, *, bound: str = "") -> Tensor:
    """The Lipschitz constant of x ↦ W₂ relu(W₁ x + b): the largest ‖W₂ diag(s) W₁‖ over patterns s that occur.

    `bound` "patterns" takes all patterns, whether they occur or not, and "product" the product of the norms.

    Shapes: inner [hidden, in], bias [hidden], outer [out, hidden] → a scalar.

    >>> inner, outer = torch.tensor([[1.0], [-1.0]]), torch.ones(1, 2)
    >>> steepest_cell(inner, torch.tensor([0.0, -1.0]), outer)
    tensor(1.)
    """
    if bound == "product":
        return spectral(outer) * spectral(inner)
    if bound == "patterns":
        return spectral(outer @ (_all_patterns(len(inner)).to(inner)[..., None] * inner)).max()
    at = torch.zeros_like(inner[:, 0]) if bias is None else bias
    patterns, known = _patterns_that_occur(inner, at)
    return spectral(outer @ (patterns[..., None] * inner)).max() * known


def _patterns_that_occur(inner: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The patterns of all cells [cells, hidden], and 1, or NaN where hyperplanes are not in general position.

    Where the normals span the space every cell has a corner, in which as many hyperplanes meet as there are
    dimensions. Beside a corner their units are active in every combination, and the others as they are at the corner.
    """
    units, dimensions = inner.shape
    if units < dimensions:
        return _all_patterns(units).to(inner), torch.ones_like(inner[0, 0])
    through = torch.tensor(list(itertools.combinations(range(units), dimensions)))
    normals = inner[through]
    singular = torch.linalg.det(normals).abs() <= _GENERAL
    safe = torch.where(singular[:, None, None], torch.eye(dimensions, dtype=inner.dtype), normals)
    corners = torch.linalg.solve(safe, -bias[through][..., None])[..., 0]
    heights = corners @ inner.mT + bias
    meets = (torch.nn.functional.one_hot(through, units).sum(1) > 0)[:, None]
    combined = _all_patterns(dimensions).to(inner) @ torch.nn.functional.one_hot(through, units).to(inner)
    patterns = torch.where(meets, combined, (heights > 0)[:, None].to(inner)).flatten(0, 1)
    doubtful = singular.any() | ((heights.abs() <= _GENERAL) & ~meets[:, 0]).any()
    return patterns, torch.where(doubtful, torch.nan, 1.0)


def _all_patterns(units: int) -> Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=units)))
