"""An update does not depend on the gradients that the step before has left, nor on those of an update before it."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.training_step_runs import apart, cleared, makes_updates, present, run_once, run_twice
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed
from genverify.subjects.training_step import TrainingStep, World
from genverify.verdict import Judgement, failed, not_applicable, passed

__all__ = ["zeroed"]


@check(
    "training_step.zeroed",
    statement="two steps in a row end where they do when all gradients are cleared between them; of several updates "
    "in one step, each has the gradient that it has where those before it are cleared",
    source="θ ← θ − η ∇L(θ): the gradient of this step's loss alone; torch adds to .grad what a backward pass makes",
    searched=False,
    requires=lambda subject: "gradients are declared to accumulate" if subject.accumulates else None,
)
def zeroed(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """Two steps, and the updates of one, with and without clearing between; bit for bit: adding zero rounds nothing."""
    between = _between_updates(subject, case)
    if between is not None:
        return between
    kept, fresh = run_twice(subject, case), run_twice(subject, case, cleared)
    roles = present(subject, kept)
    if not makes_updates(subject, fresh):
        if not subject.zeroes:
            return not_applicable("the step leaves the update to its caller, who clears the gradients")
        worst = _gradients(kept, fresh, roles)
        where = "the gradient that is left"
    else:
        worst, where = apart(kept, fresh, roles)
    evidence = {
        "examined": sum(v.numel() for role in roles for v in kept.end[role].values()),
        "quantity": f"change of {where or 'the update'} by what was left", "observed": worst, "allowed": 0.0,
        "notes": subject.calls.notes,
    }  # fmt: skip
    if not worst:
        return passed(**evidence)
    return failed(
        **evidence,
        message="gradients of the step before are added to this one's: zero_grad is missing, comes too late, or clears "
        "another network's; declare accumulates=True where that is meant",
    )  # fmt: skip


def _between_updates(subject: TrainingStep, case: Case) -> Judgement | None:
    """A later update of one call, of whose gradient a part is left from an update before; None where there is none."""
    seen = run_once(subject, case)
    if len(seen.updates) < 2:
        return None
    fresh = run_once(subject, case, after_update=_clear)
    for number, (one, other) in enumerate(zip(seen.updates, fresh.updates, strict=False)):
        roles = [role for role in one.holds if role in subject.trained]
        gaps = [
            float((g - other.grads[role][name]).abs().max())
            for role in roles for name, g in one.grads[role].items() if g.numel()
        ]  # fmt: skip
        worst = max(gaps, default=0.0)
        if not worst:
            continue
        if not any(one.optimizer is before.optimizer for before in seen.updates[:number]):
            return None
        return failed(
            examined=len(gaps), quantity="change of an update's gradient by what was left", observed=worst,
            allowed=0.0, notes=subject.calls.notes,
            message=f"of {len(seen.updates)} updates in one call, the gradient of number {number + 1} has that of an "
            "update before in it: nothing clears it between them (zero_grad belongs inside the loop); declare "
            "accumulates=True where that is meant",
        )  # fmt: skip
    return None


def _clear(world: World, optimizer: torch.optim.Optimizer, number: int) -> None:
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                p.grad = torch.zeros_like(p.grad)


def _gradients(one: Observed, other: Observed, roles: tuple[str, ...]) -> float:
    gaps = [
        float((one.grads[role][name] - other.grads[role][name]).abs().max())
        for role in roles
        for name in one.grads[role]
    ]
    return max(gaps, default=0.0)
