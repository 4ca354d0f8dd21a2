"""Every update is made of a gradient of its own, and stands."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.training_step_runs import present, run_once, updates_of
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed, Update
from genverify.subjects.training_step import TrainingStep, World
from genverify.verdict import Judgement, failed, not_applicable, passed

__all__ = ["once"]

# Lookahead (Zhang et al. 2019) leaves a half of an update and more; less than a quarter is an update undone.
_UNDONE = 0.25


@check(
    "training_step.once",
    statement="each gradient is applied once: as many updates as are declared, none twice by the same gradient, and "
    "none undone afterwards",
    source="θ ← θ − η ∇L(θ)",
    searched=False,
    requires=lambda subject: None if subject.trained else "nothing is claimed to move (moves=, gradient_only=)",
)
def once(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """The optimizers' steps, and what moved beside them."""
    seen = run_once(subject, case)
    notes = list(subject.calls.notes)
    made = updates_of(subject, seen)
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
    for role in present(subject, seen):
        left = _left_of_update(subject, case, seen, role)
        if left < _UNDONE:
            return failed(
                **{**evidence, "quantity": f"part of the last update of {role} that is undone", "observed": 1.0 - left},
                allowed=1.0 - _UNDONE, message=f"{role} is written over after its update, of which {left:.2g} "
                "remains: it is mixed with other numbers (a moving average whose arguments are exchanged?)",
            )  # fmt: skip
    if len(made) > 1:
        notes.append(f"{len(made)} updates in one call, each by a gradient of its own")
    beside = _beside(seen, made, subject.trained)
    if beside and subject.calls.clip is None:
        notes.append(f"parameters of {beside} move beside the optimizer's steps, too: clipped or projected?")
    return passed(**{**evidence, "notes": tuple(notes)})


def _left_of_update(subject: TrainingStep, case: Case, seen: Observed, role: str) -> float:
    """The m of end = m (what the last update made) + (1 − m) (what does not depend on it); one where that is not so.

    Clipping and projections have no such m, since they keep some directions whole and others not at all.
    """
    held = [k for k, one in enumerate(seen.updates) if role in one.holds]
    if not held or all(torch.equal(v, seen.end[role][n]) for n, v in seen.updates[held[-1]].after[role].items()):
        return 1.0
    nudges = {name: _nudge(value, k) for k, (name, value) in enumerate(seen.end[role].items())}

    def nudged(world: World, optimizer: torch.optim.Optimizer, number: int) -> None:
        if number == held[-1]:
            with torch.no_grad():
                for name, p in world.networks[role].named_parameters():
                    p.add_(nudges[name])

    again = run_once(subject, case, after_update=nudged)
    parts = [
        ((again.end[role][name] - value).double() / nudges[name].double()).reshape(-1)
        for name, value in seen.end[role].items() if value.numel()
    ]  # fmt: skip
    found = torch.cat(parts)
    # The nudge is a sixteenth of the largest entry or more: the quotient loses these digits, and a few besides.
    rounding = 2.0**10 * torch.finfo(subject.calls.dtype).eps
    left = float(found.median())
    return left if left > rounding and float((found - left).abs().max()) <= rounding else 1.0


def _nudge(value: Tensor, number: int) -> Tensor:
    """A sixteenth to an eighth of the largest entry, with irregular signs."""
    steps = torch.arange(1, value.numel() + 1, dtype=value.dtype, device=value.device)
    wave = torch.sin(steps * 1.9 + number)
    size = value.abs().max().clamp(min=2.0**-10) if value.numel() else 1.0
    return ((0.5 + 0.5 * wave.abs()) * wave.sign() * size / 8.0).reshape(value.shape)


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
