"""Adagrad: each element's own rate falls with the squares that it has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Adagrad"]


class Adagrad(torch.optim.Optimizer):
    """In each element G ← G + g²; θ ← θ - η g / (√G + ε).

    Source: Duchi, Hazan & Singer 2011, figure 1 (the diagonal form).

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = Adagrad([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.7500])
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.01, eps: float = 1e-10) -> None:
        super().__init__(params, {"lr": lr, "eps": eps})

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
        total = state.get("G", torch.zeros_like(p)) + g**2
        p -= group["lr"] * g / (total.sqrt() + group["eps"])
        state["G"] = total
