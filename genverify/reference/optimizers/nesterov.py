"""Nesterov's momentum, in the variable at which the gradient is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Nesterov"]


class Nesterov(torch.optim.Optimizer):
    """A look ahead along the heavy ball: b ← β b + g; θ ← θ - η (g + β b), with b = 0 at first.

    θ is the look-ahead point θ' + β v of Sutskever et al. (v = -η b): gradients are taken where the parameters are.

    Source: Nesterov 1983; Sutskever et al. 2013, eqs. (3)-(4).

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = Nesterov([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.0500])
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
        b = state.get("b", torch.zeros_like(p))
        b = beta * b + g
        p -= group["lr"] * (g + beta * b)
        state["b"] = b
