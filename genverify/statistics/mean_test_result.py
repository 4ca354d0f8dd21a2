"""What a sequential test of a mean found, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["MeanTestResult"]


@dataclass(frozen=True, kw_only=True)
class MeanTestResult:
    """The outcome of a ``MeanTest`` with its evidence; tensors have the shape of the target.

    ``outcome`` is "bias" (the mean is not the target), "no bias" (every coordinate is closer to it than its resolution)
    or "undecided", with a ``reason``. ``lower`` and ``upper`` hold for all coordinates together with probability
    ``level``, at whatever sample size the test stopped.
    """

    outcome: str
    reason: str
    n: int
    alpha: float
    beta: float
    target: Tensor
    estimate: Tensor
    lower: Tensor
    upper: Tensor
    resolution: Tensor
    biased: Tensor
    assumption: str

    @property
    def level(self) -> float:
        """The simultaneous confidence of the interval: 1 - alpha."""
        return 1.0 - self.alpha

    @property
    def interval(self) -> tuple[Tensor, Tensor]:
        """Lower and upper bounds of the mean."""
        return self.lower, self.upper

    @property
    def worst(self) -> int:
        """The flat index of the coordinate whose estimate is farthest from the target, in resolutions."""
        if self.n == 0:
            return 0
        score = (self.estimate - self.target).abs() / self.resolution
        if bool(self.biased.any()):
            score = torch.where(self.biased, score, -1.0)
        return int(score.flatten().argmax())

    @property
    def bias_seen(self) -> Tensor:
        """The bias that the interval cannot exclude at most: any larger one is ruled out at ``level``."""
        return torch.maximum(self.upper - self.target, self.target - self.lower)

    @property
    def margin(self) -> Tensor:
        """How far an estimate may be from the target: where a bias was found, half of its interval on that side.

        A bias is found where the interval excludes the target, however small it is against the resolution; elsewhere
        the resolution is what is allowed.
        """
        half = torch.where(self.estimate > self.target, self.estimate - self.lower, self.upper - self.estimate)
        below = torch.nextafter(half, torch.zeros_like(half))  # an end that is the target itself excludes it
        return torch.where(self.biased, below.clamp_min(0.0), self.resolution)

    @property
    def power(self) -> str:
        """What bias would have been seen, with what probability."""
        smallest, largest = self.resolution.min().item(), self.resolution.max().item()
        size = f"{smallest:.3g}" if smallest == largest else f"{smallest:.3g} to {largest:.3g} by coordinate"
        excluded = f"biases beyond {self.bias_seen.max().item():.3g} are excluded with confidence 1 - {self.alpha:g}"
        if self.outcome == "undecided":
            return f"undecided at resolution {size} after {self.n} draws; {excluded}"
        return f"a bias of {size} or more passes as 'no bias' with probability at most {self.beta:g}; {excluded}"

    def to_dict(self) -> dict[str, Any]:
        """Evidence as plain numbers: the worst coordinate stands for a vector."""
        j = self.worst
        pick = {
            name: getattr(self, name).flatten()[j].item()
            for name in ("target", "estimate", "lower", "upper", "resolution")
        }
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "n": self.n,
            "alpha": self.alpha,
            "beta": self.beta,
            "level": self.level,
            "dimension": self.target.numel(),
            "coordinate": j,
            **pick,
            "assumption": self.assumption,
            "power": self.power,
        }

    def __str__(self) -> str:
        e = self.to_dict()
        where = f" at coordinate {e['coordinate']} of {e['dimension']}" if e["dimension"] > 1 else ""
        text = (
            f"{self.outcome}: mean {e['estimate']:.6g} against {e['target']:.6g}{where}, in ({e['lower']:.6g}, "
            f"{e['upper']:.6g}) with confidence 1 - {self.alpha:g}, n = {self.n}; {self.power}; "
            f"assumes {self.assumption}"
        )
        return text + (f"; {self.reason}" if self.reason else "")
