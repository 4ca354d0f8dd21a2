"""What the model makes of one row does not depend on the other rows."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.latent_variable_model_look import Source, fed, latents, look, outputs, rows_of_case
from genverify.numerics.rounding import gamma
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import Observation, observe, tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["batch_independence", "replaced"]

# Roundings by which one and the same row may differ between batches.
_OPERATIONS = 1024


@check(
    "latent_variable_model.batch_independence",
    statement="at the same draws z and the decoder's result of one row stay when another row is replaced",
    source="the evidence of independent observations is the sum of theirs (Kingma & Welling 2014, section 2.2)",
    searched=False,
    family="several rows",
    requires=lambda subject: None if subject.batch_independent else "its rows are declared to depend on each other",
)
def batch_independence(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """Each number may move with one row alone."""
    seen = look(subject, *rows_of_case(subject, case))
    still = _numbers(seen.runs[-1], seen.source)
    if not still.numel():
        return inconclusive("nothing that the model makes was seen")
    tape = fed(seen.runs[-1].tape, seen.noise[-1])
    allowed = gamma(_OPERATIONS, subject.calls.dtype) * float(still.abs().max())
    owners = torch.zeros(still.numel(), dtype=torch.int64)
    for row in range(len(seen.x)):
        other = observe(subject.calls, replaced(subject, seen.x, row), seen.condition, tape)
        numbers = _numbers(other, seen.source)
        if numbers.shape != still.shape:
            return inconclusive("the model makes another number of numbers of another batch")
        owners += (numbers - still).abs() > allowed
    several = int((owners > 1).sum())
    evidence = {
        "examined": still.numel(),
        "quantity": "numbers that move with several rows",
        "observed": float(several),
    }
    if several:
        return failed(
            **evidence, allowed=0.0, notes=subject.calls.notes,
            message=f"{several} of {still.numel()} numbers of z and of the decoder's result move with several rows of "
            "the batch: rows are mixed (a reshape, or statistics of the batch)",
        )  # fmt: skip
    return passed(**evidence, allowed=0.0, notes=subject.calls.notes)


def _numbers(run: Observation, source: Source | None) -> Tensor:
    z = None if source is None else latents(run, source)
    parts = [] if z is None else [z]
    parts += [t.reshape(-1) for event in outputs(run) for t in tensors_of(event.output)]
    return torch.cat([part.detach().double() for part in parts]) if parts else torch.empty(0)


def replaced(subject: LatentVariableModel, x: Tensor, row: int) -> Tensor:
    """The batch with another legal event in one row."""
    other = x.clone()
    other[row] = 1.0 - x[row] if subject.calls.data != "real" else 0.75 - 0.5 * x[row]
    middle = other[row] == x[row]
    other[row] = torch.where(middle, other[row] * 0.5, other[row]) if subject.calls.data != "binary" else other[row]
    return other
