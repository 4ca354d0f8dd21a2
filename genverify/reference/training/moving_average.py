"""Exponential moving averages of weights."""

from __future__ import annotations

import torch

__all__ = ["BiasCorrectedAverage", "WeightAverage", "update"]


def update(average: torch.Tensor, weights: torch.Tensor, decay: float) -> torch.Tensor:
    """One step of the average: θ̄ ← β θ̄ + (1 − β) θ.

    Source: Kingma & Ba 2015, section 7.2.

    >>> update(torch.tensor(1.0), torch.tensor(2.0), 0.75)
    tensor(1.2500)
    """
    return decay * average + (1 - decay) * weights


class WeightAverage:
    """The average of all the weights it is called with, begun at the first.

    >>> average = WeightAverage(0.75)
    >>> average(torch.tensor(1.0)), average(torch.tensor(2.0))
    (tensor(1.), tensor(1.2500))
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: torch.Tensor | None = None

    def __call__(self, weights: torch.Tensor) -> torch.Tensor:
        """Takes the weights in, and gives the average."""
        self.average = weights.clone() if self.average is None else update(self.average, weights, self.decay)
        return self.average


class BiasCorrectedAverage:
    """The average begun at zero, and divided by what the weights of its terms add up to, 1 − βⁿ.

    Source: Kingma & Ba 2015, section 3 (of a gradient).

    >>> average = BiasCorrectedAverage(0.5)
    >>> average(torch.tensor(3.0)), average(torch.tensor(3.0))
    (tensor(3.), tensor(3.))
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.count = decay, 0
        self.sum: torch.Tensor | None = None

    def __call__(self, weights: torch.Tensor) -> torch.Tensor:
        """Takes the weights in, and gives the corrected average."""
        before = torch.zeros_like(weights) if self.sum is None else self.sum
        self.sum = update(before, weights, self.decay)
        self.count += 1
        return self.sum / (1 - self.decay**self.count)
