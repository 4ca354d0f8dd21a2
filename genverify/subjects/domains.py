"""Where arguments live: each domain turns plain real numbers, which Hypothesis draws and shrinks, into legal values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from genverify.subjects.functions import Critic, Discriminator, LinearMap, Quadratic, Sine, Table

__all__ = [
    "Domain",
    "binary",
    "discriminator",
    "function_of_index",
    "function_of_real",
    "function_of_vector",
    "integer",
    "linear_map",
    "lower_triangular",
    "one_hot",
    "positive",
    "real",
    "simplex",
    "spd",
    "unit_interval",
]

Make = Callable[[torch.Tensor, tuple[int, ...], torch.dtype], Any]


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A set of legal values, given by a map from real numbers.

    Attributes:
        name: In words, for messages.
        low: Smallest raw number at moderate size.
        high: Largest raw number at moderate size.
        extreme_low: Smallest raw number that the formula is claimed for, in float64.
        extreme_high: Largest such.
        narrow_low: The same in narrower dtypes.
        narrow_high: The same in narrower dtypes.
        make: (raw float64 numbers of the value's shape, shape, dtype) → the value.
        integral: Whether the raw numbers are integers.
        simple: The raw number towards which a failing case shrinks.
        tangent: (gradient, value) → the part of the gradient that the domain determines: of a symmetric matrix the
            symmetric part, of probabilities the part that sums to zero. Linear in the gradient.
        interval: The open interval of all legal values, where these are single numbers and every one is legal.
        apart: Raw numbers of legal values at a border, outside what is drawn otherwise: a weight of zero, a discount
            of one. They are given alone; a subject may refuse them.
    """

    name: str
    low: float | int = -2.0
    high: float | int = 2.0
    extreme_low: float | None = None
    extreme_high: float | None = None
    narrow_low: float | None = None
    narrow_high: float | None = None
    make: Make
    integral: bool = False
    simple: float | int = 0.0
    tangent: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    interval: tuple[float, float] | None = None
    apart: tuple[float, ...] = ()

    def bounds(self, dtype: torch.dtype, *, extreme: bool) -> tuple[float | int, float | int]:
        """The range of raw numbers to draw from."""
        if not extreme or self.extreme_low is None or self.extreme_high is None:
            return self.low, self.high
        if dtype != torch.float64 and self.narrow_low is not None and self.narrow_high is not None:
            return self.narrow_low, self.narrow_high
        return self.extreme_low, self.extreme_high


def _plain(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    return raw.reshape(shape).to(dtype)


def real(*, low: float = -2.0, high: float = 2.0, extreme: float = 1e6, narrow: float | None = None) -> Domain:
    """Any real number; the extremes are claimed up to ±extreme (±narrow in narrower dtypes)."""
    near = extreme if narrow is None else narrow
    return Domain(
        name="real", low=low, high=high, extreme_low=-extreme, extreme_high=extreme, narrow_low=-near,
        narrow_high=near, make=_plain, interval=(-math.inf, math.inf),
    )  # fmt: skip


def positive(*, low: float = 0.25, high: float = 3.0, tiny: float = 1e-30, huge: float = 1e30) -> Domain:
    """A positive number, drawn through its logarithm, between tiny and huge (narrow: their fourth roots)."""
    return Domain(
        name="positive", low=math.log(low), high=math.log(high),
        extreme_low=math.log(tiny), extreme_high=math.log(huge),
        narrow_low=math.log(tiny) / 4, narrow_high=math.log(huge) / 4,
        make=lambda raw, shape, dtype: raw.exp().reshape(shape).to(dtype), interval=(0.0, math.inf),
    )  # fmt: skip


def unit_interval() -> Domain:
    """A number inside (0, 1), away from the ends by the logistic map of [-12, 12]."""
    return Domain(
        name="in (0, 1)", extreme_low=-12.0, extreme_high=12.0,
        make=lambda raw, shape, dtype: torch.sigmoid(raw).reshape(shape).to(dtype), interval=(0.0, 1.0),
    )  # fmt: skip


def simplex() -> Domain:
    """Probabilities along the last axis: positive, summing to one."""
    return Domain(
        name="probabilities", extreme_low=-12.0, extreme_high=12.0,
        make=lambda raw, shape, dtype: torch.softmax(raw.reshape(shape), -1).to(dtype),
        tangent=lambda gradient, value: gradient - gradient.mean(-1, keepdim=True),
    )  # fmt: skip


def integer(low: int, high: int, *, sentinels: tuple[int, ...] = ()) -> Domain:
    """An integer between low and high, both included, or a sentinel: a tensor of integers, a plain int for a scalar.

    A sentinel is an integer outside the range that means something of its own, as ``ignore_index=-100`` does.
    """
    table = torch.tensor([*range(low, high + 1), *sentinels], dtype=torch.int64)

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Any:  # noqa: ANN401
        found = table[raw.round().to(torch.int64) - low]
        return found.reshape(shape) if shape else int(found.item())

    name = f"integer {low}..{high}" + "".join(f" or {one}" for one in sentinels)
    return Domain(name=name, low=low, high=high + len(sentinels), make=make, integral=True, simple=float(low))


def binary() -> Domain:
    """0 or 1, in the floating dtype of the case."""
    return Domain(name="binary", low=0, high=1, integral=True, make=_plain)


def one_hot() -> Domain:
    """One-hot along the last axis, in the floating dtype of the case."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        index = raw.reshape(shape).argmax(-1)
        return torch.nn.functional.one_hot(index, shape[-1]).to(dtype)

    return Domain(name="one-hot", make=make)


def _lower(raw: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    square = raw.reshape(shape)
    return torch.tril(square, -1) + torch.diag_embed(torch.exp(torch.diagonal(square, dim1=-2, dim2=-1) / 2))


def lower_triangular() -> Domain:
    """Lower triangular with a positive diagonal: the Cholesky factor of a covariance."""
    return Domain(
        name="Cholesky factor", make=lambda raw, shape, dtype: _lower(raw, shape).to(dtype),
        tangent=lambda gradient, value: torch.tril(gradient),
    )  # fmt: skip


def spd() -> Domain:
    """Symmetric positive definite: L Lᵀ with L lower triangular, exactly symmetric in the dtype of the case."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        factor = _lower(raw, shape)
        matrix = (factor @ factor.mT).to(dtype)
        return torch.tril(matrix) + torch.tril(matrix, -1).mT

    return Domain(
        name="symmetric positive definite", low=-1.5, high=1.5, make=make,
        tangent=lambda gradient, value: (gradient + gradient.mT) / 2,
    )  # fmt: skip


def function_of_index() -> Domain:
    """A function of an integer, by its table of values; its axis says how many integers there are."""
    return Domain(name="function of an index", make=lambda raw, shape, dtype: Table(raw.reshape(shape).to(dtype)))


def function_of_real() -> Domain:
    """A smooth function of a real number: a quadratic or a sine, by three numbers (its axis must be of size 3)."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Quadratic | Sine:
        a, b, c = (float(number) for number in raw.reshape(-1)[:3])
        return Sine(a, b) if c > 1 else Quadratic(a, b, c)

    return Domain(name="function of a real number", make=make)


def function_of_vector() -> Domain:
    """A smooth scalar function of a vector (a critic, an energy); its axes are those of its weights: hidden, event."""
    return Domain(name="function of a vector", make=lambda raw, shape, dtype: Critic(raw.reshape(shape).to(dtype)))


def discriminator() -> Domain:
    """A smooth critic of samples of any shape; its axes are those of its weights, and scores for a column."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Discriminator:
        return Discriminator(raw.reshape(shape[:2]).to(dtype), column=len(shape) > 2)

    return Domain(name="critic", low=-1.5, high=1.5, make=make)


def linear_map() -> Domain:
    """A linear map of a vector (a matrix-vector product, a denoiser); its axes are those of its matrix: out, in."""
    return Domain(name="linear map", make=lambda raw, shape, dtype: LinearMap(raw.reshape(shape).to(dtype)))
