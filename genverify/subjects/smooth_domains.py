"""Domains of smooth functions: what a derivative is taken of."""

from __future__ import annotations

import torch

from genverify.subjects.contractions import Contraction
from genverify.subjects.domains import Domain
from genverify.subjects.smooth_functions import Basins, CoupledWaves, Diffeomorphism, Waves, WaveSum

__all__ = [
    "basins", "contraction", "critical_hessian", "diffeomorphism", "lattice_point", "smooth_map", "smooth_scalar",
]  # fmt: skip


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


def _curved(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Q diag(λ) Qᵀ with eigenvalues of different sizes; diagonal, with zeros, where a diagonal number is zero.

    Q is turned by about 60° even where the numbers above the diagonal are zero, so that the diagonal of the matrix says
    little of its eigenvalues.
    """
    square = raw.reshape(shape)
    numbers = torch.diagonal(square, dim1=-2, dim2=-1)
    flat = numbers == 0
    values = torch.sign(numbers) * (numbers**2 + 0.25) / (1 + 2 * torch.arange(shape[-1], dtype=raw.dtype))
    upper = torch.triu(square + 0.6, 1)
    one = torch.eye(shape[-1], dtype=square.dtype)
    turn = torch.linalg.solve(one + upper - upper.mT, one - upper + upper.mT)
    turned = turn @ torch.diag_embed(values) @ turn.mT
    # An exact zero among the eigenvalues survives rounding in a diagonal matrix alone.
    made = torch.where(flat.any(-1)[..., None, None], torch.diag_embed(values), turned).to(dtype)
    return torch.tril(made) + torch.tril(made, -1).mT


def critical_hessian() -> Domain:
    """Symmetric matrices whose eigenvalues are far from zero, or exactly zero."""
    return Domain(name="Hessian of a critical point", make=_curved)


def basins() -> Domain:
    """A function that has a critical point at every point of integers, by its Hessian there."""
    return Domain(name="function with critical points", make=lambda *given: Basins(_curved(*given)))


def lattice_point() -> Domain:
    """A point of integers, in the floating dtype of the case."""
    return Domain(
        name="point of integers", low=-2, high=2, integral=True,
        make=lambda raw, shape, dtype: raw.round().reshape(shape).to(dtype),
    )  # fmt: skip


# The largest ‖a‖ ‖b‖: an iteration gains a tenth of a digit a step, and a cut series is near its limit and not at it.
_LARGEST = 0.8


def contraction(largest: float = _LARGEST) -> Domain:
    """A contraction by its numbers, scaled down where ‖a‖ ‖b‖ exceeds `largest`; axes pair (of two), hidden, event.

    >>> made = contraction().make(torch.ones(4, dtype=torch.float64), (2, 1, 2), torch.float64)
    >>> round(float(made.weight[0].norm() * made.weight[1].norm()), 12)
    0.8
    """

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Contraction:
        numbers = raw.reshape(shape)
        product = numbers[0].norm() * numbers[1].norm()
        return Contraction((numbers / torch.sqrt((product / largest).clamp_min(1.0))).to(dtype))

    return Domain(name="contraction", low=-1.5, high=1.5, make=make)
