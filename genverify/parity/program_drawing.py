"""Samplers and gradient estimators as programs: what they return on the draws of a tape."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from genverify.checks import gradient_estimator_call, sampler_call
from genverify.checks.gradient_estimator_identity import identify as identify_estimator
from genverify.parity.program import Program, makes_programs
from genverify.parity.relocation import Relocation
from genverify.strategies.registry import cases_for
from genverify.strategies.search import fixed_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Bound
from genverify.subjects.sampler import Sampler

__all__ = ["estimator_program", "sampler_program"]


def _sampler_cases(subject: Sampler, count: int, seed: int) -> list[Case]:
    sampler_call.identify(subject)
    made = sampler_call.probe(subject, subject.memory["layout"], subject.memory["dtype"])
    return [Case(values=made.values, seed=seed + number) for number in range(count)]


@makes_programs("sampler", _sampler_cases)
def sampler_program(subject: Sampler, case: Case, there: Relocation) -> Program:
    """One call in training mode."""
    leaves: dict[str, Tensor] = {}

    def moved(bound: Bound, value: Tensor) -> Tensor:
        value = there.numbers(value)
        if value.is_floating_point() and bound.argument.differentiable and not subject.writes_input:
            leaves[bound.parameter] = value.requires_grad_(True)
        return value

    fixed = {name: there.of(value) for name, value in subject.fixed.items()}
    made_with, positional, given = sampler_call.arguments_of(subject, case, fixed, moved)
    f: Any = there.of(subject.f(**made_with)) if inspect.isclass(subject.f) else there.of(subject.f)
    owner = getattr(f, "__self__", f)
    if subject.has_modes and isinstance(owner, torch.nn.Module):
        owner.train()

    def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the subject
        found = f(*arguments, **named)
        return found if subject.output is None else subject.output(found)

    leaves |= there.parameters
    return Program(call=_named(call, given), arguments=tuple(positional), leaves=leaves, parameters=there.parameters)


def _estimator_cases(subject: GradientEstimator, count: int, seed: int) -> list[Case]:
    identify_estimator(subject)
    run = Run(seed=seed)
    # Hypothesis begins with the plainest case, in which little can go wrong.
    return fixed_cases(cases_for(subject, run), cases=count + 1, seed=seed)[-count:]


@makes_programs("gradient_estimator", _estimator_cases)
def estimator_program(subject: GradientEstimator, case: Case, there: Relocation) -> Program:
    """One estimate; the gradient of what it returns, where that is a loss."""
    positional, named, _ = gradient_estimator_call.arguments_of(subject, case, torch.float64)
    leaves: dict[str, Tensor] = {}

    def moved(name: str, value: Any) -> Any:  # noqa: ANN401 - any argument
        if not isinstance(value, Tensor):
            return there.of(value)
        found = there.numbers(value)
        if found.requires_grad:
            leaves[name] = found
        return found

    arguments = tuple(moved(f"argument {number}", value) for number, value in enumerate(positional))
    given = {name: moved(name, value) for name, value in named.items()}
    f = there.of(subject.f)

    def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the subject
        found = f(*arguments, **named)
        return found if subject.output is None else subject.output(found)

    def after() -> dict[str, Tensor]:
        return {f"gradient left in {name}": leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}

    everything = {**leaves, **there.parameters}
    return Program(
        call=_named(call, given), arguments=arguments, leaves=everything, parameters=there.parameters, after=after
    )


def _named(call: Any, given: dict[str, Any]) -> Any:  # noqa: ANN401 - any callable
    def with_names(*arguments: Any) -> Any:  # noqa: ANN401 - as the subject
        return call(*arguments, **given)

    return with_names if given else call
