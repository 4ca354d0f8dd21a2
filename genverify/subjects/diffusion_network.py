"""What stands for the network of a diffusion process while it is verified: it answers what a check wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Network"]


def _nothing(x: Tensor, t: float) -> Tensor:
    return torch.zeros_like(x)


class Network(nn.Module):
    """A network whose answers are set from outside; other attributes are those of the network that it stands for.

    Attributes:
        answer: (x, the step that it was given) → its prediction.
        spread: Where the answer has twice the channels: what the second half holds.
        doubled: Whether it has.
        replaced: Whether it stands where the process keeps its own network.
        seen: The steps that it was given, one for each call.
        given: The samples that it was given.

    >>> network = Network()
    >>> network.answer = lambda x, t: 2 * x
    >>> network(torch.ones(1, 1), torch.tensor([3]))
    tensor([[2.]])
    >>> network.seen
    [3.0]
    """

    def __init__(self, stands_for: object = None) -> None:
        super().__init__()
        self.__dict__["stands_for"] = stands_for
        self.answer: Callable[[Tensor, float], Tensor] = _nothing
        self.spread: Tensor | float = 0.0
        self.doubled = False
        self.replaced = False
        self.seen: list[float] = []
        self.given: list[Tensor] = []
        self.where = nn.Parameter(torch.zeros(1), requires_grad=False)  # samplers ask a parameter for its device

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 - as whatever it stands for
        """The answer to the first sample among the arguments, at the step that comes after it."""
        everything = [*args, *kwargs.values()]
        samples = [one for one in everything if isinstance(one, Tensor) and one.is_floating_point() and one.dim() > 1]
        rest = [one for one in everything if samples and one is not samples[0]]
        steps = [one for one in rest if isinstance(one, (Tensor, int, float)) and not isinstance(one, bool)]
        if not samples:
            raise TypeError("the network was called without a sample [batch, …]")
        t = float(torch.as_tensor(steps[0]).reshape(-1)[0]) if steps else float("nan")
        self.seen.append(t)
        self.given.append(samples[0].detach().clone())
        found = self.answer(samples[0], t).to(samples[0].dtype).clone()  # a process may clip it in place
        if not self.doubled:
            return found
        return torch.cat([found, torch.as_tensor(self.spread).to(found).expand_as(found)], 1)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """What it stands for answers for anything else."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            original = self.__dict__.get("stands_for")
            if original is None or name.startswith("__"):
                raise
            return getattr(original, name)
