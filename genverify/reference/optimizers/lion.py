"""Lion: the sign of an interpolation between the momentum and the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Lion"]


class Lion(torch.optim.Optimizer):
    """In each element θ ← θ - η (sign(β₁ m + (1-β₁) g) + λ θ); m ← β₂ m + (1-β₂) g.

    Source: Chen et al. 2023, algorithm 2.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = Lion([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.7500])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

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
        beta1, beta2 = group["betas"]
        m = state.get("m", torch.zeros_like(p))
        direction = torch.sign(beta1 * m + (1 - beta1) * g)
        p -= group["lr"] * (direction + group["weight_decay"] * p)
        state["m"] = beta2 * m + (1 - beta2) * g
