"""A transform of a library, and what is said of it: how it is made, declared and expected to fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["FAR", "Flow", "declared", "knots", "made_of", "wave"]

# Beyond the |x| ≤ 4 that is searched: what float32 can tell from infinity, and what it cannot.
FAR = (-1000.0, -30.0, 30.0, 1000.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """A transform as a library exports it.

    Attributes:
        library: torch, nflows, normflows or zuko.
        name: The export; what is special about it after a comma.
        make: Makes it; parameters that it draws are seeded before.
        claims: What a user declares of it: the fields of `Bijection`.
        ends: Coordinates near the ends of its domain, to which the search does not reach.
        stir: Whether its parameters are moved off the values that they begin with, which often make it the identity.
        expected: Check to why it does not pass, in float64, in float32 or in both.
        at_ends: End to why a check fails there.
        checks: The checks that judge it, where not all do: what iterates is slow to refute, and stands in the table
            with its accuracy stated as well.
    """

    library: str
    name: str
    make: Callable[[], Any]
    claims: Mapping[str, Any] = field(default_factory=dict)
    ends: tuple[float, ...] = FAR
    stir: bool = True
    expected: Mapping[str, str] = field(default_factory=dict)
    at_ends: Mapping[float, str] = field(default_factory=dict)
    checks: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.library} {self.name}"

    @property
    def export(self) -> str:
        """The name under which the library exports it."""
        return self.name.partition(",")[0]


def knots(bound: float) -> tuple[float, ...]:
    """Both sides of both bounds of a spline, the bounds themselves, and far out."""
    near = 2.0**-20
    beside = (bound - near, bound, bound + near, 1000.0)
    return (*(-one for one in reversed(beside)), *beside)


_OWN = ("ends", "expected", "at_ends", "checks", "stir")


def declared(library: str, name: str, make: Callable[[], Any], **how: Any) -> Flow:
    """A flow of what is its own, and else of the claims that a user declares."""
    own = {key: how.pop(key) for key in _OWN if key in how}
    return Flow(library=library, name=name, make=make, claims=how, **own)


def wave(*shape: int) -> Tensor:
    """Irregular numbers in [−1, 1], the same in float32 and float64."""
    steps = torch.arange(1, math.prod(shape) + 1, dtype=torch.float32)
    return torch.sin(1.7 * steps).reshape(shape).to(torch.get_default_dtype())


def made_of(flow: Flow, dtype: torch.dtype) -> Any:
    """The transform in a dtype, in evaluation mode: the same numbers in either. The global state stays."""
    before = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        try:
            # A module is made in float32 and moved; what is no module gets its parameters in the default dtype.
            made = flow.make()
            if isinstance(made, nn.Module):
                return _stirred(made.eval(), flow.stir).to(dtype)
            torch.set_default_dtype(dtype)
            return flow.make()
        finally:
            torch.set_default_dtype(before)


def _stirred(module: nn.Module, stir: bool) -> nn.Module:
    """Each parameter moved by a fifth."""
    with torch.no_grad():
        for p in module.parameters() if stir else ():
            p.add_(0.2 * wave(*p.shape).to(p))
    return module
