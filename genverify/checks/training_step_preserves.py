"""A step leaves torch's settings as they were, and nothing piles up."""

from __future__ import annotations

import torch
from torch import nn

from genverify.checks.check import check
from genverify.checks.training_step_runs import run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import observe
from genverify.subjects.training_step import TrainingStep
from genverify.verdict import Judgement, failed, passed

__all__ = ["preserves"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@check(
    "training_step.preserves",
    statement="after the step gradients are recorded and torch's default dtype is as before; hooks do not pile up",
    source="a step is one of many: what it leaves behind, the next one starts with",
    searched=False,
)
def preserves(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """Settings, hooks, modes, flags and the random state after one step and after two."""
    first = run_once(subject, case)
    notes = list(subject.calls.notes)
    nets = first.world.networks
    evidence = {"examined": len(nets) + 1, "quantity": "settings", "notes": tuple(notes)}
    if first.global_changes:
        return failed(**evidence, message=f"after the step {' and '.join(first.global_changes)}")
    once = sum(_hooks(net) for net in nets.values())
    second = observe(subject.calls, first.world, seed=case.seed + 1, roles=subject.trained)
    if sum(_hooks(net) for net in nets.values()) > once:
        return failed(**evidence, message="every step adds a hook to a network, and none is removed")
    fresh = subject.calls.world(case).networks
    for role, net in nets.items():
        frozen = [n for n, p in net.named_parameters() if not p.requires_grad]
        before = [n for n, p in fresh[role].named_parameters() if not p.requires_grad]
        if frozen != before:
            notes.append(f"{role} is left with requires_grad changed: {', '.join(frozen[:2]) or 'all thawed'}")
        if [m.training for m in net.modules()] != [m.training for m in fresh[role].modules()]:
            notes.append(f"{role} is left in {'training' if net.training else 'evaluation'} mode")
    torch.manual_seed(case.seed + 1)
    if torch.equal(first.rng, second.rng) and not torch.equal(second.rng, torch.get_rng_state()):
        notes.append("it seeds torch's generator itself: does every step draw the same noise?")
    return passed(**{**evidence, "notes": tuple(notes)})


def _hooks(net: nn.Module) -> int:
    return sum(len(getattr(module, name)) for module in net.modules() for name in _HOOKS)
