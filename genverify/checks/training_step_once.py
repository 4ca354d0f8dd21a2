"""Every update is made of a gradient of its own."""

from __future__ import annotations

from itertools import pairwise

import torch

from genverify.checks.check import check
from genverify.checks.training_step_runs import run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed, Update
from genverify.subjects.training_step import TrainingStep
from genverify.verdict import Judgement, failed, not_applicable, passed

__all__ = ["once"]


@check(
    "training_step.once",
    statement="each gradient is applied once: as many updates as are declared, none twice by the same gradient",
    source="θ ← θ − η ∇L(θ)",
    searched=False,
    requires=lambda subject: None if subject.trained else "nothing is claimed to move (moves=, gradient_only=)",
)
def once(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """The optimizers' steps, and what moved beside them."""
    seen = run_once(subject, case)
    notes = list(subject.calls.notes)
    made = [one for one in seen.updates if {*one.holds} & {*subject.trained}]
    if not made:
        moved = [role for role in subject.trained if seen.moved(role)]
        if moved:
            return not_applicable(f"{', '.join(moved)} moves without an optimizer of torch")
        return not_applicable("no optimizer was asked to step")
    evidence = {"examined": len(made), "quantity": "updates", "observed": float(len(made)), "notes": tuple(notes)}
    for before, after in pairwise(made):
        if before.optimizer is after.optimizer and before.calls == after.calls and _same(before, after):
            return failed(**evidence, message="the optimizer steps twice by the same gradient")
    if subject.steps is not None and len(made) != subject.steps:
        return failed(**evidence, allowed=float(subject.steps),
                      message=f"{len(made)} updates are made, {subject.steps} declared")  # fmt: skip
    if len(made) > 1:
        notes.append(f"{len(made)} updates in one call, each by a gradient of its own")
    beside = _beside(seen, made, subject.trained)
    if beside and subject.calls.clip is None:
        notes.append(f"parameters of {beside} move beside the optimizer's steps, too: clipped or projected?")
    return passed(**{**evidence, "notes": tuple(notes)})


def _same(one: Update, other: Update) -> bool:
    roles = {*one.holds} & {*other.holds}
    return all(torch.equal(g, other.grads[role][name]) for role in roles for name, g in one.grads[role].items())


def _beside(seen: Observed, made: list[Update], trained: tuple[str, ...]) -> str:
    """Roles whose parameters move before, between or after the updates."""
    found = []
    for role in trained:
        points = [seen.start[role]]
        for update in made:
            points += [update.before[role], update.after.get(role, update.before[role])]
        points.append(seen.end[role])
        pairs = [(points[k], points[k + 1]) for k in range(0, len(points), 2)]
        if any(not torch.equal(v, b[name]) for a, b in pairs for name, v in a.items()):
            found.append(role)
    return ", ".join(found)
