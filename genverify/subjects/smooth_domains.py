"""Domains of smooth functions: what a derivative is taken of."""

from __future__ import annotations

import torch

from genverify.subjects.domains import Domain
from genverify.subjects.smooth_functions import CoupledWaves, Diffeomorphism, Waves, WaveSum

__all__ = ["diffeomorphism", "smooth_map", "smooth_scalar"]


def smooth_scalar() -> Domain:
    """A smooth scalar function of a vector; its axes are those of its weights: hidden, event."""
    return Domain(
        name="smooth scalar function", low=-1.5, high=1.5,
        make=lambda raw, shape, dtype: WaveSum(raw.reshape(shape).to(dtype)),
    )  # fmt: skip


def smooth_map() -> Domain:
    """A smooth map of vectors, by its weights [out, event]; by [out, event, 2] one that couples the rows of a batch."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Waves | CoupledWaves:
        numbers = raw.reshape(shape).to(dtype)
        return CoupledWaves(numbers) if len(shape) == 3 else Waves(numbers)

    return Domain(name="smooth map", low=-1.5, high=1.5, make=make)


def diffeomorphism() -> Domain:
    """An invertible smooth map of a vector to a vector; its axes are event, event."""
    return Domain(
        name="invertible smooth map", low=-1.5, high=1.5,
        make=lambda raw, shape, dtype: Diffeomorphism(raw.reshape(shape).to(dtype)),
    )  # fmt: skip
