"""Claims: quantified mathematical statements with a source and a status, registered beside their formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from genverify.errors import UsageError

if TYPE_CHECKING:
    import sympy

__all__ = ["Claim", "Status", "claim", "proves", "registered"]

Test = TypeVar("Test", bound=Callable[..., Any])


class Status(StrEnum):
    """What is known of a claim."""

    DERIVED = "DERIVED"
    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A quantified statement.

    Attributes:
        name: ``topic.formula_or_subject.property``; the part before the first dot is the topic.
        status: DERIVED (a written proof whose algebra SymPy executes), SUPPORTED (checked, not proved) or REFUTED
            (false as its source states it).
        statement: The claim in words and symbols, with its quantifiers; for a REFUTED claim, as its source states it.
        source: Author, year, equation.
        assumptions: In full.
        equation: Makes the SymPy object that the spec proves and that is displayed; None when there is none.
        counterexample: For a REFUTED claim, the counterexample that the spec evaluates.
        corrected: For a REFUTED claim, the statement that does hold, which the spec proves.
        theorems: Theorems that the proof cites and does not execute.
    """

    name: str
    status: Status
    statement: str
    source: str
    assumptions: tuple[str, ...] = ()
    equation: Callable[[], sympy.Basic] | None = None
    counterexample: str = ""
    corrected: str = ""
    theorems: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        """The part of the name before the first dot."""
        return self.name.partition(".")[0]

    def latex(self) -> str:
        """The displayed equation, rendered from the object that the spec proves; empty when there is none."""
        if self.equation is None:
            return ""
        import sympy

        return str(sympy.latex(self.equation()))


_REGISTRY: dict[str, Claim] = {}


def claim(name: str, status: Status, **rest: Any) -> Claim:  # noqa: ANN401 - the fields of Claim
    """Registers a claim; a REFUTED one must say its counterexample and the corrected statement."""
    made = Claim(name=name, status=status, **rest)
    if status is Status.REFUTED and not (made.counterexample and made.corrected):
        raise UsageError(
            given=f"REFUTED claim {name!r} without counterexample or corrected statement", expected="both",
            do="say what refutes it and what holds instead",
        )  # fmt: skip
    _REGISTRY[name] = made
    return made


def registered() -> dict[str, Claim]:
    """The claims registered so far, by name; `genverify.formulas.catalogue.all_claims` loads every file first."""
    return dict(sorted(_REGISTRY.items()))


def proves(name: str) -> Callable[[Test], Test]:
    """Marks a test of a spec as the proof, support or refutation of the claim of that name."""

    def mark(test: Test) -> Test:
        test.__dict__["proves"] = name
        return test

    return mark
