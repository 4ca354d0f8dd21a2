"""Decays of a rate, most of them by going through the steps: the recursion is what its closed form is compared with.

Every function gives the rate at step t = 0, 1, 2, …; rates are plain numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from genverify.reference.schedules.legal import require

__all__ = ["constant", "exponential", "linear", "multi_step", "polynomial", "step"]


def constant(step: int, base: float) -> float:
    """The same rate at every step: η(t) = η₀.

    Raises:
        ValueError: A step or a rate is out of range; the message says what to do.

    >>> constant(3, 0.5)
    0.5
    """
    require(step, lengths={}, rates={"base": base})
    return base


def linear(step: int, total: int, base: float, end: float = 0.0) -> float:
    """Equal steps from `base` at t = 0 to `end` at t = T, and `end` from then on.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Goodfellow, Bengio & Courville 2016, eq. 8.14.

    >>> [linear(t, 4, 1.0) for t in (0, 1, 4, 6)]
    [1.0, 0.75, 0.0, 0.0]
    """
    require(step, lengths={"total": total}, rates={"base": base, "end": end})
    part = min(step, total) / total
    return (1 - part) * base + part * end


def exponential(step: int, base: float, gamma: float) -> float:
    """Multiplied by γ at every step.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: torch.optim.lr_scheduler.ExponentialLR.

    >>> exponential(3, 1.0, 0.5)
    0.125
    """
    require(step, lengths={}, rates={"base": base, "gamma": gamma})
    rate = base
    for _ in range(step):
        rate = gamma * rate
    return rate


def step(step: int, base: float, gamma: float, period: int) -> float:
    """Multiplied by γ when another `period` of steps is over.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: He et al. 2016, section 4.2.

    >>> step(5, 1.0, 0.5, 3)
    0.5
    """
    require(step, lengths={"period": period}, rates={"base": base, "gamma": gamma})
    rate = base
    for t in range(1, step + 1):
        if t % period == 0:
            rate = gamma * rate
    return rate


def multi_step(step: int, base: float, gamma: float, milestones: Sequence[int]) -> float:
    """Multiplied by γ at each milestone.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Goyal et al. 2017, section 5.1.

    >>> multi_step(5, 1.0, 0.5, (2, 4))
    0.25
    """
    require(step, lengths={}, rates={"base": base, "gamma": gamma})
    rate = base
    for milestone in milestones:
        if step >= milestone:
            rate = gamma * rate
    return rate


def polynomial(step: int, total: int, base: float, end: float = 0.0, power: float = 1.0) -> float:
    """A power of the part that is left: from `base` at t = 0 to `end` at t = T, and `end` from then on.

    Raises:
        ValueError: A step, a length or a rate is out of range; the message says what to do.

    Source: Liu, Rabinovich & Berg 2015.

    >>> polynomial(1, 2, 1.0, power=2.0)
    0.25
    """
    require(step, lengths={"total": total}, rates={"base": base, "end": end})
    left = 1 - min(step, total) / total
    return (base - end) * left**power + end
