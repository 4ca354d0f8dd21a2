"""Batch normalisation over a sequence of calls: moments of the batch while training, the followed ones in evaluation.

Source: Ioffe & Szegedy 2015, algorithms 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genverify.oracles.normalization import Number, normalised, statistics

__all__ = ["batch_norm", "inference", "rate_of", "updated"]


def rate_of(momentum: Number | None, convention: str, calls: int, hard_coded: float) -> Number:
    """The weight of the new moments: the momentum itself, what the old weight leaves, or 1/k at the k-th call."""
    if convention == "cumulative":
        return 1.0 / calls
    if momentum is None:
        return hard_coded
    return 1.0 - momentum if convention == "old" else momentum


def updated(old: Tensor, new: Tensor, rate: Number) -> Tensor:
    """(1 − a) old + a new.

    >>> float(updated(torch.tensor(1.0), torch.tensor(3.0), 0.5))
    2.0
    """
    return (1 - rate) * old + rate * new


def inference(
    x: Tensor, mean: Tensor, variance: Tensor, eps: Number, weight: Tensor | None = None, bias: Tensor | None = None,
    *, outside: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """With given moments: (x − μ) w / √(v + ε) + b.

    Shapes: x [batch, channel, *space], the others [channel].
    """
    tail = [1] * (x.dim() - 2)
    w, b = (None if one is None else one.reshape(-1, *tail) for one in (weight, bias))
    mean, variance = mean.reshape(-1, *tail), variance.reshape(-1, *tail)
    return normalised(x, mean, variance, torch.zeros_like(variance), eps, w, b, outside=outside)


def batch_norm(
    x: Tensor,
    mode: Sequence[str] | None,
    eps: Number,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    momentum: Number | None = None,
    start: tuple[Tensor | None, Tensor | None] = (None, None),
    tracked: int = 0,
    *,
    convention: str = "new",
    hard_coded: float = 0.1,
    running_unbiased: bool = True,
    slip: str = "",
    carries_gradient: bool = True,
) -> tuple[Tensor, ...]:
    """The terms of every call's result.

    Shapes: x [call, batch, channel, *space]; weight, bias and the moments at the start [channel].

    `convention` says what the momentum weighs; "untracked" normalises by the batch's moments in evaluation, too. The
    slips: "outside", "unbiased", "follows" (moments move in evaluation), "untracked", "reversed". The gradient does not
    pass from a call to an earlier one through the running moments, unless it `carries_gradient`; and none is
    determined of a call in evaluation before one in training, since its gradient needs moments that move in place.
    """
    channels, tail = x.shape[2], [1] * (x.dim() - 3)
    dims = [i for i in range(x.dim() - 1) if i != 1]
    mean = torch.zeros(channels).to(x) if start[0] is None else start[0].reshape(-1)
    variance = torch.ones(channels).to(x) if start[1] is None else start[1].reshape(-1)
    square, calls = torch.zeros_like(mean), tracked
    w, b = (None if one is None else one.reshape(-1, *tail) for one in (weight, bias))
    found = []
    words = list(mode or ["train"] * len(x))
    for place, (batch, word) in enumerate(zip(x, words, strict=True)):
        own = statistics(batch, dims, unbiased=slip == "unbiased")
        if word == "train" or slip == "follows":
            calls += 1
            rate = rate_of(momentum, convention, calls, hard_coded)
            rate = 1.0 - rate if slip == "reversed" else rate
            count = batch.numel() // channels
            new = statistics(batch, dims, unbiased=running_unbiased and count > 1)
            mean, variance, square = (
                updated(old, one.reshape(-1) if carries_gradient else one.reshape(-1).detach(), rate)
                for old, one in zip((mean, variance, square), new, strict=True)
            )
        moments = own
        if word != "train" and "untracked" not in (convention, slip):
            moments = mean.reshape(-1, *tail), variance.reshape(-1, *tail), square.reshape(-1, *tail)
        terms = normalised(batch, *moments, eps, w, b, outside=slip == "outside")
        if not carries_gradient and word != "train" and "train" in words[place:]:
            # What a call in evaluation saved for its gradient, a later one in training may have moved in place.
            terms = tuple(torch.nan * one for one in terms)
        found.append(terms)
    return tuple(torch.stack(column) for column in zip(*found, strict=True))
