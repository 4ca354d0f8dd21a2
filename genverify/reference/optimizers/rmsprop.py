"""RMSProp: the gradient over the root of a mean of its squares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["RMSprop"]


class RMSprop(torch.optim.Optimizer):
    """In each element v ← α v + (1-α) g²; θ ← θ - η g / (√v + ε).

    Source: Tieleman & Hinton 2012, lecture 6e.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = RMSprop([w], lr=0.25, alpha=0.75, eps=0.0)
    >>> optimizer.step()
    >>> w.data
    tensor([0.5000])
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.01, alpha: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps})

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
        alpha = group["alpha"]
        v = alpha * state.get("v", torch.zeros_like(p)) + (1 - alpha) * g**2
        p -= group["lr"] * g / (v.sqrt() + group["eps"])
        state["v"] = v
