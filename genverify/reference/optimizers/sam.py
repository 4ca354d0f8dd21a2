"""Sharpness-aware minimisation: another optimizer's step, with the gradient at the worst point nearby."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["SAM"]


class SAM:
    """ε̂ = ρ ∇L(θ)/‖∇L(θ)‖ over all parameters; the inner step from θ with ∇L(θ + ε̂).

    Source: Foret, Kleiner, Mobahi & Neyshabur 2021, algorithm 1 and eq. (2).

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = SAM(torch.optim.SGD([w], lr=0.25), rho=0.5)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w**2).sum()
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> w.data  # the gradient is taken at 1.5
    tensor([0.2500])
    """

    def __init__(self, optimizer: torch.optim.Optimizer, rho: float = 0.05) -> None:
        self.optimizer, self.rho = optimizer, rho

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The inner optimizer's groups."""
        return self.optimizer.param_groups

    def zero_grad(self) -> None:
        """Forgets all gradients."""
        self.optimizer.zero_grad()

    def step(self, closure: Callable[[], Any]) -> Any:  # noqa: ANN401
        """One step; the closure evaluates the loss and its gradients, and is called twice."""
        with torch.enable_grad():
            loss = closure()
        held = itertools.chain.from_iterable(group["params"] for group in self.param_groups)
        moved = [(p, p.detach().clone(), p.grad.clone()) for p in held if p.grad is not None]
        norm = sum((g.square().sum().item() for _, _, g in moved), 0.0) ** 0.5
        with torch.no_grad():
            for p, _, g in moved:
                p += g * (self.rho / (norm + 1e-12))
        with torch.enable_grad():
            closure()
        with torch.no_grad():
            for p, before, _ in moved:
                p.copy_(before)
        self.optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The inner optimizer's state."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.optimizer.load_state_dict(state)
