"""Every reference as a subject: what `genverify verify` runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from genverify.rooms import files_of
from genverify.subjects.subject import Subject

__all__ = ["declares_reference", "reference_subjects"]

_MAKERS: list[Callable[[], Subject]] = []


def declares_reference(make: Callable[[], Subject]) -> Callable[[], Subject]:
    """Registers the decorated function, which declares a reference as a stranger would declare their own code."""
    _MAKERS.append(make)
    return make


def reference_subjects() -> list[Subject]:
    """A subject for every reference, in the order of the topics."""
    files_of("genverify.formulas")
    made = [make() for make in _MAKERS]
    often = Counter(one.label for one in made)
    # Two topics may both have an entropy: a report tells them apart by the name of what each is held against.
    return [replace(one, name=_held_against(one)) if often[one.label] > 1 else one for one in made]


def _held_against(subject: Subject) -> str:
    for field in ("like", "rule", "law"):
        if name := getattr(subject, field, ""):
            return f"{subject.label} ({name})"
    return subject.label
