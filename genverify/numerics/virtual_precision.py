r"""What a program yields when every operation in it rounds as a narrower type does: Monte Carlo arithmetic.

A float64 program whose operations get inputs with relative errors of ±A, drawn uniformly, computes as arithmetic of
unit roundoff A does. With A = λu for the unit u of a narrower type (λ = 4), the runs r of a program bound what rounding
in that type may do to each of its outputs:

    allowed = c max_r max_o |out_ro − out_o|  +  c (u + u') max_o |out_o|

with u' the unit of the program itself, c half units an operation, and the maximum over the elements o of an output.
Where the program is smooth this is the bound of `stochastic_arithmetic`, whose runs are of a small ε and scaled by u/ε;
here the runs go as far as the bound does. So what a small ε cannot see is seen: a kink, a comparison or a bucket that
rounding in the narrow type reaches across. As there, sums of L terms get A L, and c = 4. In the types of two bytes each
operation computes in float32, sums included, and rounds its result, and at most one more number that it keeps (a mean,
a largest element): there c = 2, and a sum rounds as a product.

How many runs: a normal number exceeds λ times the largest of r others with the probability E[(2Φ(|Z|/λ) − 1)^r], for
λ = 4 and r = 33 less than 3e-9, so an accusation waits for 33 runs; what is within the bound after three is within it
after any number. A number that rounding may carry across a threshold, at a distance of three standard deviations, is
carried across by each of these runs with the probability Φ(−3/4) = 0.23, and missed by 33 of them in 2e-4 of the one
case in a thousand that the narrow program reaches so far. Where A is near one `allowed` exceeds the output: then no
digit of it is promised.

For a program that computes in the same type as its subject there is nothing narrower: the scaled runs of
`stochastic_arithmetic` are taken (λ = 8, c = 4), twice, once for each of the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from genverify.numerics.rounding import subnormal_spacing, unit_roundoff
from genverify.numerics.stochastic_arithmetic import (
    EXACT,
    HALF_UNITS,
    PATIENCE,
    SLACK,
    Perturbed,
    TooLong,
    is_float,
    narrowest_dtype,
    rounding_spread,
)

__all__ = ["VirtualPrecision"]

_DEVIATIONS = 4.0
_SHORT = 2
_HALF_UNITS_SHORT = 2.0
_ORDERS = ("lt", "le", "gt", "ge")
# How many runs there are in all before one that is within is believed, and before an accusation is.
_STAGES = (3, 9, 33)


class _Rounding(Perturbed):
    """Perturbs what is written in place, too: a parameter that is updated is rounded at every step.

    And what is compared with a number that the narrow type does not have: there it is another number.
    """

    def __init__(self, amplitude: float, seed: int, limit: int, dtype: torch.dtype) -> None:
        super().__init__(amplitude, seed, limit)
        self.dtype = dtype

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - as torch calls it
        types: Any,  # noqa: ANN401
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        name = func._schema.name.partition("::")[2]
        if name in _ORDERS and is_float(args[0]) and not self._has(args[1]):
            args = (self.noisy(args[0]), *args[1:])
        found = super().__torch_dispatch__(func, types, args, kwargs)
        if name in EXACT or torch.Tag.nondeterministic_seeded in func.tags:
            return found
        for given, declared in zip(args, func._schema.arguments, strict=False):
            if declared.alias_info is not None and declared.alias_info.is_write:
                for one in given if isinstance(given, (list, tuple)) else (given,):
                    if is_float(one):
                        one.copy_(self.noisy(one))
        return found

    def _has(self, number: Any) -> bool:  # noqa: ANN401 - a number or a tensor
        """Whether the type has the number; what stands in a tensor has been perturbed where it was computed."""
        return not isinstance(number, float) or float(torch.tensor(number, dtype=self.dtype)) == number


class _RoundedOnce(_Rounding):
    """Perturbs as an operation that sums in a wider type and rounds its result."""

    def noisy(self, value: Tensor, scale: float = 1.0) -> Tensor:
        return super().noisy(value)


class VirtualPrecision:
    """The outputs of one float64 program, and how far a run of unit roundoff `unit` may be from each.

    Attributes:
        values: The outputs of the plain run.
        narrowest: The narrowest type in which the plain run rounds.
        problem: Why nothing is promised; empty when something is.

    Source: Parker 1997, Monte Carlo arithmetic; Higham & Mary 2019, theorem 2.4.

    >>> x = torch.tensor([0.1, 1e4], dtype=torch.float64)
    >>> found = VirtualPrecision(lambda: (x.sin(),), torch.float32)
    >>> worst = found.worst((x.float().sin(),))
    >>> worst[0] < 1, found.worst((x.sin() + 1e-1,))[0] > 1
    (True, True)
    """

    def __init__(
        self, compute: Callable[[], tuple[Tensor, ...]], dtype: torch.dtype, *, unit: float | None = None
    ) -> None:
        self.compute, self.dtype = compute, dtype
        self.values = tuple(value.detach().to(torch.float64) for value in compute())
        self.narrowest = narrowest_dtype(compute)
        self.problem = ""
        self._own = unit_roundoff(self.narrowest)
        self._unit = unit_roundoff(dtype) if unit is None else unit
        self._short = dtype.itemsize <= _SHORT < self.narrowest.itemsize
        self._half_units = _HALF_UNITS_SHORT if self._short else HALF_UNITS
        self._runs = 0
        self._operations = 0
        self._deviation = [0.0 for _ in self.values]

    def allowed(self, runs: int = 0) -> list[float]:
        """How far each output may be off, after so many runs in all; infinite where that is not known."""
        if self._runs < runs and not self.problem:
            self._perturb(runs - self._runs)
        floor = self._operations * subnormal_spacing(self.dtype)
        found = []
        for value, deviation in zip(self.values, self._deviation, strict=True):
            finite = value[torch.isfinite(value)]
            largest = float(finite.abs().max()) if finite.numel() else 0.0
            bound = self._half_units * deviation + self._half_units * (self._unit + self._own) * largest + floor
            found.append(math.inf if self.problem or math.isnan(bound) else bound)
        return found

    def worst(self, observed: tuple[Tensor | None, ...]) -> list[float]:
        """For each output |observed − value| over what is allowed, the largest of its elements; 0 where None is given.

        More runs are made while one of them is above 1. An output of another shape, or with a NaN or an infinity where
        the program has none, is infinitely far off, unless nothing is promised of it.
        """
        ratios: list[float] = []
        for runs in _STAGES:
            allowed = self.allowed(runs)
            ratios = [
                self._ratio(seen, value, bound)
                for seen, value, bound in zip(observed, self.values, allowed, strict=True)
            ]
            if all(ratio <= 1.0 for ratio in ratios):
                break
        return ratios

    @staticmethod
    def error(observed: Tensor, value: Tensor) -> float:
        """The largest error of an element where the value is finite; infinite for a NaN or an infinity there."""
        there = torch.isfinite(value)
        if not bool(there.any()):
            return 0.0
        error = (observed.detach().to("cpu", torch.float64) - value).abs()[there]
        return float(torch.nan_to_num(error, nan=math.inf, posinf=math.inf).max())

    def _ratio(self, seen: Tensor | None, value: Tensor, bound: float) -> float:
        if seen is None:
            return 0.0
        if seen.shape != value.shape:
            return math.inf
        error = self.error(seen, value) if value.numel() else 0.0
        return 0.0 if error == 0 or math.isinf(bound) else error / bound

    def _perturb(self, count: int) -> None:
        first, self._runs = self._runs, self._runs + count
        same = self._unit <= self._own
        if same:
            self._as_in_the_same_type(first, count)
            return
        state = torch.get_rng_state()
        for number in range(first, first + count):
            torch.set_rng_state(state)
            # How long a run may take is known only once one has been counted.
            kind = _RoundedOnce if self._short else _Rounding
            mode = kind(_DEVIATIONS * self._unit, number, self._limit(), self.dtype)
            before = mode.left
            try:
                with mode:
                    moved = tuple(self.compute())
            except TooLong:
                self.problem = "under perturbed arithmetic the program does not come to an end"
                break
            except Exception as error:  # whatever a stranger's code does with slightly other numbers
                self.problem = (
                    f"under perturbed arithmetic the program raised {type(error.__cause__ or error).__name__}"
                )
                break
            self._operations = max(self._operations, before - mode.left)
            self._take(moved)
        torch.set_rng_state(state)

    def _limit(self) -> int:
        if not self._operations:
            counting = Perturbed(0.0, 0, 2**62)
            with counting:
                self.compute()
            self._operations = 2**62 - counting.left
        return PATIENCE * self._operations + SLACK

    def _take(self, moved: tuple[Tensor, ...]) -> None:
        if [m.shape for m in moved] != [v.shape for v in self.values]:
            self.problem = "under perturbed arithmetic the program returns other shapes"
            return
        for place, (m, v) in enumerate(zip(moved, self.values, strict=True)):
            if v.numel():
                self._deviation[place] = max(self._deviation[place], self.error(m, v))

    def _as_in_the_same_type(self, first: int, count: int) -> None:
        spread = rounding_spread(self.compute, repeats=count, first=first)
        self.problem, self._operations = spread.problem, spread.operations
        for place, allowed in enumerate(spread.allowed):
            if allowed.numel():
                # Twice, once for each program; c is taken again in `allowed`.
                bound = 2.0 * float(torch.nan_to_num(allowed, nan=math.inf).max()) / self._half_units
                self._deviation[place] = max(self._deviation[place], bound)
