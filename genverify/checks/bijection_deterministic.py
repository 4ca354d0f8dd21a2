"""The same point has the same image, whatever the random state."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import Evaluation, evaluated
from genverify.verdict import Judgement, failed, passed

__all__ = ["deterministic"]


@check(
    "bijection.deterministic",
    statement="two evaluations at the same point agree, whatever the random state (in evaluation mode)",
    source="a map is a function of its argument",
    searched=False,
)
def deterministic(subject: Bijection, case: Case, run: Run) -> Judgement:
    """Image and logabsdet under two seeds, bit for bit."""
    with evaluated(subject, case) as at:
        first, second = _outputs(at, case.seed), _outputs(at, case.seed + 1)
        for name, a, b in zip(("the image", "logabsdet"), first, second, strict=True):
            if a is None or b is None or (name == "logabsdet" and subject.stochastic):
                continue
            if a.shape != b.shape or not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)):
                drawn = _draws(at)
                why = f"it draws {drawn}" if drawn else "none of torch's draws: a state that changes with each call?"
                shown = float((a.double() - b.double()).abs().max()) if a.shape == b.shape else None
                advice = "; a random estimate of it is declared by stochastic=True" if name == "logabsdet" else ""
                return failed(
                    examined=1, quantity="|first − second|", observed=shown, allowed=0.0, notes=subject.calls.notes,
                    message=f"{name} differs between two evaluations at the same point: {why}{advice}",
                )  # fmt: skip
        return passed(examined=1, quantity="|first − second|", observed=0.0, allowed=0.0, notes=subject.calls.notes)


def _outputs(at: Evaluation, seed: int) -> tuple[Tensor, Tensor | None]:
    torch.manual_seed(seed)
    y, raw = at.forward(at.x)
    return y.detach(), raw.detach() if isinstance(raw, Tensor) else None


def _draws(at: Evaluation) -> str:
    """The random draws that the forward map makes, in words."""
    from genverify.noise.replay import record

    with record() as recorder:
        at.forward(at.x)
    counts: dict[str, int] = {}
    for draw in recorder.tape.draws:
        counts[draw.law] = counts.get(draw.law, 0) + 1
    return ", ".join(f"{count} × {law}" for law, count in counts.items())
