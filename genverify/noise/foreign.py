"""Randomness that torch's dispatcher does not see: NumPy, `random`, threads, reseeding. It can be noticed and named."""

from __future__ import annotations

import random
import sys
from typing import Any

import torch

__all__ = ["ForeignRandomness"]


class ForeignRandomness:
    """Compares the global states of generators outside torch's dispatcher before and after a run."""

    def __init__(self) -> None:
        self._before = _states()

    def moved(self) -> tuple[str, ...]:
        """The names of the global generators that have moved since this object was made."""
        after = _states()
        return tuple(name for name, state in self._before.items() if name in after and after[name] != state)


def _states() -> dict[str, Any]:
    states: dict[str, Any] = {}
    # beartype picks the items it looks at with `random`: where it is loaded, a move of that generator says nothing
    # about the program, and only an effect on the program's result does.
    if "beartype" not in sys.modules:
        states["Python's random"] = random.getstate()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        kind, key, *rest = numpy.random.get_state()
        states["NumPy's global generator"] = (kind, key.tobytes(), *rest)
    return states


def unseen_torch_draw(before: torch.Tensor, after: torch.Tensor) -> str | None:
    """What to say when torch's CPU generator moved although no draw was seen."""
    if torch.equal(before, after):
        return None
    return "torch's global generator moved without a draw that was seen (a reseed, another thread, or an extension)"
