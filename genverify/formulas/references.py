"""Every reference as a subject: what `genverify verify` runs."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from genverify.subjects.subject import Subject

__all__ = ["declares_reference", "reference_subjects"]

_MAKERS: list[Callable[[], Subject]] = []


def declares_reference(make: Callable[[], Subject]) -> Callable[[], Subject]:
    """Registers the decorated function, which declares a reference as a stranger would declare their own code."""
    _MAKERS.append(make)
    return make


def reference_subjects() -> list[Subject]:
    """A subject for every reference, in the order of the topics."""
    package = importlib.import_module("genverify.formulas")
    for module in sorted(pkgutil.iter_modules(package.__path__, "genverify.formulas."), key=lambda m: m.name):
        importlib.import_module(module.name)
    return [make() for make in _MAKERS]
