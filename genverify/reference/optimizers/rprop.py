"""Rprop: only the signs of the gradient count; each element has a step size of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["Rprop"]


class Rprop(torch.optim.Optimizer):
    """θ ← θ - s sign g, but no step at a change of sign, after which the gradient counts as new.

    In each element the step size s grows by η⁺ where the gradient keeps its sign, and shrinks by η⁻ where it changes.

    Source: Riedmiller & Braun 1993; Igel & Hüsken 2003 (iRprop⁻); torch.optim.Rprop.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> optimizer = Rprop([w], lr=0.25)
    >>> optimizer.step()
    >>> w.data
    tensor([0.7500])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
    ) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes})

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
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        agreement = g * state.get("previous", torch.zeros_like(p))
        size = state.get("size", torch.full_like(p, group["lr"]))
        factor = torch.ones_like(p)
        factor[agreement > 0] = grow
        factor[agreement < 0] = shrink
        size = (size * factor).clamp(smallest, largest)
        g = torch.where(agreement < 0, 0.0, g)
        p -= size * g.sign()
        state.update(previous=g, size=size)
