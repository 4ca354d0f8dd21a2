"""A sampler that compares uniform draws with thresholds: each of its outcomes with its exact probability.

``torch.rand(n) < q`` is how most people draw a mask. Where the output is a step function of each uniform number, with
one step, it takes 2^n values, and their probabilities are products of thresholds, which bisection finds exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genverify.checks.sampler_call import call
from genverify.noise import Tape, TapeMismatch, replay
from genverify.noise.laws import LAWS
from genverify.subjects.case import Case
from genverify.subjects.sampler import Sampler

__all__ = ["Steps", "steps"]

_MOST_DRAWS = 8
# Multiples of 1/64: exact in every floating dtype; beside them the ends of (0, 1), which a rare event needs.
_GRID = (2.0**-24, *((k + 0.5) / 32 for k in range(32)), 1.0 - 2.0**-20)
_BISECTIONS = 50
_MIXED = 12


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The outputs of a sampler whose draws only pass thresholds.

    Attributes:
        outputs: One for each side of each threshold [outcomes, *shape of the output].
        weights: Probability of each [outcomes].
        error: How far a probability may be off: the thresholds are numbers of the dtype of the draws.
        evaluations: How often the sampler was called.
    """

    outputs: Tensor
    weights: Tensor
    error: float
    evaluations: int

    def mean(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """The expectation of a function of the output."""
        return torch.stack([weight * of(one) for weight, one in zip(self.weights, self.outputs, strict=True)]).sum(0)


def steps(subject: Sampler, case: Case, tape: Tape) -> Steps | None:
    """The outcomes with their probabilities, or None where the output is not seen to be such steps."""
    count = sum(draw.value.numel() for draw in tape.draws)
    if tape.uncontrolled or not 0 < count <= _MOST_DRAWS or any(draw.law != "uniform" for draw in tape.draws):
        return None
    spent = 0

    def at(u: Tensor) -> Tensor:
        nonlocal spent
        spent += 1
        with replay(_on_tape(tape, u)):
            return call(subject, case).output.detach()

    try:
        thresholds = torch.ones(count, dtype=torch.float64)
        for j in range(count):
            found = _threshold(at, count, j)
            if found is None:
                return None
            thresholds[j] = found
        sides = torch.cartesian_prod(*[torch.tensor([0, 1])] * count).reshape(-1, count)
        low, high = thresholds / 2, (1.0 + thresholds) / 2
        outputs = [at(torch.where(side == 0, low, high)) for side in sides]
        numbers = torch.arange(1, count * _MIXED + 1, dtype=torch.float64) * 0.6180339887498949 % 1.0
        for u in (torch.floor(numbers * 64) / 64 + 2.0**-7).reshape(_MIXED, count):
            place = int(((u >= thresholds).long() * 2 ** torch.arange(count - 1, -1, -1)).sum())
            if not torch.equal(at(u), outputs[place]):
                return None
    except TapeMismatch:  # what is drawn depends on what was drawn
        return None
    weights = torch.where(sides == 0, thresholds, 1.0 - thresholds).prod(1)
    coarse = max(torch.finfo(draw.dtype).eps if draw.dtype.is_floating_point else 0.0 for draw in tape.draws)
    return Steps(outputs=torch.stack(outputs), weights=weights, error=count * coarse, evaluations=spent)


def _threshold(at: Callable[[Tensor], Tensor], count: int, j: int) -> float | None:
    """Where the output steps along one uniform number; 1 where it does not, None where it does otherwise."""
    middle = torch.full((count,), 0.5, dtype=torch.float64)

    def along(value: float) -> Tensor:
        return at(torch.where(torch.arange(count) == j, value, middle))

    seen = [along(value) for value in _GRID]
    changes = [k for k in range(1, len(seen)) if not torch.equal(seen[k], seen[k - 1])]
    if not changes:
        return 1.0
    if len(changes) > 1:
        return None
    low, high = _GRID[changes[0] - 1], _GRID[changes[0]]
    for _ in range(_BISECTIONS):
        between = (low + high) / 2
        now = along(between)
        if torch.equal(now, seen[0]):
            low = between
        elif torch.equal(now, seen[-1]):
            high = between
        else:
            return None
    return high


def _on_tape(tape: Tape, u: Tensor) -> Tape:
    """The tape whose uniform numbers, each in (0, 1), are these in order."""
    draws, position = [], 0
    realise = LAWS["uniform"].realise
    assert realise is not None
    for draw in tape.draws:
        size = draw.value.numel()
        part = u[position : position + size].reshape(draw.shape)
        draws.append(replace(draw, standardised=part, value=realise(draw.parameters, part).to(draw.dtype)))
        position += size
    return Tape(draws=tuple(draws))
