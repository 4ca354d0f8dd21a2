"""The loss, z and the decoder's result are finite numbers at legal observations."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.latent_variable_model_look import fed, noises, normals, rows_of_case
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import observe, tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, failed, passed

__all__ = ["finite"]


@check(
    "latent_variable_model.finite",
    statement="the loss, z and the decoder's result are finite at legal observations and moderate draws",
    source="a bound on a log-likelihood is a number",
)
def finite(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """One run on noise of moderate size."""
    x, condition = rows_of_case(subject, case)
    first = observe(subject.calls, x, condition)
    count = normals(first.tape)
    made = observe(subject.calls, x, condition, fed(first.tape, noises(count)[3])) if count else first
    for event in made.events:
        if not all(bool(torch.isfinite(t).all()) for t in tensors_of(event.output)):
            name = "model" if event.site.role == "forward" else event.site.name
            return failed(examined=1, notes=subject.calls.notes, message=f"{name} returns NaN or infinity")
    if not bool(torch.isfinite(made.loss)):
        return failed(examined=1, notes=subject.calls.notes, message=f"the loss is {float(made.loss.detach())}")
    return passed(examined=len(x), quantity="finite numbers", notes=subject.calls.notes)
