"""AMSGrad: Adam that never forgets how large a gradient has been."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["AMSGrad"]


class AMSGrad(torch.optim.Optimizer):
    """In each element Adam's m and v; x ← max(x, v); θ ← θ - η m̂ / (√x̂ + ε), with m̂ and x̂ corrected as Adam's.

    Source: Reddi, Kale & Kumar 2018, algorithm 2; torch.optim.Adam(amsgrad=True) for the corrections.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = AMSGrad([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.7500])
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

        largest = torch.maximum(state.get("x", torch.zeros_like(p)), v)
        m_hat = m / (1 - beta1**t)
        x_hat = largest / (1 - beta2**t)
        p -= group["lr"] * m_hat / (x_hat.sqrt() + group["eps"])
        state.update(t=t, m=m, v=v, x=largest)
