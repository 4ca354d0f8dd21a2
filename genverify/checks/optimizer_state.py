"""Does an optimizer come back from its own state, and does each parameter group follow its own hyperparameters?"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from genverify.checks.check import check
from genverify.checks.optimizer_parameters import agreement
from genverify.checks.optimizer_trajectory import refused
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream, continued, drive, start
from genverify.verdict import Judgement, inconclusive

__all__ = []


def _remembers(subject: Optimizer) -> str | None:
    assert subject.convention is not None
    return None if "state" in subject.convention.capabilities else "it has no state_dict and load_state_dict"


@check(
    "optimizer.state_round_trip",
    statement="saved in the middle, loaded into a fresh optimizer and continued, it goes where it would have gone",
    source="torch.optim.Optimizer.state_dict",
    requires=_remembers,
    family="interrupted",
)
def state_round_trip(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Half of the stream, state_dict, a fresh optimizer on copies of the parameters, the other half."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    assert subject.law is not None
    stream, options = Stream.of(case), case["options"]
    if stream.steps < 2:
        return inconclusive("a stream of one step has no middle")
    half, arguments = (stream.steps + 1) // 2, subject.law.arguments(options)
    rate = float(options.get("lr", subject.law.rate))
    whole = drive(subject, stream, options)
    first = start(subject, stream.parameters, arguments)
    early = continued(first, stream, last=half, rate=rate)
    second = start(subject, [p.detach() for p in first.parameters], arguments)
    with subject_code():
        saved = copy.deepcopy(first.optimizer.state_dict())  # type: ignore[attr-defined]
        second.optimizer.load_state_dict(saved)  # type: ignore[attr-defined]
    late = continued(second, stream, first=half, rate=rate)
    resumed = torch.cat([early.observed, late.observed[1:]])
    return agreement(
        subject,
        case,
        whole,
        resumed,
        words=f"resumed from its state after step {half}, it goes elsewhere",
        what="resumed equals uninterrupted",
    )


def _groups(subject: Optimizer) -> str | None:
    assert subject.convention is not None
    assert subject.law is not None
    if subject.law.partition == "everything":
        return "the rule treats all parameters as one vector"
    if "groups" not in subject.convention.capabilities:
        return "it is not a torch.optim.Optimizer class that takes a learning rate and keeps it in parameter groups"
    return None


@check(
    "optimizer.parameter_groups",
    statement="a parameter group with its own learning rate moves by it, and the other groups by theirs",
    source="torch.optim: per-parameter options",
    requires=_groups,
    family="several",
)
def parameter_groups(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Two groups, the second at twice the rate, against two optimizers, each with its own rate."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    assert subject.law is not None
    assert subject.convention is not None
    stream, options = Stream.of(case), case["options"]
    steady = replace(stream, rates=torch.ones_like(stream.rates))
    rate = float(options.get("lr", subject.law.rate))
    plain, doubled = subject.law.arguments(options), subject.law.arguments({**options, "lr": 2.0 * rate})
    own = {name: value for name, value in doubled.items() if plain.get(name) != value}
    overrides = [{}, *[own] * (len(stream.parameters) - 1)]
    assert subject.convention.grouped is not None
    with subject_code():
        copies = [p.detach().clone() for p in steady.parameters]
        session = subject.convention.grouped(copies, overrides, plain)
    together = continued(session, steady, rate=rate)
    first = drive(subject, steady.only(0), options)
    others = [drive(subject, steady.only(i), {**options, "lr": 2.0 * rate}) for i in range(1, len(overrides))]
    apart = torch.cat([first.observed, *(one.observed for one in others)], dim=1)
    return agreement(
        subject,
        case,
        together,
        apart,
        words="a group does not follow its own learning rate",
        what="each group follows its own learning rate",
    )
