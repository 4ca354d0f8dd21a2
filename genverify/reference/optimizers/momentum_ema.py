"""Momentum as an exponential moving average of the gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["MomentumEMA"]


class MomentumEMA(torch.optim.Optimizer):
    """The average m ← β m + (1 - β) g is descended: θ ← θ - η m, with m = 0 at first.

    Source: the Blog, "momentum".

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = MomentumEMA([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.9500])
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

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
        beta = group["momentum"]
        m = state.get("m", torch.zeros_like(p))
        m = beta * m + (1 - beta) * g
        p -= group["lr"] * m
        state["m"] = m
