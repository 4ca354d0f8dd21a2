"""LARS: every layer moves in proportion to its own norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["LARS"]


class LARS(torch.optim.Optimizer):
    """r = c ‖θ‖/(‖g‖ + λ ‖θ‖), or 1 where a norm is zero; b ← μ b + η r (g + λ θ); θ ← θ - b.

    The norms are those of whole parameters.

    Source: You, Gitman & Ginsburg 2017, algorithm 1.

    >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> w.grad = torch.tensor([0.0, 2.0])
    >>> optimizer = LARS([w], lr=0.5, trust_coefficient=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([3.0000, 3.3750])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust_coefficient": trust_coefficient},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401
        """One step of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, p.grad, self.state[p], group)
        return loss

    @staticmethod
    def _update(p: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        decay = group["weight_decay"]
        weights, gradients = p.norm(), g.norm()
        ratio = 1.0
        if weights > 0 and gradients > 0:
            ratio = group["trust_coefficient"] * weights / (gradients + decay * weights)
        b = group["momentum"] * state.get("b", torch.zeros_like(p)) + group["lr"] * ratio * (g + decay * p)
        p -= b
        state["b"] = b
