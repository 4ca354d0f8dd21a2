r"""ᾱ at the steps of a process, how far it may be off in a narrow dtype, and what that does to a closed form.

The rates say everything. Whoever reckons with them in a dtype with the unit roundoff u has 1 − β to about u, an
absolute error: near the data, where β is small, the digits of β itself are lost. Each product adds to it:

    |δᾱ_t| ≤ α_t |δᾱ_{t−1}| + ᾱ_{t−1} k u + ᾱ_t u.

A term of a closed form is monotone in the ratio ᾱ_t/ᾱ_s and in ᾱ_s, each between 0 and 1, so that over a box it is
furthest off at a corner. That, and the rounding of the terms, is what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.numerics.rounding import gamma, subnormal_spacing, unit_roundoff
from genverify.subjects.diffusion_process import DiffusionProcess

__all__ = ["Box", "Gap", "box", "compared", "final", "floor", "levels", "reckoned", "units"]

# Roundings of one rate: the line it lies on, the root or the ratio that it is made of, its complement.
_RATE = 8
# Roundings of a term beside those of the levels: products, roots, a quotient, a cast or two.
_TERM = 16

Terms = Callable[[Tensor, Tensor], Sequence[Tensor]]


@dataclass(frozen=True, kw_only=True)
class Box:
    """ᾱ_t/ᾱ_s and ᾱ_s of each row, and how far each may be off: [rows]."""

    ratio: Tensor
    previous: Tensor
    ratio_error: Tensor
    previous_error: Tensor

    @property
    def level(self) -> Tensor:
        """ᾱ_t."""
        return self.ratio * self.previous


def levels(subject: DiffusionProcess) -> Tensor:
    """ᾱ of each step, float64 [T]."""
    return torch.cumprod(subject.calls.alphas, 0)


def units(subject: DiffusionProcess, *seen: torch.dtype) -> list[torch.dtype]:
    """The dtypes in which it may have been reckoned: the narrowest in sight, and float32 where that is float64."""
    floats = [one for one in (subject.calls.unit, *seen) if one.is_floating_point]
    own = max(floats, key=lambda one: torch.finfo(one).eps)
    return [own, torch.float32] if own == torch.float64 else [own]


def _errors(alphas: Tensor, unit: torch.dtype, start: float = 0.0) -> list[float]:
    """|δᾱ| after each of these rates, from a level of one with that error."""
    u, error, level, found = unit_roundoff(unit), start, 1.0, []
    for alpha in alphas.tolist():
        error = alpha * error + level * _RATE * u + alpha * level * u
        level *= alpha
        found.append(error)
    return found


def box(subject: DiffusionProcess, at: Sequence[int], unit: torch.dtype, back: Sequence[int] | None = None) -> Box:
    """The levels at the steps `at`, counted from 0, and at the steps before (or `back`), where −1 is the data."""
    alphas = subject.calls.alphas
    before = [i - 1 for i in at] if back is None else list(back)
    key = f"levels in {unit}"
    if key not in subject.memory:
        # ᾱ behind the data is one, and 1 − ᾱ_1 still is not β_1 to the last digit: the level before may be off, too.
        start = _RATE * unit_roundoff(unit)
        subject.memory[key] = ([1.0, *levels(subject).tolist()], [start, *_errors(alphas, unit, start)])
    known, errors = subject.memory[key]
    ratio = [float(alphas[j + 1 : i + 1].prod()) for i, j in zip(at, before, strict=True)]
    off = [_errors(alphas[j + 1 : i + 1], unit)[-1] if i > j else 0.0 for i, j in zip(at, before, strict=True)]
    tensors = (ratio, [known[j + 1] for j in before], off, [errors[j + 1] for j in before])
    made = [torch.tensor(one, dtype=torch.float64) for one in tensors]
    return Box(ratio=made[0], previous=made[1], ratio_error=made[2], previous_error=made[3])


def final(found: Box, level: float) -> Box:
    """The box with another level than that of the data behind the step −1."""
    if level == 1.0:
        return found
    ends = found.previous == 1.0
    return Box(
        ratio=torch.where(ends, found.ratio / level, found.ratio),
        previous=torch.where(ends, torch.full_like(found.previous, level), found.previous),
        ratio_error=found.ratio_error, previous_error=torch.where(ends, found.ratio_error, found.previous_error),
    )  # fmt: skip


def _beside(value: Tensor, axes: int) -> Tensor:
    return value.reshape(-1, *[1] * axes)


def reckoned(terms: Terms, at: Box, axes: int, unit: torch.dtype) -> tuple[Tensor, Tensor]:
    """The value of (ᾱ_t, ᾱ_s) → additive terms, and how far an implementation in that dtype may be from it."""
    centre = [one.to(torch.float64) for one in terms(_beside(at.level, axes), _beside(at.previous, axes))]
    moved = [torch.zeros_like(one) for one in centre]
    for up in (-1.0, 1.0):
        ratio = (at.ratio + up * at.ratio_error).clamp(0.0, 1.0)
        for high in (-1.0, 1.0):
            previous = (at.previous + high * at.previous_error).clamp_min(0.0)
            corner = terms(_beside(ratio * previous, axes), _beside(previous, axes))
            moved = [torch.maximum(m, (c - t).abs()) for m, c, t in zip(moved, corner, centre, strict=True)]
    rate = gamma(_TERM, unit) + gamma(_TERM, torch.float64)
    size = sum((one.abs() for one in centre), torch.zeros(()))
    allowed = sum(moved, torch.zeros(())) + rate * size + _TERM * subnormal_spacing(unit)
    value = sum(centre, torch.zeros((), dtype=torch.float64))
    known = torch.isfinite(value) & torch.isfinite(allowed)
    return value, torch.where(known, allowed, torch.full_like(allowed, math.inf))


def floor(variance: Tensor) -> Tensor:
    """What a variance of zero may be instead: a floor under its logarithm, nothing beside the rate in float32."""
    return variance * gamma(1, torch.float32) ** 2


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What was observed against what was reckoned.

    Attributes:
        observed: The worst error, relative to its allowance.
        allowed: Its allowance.
        error: The error itself.
        unit: The dtype in which it was judged.
        fits: Whether it is within the allowance.
        examined: How many numbers were compared.
        where: The place of the worst, flat.
    """

    observed: float
    allowed: float
    error: float
    unit: torch.dtype
    fits: bool
    examined: int
    where: int = 0


def compared(
    subject: DiffusionProcess, observed: Tensor, terms: Terms, at: Sequence[int], back: Sequence[int] | None = None
) -> Gap:
    """An observed result [rows, …] against terms at the steps `at`, of a step that goes to `back` where that is given.

    In float64 first, then in float32.
    """
    last: Gap | None = None
    for unit in units(subject, observed.dtype):
        found = box(subject, at, unit, back)
        if back is not None:
            found = final(found, subject.calls.final)
        value, allowed = reckoned(terms, found, observed.dim() - 1, unit)
        value, allowed = value.expand(observed.shape), allowed.expand(observed.shape)
        known = torch.isfinite(allowed) & (allowed <= torch.finfo(unit).max)
        error = (observed.to(torch.float64) - value).abs()
        ratio = torch.where(error == 0, torch.zeros_like(error), error / allowed)
        ratio = torch.where(torch.isfinite(error), ratio, torch.full_like(error, math.inf))[known]
        if not ratio.numel():
            last = Gap(observed=0.0, allowed=math.inf, error=0.0, unit=unit, fits=True, examined=0)
            continue
        worst = int(ratio.argmax())
        last = Gap(
            observed=float(ratio[worst]), allowed=float(allowed[known][worst]), error=float(error[known][worst]),
            unit=unit, fits=bool(ratio[worst] <= 1.0), examined=ratio.numel(),
            where=int(known.reshape(-1).nonzero()[worst]),
        )  # fmt: skip
        if last.fits:
            return last
    assert last is not None
    return last
