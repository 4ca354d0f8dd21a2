"""SGDW: momentum whose weight decay stands beside the step, not in the buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["SGDW"]


class SGDW(torch.optim.Optimizer):
    """m ← β m + η g; θ ← θ - m - λ θ, with m = 0 at first.

    Source: Loshchilov & Hutter 2019, algorithm 1, with a schedule multiplier of 1: λ is not multiplied by η.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = SGDW([w], lr=0.25, weight_decay=0.125)
    >>> optimizer.step()
    >>> w.data
    tensor([0.3750])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 1e-4
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

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
        m = group["momentum"] * state.get("m", torch.zeros_like(p)) + group["lr"] * g
        p -= m + group["weight_decay"] * p
        state["m"] = m
