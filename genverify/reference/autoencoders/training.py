"""Training by Adam on batches drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["fit"]


def fit(
    loss: Callable[..., Tensor], parameters: Iterable[Tensor], data: Sequence[Tensor], *, steps: int, batch: int = 128,
    rate: float = 3e-3,
) -> list[float]:  # fmt: skip
    """Minimises the mean of `loss(*rows, step)`, and returns its value at each step.

    Each batch is drawn with replacement from the rows of `data`, tensors of one length; the rate falls to zero along
    half a cosine. Batches and the noise inside the loss come from torch's default generator: after
    `torch.manual_seed` a run repeats itself on the same machine.

    Source: Kingma & Ba 2015; Loshchilov & Hutter 2017, eq. 5.

    >>> _ = torch.manual_seed(0)
    >>> w = torch.zeros(1, requires_grad=True)
    >>> losses = fit(lambda x, step: (x - w).square().mean(), [w], [torch.ones(4, 1)], steps=200, rate=0.1)
    >>> losses[0], round(w.item(), 2)
    (1.0, 1.0)
    """
    optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)  # one kernel a step, the same numbers
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    losses = []
    for step in range(steps):
        rows = torch.randint(len(data[0]), (batch,))
        value = loss(*(one[rows] for one in data), step)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    return losses
