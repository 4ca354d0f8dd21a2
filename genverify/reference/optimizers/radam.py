"""RAdam: Adam that waits with its second moment until it has seen enough gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["RAdam"]


class RAdam(torch.optim.Optimizer):
    """In each element Adam's m and v, and a step that is rectified by what is known of v.

    With ρ_∞ = 2/(1-β₂) - 1 and ρ_t = ρ_∞ - 2tβ₂ᵗ/(1-β₂ᵗ),

    θ ← θ - η r_t m̂ √(1-β₂ᵗ)/(√v + ε)   where ρ_t > 5, r_t = √((ρ_t-4)(ρ_t-2)ρ_∞ / ((ρ_∞-4)(ρ_∞-2)ρ_t)),
    θ ← θ - η m̂                         before that.

    Source: Liu et al. 2020, algorithm 2 (where 4 stands for 5); torch.optim.RAdam.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = RAdam([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.5000])
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

        m_hat = m / (1 - beta1**t)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        if length > 5:
            numerator = (length - 4) * (length - 2) * longest
            rectified = (numerator / ((longest - 4) * (longest - 2) * length)) ** 0.5
            p -= group["lr"] * rectified * m_hat * (1 - beta2**t) ** 0.5 / (v.sqrt() + group["eps"])
        else:
            p -= group["lr"] * m_hat
        state.update(t=t, m=m, v=v)
