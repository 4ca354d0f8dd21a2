"""Adafactor: the second moment of a matrix is held as the means of its rows and columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Adafactor"]


class Adafactor(torch.optim.Optimizer):
    """θ ← θ - max(ε₂, RMS θ) min(η, 1/√t) u / max(1, RMS(u)/d), u = g/√V̂, V̂ = R C / mean(R).

    R and C are the means of rows and columns of g² + ε₁, averaged with β_t = 1 - t^τ. A vector keeps
    V̂ whole.

    Source: Shazeer & Stern 2018, algorithms 4 and 5.

    >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> w.grad = torch.tensor([2.0, 2.0])
    >>> optimizer = Adafactor([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([2.1161, 3.1161])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        beta2_decay: float = -0.8,
        eps: tuple[float, float] = (1e-30, 1e-3),
        d: float = 1.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d})

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
        forget, (floor, least) = t ** group["beta2_decay"], group["eps"]
        square = g**2 + floor
        if g.dim() > 1:
            rows, columns = square.mean(-1, keepdim=True), square.mean(-2, keepdim=True)
            rows = (1 - forget) * state.get("rows", torch.zeros_like(rows)) + forget * rows
            columns = (1 - forget) * state.get("columns", torch.zeros_like(columns)) + forget * columns
            v = rows * columns / rows.mean(-2, keepdim=True)
            state.update(rows=rows, columns=columns)
        else:
            v = (1 - forget) * state.get("v", torch.zeros_like(g)) + forget * square
            state["v"] = v
        u = g / v.sqrt()
        u = u / u.square().mean().sqrt().div(group["d"]).clamp(min=1.0)
        scale = p.square().mean().sqrt().clamp(min=least)
        p -= scale * min(group["lr"], t**-0.5) * u
        state["t"] = t
