"""What a formula must not do besides: change its inputs, answer differently when asked again, draw at random."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Call, Unreadable, call, layout_of, witness
from genverify.checks.formula_comparison import compare
from genverify.checks.formula_identity import identify, identity_of
from genverify.checks.formula_undrawn import called
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import alike
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["inputs_untouched", "repeatable"]


@check(
    "formula.inputs_untouched",
    statement="the inputs have the same values after the call, unless it is declared that they are overwritten",
    source="genverify's contract for a Formula",
    before=identify,
)
def inputs_untouched(subject: Formula, case: Case, run: Run) -> Judgement:
    """Compares copies of the inputs before and after."""
    try:
        made = called(subject, case)
    except Unreadable as error:
        return inconclusive(str(error))
    changed = [name for name in made.changed if name not in subject.in_place]
    if changed:
        return failed(
            examined=1, quantity="inputs changed", observed=float(len(changed)), allowed=0.0,
            witness=witness(subject, case),
            message=f"the call overwrites {', '.join(changed)}; declare in_place=({changed[0]!r},) if that is meant",
        )  # fmt: skip
    return passed(examined=1)


def _draws_nothing(subject: Formula) -> str | None:
    assert subject.match is not None
    return "the formula draws at random" if subject.match.inside else None


@check(
    "formula.repeatable",
    statement="called again with the same inputs it gives the same result, whatever it was called with in between",
    source="genverify's contract for a Formula",
    before=identify,
    requires=_draws_nothing,
)
def repeatable(subject: Formula, case: Case, run: Run) -> Judgement:
    """Calls on the case, on another case of the same shape, and on the case under another seed.

    A difference is a random draw or a state that the formula does not have; so is a second answer that is not the
    formula's, where the first was.
    """
    found = identity_of(subject, case)
    between = _other(subject, case)
    try:
        first = called(subject, case)
        other = called(subject, between)
        torch.default_generator.manual_seed(case.seed + 1)
        again = called(subject, case)
    except Unreadable as error:
        return inconclusive(str(error))
    for one, two in zip(first.outputs, again.outputs, strict=True):
        if one.shape != two.shape or not torch.equal(_comparable(one), _comparable(two)):
            return failed(
                examined=1, witness=witness(subject, case),
                message=f"two calls with the same inputs differ; {_what_is_random(subject, case)}",
            )  # fmt: skip
    known = subject.memory.setdefault("stateless", set())
    sizes = (tuple(between["#sizes"].items()), first.dtype, case["#options"] if "#options" in case else 0)
    # The case in between depends on these alone; and an approximation is nowhere the formula's value but by chance.
    if sizes in known or subject.order is not None:
        return passed(examined=1)
    dialects = found.accepted or (found.nearest,)
    right = any(compare(subject, case, first, one, torch.float32).agrees for one in dialects)
    # A subject that is wrong somewhere at its first call, too, is only told to remember if it gives the old answer.
    telling = bool(found.accepted) or _same(first, other)
    if right and telling and not any(compare(subject, between, other, one, torch.float32).agrees for one in dialects):
        return failed(
            examined=1, witness=witness(subject, between),
            message="called with other inputs after a first call, " + (
                "it gives the old answer: it remembers" if _same(first, other) else
                "its value is not the formula's: it remembers, or is wrong there at any call (see formula.value)"
            ),
        )  # fmt: skip
    known.add(sizes)
    return passed(examined=1)


def _same(one: Call, other: Call) -> bool:
    pairs = zip(one.outputs, other.outputs, strict=True)
    return all(a.shape == b.shape and torch.equal(_comparable(a), _comparable(b)) for a, b in pairs)


def _other(subject: Formula, case: Case) -> Case:
    """A case of the same sizes and options with other values: the first probe's sequence at these sizes."""
    for _, tensor in case.tensors():
        if tensor.is_floating_point():
            dtype = tensor.dtype
            break
    else:
        dtype = torch.float64
    combination = case["#options"] if "#options" in case else 0
    return alike(subject, layout_of(subject, case), case["#sizes"], dtype, combination) or case


def _comparable(tensor: torch.Tensor) -> torch.Tensor:
    found = tensor.detach()
    return torch.nan_to_num(found) if found.is_floating_point() else found


def _what_is_random(subject: Formula, case: Case) -> str:
    from genverify.noise import record

    with record() as recorder, subject_code():
        call(subject, case)
    drawn = [f"{draw.law} at {draw.site}" for draw in recorder.tape.draws] + list(recorder.tape.uncontrolled)
    return "it draws " + "; ".join(drawn[:3]) if drawn else "it keeps a state from call to call"
