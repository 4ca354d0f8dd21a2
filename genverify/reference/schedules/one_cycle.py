"""The one-cycle policy: up to the largest rate, and down to almost nothing."""

from __future__ import annotations

import math

from genverify.reference.schedules.legal import require

__all__ = ["one_cycle"]


def one_cycle(
    step: int,
    total: int,
    max_lr: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> float:
    """From η/d at t = 0 to η at pT − 1 and to η/(d f) at T − 1, along half cosines; there are T rates.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Smith & Topin 2019; torch.optim.lr_scheduler.OneCycleLR.

    >>> [round(one_cycle(t, 11, 1.0, 6 / 11, 2.0, 2.0), 3) for t in (0, 5, 10)]
    [0.5, 1.0, 0.25]
    """
    require(step, lengths={"total": total}, rates={"max_lr": max_lr})
    first = max_lr / div_factor
    peak = pct_start * total - 1
    if step <= peak:
        return _between(first, max_lr, step / peak)
    return _between(max_lr, first / final_div_factor, (step - peak) / (total - 1 - peak))


def _between(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
