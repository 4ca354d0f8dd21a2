"""A law on the first few integers, as an argument that answers what people ask of a distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["FiniteLaw"]


@dataclass(frozen=True)
class FiniteLaw:
    """A law on 0, 1, …, as a distribution object; calling it gives the probability.

    >>> law = FiniteLaw(torch.tensor([0.25, 0.75]))
    >>> law(torch.tensor([1])), law.log_prob(torch.tensor([0])).exp()
    (tensor([0.7500]), tensor([0.2500]))
    """

    probs: torch.Tensor

    def __call__(self, index: torch.Tensor) -> torch.Tensor:
        """The probability of each outcome."""
        return self.probs[index.to(torch.int64)]

    prob = pdf = pmf = __call__

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log-probability of each outcome."""
        return self(value).log()

    logpdf = log_pdf = logpmf = log_prob

    def sample(self, sample_shape: Sequence[int] | int = ()) -> torch.Tensor:
        """Draws of that shape."""
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        count = int(torch.Size(shape).numel())
        return torch.multinomial(self.probs, max(count, 1), replacement=True).reshape(shape)

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"probs": self.probs}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> FiniteLaw:
        """The law that these numbers define."""
        return cls(data["probs"])
