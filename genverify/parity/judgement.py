"""What two executions of one program yielded, held against each other: ULPs, the rounding model, a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.numerics.ulp import ulp
from genverify.numerics.virtual_precision import VirtualPrecision
from genverify.parity.execution import Execution

__all__ = ["Difference", "Model", "difference", "differences"]

Numbers = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far one result of an execution is from the float64 run on the CPU.

    Attributes:
        name: Which result.
        ulps: The largest error, in units of the last place of the largest element, in the execution's dtype.
        allowed: What rounding may do, in the same units; infinite where nothing is promised.
        promised: Whether a digit of it is: what is allowed is less than the result itself.
        zero: Whether it is zero in float64, of which nothing can be promised.
        fault: What is wrong beside a number: a shape, a gradient that is missing; empty for nothing.
    """

    name: str
    ulps: float = 0.0
    allowed: float = math.inf
    promised: bool = False
    zero: bool = False
    fault: str = ""

    @property
    def ratio(self) -> float:
        """The error over what is allowed."""
        if self.fault:
            return math.inf
        if math.isinf(self.ulps) and not self.promised and not self.zero:
            return 0.0  # an overflow where rounding may do anything
        return 0.0 if self.ulps == 0 or math.isinf(self.allowed) else self.ulps / self.allowed


class Model:
    """The float64 run of a program at numbers of a dtype, and what rounding in that dtype may make of it."""

    def __init__(self, run: Callable[[], Numbers], execution: Execution) -> None:
        first = run()
        self.names = tuple(first)

        def outputs() -> tuple[Tensor, ...]:
            found = run()
            return tuple(found[name] if name in found else torch.zeros(0) for name in self.names)

        self.rounding = VirtualPrecision(outputs, execution.dtype, unit=execution.unit)

    @property
    def values(self) -> dict[str, Tensor]:
        """The results of the float64 run."""
        return dict(zip(self.names, self.rounding.values, strict=True))


def differences(model: Model, observed: Numbers, dtype: torch.dtype) -> list[Difference]:
    """Every result of the float64 run against the same of another execution, the worst first."""
    values = model.values
    found = []
    for name in observed:
        if name not in values:
            found.append(Difference(name=name, fault=f"{name}, which the float64 run does not have"))
    seen: list[Tensor | None] = []
    for name in model.names:
        one = observed.get(name)
        if one is None:
            found.append(Difference(name=name, fault=f"{name} is missing"))
        elif one.shape != values[name].shape:
            shapes = f"{tuple(one.shape)}, and not {tuple(values[name].shape)}"
            found.append(Difference(name=name, fault=f"{name} has the shape {shapes}"))
            one = None
        seen.append(None if one is None else one.detach().to("cpu", torch.float64))
    model.rounding.worst(tuple(seen))
    for name, one, allowed in zip(model.names, seen, model.rounding.allowed(), strict=True):
        if one is not None and one.numel():
            found.append(difference(name, one, values[name], allowed, dtype))
    return sorted(found, key=lambda one: (-one.ratio, -one.ulps))


def difference(
    name: str, one: Tensor, value: Tensor, allowed: float, dtype: torch.dtype, whole: Tensor | None = None
) -> Difference:
    """One result against the float64 run's, in ULPs of the largest element (of `whole`, if given)."""
    finite = value if whole is None else whole
    finite = finite[torch.isfinite(finite)]
    largest = finite.abs().max() if finite.numel() else torch.zeros(())
    largest = float(largest)
    unit = float(ulp(torch.tensor(largest, dtype=torch.float64), dtype))
    error = VirtualPrecision.error(one, value)
    return Difference(
        name=name, ulps=error / unit, allowed=allowed / unit, promised=allowed < largest, zero=largest == 0
    )
