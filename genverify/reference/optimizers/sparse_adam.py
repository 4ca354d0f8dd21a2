"""SparseAdam: Adam on the rows that have a gradient, and only on these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["SparseAdam"]


class SparseAdam(torch.optim.Optimizer):
    """In the rows with a gradient m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², θ ← θ - η m̂/(√v̂ + ε).

    The other rows keep their moments and stay where they are; t counts the steps of the whole parameter. Gradients are
    sparse tensors of rows; a row that stands there twice has the sum.

    Source: Kingma & Ba 2015, algorithm 1 and the end of section 2; torch.optim.SparseAdam.

    >>> w = torch.nn.Parameter(torch.ones(2, 1))
    >>> w.grad = torch.sparse_coo_tensor([[1]], [[2.0]], (2, 1), check_invariants=True)
    >>> SparseAdam([w], lr=0.25, eps=0.0).step()
    >>> w.data.flatten()
    tensor([1.0000, 0.7500])
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
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
                    self._update(p, p.grad.coalesce(), self.state[p], group)
        return loss

    @staticmethod
    def _update(p: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        rows, values = g.indices()[0], g.values()
        t = state.get("t", 0) + 1
        m = state.setdefault("m", torch.zeros_like(p))
        v = state.setdefault("v", torch.zeros_like(p))
        m[rows] = beta1 * m[rows] + (1 - beta1) * values
        v[rows] = beta2 * v[rows] + (1 - beta2) * values**2
        m_hat = m[rows] / (1 - beta1**t)
        v_hat = v[rows] / (1 - beta2**t)
        p[rows] -= group["lr"] * m_hat / (v_hat.sqrt() + group["eps"])
        state["t"] = t
