"""A batch stays a batch, and no number is lost."""

from __future__ import annotations

import math

from genverify.checks.check import check
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import evaluated
from genverify.verdict import Judgement, failed, passed

__all__ = ["shape"]


@check(
    "bijection.shape",
    statement="the image has as many rows as the input and as many numbers in each; the logabsdet has one number a row",
    source="a bijection between open sets keeps the dimension (Brouwer 1911)",
    searched=False,
)
def shape(subject: Bijection, case: Case, run: Run) -> Judgement:
    """Shapes of the image, of the logabsdet, and of the way back."""
    with evaluated(subject, case) as at:
        notes = subject.calls.notes
        y, raw = at.forward(at.x)
        before, after = tuple(at.x.shape), tuple(y.shape)
        numel = at.x[0].numel()
        declared = subject.calls.image_event
        expected = numel if declared is None else math.prod(declared)
        if y.ndim == 0 or after[0] != before[0] or y[0].numel() != expected:
            return failed(examined=1, notes=notes, message=f"the image of points {before} has the shape {after}")
        if raw is not None and not subject.stochastic:
            read = at.read(raw, at.x)
            if read.values is None:
                return failed(examined=1, message=read.problem, notes=notes)
            notes = (*notes, *([read.note] if read.note else []))
        if subject.calls.inverse is not None:
            x, _ = at.inverse(y.detach())
            if tuple(x.shape) != before:
                return failed(
                    examined=1, notes=notes, message=f"the inverse returns the shape {tuple(x.shape)} for x of {before}"
                )
        return passed(examined=1, quantity="shape", notes=notes)
