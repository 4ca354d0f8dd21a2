"""Domains with a structure: orders, orthogonal matrices, masks, whole schedules, lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from genverify.subjects.domains import Domain

__all__ = ["decreasing", "listed", "mask", "modes", "orthogonal", "permutation", "schedule", "sorted_values"]


def permutation() -> Domain:
    """A permutation of 0 … n − 1 along the last axis; the simplest is the identity.

    >>> permutation().make(torch.tensor([0.0, -1.0, 0.0]).double(), (3,), torch.float64)
    tensor([1, 0, 2])
    """
    return Domain(name="permutation", make=lambda raw, shape, dtype: raw.reshape(shape).argsort(dim=-1, stable=True))


def sorted_values() -> Domain:
    """Real numbers in ascending order along the last axis, ties allowed."""
    return Domain(name="sorted", make=lambda raw, shape, dtype: raw.reshape(shape).sort(-1).values.to(dtype))


def schedule(*, low: float = 0.01, high: float = 0.5) -> Domain:
    """A whole schedule of rates, one for each step of the last axis, each between low and high inside (0, 1)."""
    return Domain(
        name="schedule of rates",
        make=lambda raw, shape, dtype: (low + (high - low) * torch.sigmoid(raw)).reshape(shape).to(dtype),
    )


def decreasing() -> Domain:
    """Numbers in (0, 1) that decrease strictly along the last axis, such as a signal level ᾱ."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        kept = 0.5 + 0.49 * torch.tanh(raw.reshape(shape))
        return kept.cumprod(-1).to(dtype)

    return Domain(name="decreasing in (0, 1)", make=make)


def mask(*, some: bool = True) -> Domain:
    """True where an element counts; with `some`, at least one does along the last axis (the first, if need be)."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        kept = raw.reshape(shape) > 0.5
        if some and kept.numel():
            kept[..., 0] |= ~kept.any(-1)
        return kept

    return Domain(name="mask", low=0, high=1, integral=True, simple=1.0, make=make)


def modes() -> Domain:
    """The word train or eval for each call; the simplest is train throughout.

    >>> modes().make(torch.tensor([0.0, 1.0]).double(), (2,), torch.float64)
    ('train', 'eval')
    """

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[str, ...]:
        return tuple("eval" if number > 0.5 else "train" for number in raw.reshape(-1).tolist())

    return Domain(name="train or eval", low=0, high=1, integral=True, make=make)


def orthogonal() -> Domain:
    """Orthogonal matrices with determinant one: (I − A)(I + A)⁻¹ with A skew-symmetric (Cayley 1846).

    Only the gradient along the group is determined: Q skew(QᵀG).

    >>> q = orthogonal().make(torch.tensor([0.0, 1.0, 0.0, 0.0]).double(), (2, 2), torch.float64)
    >>> bool(torch.allclose(q @ q.mT, torch.eye(2, dtype=torch.float64)))
    True
    """

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        square = raw.reshape(shape)
        skew = torch.triu(square, 1) - torch.triu(square, 1).mT
        one = torch.eye(shape[-1], dtype=square.dtype)
        return torch.linalg.solve(one + skew, one - skew).to(dtype)

    def tangent(gradient: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        inner = value.mT @ gradient
        return value @ ((inner - inner.mT) / 2)

    return Domain(name="orthogonal", make=make, tangent=tangent)


def listed(each: Domain) -> Domain:
    """A list of tensors, one for each place of the first axis (a list of layers, of scales, of gradients)."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> list[Any]:
        return [each.make(part, shape[1:], dtype) for part in raw.reshape(shape)]

    return replace(each, name=f"list of {each.name}", make=make)
