"""Backward passes of a discriminator whose gradients are cleared before the update is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genverify.checks.training_step_fit import Fit, first_fit
from genverify.checks.training_step_named import is_good, plain_families
from genverify.checks.training_step_replay import Flags, Played, Unplayable, by_side, flags_of, replayer
from genverify.checks.training_step_results import Result, Results
from genverify.checks.training_step_runs import run_once
from genverify.subjects.case import Case
from genverify.subjects.training_step import LossFamily, TrainingStep

__all__ = ["lost_before"]


def lost_before(subject: TrainingStep, case: Case, gradient: Tensor, families: Sequence[LossFamily]) -> str:
    """Where the gradient is that of the discriminator's last calls alone, what became of the others; else nothing.

    Those before them are lost only where a backward pass has brought the slope of such a loss to their results, and on
    to the discriminator's parameters: calls for a measurement are none of the loss.
    """
    results = Results()
    seen = run_once(subject, case, results)
    if not results.understood or len(results.calls) != len(seen.of("D")):
        return ""
    try:
        flags = flags_of(subject, case, seen, seen.phase("D"))
    except Unplayable:
        return ""
    places = [place for place, call in enumerate(seen.calls) if call.role == "D"]
    calls = [(one, flags[place]) for one, place in zip(results.calls, places, strict=True) if place in flags]
    for first in range(1, len(calls)):
        early, late = calls[:first], calls[first:]
        if not _reached_before(early, late):
            continue
        last = _good(subject, gradient, lambda first=first: replayer(subject, case, seen, "D", first)(), families)
        if last is None:
            continue
        slopes = torch.cat([t.double() for t in by_side([(one.whole, sides) for one, sides in early])])
        if _good(subject, slopes, lambda early=early: _as_results(early), families) is not None:
            return (
                f"the gradient is that of {last.said} on what the last {len(late)} of {len(calls)} calls of D are "
                "given: those before are backpropagated, too, and cleared before the update (zero_grad between the "
                "backward passes that one update is to add up)"
            )
    return ""


_Calls = list[tuple[Result, Flags]]


def _reached_before(early: _Calls, late: _Calls) -> bool:
    """Whether backward passes had reached the parameters from the early calls, before any came to the late ones."""
    if not all(one.slopes for one, _ in (*early, *late)):
        return False
    return max(one.before[-1] for one, _ in early) < min(one.before[0] for one, _ in late)


def _good(
    subject: TrainingStep, gradient: Tensor, play: Callable[[], Played], families: Sequence[LossFamily]
) -> Fit | None:
    try:
        found = first_fit(gradient, play, plain_families(families), subject.calls.dtype)
    except Unplayable:
        return None
    return next((one for one in found if is_good(subject, one)), None)


def _as_results(calls: _Calls) -> Played:
    """The results of calls as leaves."""
    real, fake = (
        t.clone().requires_grad_(True) for t in by_side([(one.output, sides) for one, sides in calls])
    )  # fmt: skip
    return Played(real=real, fake=fake, leaves={"real": real, "generated": fake})
