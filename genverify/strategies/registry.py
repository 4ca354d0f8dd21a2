"""Which Hypothesis strategy draws the cases of which kind of subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genverify.rooms import files_of
from genverify.strategies.reduction import Smaller, nothing_smaller
from genverify.subjects.budget import Run
from genverify.subjects.case import Case

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["Fixed", "cases_for", "draws_cases", "examines", "fixed_for"]

Maker = Callable[[Any, Run], "SearchStrategy[Case]"]
_MAKERS: dict[tuple[str, str], Maker] = {}
_FIXED: dict[tuple[str, str], tuple[Callable[[Any, Run], Sequence[Case]], Smaller, bool]] = {}


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """Cases that a search examines besides those that it draws, before or after them.

    How one that fails is made smaller: by `smaller`. Those that are examined `last` leave to what is drawn, and can be
    made small as a whole, what it finds as well.
    """

    cases: Sequence[Case] = ()
    smaller: Smaller = nothing_smaller
    last: bool = False


def draws_cases(kind: str, family: str = "cases") -> Callable[[Maker], Maker]:
    """Registers the decorated function (subject, run) → strategy for a kind of subject and a family of cases."""

    def register(maker: Maker) -> Maker:
        _MAKERS[kind, family] = maker
        return maker

    return register


def examines(
    kind: str, family: str = "cases", *, smaller: Smaller = nothing_smaller, last: bool = False
) -> Callable[[Callable[[Any, Run], Sequence[Case]]], Callable[[Any, Run], Sequence[Case]]]:
    """Registers the decorated function (subject, run) → cases: at every budget these are examined, too."""

    def register(maker: Callable[[Any, Run], Sequence[Case]]) -> Callable[[Any, Run], Sequence[Case]]:
        _FIXED[kind, family] = (maker, smaller, last)
        return maker

    return register


def fixed_for(subject: Any, run: Run, family: str = "cases") -> Fixed:  # noqa: ANN401 - any kind
    """What is always examined of this subject; nothing where no file of this room says so."""
    files_of("genverify.strategies", subject.kind)
    if (subject.kind, family) not in _FIXED:
        return Fixed()
    maker, smaller, last = _FIXED[subject.kind, family]
    return Fixed(cases=maker(subject, run), smaller=smaller, last=last)


def cases_for(subject: Any, run: Run, family: str = "cases") -> SearchStrategy[Case]:  # noqa: ANN401 - any kind
    """The strategy that draws cases for this subject; a LookupError when no file of this room has one."""
    files_of("genverify.strategies", subject.kind)
    if (subject.kind, family) not in _MAKERS:
        raise LookupError(f"no strategy draws {family!r} for subjects of kind {subject.kind!r}")
    return _MAKERS[subject.kind, family](subject, run)
