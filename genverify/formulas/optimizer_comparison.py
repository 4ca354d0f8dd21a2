"""A trajectory beside what a dialect of a rule expects of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Comparison"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A trajectory beside what a dialect expects of each of its increments."""

    expected: Tensor
    allowed: Tensor
    step: int
    element: int
    at_parting: float
    ratio: float
    examined: int

    @classmethod
    def of(cls, observed: Tensor, expected: Tensor, allowed: Tensor) -> Comparison:
        """Where the first increment lies outside of its allowance; all [T, n]."""
        error = (observed - expected).abs()
        error = torch.where(torch.isnan(error), torch.inf, error)
        excess = torch.where(error == 0, torch.zeros_like(error), error / allowed)
        judged = torch.isfinite(allowed) & torch.isfinite(expected)
        # What follows a NaN or an infinity of the subject is not held against it a second time, nor excused.
        excess = torch.where(judged, excess, torch.zeros_like(excess))
        beyond = (excess > 1).any(dim=1)
        step = int(beyond.to(torch.int8).argmax()) + 1 if bool(beyond.any()) else 0
        element = int(excess[step - 1].argmax()) if step else 0
        at_parting = float(excess[step - 1, element]) if step else 0.0
        ratio = float(excess.max()) if excess.numel() else 0.0
        return cls(
            expected=expected,
            allowed=allowed,
            step=step,
            element=element,
            at_parting=at_parting,
            ratio=ratio if math.isfinite(ratio) else math.inf,
            examined=int(judged.sum()),
        )

    def later_than(self, other: Comparison) -> bool:
        """Whether it parts company later, or at the same step by less."""
        return (self.step, -self.at_parting) > (other.step, -other.at_parting)
