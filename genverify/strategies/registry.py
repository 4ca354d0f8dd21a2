"""Which Hypothesis strategy draws the cases of which kind of subject."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from genverify.subjects.budget import Run
from genverify.subjects.case import Case

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["cases_for", "draws_cases"]

Maker = Callable[[Any, Run], "SearchStrategy[Case]"]
_MAKERS: dict[tuple[str, str], Maker] = {}


def draws_cases(kind: str, family: str = "cases") -> Callable[[Maker], Maker]:
    """Registers the decorated function (subject, run) → strategy for a kind of subject and a family of cases."""

    def register(maker: Maker) -> Maker:
        _MAKERS[kind, family] = maker
        return maker

    return register


def cases_for(subject: Any, run: Run, family: str = "cases") -> SearchStrategy[Case]:  # noqa: ANN401 - any kind
    """The strategy that draws cases for this subject; a LookupError when no file of this room has one."""
    if (subject.kind, family) not in _MAKERS:
        package = importlib.import_module("genverify.strategies")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.startswith(subject.kind):  # the file of a kind bears its name
                importlib.import_module(f"genverify.strategies.{module.name}")
    if (subject.kind, family) not in _MAKERS:
        raise LookupError(f"no strategy draws {family!r} for subjects of kind {subject.kind!r}")
    return _MAKERS[subject.kind, family](subject, run)
