"""A conditional model's decoder uses its condition, z being equal."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.latent_variable_model_identity import identify
from genverify.checks.latent_variable_model_look import Look, fed, look, outputs, rows_of_case
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import Observation, observe, tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed

__all__ = ["condition_used"]


@check(
    "latent_variable_model.condition_used",
    statement="p(x|z, c) depends on c: at equal z the decoder's result moves with the condition",
    source="Sohn, Lee & Yan 2015, eq. 4",
    searched=False,
    before=identify,
    requires=lambda subject: None if subject.conditional else "no condition is declared (condition_shape=, classes=)",
)
def condition_used(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """Another condition, with the noise that leads to the same z."""
    if subject.classes is not None and int(subject.classes) < 2:
        return not_applicable("there is one class only")
    x, condition = rows_of_case(subject, case)
    assert condition is not None
    other = _other(subject, condition)
    seen, there = look(subject, x, condition), look(subject, x, other)
    if seen.law is None or there.law is None or not seen.law.elementwise or not there.law.elementwise:
        return _anyhow(subject, seen, other)
    alive = there.law.std > 0
    z = seen.law.mean + seen.law.matrix * seen.noise[-1]
    noise = torch.where(alive, (z - there.law.mean) / there.law.matrix, seen.noise[-1])
    moved = observe(subject.calls, x, other, fed(there.runs[-1].tape, noise))
    encoder = bool((seen.law.mean - there.law.mean).abs().max() > 0) or bool((seen.law.std != there.law.std).any())
    notes = subject.calls.notes if encoder else (*subject.calls.notes, "q(z|x) does not depend on the condition")
    return _moved(_unit(seen), _made(seen.runs[-1]), _made(moved), notes)


def _other(subject: LatentVariableModel, condition: Tensor) -> Tensor:
    if subject.classes is not None:
        return (condition + 1) % int(subject.classes)
    return condition.flip(-1) * 0.5 + 1.0


def _anyhow(subject: LatentVariableModel, seen: Look, other: Tensor) -> Judgement:
    moved = observe(subject.calls, seen.x, other, fed(seen.runs[-1].tape, seen.noise[-1]))
    return _moved(_unit(seen), _made(seen.runs[-1]), _made(moved), subject.calls.notes)


def _unit(seen: Look) -> float:
    """The rounding of the draws, in which z is equal."""
    return max(torch.finfo(d.dtype).eps for d in seen.runs[0].tape.draws if d.dtype.is_floating_point)


def _made(run: Observation) -> Tensor:
    parts = [t.detach().double().reshape(-1) for event in outputs(run) for t in tensors_of(event.output)]
    return torch.cat(parts) if parts else torch.empty(0)


def _moved(unit: float, before: Tensor, after: Tensor, notes: tuple[str, ...]) -> Judgement:
    if not before.numel() or before.shape != after.shape:
        return inconclusive("the decoder's result was not seen", notes=notes)
    # z is equal but to rounding, which the decoder may magnify.
    rounding = unit**0.75 * float(before.abs().max())
    change = float((after - before).abs().max())
    evidence = {"examined": before.numel(), "quantity": "change of the decoder's result", "notes": notes}
    if change > rounding:
        return passed(**evidence)
    return failed(
        **evidence, observed=change, allowed=rounding,
        message="at the same z the decoder's result is the same for another condition: the decoder does not see it",
    )  # fmt: skip
