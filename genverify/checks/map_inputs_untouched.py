"""Mapping a point leaves the point as it was."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, failed, passed

__all__ = ["inputs_untouched"]


@check(
    "map.inputs_untouched",
    statement="the map does not write into its input, unless it says so (inplace=True, or a name that ends in _)",
    source="a map has no effect on its argument; torch's own convention for operations in place",
    requires=lambda subject: "it is declared to work in place (writes_input=True)" if subject.writes_input else None,
    searched=False,
)
def inputs_untouched(subject: Map, case: Case, run: Run) -> Judgement:
    """Inputs before and after, bit for bit."""
    at = evaluated(subject, case)
    if not _writes(at):
        return passed(examined=at.rows, quantity="inputs", notes=at.notes)
    if _says_so(at):
        note = "it works in place on its input, as it says; a caller who needs the input afterwards must clone it"
        return passed(examined=at.rows, quantity="inputs", notes=(*at.notes, note))
    return failed(
        examined=1, notes=at.notes,
        message="the map writes into its input: an in-place operation, perhaps on a view; declare writes_input=True "
        "where that is meant",
    )  # fmt: skip


def _writes(at: MapEvaluation) -> bool:
    given = at.x.clone()
    context = None if at.context is None else at.context.clone()
    with subject_code():
        at.subject.calls.f(given, context)
    for now, before in [(given, at.x), (context, at.context)]:
        if now is None or before is None:
            continue
        if now.shape != before.shape or not torch.equal(torch.nan_to_num(now), torch.nan_to_num(before)):
            return True
    return False


def _says_so(at: MapEvaluation) -> bool:
    """Whether the writing ends when what is declared to work in place no longer does."""
    name = getattr(at.subject.f, "__name__", "")
    if isinstance(name, str) and name.endswith("_") and not name.endswith("__"):
        return True
    module = at.subject.calls.module
    parts = [] if module is None else [part for part in module.modules() if getattr(part, "inplace", False) is True]
    for part in parts:
        part.inplace = False  # type: ignore[assignment]
    try:
        return bool(parts) and not _writes(at)
    finally:
        for part in parts:
            part.inplace = True  # type: ignore[assignment]
