"""What a backward pass brings to the discriminator's results: the slope of the loss in each of them, seen or cut.

The gradient of a loss L(s, θ) of the results s = D(G(z)) and of anything else is

    dL/dθ = (∂s/∂θ)ᵀ c + ∂L/∂θ|_s,      c = ∂L/∂s,

so that c tells the part that runs through the discriminator from the rest. c is what autograd hands to the results;
with zero in its place the step leaves the rest alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from genverify.subjects.training_step import World

__all__ = ["Result", "Results"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """One call of the discriminator.

    Attributes:
        output: What it returned, as it was then.
        slopes: What was handed back to it, one a backward pass.
        before: How many backward passes had reached the discriminator's parameters before each of these.
    """

    output: Tensor
    slopes: list[Tensor] = field(default_factory=list)
    before: list[int] = field(default_factory=list)

    @property
    def whole(self) -> Tensor:
        """The sum of all that was handed back."""
        return torch.stack(self.slopes).sum(0) if self.slopes else torch.zeros_like(self.output)

    @property
    def last(self) -> Tensor:
        """What the last backward pass handed back."""
        return self.slopes[-1] if self.slopes else torch.zeros_like(self.output)


class Results:
    """The discriminator's results in a world that it is shown before the step runs there.

    Args:
        cut: Whether zero is handed back in place of the loss's slope.
    """

    def __init__(self, cut: bool = False) -> None:
        self.cut = cut
        self.calls: list[Result] = []
        self.understood = True
        self._passes = 0

    def __call__(self, world: World) -> None:
        """Watches a world."""
        net = world.networks["D"]
        net.register_forward_hook(self._leaving)
        first = next((p for p in net.parameters() if p.requires_grad), None)
        if first is not None:
            first.register_post_accumulate_grad_hook(self._reached)

    def _reached(self, p: Tensor) -> None:
        self._passes += 1

    def _leaving(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ANN401 - a stranger's
        if not isinstance(output, Tensor) or torch.func.debug_unwrap(output) is not output:
            self.understood = False
            return
        one = Result(output=output.detach().clone())
        self.calls.append(one)

        def hook(slope: Tensor) -> Tensor | None:
            one.slopes.append(slope.detach().clone())
            one.before.append(self._passes)
            return torch.zeros_like(slope) if self.cut else None

        if output.requires_grad:
            output.register_hook(hook)
