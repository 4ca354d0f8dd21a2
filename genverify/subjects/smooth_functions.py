"""Smooth functions to differentiate: no derivative vanishes, coordinates interact, and a few numbers give them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Basins", "CoupledWaves", "Diffeomorphism", "WaveSum", "Waves"]


@dataclass(frozen=True)
class _ByMatrix:
    """A function that one tensor of numbers defines."""

    weight: torch.Tensor

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"weight": self.weight}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the class itself
        """The function that these numbers define."""
        return cls(data["weight"])


def _wave(u: torch.Tensor) -> torch.Tensor:
    return torch.sin(u) + torch.cos(u)


@dataclass(frozen=True)
class Waves(_ByMatrix):
    """A map of the last axis, ``f_k(x) = sin(w_k · x) + cos(w_k · x)``: no derivative of it vanishes identically.

    >>> Waves(torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))(torch.zeros(2))
    tensor([1., 1., 1.])
    """

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The image of each row."""
        return _wave(x @ self.weight.to(x.dtype).mT)


@dataclass(frozen=True)
class WaveSum(_ByMatrix):
    """A scalar function, ``f(x) = Σ_h sin(w_h · x) + cos(w_h · x)``: one number a row, a Hessian of any signature.

    >>> WaveSum(torch.ones(3, 2))(torch.zeros(4, 2))
    tensor([3., 3., 3., 3.])
    """

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The value at each row."""
        return _wave(x @ self.weight.to(x.dtype).mT).sum(-1)


@dataclass(frozen=True)
class CoupledWaves(_ByMatrix):
    """A map of a batch whose rows interact through their mean: ``f_k(x_b) = wave(w_k · x_b + v_k · x̄)``.

    The numbers are [out, event, 2]: w and v. As batch normalisation in training does, it refuses a batch of one and a
    row without its batch, so that nobody can take it for a function of one row.

    >>> CoupledWaves(torch.ones(1, 1, 2))(torch.tensor([[1.0], [-1.0]])).shape
    torch.Size([2, 1])
    """

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The images of all rows.

        Raises:
            ValueError: There is no batch of at least two rows.
        """
        if x.dim() != 2 or x.shape[0] < 2:
            raise ValueError(f"expected a batch of at least 2 rows [B, n], since they interact; got {tuple(x.shape)}")
        own, mean = self.weight.to(x.dtype).unbind(-1)
        return _wave(x @ own.mT + x.mean(0) @ mean.mT)


@dataclass(frozen=True)
class Diffeomorphism(_ByMatrix):
    """An invertible map of the last axis, ``f(x) = S R (u + ½ sin u)``, ``u = L x``; its Jacobian is dense.

    L is lower triangular with the diagonal exp(a_ii/2) and the numbers below the diagonal, R upper triangular with ones
    on the diagonal and the numbers above it; S changes the sign of the first coordinate where the last number of the
    first row is negative, so that the determinant has either sign.

    >>> Diffeomorphism(torch.zeros(2, 2))(torch.zeros(1, 2))
    tensor([[0., 0.]])
    """

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The image of each row."""
        lower, upper = self.factors(x.dtype)
        u = x @ lower.mT
        return (u + torch.sin(u) / 2) @ upper.mT

    def factors(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """L, and R with the sign."""
        numbers = self.weight.to(dtype)
        one = torch.eye(len(numbers), dtype=dtype)
        lower = torch.tril(numbers, -1) + torch.diag(torch.exp(torch.diagonal(numbers) / 2))
        upper = torch.triu(numbers, 1) + one
        return lower, upper * torch.where(one[0] * numbers[0, -1] < 0, -1.0, 1.0).to(dtype)[:, None]


@dataclass(frozen=True)
class Basins(_ByMatrix):
    """A scalar function with a critical point at every point of integers, ``½ dᵀHd + Σ d_i³``, d = x − round(x).

    Its gradient there is exactly zero, and its Hessian H.

    >>> Basins(torch.eye(2))(torch.tensor([[1.0, 2.0], [1.0, 2.25]]))
    tensor([0.0000, 0.0469])
    """

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The value at each row."""
        d = x - torch.round(x)
        return (d * (d @ self.weight.to(x.dtype))).sum(-1) / 2 + (d**3).sum(-1)
