"""Mapping a point leaves the point as it was."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.evaluation import evaluated
from genverify.verdict import Judgement, failed, passed

__all__ = ["inputs_untouched"]


@check(
    "bijection.inputs_untouched",
    statement="neither direction writes into its input",
    source="a map has no effect on its argument",
    searched=False,
)
def inputs_untouched(subject: Bijection, case: Case, run: Run) -> Judgement:
    """Inputs before and after, bit for bit, in both directions."""
    with evaluated(subject, case) as at:
        y = at.forward(at.x)[0].detach()
        directions = [("forward", subject.calls.forward, at.x)]
        if subject.calls.inverse is not None:
            directions.append(("inverse", subject.calls.inverse, y))
        for name, direction, points in directions:
            given = points.clone()
            context = None if at.context is None else at.context.clone()
            with subject_code():
                direction(given, context)
            for what, now, before in [("input", given, points), ("context", context, at.context)]:
                if now is None or before is None:
                    continue
                if now.shape != before.shape or not torch.equal(torch.nan_to_num(now), torch.nan_to_num(before)):
                    return failed(
                        examined=1, notes=subject.calls.notes,
                        message=f"the {name} map writes into its {what}: an in-place operation, perhaps on a view",
                    )  # fmt: skip
        return passed(examined=len(directions), quantity="inputs", notes=subject.calls.notes)
