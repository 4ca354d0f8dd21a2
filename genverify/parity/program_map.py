"""Maps, bijections and densities as programs: their images, preimages and logarithms at a batch of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genverify.adapters.bijection_maps import interior
from genverify.parity.program import Program, Rows, makes_programs
from genverify.parity.relocation import Relocation
from genverify.subjects.bijection import Bijection
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.density import Density
from genverify.subjects.map import Map
from genverify.subjects.region import Region

__all__ = ["bijection_program", "density_program", "map_program"]

# No number that an event is likely to have.
_ROWS = 3


def _cases(subject: Any, count: int, seed: int) -> list[Case]:  # noqa: ANN401 - a map, a bijection or a density
    return [Case(values=_points(subject, seed + number), seed=seed + number) for number in range(count)]


def _points(subject: Any, number: int) -> dict[str, Any]:  # noqa: ANN401
    """Irregular points inside the domain, others for each number."""

    def rolled(region: Region, shape: tuple[int, ...]) -> Tensor:
        return interior(region, (_ROWS + number, *shape), torch.float64, torch.device("cpu"))[number:].clone()

    values: dict[str, Any] = {"x": rolled(subject.where, subject.event)}
    if isinstance(subject.context_shape, tuple):
        values["context"] = rolled(Region(), subject.context_shape)
    return values


def _rows(subject: Any, case: Case) -> Rows | None:  # noqa: ANN401
    if not getattr(subject, "batch_independent", True):
        return None

    def take(case: Case, chosen: Sequence[int]) -> Case:
        return Case(values={name: value[list(chosen)] for name, value in case.values.items()}, seed=case.seed)

    return Rows(count=len(case["x"]), take=take)


def _leaf(tensor: Tensor, there: Relocation) -> Tensor:
    return there.numbers(tensor).requires_grad_(tensor.is_floating_point())


def _context(case: Case, there: Relocation) -> Tensor | None:
    return there.numbers(case["context"]) if "context" in case else None


@makes_programs("map", _cases, _rows)
def map_program(subject: Map, case: Case, there: Relocation) -> Program:
    """The image of a batch."""
    f = there.of(subject.calls.f)
    x = _leaf(case["x"], there)
    return Program(
        call=f, arguments=(x, _context(case, there)), leaves={"x": x, **there.parameters}, parameters=there.parameters
    )


def _both_ways(subject: Bijection, count: int, seed: int) -> list[Case]:
    """Points and their images, which the inverse is given; without an image, what the forward map is given."""
    found = []
    for case in _cases(subject, count, seed):
        with torch.no_grad(), subject_code():
            image, _ = Relocation().of(subject.calls.forward)(case["x"].clone(), case.values.get("context"))
        found.append(Case(values={**case.values, "y": image.detach().to(torch.float64)}, seed=case.seed))
    return found


@makes_programs("bijection", _both_ways, _rows)
def bijection_program(subject: Bijection, case: Case, there: Relocation) -> Program:
    """The image of a batch, and the preimage of that image as float64 has it, each with its log-determinant."""
    x, context = _leaf(case["x"], there), _context(case, there)
    forward, inverse = there.of(subject.calls.forward), there.of(subject.calls.inverse)
    if inverse is None:
        return Program(
            call=forward, arguments=(x, context), leaves={"x": x, **there.parameters}, parameters=there.parameters
        )
    y = _leaf(case["y"], there)

    def both(x: Tensor, y: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401 - what a stranger returns
        return forward(x, context), inverse(y, context)

    leaves = {"x": x, "y": y, **there.parameters}
    return Program(call=both, arguments=(x, y, context), leaves=leaves, parameters=there.parameters)


@makes_programs("density", _cases, _rows)
def density_program(subject: Density, case: Case, there: Relocation) -> Program:
    """The log-density of a batch."""
    log_prob = there.of(subject.prepared.log_prob)
    x = _leaf(case["x"], there)
    return Program(
        call=log_prob, arguments=(x, _context(case, there)), leaves={"x": x, **there.parameters},
        parameters=there.parameters,
    )  # fmt: skip
