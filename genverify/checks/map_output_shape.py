"""One image for each row, in the shape that is claimed, at every size that is claimed."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.errors import SubjectRaised, UsageError
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, failed, passed

__all__ = ["output_shape"]


@check(
    "map.output_shape",
    statement="there is one image for each row, in the claimed shape, at every claimed size; the others are refused",
    source="the claim; a batch is a list of independent evaluations",
    searched=False,
)
def output_shape(subject: Map, case: Case, run: Run) -> Judgement:
    """The shapes of the images of batches of the declared event shapes."""
    at, examined = evaluated(subject, case), 0
    for event in dict.fromkeys([subject.event, *subject.event_shapes]):
        points = at.x if event == subject.event else _points(at, event)
        try:
            image = at(points)
        except SubjectRaised as raised:
            return failed(
                examined=examined + 1, notes=at.notes, message=f"{raised}, on events of the declared shape {event}"
            )
        found = tuple(image.shape)
        if subject.batch_independent and (not found or found[0] != at.rows):
            return failed(
                examined=examined + 1, notes=at.notes,
                message=f"the image of {at.rows} events of shape {event} has the shape {found}: the rows are lost",
            )  # fmt: skip
        expected = _expected(subject, event)
        if expected is not None and found[1:] != expected:
            return failed(
                examined=examined + 1, notes=at.notes,
                message=f"the image of an event of shape {event} has the shape {found[1:]}, {expected} is claimed",
            )  # fmt: skip
        examined += 1
    for event in subject.refuses:
        try:
            image = at(_points(at, event))
        except SubjectRaised:
            examined += 1
            continue
        return failed(
            examined=examined + 1, notes=at.notes,
            message=f"events of shape {event} must be refused, but have images of shape {tuple(image.shape[1:])}",
        )  # fmt: skip
    return passed(examined=examined, quantity="shapes", notes=at.notes)


def _points(at: MapEvaluation, event: tuple[int, ...]) -> torch.Tensor:
    """The numbers of the case, over and over, as events of another shape: legal points, therefore."""
    flat = at.x.reshape(at.rows, -1)
    count = max(1, torch.Size(event).numel())
    return flat.repeat(1, -(-count // flat.shape[1]))[:, :count].reshape(at.rows, *event)


def _expected(subject: Map, event: tuple[int, ...]) -> tuple[int, ...] | None:
    claimed = subject.output_shape
    if not callable(claimed):
        return claimed
    found = claimed(event)
    if isinstance(found, (tuple, list)) and all(isinstance(n, int) for n in found):
        return tuple(found)
    raise UsageError(
        given=f"output_shape({event}), which returns {found!r}", expected="a tuple of integers",
        do="return the shape of the image of one event, without the batch axis",
    )  # fmt: skip
