"""A subject as a program that can be run anywhere: what is called, with which arguments, and what it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from genverify.parity.relocation import Relocation
from genverify.rooms import files_of
from genverify.subjects.case import Case

__all__ = ["Maker", "Program", "Rows", "cases_of", "makes_programs", "numbers_in", "program_of"]


@dataclass(frozen=True, kw_only=True)
class Program:
    """One run of a subject at one case, on copies that are nobody else's.

    Attributes:
        call: What is run, and compiled: it takes the arguments, and returns numbers in any structure.
        arguments: What it is given.
        leaves: Name → tensor, of the arguments or of the copies, by which the results are differentiated.
        parameters: Those among the leaves that one step of gradient descent moves.
        after: Name → what else is looked at once it has run: parameters that it moved, gradients that it left.
        repeatable: Whether it does the same again once its leaves have their first numbers back.
    """

    call: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    leaves: Mapping[str, Tensor] = field(default_factory=dict)
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    after: Callable[[], Mapping[str, Tensor]] = dict
    repeatable: bool = True


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How a case's rows can be taken apart.

    Attributes:
        count: How many there are.
        take: (case, numbers of rows) → the case of these rows.
        axis: (place of a result) → its axis of rows.
    """

    count: int
    take: Callable[[Case, Sequence[int]], Case]
    axis: Callable[[int], int] = lambda place: 0


@dataclass(frozen=True, kw_only=True)
class Maker:
    """How programs are made of one kind of subject.

    Attributes:
        kind: The kind.
        cases: (prepared subject, how many, seed) → cases at generic points.
        program: (prepared subject, case, where to) → a program.
        rows: (prepared subject, case) → its rows; None where a case has none.
    """

    kind: str
    cases: Callable[[Any, int, int], list[Case]]
    program: Callable[[Any, Case, Relocation], Program]
    rows: Callable[[Any, Case], Rows | None] = lambda subject, case: None


_MAKERS: dict[str, Maker] = {}


def makes_programs(
    kind: str,
    cases: Callable[[Any, int, int], list[Case]],
    rows: Callable[[Any, Case], Rows | None] = lambda subject, case: None,
) -> Callable[[Callable[[Any, Case, Relocation], Program]], Callable[[Any, Case, Relocation], Program]]:
    """Registers the decorated function as the maker of programs of that kind."""

    def register(
        function: Callable[[Any, Case, Relocation], Program],
    ) -> Callable[[Any, Case, Relocation], Program]:
        _MAKERS[kind] = Maker(kind=kind, cases=cases, program=function, rows=rows)
        return function

    return register


def program_of(kind: str) -> Maker | None:
    """How programs are made of this kind; None where no file of this room knows."""
    files_of("genverify.parity", "program_")
    return _MAKERS.get(kind)


def cases_of(maker: Maker, subject: Any, count: int, seed: int) -> list[Case]:  # noqa: ANN401 - any prepared subject
    """As many cases as there are, up to that count."""
    return maker.cases(subject, count, seed)[:count]


def numbers_in(result: Any) -> list[Tensor]:  # noqa: ANN401 - whatever a stranger returns
    """The numbers of a result as tensors, in order; plain numbers, too.

    >>> numbers_in({"loss": torch.ones(2), "terms": (1.5, None)})
    [tensor([1., 1.]), tensor(1.5000, dtype=torch.float64)]
    """
    if isinstance(result, Tensor):
        return [torch.view_as_real(result.resolve_conj()) if result.is_complex() else result]
    if isinstance(result, (bool, int, float)):
        return [torch.tensor(result, dtype=torch.float64)]
    if isinstance(result, Distribution):
        names = [name for name in result.arg_constraints if name in vars(result)]
        return _flat(getattr(result, name) for name in names)
    if isinstance(result, Mapping):
        return _flat(result.values())
    if isinstance(result, (tuple, list)):
        return _flat(result)
    if hasattr(result, "__dict__") and not isinstance(result, (torch.nn.Module, type)) and not callable(result):
        return _flat(vars(result).values())
    return []


def _flat(parts: Iterable[Any]) -> list[Tensor]:
    return [found for one in parts for found in numbers_in(one)]
