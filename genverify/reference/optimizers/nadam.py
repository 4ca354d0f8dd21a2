"""NAdam: Adam that looks ahead, as Nesterov's momentum does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["NAdam"]


class NAdam(torch.optim.Optimizer):
    """In each element Adam's m and v, and θ ← θ - η m̄ / (√v̂ + ε), where m̄ is the mean as it will be a step later.

    m̄ = μ_{t+1} m / (1 - Π_{i≤t+1} μ_i) + (1-μ_t) g / (1 - Π_{i≤t} μ_i),   μ_t = β₁ (1 - 0.96^(t ψ) / 2).

    Source: Dozat 2016, algorithm 2; torch.optim.NAdam for β₁ in m.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = NAdam([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.7359])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum_decay: float = 4e-3,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "momentum_decay": momentum_decay})

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
        v = beta2 * state.get("v", torch.zeros_like(p)) + (1 - beta2) * g**2
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (n * group["momentum_decay"])) for n in (t, t + 1))
        product = mu * state.get("product", 1.0)
        ahead = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        v_hat = v / (1 - beta2**t)
        p -= group["lr"] * ahead / (v_hat.sqrt() + group["eps"])
        state.update(t=t, m=m, v=v, product=product)
