"""In evaluation mode nothing is drawn, where that is promised."""

from __future__ import annotations

from typing import Any

import torch

from genverify.checks.check import check
from genverify.checks.latent_variable_model_look import rows_of_case
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, failed, passed

__all__ = ["eval_deterministic"]

_TURNS = 3


def _promised(subject: LatentVariableModel) -> str | None:
    if subject.eval_deterministic:
        return None
    if subject.eval_deterministic is False:
        return "it is declared to draw in evaluation mode"
    return "it draws in evaluation mode, and nothing else is promised" if subject.calls.draws_in_evaluation else None


@check(
    "latent_variable_model.eval_deterministic",
    statement="in evaluation mode two evaluations at the same point agree, whatever the random state",
    source="the promise; pytorch/examples' first VAE returned the mean in evaluation mode",
    searched=False,
    requires=_promised,
)
def eval_deterministic(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """The loss, and what the model returns, under several seeds."""
    x, condition = rows_of_case(subject, case)
    first = _evaluated(subject, x, condition, 0)
    for turn in range(1, _TURNS):
        second = _evaluated(subject, x, condition, turn)
        if len(first) != len(second) or any(not torch.equal(a, b) for a, b in zip(first, second, strict=True)):
            return failed(
                examined=1, quantity="|first − second|", notes=subject.calls.notes,
                message="in evaluation mode two evaluations at the same point differ: it still draws z, or drops units",
            )  # fmt: skip
    return passed(examined=len(x), quantity="|first − second|", observed=0.0, allowed=0.0)


def _evaluated(subject: LatentVariableModel, x: torch.Tensor, condition: Any, seed: int) -> list[torch.Tensor]:  # noqa: ANN401
    torch.manual_seed(seed)
    subject.calls.mode(False)
    found = []
    with subject_code(), torch.no_grad():
        found.append(subject.calls.loss(x.clone(), condition).nan_to_num())
    try:
        with torch.no_grad():
            assert subject.calls.forward is not None
            found += [t.nan_to_num() for t in tensors_of(subject.calls.forward(x.clone(), condition))]
    except Exception:  # a model whose forward takes something else is judged by its loss
        return found
    return found
