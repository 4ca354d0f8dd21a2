"""The heavy ball: momentum as an undamped sum of the gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["HeavyBall"]


class HeavyBall(torch.optim.Optimizer):
    """The sum b ← β b + g is descended: θ ← θ - η b, with b = 0 at first.

    Source: Polyak 1964, eq. (9); torch.optim.SGD(momentum=β).

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = HeavyBall([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.5000])
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
        b = state.get("b", torch.zeros_like(p))
        b = group["momentum"] * b + g
        p -= group["lr"] * b
        state["b"] = b
