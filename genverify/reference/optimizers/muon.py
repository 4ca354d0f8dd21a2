"""Muon: momentum whose matrices are made nearly orthogonal before they are a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Muon", "orthogonalised"]


def orthogonalised(u: torch.Tensor, steps: int = 5, eps: float = 1e-7) -> torch.Tensor:
    """X ← a X + (b A + c A²) X with A = X Xᵀ, `steps` times from u / max(‖u‖, ε), along the shorter side.

    Singular values end near 1, without converging to it, and singular vectors stay. Shapes: u and the result
    [rows, columns].

    Source: Jordan et al. 2024, "Muon".

    >>> bool((torch.linalg.svdvals(orthogonalised(torch.tensor([[3.0, 1.0], [1.0, 2.0]]))) > 0.6).all())
    True
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (u.T if u.shape[0] > u.shape[1] else u) / u.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if u.shape[0] > u.shape[1] else x


class Muon(torch.optim.Optimizer):
    """b ← μ b + (1 - μ) g; u = (1 - μ) g + μ b; θ ← (1 - η λ) θ - η √max(1, rows/columns) O(u).

    The iteration O runs in the dtype of the parameters, which are matrices.

    Source: Jordan et al. 2024, "Muon"; torch.optim.Muon.

    >>> w = torch.nn.Parameter(torch.zeros(1, 1))
    >>> w.grad = torch.tensor([[5.0]])
    >>> optimizer = Muon([w], lr=1.0)
    >>> optimizer.step()
    >>> 0.6 < -w.item() < 1.3
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.1,
        ns_steps: int = 5,
        eps: float = 1e-7,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "ns_steps": ns_steps, "eps": eps})

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
        mu, (rows, columns) = group["momentum"], p.shape
        b = mu * state.get("b", torch.zeros_like(p)) + (1 - mu) * g
        u = (1 - mu) * g + mu * b if group["nesterov"] else b
        factor = max(1.0, rows / columns) ** 0.5
        p *= 1 - group["lr"] * group["weight_decay"]
        p -= group["lr"] * factor * orthogonalised(u, group["ns_steps"], group["eps"])
        state["b"] = b
