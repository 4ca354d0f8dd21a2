"""A mutant is an implementation with one named bug; a twin is unusual but correct."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genverify.subjects.formula import Formula
from genverify.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A wrong implementation, declared as a stranger would, and the check that must say FAIL."""

    name: str
    make: Callable[[], Subject]
    killed_by: str


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A correct implementation in an unusual style: no check may object, and at least one must PASS.

    Attributes:
        name: Its name.
        make: Declares it as a stranger would.
    """

    name: str
    make: Callable[[], Subject]


def declaring(mutants: list[Mutant], twins: list[Twin]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Decorators that declare a function, as a stranger would, as a wrong formula or as a right one, in these lists.

    ``@mutant(like, killed_by="dialect", **declared)`` names the check that must say FAIL; ``@twin(like, **declared)``.
    """

    def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
        def declare(f: Any) -> Any:
            make = lambda: Formula(f, like=like, **declared)  # noqa: E731
            mutants.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
            return f

        return declare

    def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
        def declare(f: Any) -> Any:
            twins.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **declared)))
            return f

        return declare

    return mutant, twin
