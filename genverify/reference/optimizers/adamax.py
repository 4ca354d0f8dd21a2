"""Adamax: Adam with the largest of the gradients, slowly forgotten, for their root mean square."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Adamax"]


class Adamax(torch.optim.Optimizer):
    """In each element m ← β₁ m + (1-β₁) g; u ← max(β₂ u, |g| + ε); θ ← θ - η/(1-β₁ᵗ) m/u.

    Source: Kingma & Ba 2015, algorithm 2; torch.optim.Adamax for the ε, without which a zero gradient makes 0/0.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = Adamax([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.7500])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

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
        t = state.get("t", 0) + 1
        m = beta1 * state.get("m", torch.zeros_like(p)) + (1 - beta1) * g
        u = torch.maximum(beta2 * state.get("u", torch.zeros_like(p)), g.abs() + group["eps"])
        p -= group["lr"] / (1 - beta1**t) * m / u
        state.update(t=t, m=m, u=u)
