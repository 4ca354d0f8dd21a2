"""Averaged gradient descent: the rate falls, and the average of where it has been is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["ASGD"]


class ASGD(torch.optim.Optimizer):
    """θ ← θ (1 - λ η_t) - η_t g with η_t = η / (1 + λ η (t-1))^α; the average a of θ begins after t₀ steps.

    Source: Polyak & Juditsky 1992; Bottou 2012, section 5.3; torch.optim.ASGD.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = ASGD([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.5000])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 0.01, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6
    ) -> None:
        super().__init__(params, {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0})

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
        t = state.get("t", 0) + 1
        rate = state.get("eta", group["lr"])
        p -= rate * group["lambd"] * p + rate * g
        state["a"] = state.get("a", torch.zeros_like(p)) + (p - state.get("a", torch.zeros_like(p))) / max(
            1, t - group["t0"]
        )
        state["eta"] = group["lr"] / (1 + group["lambd"] * group["lr"] * t) ** group["alpha"]
        state["t"] = t
