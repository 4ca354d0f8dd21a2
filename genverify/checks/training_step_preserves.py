"""A step leaves torch's settings as they were, and nothing piles up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from genverify.checks.check import check
from genverify.checks.training_step_runs import apart, run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import observe
from genverify.subjects.training_step import TrainingStep, World
from genverify.verdict import Judgement, failed, passed

__all__ = ["preserves"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@check(
    "training_step.preserves",
    statement="after the step gradients are recorded and torch's default dtype is as before; hooks do not pile up; no "
    "network is left in evaluation mode or frozen such that the next step computes otherwise",
    source="a step is one of many: what it leaves behind, the next one starts with",
    searched=False,
)
def preserves(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """Settings, hooks, modes, flags and the random state after one step and after two."""
    first = run_once(subject, case)
    nets = first.world.networks
    evidence = {"examined": len(nets) + 1, "quantity": "settings", "notes": subject.calls.notes}
    if first.global_changes:
        return failed(**evidence, message=f"after the step {' and '.join(first.global_changes)}")
    left = {role: _switched(net) for role, net in nets.items()}
    fresh = {role: _switched(net) for role, net in subject.calls.world(case).networks.items()}
    off = {role: _turned_off(left[role], fresh[role]) for role in nets}
    notes = [f"{role} is left {said}" for role in nets if (said := _said(left[role], fresh[role]))]
    for who, makes in {"this step": None, "the other step": subject.calls.beside}.items():
        if any(off.values()) and (makes is not None or who == "this step"):
            gap, where = _otherwise_after(subject, case, off, makes)
            if gap:
                what = "; ".join(f"{role} is left {_said(left[role], fresh[role])}" for role in nets if off[role])
                return failed(
                    **{**evidence, "quantity": f"change of {where} in the next run of {who}", "observed": gap},
                    allowed=0.0, message=f"{what}, and nothing turns it back: from then on {who} computes otherwise",
                )  # fmt: skip
    once = sum(_hooks(net) for net in nets.values())
    second = observe(subject.calls, first.world, seed=case.seed + 1, roles=subject.trained)
    if sum(_hooks(net) for net in nets.values()) > once:
        return failed(**evidence, message="every step adds a hook to a network, and none is removed")
    torch.manual_seed(case.seed + 1)
    if torch.equal(first.rng, second.rng) and not torch.equal(second.rng, torch.get_rng_state()):
        notes.append("it seeds torch's generator itself: does every step draw the same noise?")
    return passed(**{**evidence, "notes": (*subject.calls.notes, *notes)})


# Name of a module, or of a parameter → whether it is in training mode, or requires a gradient.
_Switches = tuple[dict[str, bool], dict[str, bool]]


def _switched(net: nn.Module) -> _Switches:
    return (
        {name: module.training for name, module in net.named_modules()},
        {name: p.requires_grad for name, p in net.named_parameters()},
    )


def _turned_off(left: _Switches, fresh: _Switches) -> frozenset[str]:
    """Modules and parameters that were on before, and are off now."""
    return frozenset(
        name
        for now, before in zip(left, fresh, strict=True)
        for name, on in before.items() if on and now.get(name) is False
    )  # fmt: skip


def _said(left: _Switches, fresh: _Switches) -> str:
    """What is other than before; empty where nothing is."""
    words = []
    modes = [name for name, on in left[0].items() if name in fresh[0] and fresh[0][name] != on]
    if modes:
        part = f" ({modes[0]})" if modes[0] else ""
        words.append(f"in {'training' if left[0][modes[0]] else 'evaluation'} mode{part}")
    flags = [name for name, on in left[1].items() if name in fresh[1] and fresh[1][name] != on]
    if flags:
        words.append(f"with requires_grad {'on' if left[1][flags[0]] else 'off'} ({', '.join(flags[:2])})")
    return " and ".join(words)


def _otherwise_after(
    subject: TrainingStep, case: Case, off: Mapping[str, frozenset[str]],
    makes: Callable[[World], Callable[[], Any]] | None,
) -> tuple[float, str]:  # fmt: skip
    """How far a next step ends from where it ends when all that was turned off is on again, and where."""
    ends = []
    for restores in (False, True):
        world = subject.calls.world(case)
        other = None if makes is None else makes(world)
        observe(subject.calls, world, seed=case.seed, roles=subject.trained)
        for role, turned in off.items() if restores else ():
            _turn_on(world.networks[role], turned)
        roles = subject.trained if other is None else ()
        ends.append(observe(subject.calls, world, seed=case.seed + 1, call=other, roles=roles))
    moved, where = apart(ends[0], ends[1], tuple(ends[0].end))
    changed = max(
        (float((g - ends[1].grads[role][name]).abs().max()), f"the gradient of {role}.{name}")
        for role in subject.trained if role in ends[0].grads for name, g in ends[0].grads[role].items() if g.numel()
    ) if makes is None else (0.0, "")  # fmt: skip
    return (moved, where) if moved else changed


def _turn_on(net: nn.Module, turned: frozenset[str]) -> None:
    """Modules and parameters by name, which no two of them share."""
    for name, module in net.named_modules():
        if name in turned:
            module.training = True
    for name, p in net.named_parameters():
        if name in turned:
            p.requires_grad_(True)


def _hooks(net: nn.Module) -> int:
    return sum(len(getattr(module, name)) for module in net.modules() for name in _HOOKS)
