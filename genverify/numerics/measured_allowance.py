"""The rounding allowance of an oracle of many layers, measured on the oracle as it runs.

`conditioned_allowance` perturbs the arguments of an oracle. In a chain of layers roundings arise between the arguments
and the result as well, and some of these no perturbation of an argument shows: a normalisation subtracts the mean of
what it is given, and in its gradient three parts nearly cancel. Stochastic arithmetic perturbs every operation of the
oracle, forwards and backwards, so it needs no such knowledge:

    allowed = λ c ((u + u') / ε) max_r max_o |out_ro − out_o|  +  c (u + u') max_o |out_o|

with u the unit roundoff of the subject and u' that of the oracle (float64); λ, c and ε are those of
`stochastic_arithmetic`. The maximum over the elements o makes it normwise: a subject may convolve by Fourier's
transform, whose roundings scale with the largest entries.

How many runs r: one is enough for an error that is far beyond, and nine where it is near. A normal number exceeds Λ
times the largest of r others with the probability E[(2Φ(|Z|/Λ) − 1)^r] ≈ (√(2/π)/Λ)^r E|Z|^r, so that an accusation by
an error of ρ allowances (Λ = ρ λ with λ = 8) is false with a probability of less than 2e-7 for ρ ≥ 4e5 after one run,
ρ ≥ 20 after three, and ρ > 1 after nine.

That holds of an element that moves. One at a kink stays where it is on one side: relu(a − a) is zero in half of the
runs, and no number of allowances of zero says anything. An element that is off and has not moved gets up to 33 runs, in
all of which it stays with a probability of 2^-33 = 1e-10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .rounding import Allowance, subnormal_spacing, unit_roundoff
from .stochastic_arithmetic import rounding_spread

__all__ = ["measured_allowances"]

# After so many runs in all, an error of so many allowances is beyond doubt.
_STAGES = ((1, 4e5), (3, 20.0), (9, 1.0))
_AT_A_KINK = 33


def measured_allowances(
    oracle: Callable[[], tuple[Tensor, ...]], observed: tuple[Tensor | None, ...], *, dtype: torch.dtype
) -> tuple[Allowance, ...]:
    """The allowance of each output of `oracle`, a program in float64, for a subject that computes in `dtype`.

    More runs are made while an output in `observed` (None where there is none) is off by more than its allowance, but
    not beyond doubt. Where the spread cannot be measured the allowance is infinite.

    Source: as `stochastic_arithmetic`; the stages are derived in this file's docstring.

    >>> x = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    >>> centred = lambda: (x - x.mean(),)
    >>> (near,) = measured_allowances(centred, centred(), dtype=torch.float32)
    >>> bool(near.allowed.max() < 1e-4), float(near.excess(near.value + 1e-2).max()) > 1
    (True, True)
    """
    made = 0
    found: tuple[_Measured, ...] = ()
    for runs, beyond in (*_STAGES, (_AT_A_KINK, 1.0)):
        if runs == _AT_A_KINK and not any(
            one.is_unmoved(seen) for one, seen in zip(found, observed, strict=True) if seen is not None
        ):
            break
        found = _merged(found, _measure(oracle, dtype, repeats=runs - made, first=made))
        made = runs
        if not any(one.doubtful(seen, beyond) for one, seen in zip(found, observed, strict=True) if seen is not None):
            break
    return tuple(one.allowance for one in found)


@dataclass(frozen=True)
class _Measured:
    """The allowance of one output, and which of its elements have moved in some run."""

    allowance: Allowance
    moved: Tensor

    def _ratios(self, seen: Tensor) -> Tensor:
        return torch.nan_to_num(self.allowance.excess(seen), nan=0.0, posinf=float("inf"))

    def is_unmoved(self, seen: Tensor) -> bool:
        """Whether an element that is off has never moved."""
        return bool(((self._ratios(seen) > 1.0) & ~self.moved).any())

    def doubtful(self, seen: Tensor, beyond: float) -> bool:
        """Whether an element is off, and no element is so by far."""
        ratios = self._ratios(seen)
        if not ratios.numel():
            return False
        return 1.0 < float(ratios.max()) < beyond or self.is_unmoved(seen)


def _measure(
    oracle: Callable[[], tuple[Tensor, ...]], dtype: torch.dtype, *, repeats: int, first: int
) -> tuple[_Measured, ...]:
    spread = rounding_spread(oracle, repeats=repeats, first=first)
    # The allowance is linear in the unit, and this one is for float64.
    wider = 1.0 + unit_roundoff(dtype) / unit_roundoff(torch.float64)
    floor = spread.operations * subnormal_spacing(dtype)
    made = []
    for value, allowed, moved in zip(spread.values, spread.allowed, spread.moved, strict=True):
        value = value.detach().to(torch.float64)
        largest = allowed.max() if allowed.numel() else allowed.new_zeros(())
        whole = Allowance(
            value=value, allowed=(largest * wider + floor).expand_as(value), magnitude=value.abs(),
            operations=spread.operations, dtype=dtype,
        )  # fmt: skip
        made.append(_Measured(whole, moved > 0))
    return tuple(made)


def _merged(before: tuple[_Measured, ...], after: tuple[_Measured, ...]) -> tuple[_Measured, ...]:
    if not before:
        return after
    return tuple(
        _Measured(max(a.allowance, b.allowance, key=_largest), a.moved | b.moved)
        for a, b in zip(before, after, strict=True)
    )


def _largest(one: Allowance) -> float:
    return float(one.allowed.max()) if one.allowed.numel() else 0.0
