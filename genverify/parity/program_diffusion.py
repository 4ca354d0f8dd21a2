"""A diffusion process as a program: its functions at a batch of samples and steps, the whole sampler left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.adapters.bijection_maps import interior
from genverify.checks.diffusion_process_functions import first_step
from genverify.errors import UsageError
from genverify.parity.program import Program, makes_programs
from genverify.parity.relocation import Relocation
from genverify.subjects.case import Case
from genverify.subjects.diffusion_process import DiffusionProcess, Role
from genverify.subjects.region import Region

__all__ = ["diffusion_program"]

_ROWS = 3
_SAMPLES = ("x0", "xt", "noise", "v", "prediction")
_GIVEN = frozenset((*_SAMPLES, "t", "index", "previous", "model"))


def _cases(subject: DiffusionProcess, count: int, seed: int) -> list[Case]:
    return [Case(values=_values(subject, seed + number), seed=seed + number) for number in range(count)]


def _values(subject: DiffusionProcess, number: int) -> dict[str, Any]:
    """Irregular samples, and steps of the middle: one for each row, and one for all."""
    every = len(_SAMPLES) * _ROWS
    drawn = interior(Region(), (every + number, *subject.event), torch.float64, torch.device("cpu"))[number:]
    parts = drawn.clone().reshape(len(_SAMPLES), _ROWS, *subject.event)
    values: dict[str, Any] = dict(zip(_SAMPLES, parts, strict=True))
    steps, first = len(subject.calls.alphas), first_step(subject)[0] or 0
    values["t"] = first + torch.tensor([(number + (k + 1) * steps // (_ROWS + 1)) % steps for k in range(_ROWS)])
    return values


def _functions(subject: DiffusionProcess) -> dict[str, Role]:
    """Those that run, and whose arguments a case has.

    Raises:
        UsageError: There are none.
    """
    found = {name: role for name, role in subject.calls.roles.items() if not role.broken and role.takes <= _GIVEN}
    if not found:
        raise UsageError(
            given=f"{subject.label}, none of whose functions takes samples and steps",
            expected="q_sample, a posterior, a step of a sampler, a loss", do="name them with roles=",
        )  # fmt: skip
    return found


def _wave(x: torch.Tensor, t: float) -> torch.Tensor:
    return torch.cos(x) * 0.5


@makes_programs("diffusion_process", _cases)
def diffusion_program(subject: DiffusionProcess, case: Case, there: Relocation) -> Program:
    """Every function at the same samples; where rows cannot be at different steps all are at the first one's."""
    network = subject.calls.network
    if network is not None:
        network.answer = _wave
    samples = {name: there.numbers(case[name]).requires_grad_(True) for name in _SAMPLES}
    calls = {name: (role, there.of(role.call)) for name, role in _functions(subject).items()}
    model = None if network is None else there.of(network)
    steps = there.numbers(case["t"])

    def given(role: Role) -> dict[str, Any]:
        now: Any = int(case["t"][0]) if role.number else steps if role.per_row else steps[:1].expand(_ROWS)
        everything = {**samples, "t": now, "index": int(case["t"][0]), "previous": now - 1, "model": model}
        return {name: value for name, value in everything.items() if name in role.takes}

    def whole(**passed: torch.Tensor) -> dict[str, Any]:
        samples.update(passed)
        return {name: call(**given(role)) for name, (role, call) in calls.items()}

    return Program(call=_in_order(whole, tuple(samples)), arguments=tuple(samples.values()), leaves=samples)


def _in_order(call: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """The call with its named arguments by place, as a compiled function gets them."""

    def by_place(*values: torch.Tensor) -> Any:  # noqa: ANN401 - what a stranger returns
        return call(**dict(zip(names, values, strict=True)))

    return by_place
