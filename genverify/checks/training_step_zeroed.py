"""An update does not depend on the gradients that the step before has left."""

from __future__ import annotations

from genverify.checks.check import check
from genverify.checks.training_step_runs import apart, cleared, makes_updates, present, run_twice
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_step import TrainingStep
from genverify.verdict import Judgement, failed, not_applicable, passed

__all__ = ["zeroed"]


@check(
    "training_step.zeroed",
    statement="two steps in a row end where they do when all gradients are cleared between them",
    source="θ ← θ − η ∇L(θ): the gradient of this step's loss alone; torch adds to .grad what a backward pass makes",
    searched=False,
    requires=lambda subject: "gradients are declared to accumulate" if subject.accumulates else None,
)
def zeroed(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """The second of two steps, with and without clearing between; bit for bit, since adding zero rounds nothing."""
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


def _gradients(one: object, other: object, roles: tuple[str, ...]) -> float:
    gaps = [
        float((one.grads[role][name] - other.grads[role][name]).abs().max())  # type: ignore[attr-defined]
        for role in roles
        for name in one.grads[role]  # type: ignore[attr-defined]
    ]
    return max(gaps, default=0.0)
