"""Errors that tell a person what was given, what was expected, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["GenverifyError", "SubjectRaised", "UsageError", "nearest"]


class GenverifyError(Exception):
    """The root of everything that genverify raises on purpose."""


class UsageError(GenverifyError, ValueError):
    """A request that cannot be carried out as it was written; exit status 2 of the command line.

    >>> str(UsageError(given="rule 'adm'", expected="a rule of the catalogue", do="did you mean 'adam'?"))
    "got rule 'adm'; expected a rule of the catalogue; did you mean 'adam'?"
    """

    def __init__(self, *, given: str, expected: str, do: str) -> None:
        self.given, self.expected, self.do = given, expected, do
        super().__init__(f"got {given}; expected {expected}; {do}")


class SubjectRaised(GenverifyError):
    """The implementation under test raised on an input that its claim declares legal."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(f"the subject raised {type(error).__name__}: {error}")


def nearest(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt name, or a way to see the names there are.

    >>> nearest("adma", ["adam", "sgd"])
    "did you mean 'adam'?"
    >>> nearest("zzz", ["adam", "sgd"])
    'choose one of: adam, sgd'
    """
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(names[:12])
    return f"choose one of: {shown}" + (f" (and {len(names) - 12} more)" if len(names) > 12 else "")
