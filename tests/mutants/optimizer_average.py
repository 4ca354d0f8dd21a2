"""Averaged gradient descent whose average is wrong: the iterates are right, so that nothing else shows it."""

from __future__ import annotations

from typing import Any

import torch

from genverify.reference.optimizers.asgd import ASGD
from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin


class AverageFromTheStart(ASGD):
    """1/t from the first step on: t₀ is taken, and not heeded."""

    @staticmethod
    def _update(p: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        ASGD._update(p, g, state, {**group, "t0": 0})


class AverageThatForgets(ASGD):
    """A moving average of constant decay, as of a teacher network."""

    @staticmethod
    def _update(p: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        last = state.get("a", p).clone()
        ASGD._update(p, g, state, group)
        state["a"] = 0.9 * last + 0.1 * p


class AverageOfThePast(ASGD):
    """The average takes the parameters before the step."""

    @staticmethod
    def _update(p: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        last, old = state.get("a", torch.zeros_like(p)).clone(), p.clone()
        ASGD._update(p, g, state, group)
        state["a"] = last + (old - last) / max(1, state["t"] - group["t0"])


MUTANTS = [
    Mutant(name=f.__name__, make=lambda f=f: Optimizer(f, rule="asgd"), killed_by="optimizer.average")
    for f in (AverageFromTheStart, AverageThatForgets, AverageOfThePast)
]
TWINS = [
    Twin(name="torch's average", make=lambda: Optimizer(torch.optim.ASGD, rule="asgd")),
]
