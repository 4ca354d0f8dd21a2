"""A gradient that one network's step leaves in another network does not enter that one's update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.checks.check import check
from genverify.checks.training_step_runs import apart, cleared, makes_updates, present, run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed, observe
from genverify.subjects.training_step import TrainingStep, World
from genverify.verdict import Judgement, failed, not_applicable, passed

__all__ = ["no_leak"]


@check(
    "training_step.no_leak",
    statement="the update is the same whatever gradients another network's step has left behind",
    source="Goodfellow et al. 2014, algorithm 1: each network descends its own loss",
    searched=False,
    requires=lambda subject: "gradients are declared to accumulate" if subject.accumulates else None,
)
def no_leak(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """After the other step, as it leaves things and cleared; without one, after gradients such as it may leave."""
    if subject.calls.beside is not None:
        return _in_turn(subject, case)
    clean, spoilt = run_once(subject, case), run_once(subject, case, _spoilt)
    if not makes_updates(subject, clean):
        return not_applicable("the step leaves the update to its caller, who clears the gradients")
    roles = present(subject, clean)
    worst, where = apart(clean, spoilt, roles)
    tidy = all(not bool(g.any()) for role in roles for g in clean.grads[role].values())
    if worst and tidy:
        return not_applicable(
            "the step clears its gradients at its end: what another step leaves in between is for that one to clear; "
            "give it as beside=, and both are judged in turn"
        )
    return _judged(subject, clean, worst, where, "gradients that another network's step may have left")


def _judged(subject: TrainingStep, seen: Observed, worst: float, where: str, what: str) -> Judgement:
    evidence = {
        "examined": sum(v.numel() for role in seen.end for v in seen.end[role].values()),
        "quantity": f"change of {where or 'the update'}", "observed": worst, "allowed": 0.0,
        "notes": subject.calls.notes,
    }  # fmt: skip
    if not worst:
        return passed(**evidence)
    return failed(**evidence, message=f"{what} enter this update: nothing clears them before the backward pass")


def _spoilt(world: World) -> None:
    for net in world.networks.values():
        for index, p in enumerate(net.parameters()):
            if p.requires_grad:
                steps = torch.arange(1, p.numel() + 1, dtype=p.dtype, device=p.device)
                p.grad = (0.5 * torch.sin(steps * 1.3 + index)).reshape(p.shape)


def _in_turn(subject: TrainingStep, case: Case) -> Judgement:
    """Both orders of the two steps."""
    makes = subject.calls.beside
    assert makes is not None
    for first_is_other in (True, False):
        ends = [_sequence(subject, case, makes, first_is_other, between) for between in (None, cleared)]
        roles = tuple(role for role in ends[1].end if ends[1].moved(role))
        worst, where = apart(ends[0], ends[1], roles)
        who = "what the other step leaves" if first_is_other else "what this step leaves, in the other's update,"
        if worst:
            return _judged(subject, ends[0], worst, where, f"gradients ({who})")
    return _judged(subject, ends[0], 0.0, "", "")


def _sequence(
    subject: TrainingStep, case: Case, makes: Callable[[World], Callable[[], Any]], first_is_other: bool,
    between: Callable[[World], None] | None,
) -> Observed:  # fmt: skip
    world = subject.calls.world(case)
    other = makes(world)
    calls = [other, world.call] if first_is_other else [world.call, other]
    observe(subject.calls, world, seed=case.seed, call=calls[0])
    if between is not None:
        between(world)
    return observe(subject.calls, world, seed=case.seed + 1, call=calls[1])
