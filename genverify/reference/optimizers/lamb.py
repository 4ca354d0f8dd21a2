"""LAMB: Adam's direction, as long as the layer's own norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["LAMB"]


class LAMB(torch.optim.Optimizer):
    """θ ← θ - η (‖θ‖/‖r‖) r, r = m̂/(√v̂ + ε) + λ θ, with Adam's m̂ and v̂; θ - η r where a norm is zero.

    The norms are those of whole parameters.

    Source: You et al. 2020, algorithm 2, with φ(z) = z.

    >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> w.grad = torch.tensor([2.0, 2.0])
    >>> optimizer = LAMB([w], lr=0.25, eps=0.0)
    >>> optimizer.step()
    >>> w.data
    tensor([2.1161, 3.1161])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

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
        m = state.get("m", torch.zeros_like(p))
        v = state.get("v", torch.zeros_like(p))
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2

        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        r = m_hat / (v_hat.sqrt() + group["eps"]) + group["weight_decay"] * p
        weights, length = p.norm(), r.norm()
        ratio = weights / length if weights > 0 and length > 0 else 1.0
        p -= group["lr"] * ratio * r
        state.update(t=t, m=m, v=v)
