"""What may change how an optimizer computes, and not what: its switches, and the unit of the loss."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.checks.check import check
from genverify.checks.optimizer_parameters import agreement
from genverify.checks.optimizer_trajectory import refused
from genverify.errors import SubjectRaised
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream, continued, drive, start
from genverify.verdict import Judgement, Outcome, inconclusive, not_applicable

__all__ = []

_SWITCHES = ("foreach", "fused", "capturable")
# One power of two: a change of unit that rounds nothing.
_UNIT = 2.0**7


def _free(subject: Optimizer) -> list[str]:
    assert subject.convention is not None
    return [one for one in _SWITCHES if one in subject.convention.arguments and one not in subject.hyper]


def _switches(subject: Optimizer) -> str | None:
    return None if _free(subject) else "it has no switch foreach, fused or capturable that is left free"


@check(
    "optimizer.switches_agree",
    statement="foreach, fused and capturable change how a step is computed, and not where it leads",
    source="torch.optim: algorithms and their implementations",
    requires=_switches,
    family="several",
)
def switches_agree(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Each switch on, against all of them off; one that declines to run here is named."""
    plain = Case(
        values={**case.values, "options": {k: v for k, v in case["options"].items() if k not in _SWITCHES}},
        seed=case.seed,
    )
    declined = refused(subject, plain)
    if declined is not None:
        return declined
    assert subject.law is not None
    stream, free = Stream.of(plain), _free(subject)
    rate = float(plain["options"].get("lr", subject.law.rate))
    off = {**subject.law.arguments(plain["options"]), **dict.fromkeys(free, False)}
    without = continued(start(subject, stream.parameters, off), stream, rate=rate)
    verdict: Judgement | None = None
    reasons = []
    for switch in free:
        try:
            session = start(subject, stream.parameters, {**off, switch: True})
        except SubjectRaised as error:
            reasons.append(f"{switch}: {error}")
            continue
        try:
            turned = continued(session, stream, rate=rate)
        except SubjectRaised as error:
            if switch == "foreach":  # it runs wherever the plain loop runs
                raise
            reasons.append(f"{switch}: {error}")
            continue
        found = agreement(
            subject,
            plain,
            without,
            turned.observed,
            words=f"{switch}=True goes elsewhere than {switch}=False",
            what="the switches lead to the same place",
        )
        if found.outcome is Outcome.FAIL:
            return found
        verdict = found if verdict is None or found.evidence.ratio > verdict.evidence.ratio else verdict
    if verdict is None:
        return not_applicable("; ".join(reasons))
    notes = tuple(f"does not run here with {one}" for one in reasons)
    return replace(verdict, evidence=replace(verdict.evidence, notes=(*verdict.evidence.notes, *notes)))


def _homogeneous(subject: Optimizer) -> str | None:
    assert subject.law is not None
    if subject.law.degree is None:
        return "the rule's steps are not homogeneous in the gradient"
    if subject.law.decays({}):
        return "the declared weight decay has a unit of its own"
    zeros = subject.law.unitless({})
    return None if zeros is not None else "its ε cannot be set to 0"


@check(
    "optimizer.scale_invariance",
    statement="a loss that is measured in another unit moves the parameters by the rule's power of that unit: not at "
    "all differently for Adam with ε = 0, in proportion for gradient descent",
    source="Kingma & Ba 2015, section 2.1: the effective stepsize is invariant to the scale of the gradients",
    requires=_homogeneous,
    family="short",
)
def scale_invariance(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """The same stream, and the stream times a power of two."""
    assert subject.law is not None
    zeros = subject.law.unitless(case["options"])
    degree = subject.law.degree or 0
    unitless = Case(values={**case.values, "options": zeros}, seed=case.seed)
    declined = refused(subject, unitless)
    if declined is not None:
        return declined
    stream = Stream.of(unitless)
    scaled = replace(stream, gradients=tuple(_UNIT * g for g in stream.gradients))
    if not all(bool(torch.equal(g / _UNIT, own)) for g, own in zip(scaled.gradients, stream.gradients, strict=True)):
        return inconclusive("the other unit does not fit the dtype")
    plain, other = drive(subject, stream, unitless["options"]), drive(subject, scaled, unitless["options"])
    begin = plain.observed[0]
    back = begin + (other.observed - begin) / _UNIT**degree
    return agreement(
        subject,
        unitless,
        plain,
        torch.where(plain.observed == other.observed, plain.observed, back) if degree == 0 else back,
        words=f"gradients times {_UNIT:g} move it otherwise than {_UNIT**degree:g} times as far",
        what=f"gradients times {_UNIT:g} move it {_UNIT**degree:g} times as far",
    )
