"""Schedules that begin low: a linear warm-up, alone and before a decay."""

from __future__ import annotations

import math

from genverify.reference.schedules.legal import require

__all__ = ["inverse_square_root", "linear_warmup", "noam", "warmup_cosine", "warmup_exponential", "warmup_linear"]


def linear_warmup(step: int, warmup: int, base: float = 1.0) -> float:
    """From 0 to `base` in w equal steps, and `base` from then on; of a weight, the linear annealing of a KL term.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Goyal et al. 2017, section 2.2; Bowman et al. 2016, section 3.1.

    >>> [linear_warmup(t, 4) for t in (0, 2, 4, 5)]
    [0.0, 0.5, 1.0, 1.0]
    """
    require(step, lengths={"warmup": warmup}, rates={"base": base})
    return base * min(1.0, step / warmup)


def warmup_cosine(step: int, warmup: int, total: int, base: float, end: float = 0.0) -> float:
    """A linear warm-up to `base` in w steps, then half a cosine to `end` at t = T.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Goyal et al. 2017, section 2.2; Loshchilov & Hutter 2017, eq. 5.

    >>> [warmup_cosine(t, 2, 6, 1.0) for t in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    require(step, lengths={"total": total}, rates={"base": base, "end": end})
    if step < warmup:
        return base * step / warmup
    part = (step - warmup) / (total - warmup)
    return end + (base - end) * (1 + math.cos(math.pi * part)) / 2


def warmup_exponential(step: int, warmup: int, base: float, gamma: float) -> float:
    """A linear warm-up to `base` in w steps, then multiplied by γ at every step.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Goyal et al. 2017, section 2.2.

    >>> [warmup_exponential(t, 2, 1.0, 0.5) for t in (1, 2, 3, 4)]
    [0.5, 1.0, 0.5, 0.25]
    """
    require(step, lengths={}, rates={"base": base, "gamma": gamma})
    if step < warmup:
        return base * step / warmup
    return base * gamma ** (step - warmup)


def inverse_square_root(step: int, warmup: int, base: float) -> float:
    """A linear warm-up to `base` in w steps, then one over the root of the step; t ≥ 1.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Vaswani et al. 2017, eq. 3, by its largest rate.

    >>> [inverse_square_root(t, 4, 1.0) for t in (2, 4, 16)]
    [0.5, 1.0, 0.5]
    """
    require(step, first=1, lengths={"warmup": warmup}, rates={"base": base})
    return base * min(step / warmup, math.sqrt(warmup / step))


def noam(step: int, warmup: int, width: int, factor: float = 1.0) -> float:
    """The schedule of the Transformer, by the width of the model; t ≥ 1.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Vaswani et al. 2017, eq. 3.

    >>> noam(4, 4, 4)
    0.25
    """
    require(step, first=1, lengths={"warmup": warmup, "width": width}, rates={"factor": factor})
    return factor * width**-0.5 * min(step**-0.5, step * warmup**-1.5)


def warmup_linear(step: int, warmup: int, total: int, base: float, end: float = 0.0) -> float:
    """A linear warm-up to `base` in w steps, then equal steps to `end` at t = T.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Devlin et al. 2019, appendix A.2.

    >>> [warmup_linear(t, 2, 6, 1.0) for t in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    require(step, lengths={"total": total}, rates={"base": base, "end": end})
    if step < warmup:
        return base * step / warmup
    part = min(1.0, (step - warmup) / (total - warmup))
    return (1 - part) * base + part * end
