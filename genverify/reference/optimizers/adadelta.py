"""Adadelta: the steps so far measure the next one, so that no rate is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Adadelta"]


class Adadelta(torch.optim.Optimizer):
    """In each element v ← ρ v + (1-ρ) g²; Δ = √(u + ε)/√(v + ε) g; u ← ρ u + (1-ρ) Δ²; θ ← θ - η Δ.

    Source: Zeiler 2012, algorithm 1, where η = 1.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = Adadelta([w], lr=1.0, rho=0.75, eps=1.0)
    >>> optimizer.step()
    >>> w.data
    tensor([-0.4142])
    """

    def __init__(self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps})

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
        rho, eps = group["rho"], group["eps"]
        v = rho * state.get("v", torch.zeros_like(p)) + (1 - rho) * g**2
        u = state.get("u", torch.zeros_like(p))
        delta = (u + eps).sqrt() / (v + eps).sqrt() * g
        u = rho * u + (1 - rho) * delta**2
        p -= group["lr"] * delta
        state.update(v=v, u=u)
