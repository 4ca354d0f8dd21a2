"""A training step as a program: what it returns, and every network's parameters and gradients after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genverify.adapters.training_world import WorldMaker
from genverify.errors import UsageError
from genverify.parity.program import Program, makes_programs
from genverify.parity.relocation import Relocation
from genverify.subjects.case import Case
from genverify.subjects.training_observation import in_dtype
from genverify.subjects.training_step import TrainingStep

__all__ = ["training_program"]


def _maker(subject: TrainingStep) -> WorldMaker:
    maker = getattr(subject.calls.world, "__self__", None)
    if not isinstance(maker, WorldMaker):
        raise UsageError(
            given=f"{subject.label}, of which the adapter makes no worlds", expected="a step that was adapted",
            do="declare it as a function or a method",
        )  # fmt: skip
    return maker


def _cases(subject: TrainingStep, count: int, seed: int) -> list[Case]:
    return [_maker(subject).case(seed + number) for number in range(count)]


@makes_programs("training_step", _cases)
def training_program(subject: TrainingStep, case: Case, there: Relocation) -> Program:
    """One step in a world of its own, which is made in float64 and moved."""
    world = _maker(subject).world(case)
    call = there.of(world.call)
    networks = {role: there.of(net) for role, net in world.networks.items()}
    dtype = there.execution.dtype

    def step() -> Any:  # noqa: ANN401 - what a stranger returns
        with in_dtype(dtype):
            return call()

    def after() -> Mapping[str, Tensor]:
        found = {}
        for role, net in networks.items():
            for name, parameter in net.named_parameters():
                found[f"{role}.{name} after the step"] = parameter.detach()
                if parameter.grad is not None:
                    found[f"gradient left in {role}.{name}"] = parameter.grad
        return found

    return Program(call=step, after=after, repeatable=False)
