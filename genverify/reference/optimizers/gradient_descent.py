"""Gradient descent, the plain algorithm and the optimizer that takes one of its steps at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["GradientDescent", "descend"]


def descend(
    loss: Callable[[Tensor], Tensor], start: Tensor, *, steps: int, lr: float, threshold: float
) -> tuple[Tensor, list[float]]:
    """Minimises a loss by w ← w - η ∇L(w), until the loss changes by less than ε or T steps are done.

    At t = 0 there is no earlier loss to compare with, so convergence is tested from t > 0 only.

    Args:
        loss: w ↦ L(w), a scalar.
        start: w₀, of any shape; it is not changed.
        steps: T, the largest number of steps.
        lr: η, the learning rate.
        threshold: ε; stop when |L(wₜ) - L(wₜ₋₁)| < ε.

    Returns:
        The last w, and the trace L(w₀), L(w₁), … up to it.

    Source: the Blog, "gradient descent"; Cauchy 1847.

    >>> w, trace = descend(lambda w: (w**2).sum(), torch.ones(1), steps=100, lr=0.25, threshold=1e-9)
    >>> bool(w.abs() < 1e-4), trace[0]
    (True, 1.0)
    """
    w = start.detach().clone()
    trace: list[float] = []
    for t in range(steps + 1):
        w.requires_grad_(True)
        value = loss(w)
        trace.append(float(value.detach()))
        converged = t > 0 and abs(trace[t] - trace[t - 1]) < threshold
        if converged or t == steps:
            break
        (gradient,) = torch.autograd.grad(value, w)
        w = w.detach() - lr * gradient
    return w.detach(), trace


class GradientDescent(torch.optim.Optimizer):
    """θ ← θ - η g.

    Source: Cauchy 1847.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> GradientDescent([w], lr=0.25).step()
    >>> w.data
    tensor([0.5000])
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

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
                    p -= group["lr"] * p.grad
        return loss
