"""Lookahead: k steps of another optimizer forward, one part of the way back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["Lookahead"]


class Lookahead:
    """θ by the inner optimizer; every k steps θ ← φ + α (θ - φ), φ ← θ.

    φ, the slow weights, begin where θ begins; the inner optimizer keeps its buffers.

    Source: Zhang, Lucas, Hinton & Ba 2019, algorithm 1.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = Lookahead(torch.optim.SGD([w], lr=1.0), k=2, alpha=0.5)
    >>> for _ in range(2):
    ...     w.grad = torch.tensor([1.0])
    ...     optimizer.step()
    >>> w.data
    tensor([0.])
    """

    def __init__(self, optimizer: torch.optim.Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        self.steps = 0
        self.slow = [p.detach().clone() for p in self._parameters()]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The inner optimizer's groups."""
        return self.optimizer.param_groups

    def _parameters(self) -> list[torch.Tensor]:
        return list(itertools.chain.from_iterable(group["params"] for group in self.param_groups))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401
        """One step of the inner optimizer and, every k steps, the way back."""
        loss = self.optimizer.step() if closure is None else self.optimizer.step(closure)
        self.steps += 1
        if self.steps % self.k == 0:
            with torch.no_grad():
                for slow, fast in zip(self.slow, self._parameters(), strict=True):
                    slow += self.alpha * (fast - slow)
                    fast.copy_(slow)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The inner optimizer's state, the slow weights and the step count."""
        return {"inner": self.optimizer.state_dict(), "slow": self.slow, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.optimizer.load_state_dict(state["inner"])
        self.slow, self.steps = [slow.clone() for slow in state["slow"]], state["steps"]
