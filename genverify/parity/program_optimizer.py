"""An optimizer as a program: where its parameters stand after a few steps along a fixed stream of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from genverify.errors import UsageError
from genverify.parity.program import Program, makes_programs
from genverify.parity.relocation import Relocation
from genverify.strategies.registry import fixed_for
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream

__all__ = ["optimizer_program"]

_STEPS = 3


def _cases(subject: Optimizer, count: int, seed: int) -> list[Case]:
    """The first options alone in float64, then others; the stream is the revealing one."""
    found = [case for case in fixed_for(subject, Run(seed=seed)).cases if Stream.of(case).dtype.itemsize == 8]
    if not found:
        raise UsageError(
            given=f"{subject.label}, which is given a function to minimise", expected="an optimizer of gradients",
            do="run genverify check on it: parity has no stream of gradients for it",
        )  # fmt: skip
    return found[:count]


@makes_programs("optimizer", _cases)
def optimizer_program(subject: Optimizer, case: Case, there: Relocation) -> Program:
    """A few steps; the parameters after each."""
    assert subject.convention is not None
    assert subject.law is not None
    stream = Stream.of(case)
    parameters = [there.numbers(one) for one in stream.parameters]
    session: Any = subject.convention.start(parameters, subject.law.arguments(case["options"]))
    gradients = [[_there(g, there) for g in stream.at(k)] for k in range(min(_STEPS, stream.steps))]

    def steps(gradients: Sequence[Sequence[Tensor | None]]) -> list[Tensor]:
        found = []
        for given in gradients:
            session.step([None if g is None else g.clone() for g in given])
            found += [p.detach().clone() for p in session.parameters]
        return found

    return Program(call=steps, arguments=(gradients,), repeatable=False)


def _there(gradient: Tensor | None, there: Relocation) -> Tensor | None:
    if gradient is None or not gradient.is_sparse:
        return None if gradient is None else there.numbers(gradient)
    return gradient.to(device=there.execution.device, dtype=there.execution.dtype)
