"""Does an optimizer follow its rule? Each increment is compared with the recurrence, from the parameters before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from genverify.checks.check import check
from genverify.errors import SubjectRaised
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Finding, Stream, Trajectory, drive, start
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed

__all__ = ["judge_against_rule", "judged_against_rule", "refused", "shown"]

_SOURCE = "the rule's own: genverify explain optimizer.<rule>"


def refused(subject: Optimizer, case: Case) -> Judgement | None:
    """A NOT_APPLICABLE where the implementation declines options that nobody declared; None where it takes them."""
    options = case["options"]
    assert subject.law is not None
    if subject.law.wants == "function":
        return not_applicable("its steps depend on the function that it minimises: see optimizer.line_search")
    if not options:
        return None
    if not subject.law.legal(options):
        return not_applicable(f"the rule does not allow {shown(options)} together")
    try:
        start(subject, case["parameters"], subject.law.arguments(options))
    except SubjectRaised as error:
        return not_applicable(f"with {shown(options)} {error}")
    return None


def shown(options: Mapping[str, Any]) -> str:
    """Options as a reader types them."""
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def judge_against_rule(subject: Optimizer, case: Case) -> Judgement:
    """Drives the implementation through the case's stream, and compares each increment with the rule's."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    return judged_against_rule(subject, case, drive(subject, Stream.of(case), case["options"]))


def judged_against_rule(subject: Optimizer, case: Case, trajectory: Trajectory) -> Judgement:
    """Compares each increment of a trajectory with the rule's."""
    assert subject.law is not None
    found: Finding = subject.law.judge(trajectory, case["options"])
    if found.standing == "accepted":
        if not found.examined:
            return inconclusive("every increment is lost in rounding, or overflows")
        return passed(
            examined=found.examined,
            quantity="|error| / allowance",
            observed=found.ratio,
            allowed=1.0,
            unit=_short(trajectory.dtype),
            message=f"{found.examined} increments follow {subject.law.rule}",
            notes=_notes(subject, found, trajectory),
        )
    return failed(
        examined=found.examined,
        quantity="|θ - θ expected|",
        observed=abs(found.observed - found.expected),
        allowed=found.allowed,
        unit=_short(trajectory.dtype),
        message=_explained(subject, case, found),
        figures={"step": found.step, "before": found.before, "after": found.observed, "expected": found.expected},
    )


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _notes(subject: Optimizer, found: Finding, trajectory: Trajectory) -> tuple[str, ...]:
    notes = []
    if not found.plain:
        notes.append(f"follows an accepted dialect that was not declared: {found.distinct}")
    if trajectory.narrow is not None:
        notes.append(f"computes in {_short(trajectory.narrow)} where the parameters are wider; judged in that")
    if trajectory.gradients_changed:
        notes.append("changes the gradients that it is given")
    return tuple(notes)


def _explained(subject: Optimizer, case: Case, found: Finding) -> str:
    assert subject.law is not None
    rule = subject.law.rule
    moved, due = found.observed - found.before, found.expected - found.before
    one, other = _apart(moved, due)
    numbers = f"at step {found.step} {found.where} moved by {one}; {rule} moves it by {other}"
    if found.standing == "recognised":
        what = f"follows another convention: {found.distinct} (legitimate elsewhere; declare dialect= if it is meant)"
    elif found.standing == "slip":
        what = f"probably {found.distinct}"
    else:
        what = "follows no dialect that is known" if moved or not due else "does not move"
        numbers += f", {_apart(moved / due, 1.0)[0]} times as far" if due and moved else ""
    with_options = f" with {shown(case['options'])}" if case["options"] else ""
    rates = case["rates"] if "rates" in case else torch.ones(1)
    if not bool((rates == 1).all()):
        changed = int((rates != 1).to(torch.int8).argmax()) + 1
        with_options += (
            f" (the groups' learning rate is multiplied by {float(rates[changed - 1]):g} from step {changed} on)"
        )
    return f"{what}; {numbers}{with_options}. The rule: {subject.law.source}"


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart."""
    digits = next((n for n in (6, 9, 12, 15) if f"{one:.{n}g}" != f"{other:.{n}g}"), 17)
    return f"{one:.{digits}g}", f"{other:.{digits}g}"


@check(
    "optimizer.trajectory",
    statement="every increment is that of the rule, in one of its accepted dialects, up to derived rounding",
    source=_SOURCE,
)
def trajectory(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Several parameters, short and long streams, a learning rate that may change on the way."""
    return judge_against_rule(subject, case)


@check(
    "optimizer.first_step",
    statement="the first step from a fresh state is the rule's: bias correction, dampening and look-ahead begin right",
    source=_SOURCE,
    family="first",
)
def first_step(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """One step from a state of zeros."""
    return judge_against_rule(subject, case)
