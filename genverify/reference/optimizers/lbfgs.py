"""L-BFGS: a quasi-Newton direction from the last few steps and what they did to the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["LBFGS", "direction"]


def direction(g: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """-H g by two loops over the pairs (s, y), the oldest first; H₀ = (sᵀy / yᵀy) I of the newest.

    Source: Nocedal & Wright 2006, algorithm 7.4 and eq. (7.20).

    >>> direction(torch.tensor([1.0, 0.0]), [(torch.tensor([0.5, 0.0]), torch.tensor([1.0, 0.0]))])
    tensor([-0.5000, -0.0000])
    """
    q, weights = g, []
    for s, y in reversed(pairs):
        weights.append((s @ q) / (s @ y))
        q = q - weights[-1] * y
    s, y = pairs[-1] if pairs else (q, q)
    r = (s @ y) / (y @ y) * q if pairs else q
    for (s, y), weight in zip(pairs, reversed(weights), strict=True):
        r = r + (weight - (y @ r) / (s @ y)) * s
    return -r


class LBFGS(torch.optim.Optimizer):
    """θ ← θ + t d, d = -H g; one iteration a step, all parameters as one vector.

    t is the rate, or, where the rate is a function, what that says of d. The first step is as long as min(1, 1/‖g‖₁)
    times the rate. A pair is kept where sᵀy > 10⁻¹⁰, and nothing moves where ‖g‖_∞ ≤ 10⁻⁷ or gᵀd > -10⁻⁹.

    Source: Nocedal 1980; Nocedal & Wright 2006, algorithm 7.5; torch.optim.LBFGS (the first step, the tolerances).

    >>> w = torch.nn.Parameter(torch.tensor([0.5]))
    >>> w.grad = torch.tensor([0.5])
    >>> LBFGS([w]).step()
    >>> w.data
    tensor([0.])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Callable[[Tensor], float] = 1.0,
        history_size: int = 100,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
    ) -> None:
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, {"lr": lr, "history_size": history_size, **tolerances})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401
        """One iteration."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        (group,) = self.param_groups
        held = group["params"]
        g = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in held])
        memory: dict[str, Any] = self.state[held[0]]
        moved = self._step(g, memory, group)
        if moved is not None:
            for p, part in zip(held, moved.split([p.numel() for p in held]), strict=True):
                p += part.reshape(p.shape)
        return loss

    @staticmethod
    def _step(g: Tensor, memory: dict[str, Any], group: dict[str, Any]) -> Tensor | None:
        if g.abs().max() <= group["tolerance_grad"]:
            return None
        pairs = memory.setdefault("pairs", [])
        rate: Any = group["lr"]
        if "g" in memory:
            s, y = memory["s"], g - memory["g"]
            if s @ y > 1e-10:
                pairs.append((s, y))
                del pairs[: -group["history_size"]]
        d = direction(g, pairs)
        if not isinstance(rate, (int, float)):
            t = float(rate(d))
        else:
            t = rate if "g" in memory else rate * min(1.0, 1.0 / float(g.abs().sum()))
        memory.update(g=g, s=t * d)
        return None if g @ d > -group["tolerance_change"] else t * d
