"""What a sampler returns besides the law: its shape and dtype, and parameters left as they were."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.sampler_call import identify, joint_law, record_draws
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.sampler import Sampler
from genverify.verdict import Judgement, failed, passed

__all__ = ["inputs_untouched", "shape"]


@check(
    "sampler.shape",
    statement="the output has one number (or row) for each draw and parameter, in the parameters' floating dtype",
    source="the law's own signature",
    before=identify,
)
def shape(subject: Sampler, case: Case, run: Run) -> Judgement:
    """Shape, dtype and finiteness of one call's output."""
    law = joint_law(subject, case)
    drawn, _ = record_draws(subject, case)
    found, wanted = tuple(drawn.output.shape), law.shape
    coded = (*law.shape, law.probabilities.shape[-1]) if law.probabilities is not None else None
    notes = []
    if found != wanted and found != coded:
        if tuple(s for s in found if s != 1) != tuple(s for s in wanted if s != 1):
            return failed(
                examined=1,
                quantity="shape",
                message=f"returned shape {found} where {wanted} was expected: {_meaning(subject)}",
            )
        notes.append(f"shape {found} where {wanted} was expected: axes of size 1 apart, the same")
    dtype = drawn.output.dtype
    given = [value.dtype for _, value in case.tensors() if value.is_floating_point()]
    if law.probabilities is None and given and dtype not in given:
        notes.append(f"parameters in {given[0]} give draws in {dtype}")
        if not dtype.is_floating_point:
            return failed(examined=1, quantity="dtype", message=f"a continuous law drawn in {dtype}")
    if drawn.output.is_floating_point() and not bool(torch.isfinite(drawn.output).all()):
        return failed(examined=1, quantity="finiteness", message="a draw is infinite or NaN")
    if found == coded:
        notes.append("outcomes are one-hot codes")
    return passed(examined=1, quantity="shape", notes=tuple(notes))


def _meaning(subject: Sampler) -> str:
    return f"matched {subject.match}, {subject.memory['layout'].name}"


# A tensor that is passed for its shape alone, to be filled, as `torch.nn.init` has it.
_FILLED = ("tensor",)


@check(
    "sampler.inputs_untouched",
    statement="the parameters that are passed are not overwritten",
    source="genverify",
    requires=lambda subject: "it is declared to work in place" if subject.writes_input else None,
    before=identify,
)
def inputs_untouched(subject: Sampler, case: Case, run: Run) -> Judgement:
    """Compares the passed parameters before and after one call."""
    drawn, _ = record_draws(subject, case)
    assert subject.match is not None
    filled = {bound.parameter for bound in subject.match.bound if bound.form.name in _FILLED}
    if changed := [name for name in drawn.changed if name not in filled]:
        return failed(examined=1, quantity="change", message=f"overwrote its argument {', '.join(changed)}")
    return passed(examined=1, quantity="change")
