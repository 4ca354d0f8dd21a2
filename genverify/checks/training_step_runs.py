"""Runs of a training step, alone and one after the other, from the same start."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genverify.subjects.case import Case
from genverify.subjects.training_observation import AfterUpdate, Observed, Update, observe
from genverify.subjects.training_step import TrainingStep, World

__all__ = ["apart", "cleared", "flat_gradient", "makes_updates", "present", "run_once", "run_twice", "updates_of"]


def run_once(
    subject: TrainingStep, case: Case, prepare: Callable[[World], None] | None = None,
    after_update: AfterUpdate | None = None,
) -> Observed:  # fmt: skip
    """One run in a fresh world, after `prepare` has had that world; `after_update` interferes after each update."""
    world = subject.calls.world(case)
    if prepare is not None:
        prepare(world)
    return observe(subject.calls, world, seed=case.seed, roles=subject.trained, after_update=after_update)


def run_twice(subject: TrainingStep, case: Case, between: Callable[[World], None] | None = None) -> Observed:
    """The second of two runs in one world; `between` has the world before it."""
    first = run_once(subject, case)
    if between is not None:
        between(first.world)
    return observe(subject.calls, first.world, seed=case.seed + 1, roles=subject.trained)


def cleared(world: World) -> None:
    """No network has a gradient."""
    for net in world.networks.values():
        for p in net.parameters():
            if p.grad is not None:
                p.grad = torch.zeros_like(p)


def makes_updates(subject: TrainingStep, run: Observed) -> bool:
    """Whether a network that is trained was updated in a run."""
    return any(run.moved(role) for role in subject.trained if role in run.end)


def present(subject: TrainingStep, run: Observed) -> tuple[str, ...]:
    """The networks that are trained and were found."""
    return tuple(role for role in subject.trained if role in run.end)


def updates_of(subject: TrainingStep, run: Observed) -> list[Update]:
    """The optimizers' steps that update what is trained, in order."""
    return [one for one in run.updates if {*one.holds} & {*subject.trained}]


def flat_gradient(run: Observed, role: str) -> Tensor:
    """The gradient of a network's first update, flat, in float64."""
    return torch.cat([g.double().reshape(-1) for g in run.gradient(role).values()])


def apart(one: Observed, other: Observed, roles: tuple[str, ...]) -> tuple[float, str]:
    """(the largest distance of two runs' parameters, where it is); zero where all are equal."""
    worst, where = 0.0, ""
    for role in roles:
        for name, value in one.end[role].items():
            away = _distance(value, other.end[role][name])
            if away > worst:
                worst, where = away, f"{role}.{name}"
    return worst, where


def _distance(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    gap = (torch.nan_to_num(a.double()) - torch.nan_to_num(b.double())).abs()
    return float(gap.max()) if gap.numel() else 0.0
