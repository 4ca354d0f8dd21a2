"""A mutant is an implementation with one named bug; a twin is unusual but correct."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
