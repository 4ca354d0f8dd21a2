"""A contraction to put into a residual block: smooth, of a known bound of its Lipschitz constant, by a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Contraction"]


@dataclass(frozen=True)
class Contraction:
    """A smooth map of a vector to itself, ``g(x) = Σ_h a_h sin(b_h · x + h)``; Lip g ≤ ‖a‖ ‖b‖ (Frobenius).

    The numbers are [2, hidden, event]: b and a. An event may have any axes, with a batch before them or none; what else
    is given (a time, labels) is not looked at.

    >>> Contraction(torch.full((2, 1, 2), 0.5))(torch.zeros(3, 2, 1)).shape
    torch.Size([3, 2, 1])
    """

    weight: torch.Tensor

    def __call__(self, x: torch.Tensor, *unused: Any, **named: Any) -> torch.Tensor:  # noqa: ANN401
        """The image of each event.

        Raises:
            ValueError: Neither one event nor a row of `x` is of this many numbers.
        """
        event = self.weight.shape[-1]
        if x.dim() and x.shape[-1] == event:
            rows = x
        elif x.dim() > 1 and len(x) and x[0].numel() == event:
            rows = x.flatten(1)
        elif x.numel() == event:
            rows = x.reshape(-1)
        else:
            raise ValueError(f"expected an event of {event} numbers, or a batch of these; got {tuple(x.shape)}")
        inner, outer = self.weight.to(x.dtype)
        phase = torch.arange(len(inner), dtype=x.dtype)
        return (torch.sin(rows @ inner.mT + phase) @ outer).reshape(x.shape)

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"weight": self.weight}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Contraction:
        """The function that these numbers define."""
        return cls(data["weight"])
