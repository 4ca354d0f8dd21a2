"""A latent-variable model as a program: its loss at a batch, in the mode in which it is judged."""

from __future__ import annotations

from typing import Any

import torch

from genverify.adapters.bijection_maps import interior
from genverify.parity.program import Program, makes_programs
from genverify.parity.relocation import Relocation
from genverify.subjects.case import Case
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.subjects.region import Region

__all__ = ["latent_program"]

_ROWS = 3


def _cases(subject: LatentVariableModel, count: int, seed: int) -> list[Case]:
    return [Case(values=_values(subject, seed + number), seed=seed + number) for number in range(count)]


def _values(subject: LatentVariableModel, number: int) -> dict[str, Any]:
    cpu = torch.device("cpu")
    x = interior(subject.where, (_ROWS + number, *subject.event), torch.float64, cpu)[number:].clone()
    values: dict[str, Any] = {"x": x.round() if subject.calls.data == "binary" else x}
    if subject.classes is not None:
        values["condition"] = (torch.arange(_ROWS) + number) % int(subject.classes)
    elif isinstance(subject.condition_shape, tuple):
        values["condition"] = interior(Region(), (_ROWS, *subject.condition_shape), torch.float64, cpu)
    return values


@makes_programs("latent_variable_model", _cases)
def latent_program(subject: LatentVariableModel, case: Case, there: Relocation) -> Program:
    """The loss, and its gradient by the parameters."""
    calls = subject.calls
    calls.mode(True)
    try:
        loss = there.of(calls.loss)
    finally:
        calls.mode(False)
    condition = there.numbers(case["condition"]) if "condition" in case else None
    arguments = (there.numbers(case["x"]), condition)
    return Program(call=loss, arguments=arguments, leaves=there.parameters, parameters=there.parameters)
