"""The same point has the same image, whatever the random state."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, failed, passed

__all__ = ["deterministic"]

# Seeds that are tried where the map is seen to draw.
_TURNS = 48


@check(
    "map.deterministic",
    statement="two evaluations at the same point agree, whatever the random state",
    source="a map is a function of its argument",
    requires=lambda subject: "the map is declared to be stochastic" if subject.stochastic else None,
    searched=False,
)
def deterministic(subject: Map, case: Case, run: Run) -> Judgement:
    """Images under two seeds, bit for bit; under more where the map is seen to draw."""
    at = evaluated(subject, case)
    first, drawn = _image(at, case.seed), _draws(at)
    # What draws nothing shows its state at the next call; what draws may use it seldom (a layer that is dropped).
    for turn in range(1, _TURNS if drawn else 2):
        second = _image(at, case.seed + turn)
        if first.shape != second.shape or not torch.equal(torch.nan_to_num(first), torch.nan_to_num(second)):
            break
    else:
        return passed(examined=at.rows, quantity="|first − second|", observed=0.0, allowed=0.0, notes=at.notes)
    why = f"it draws {drawn}" if drawn else "none of torch's draws: a state that changes with each call?"
    mode = " (in training mode)" if subject.training else ""
    shown = float((first.double() - second.double()).abs().max()) if first.shape == second.shape else None
    return failed(
        examined=1, quantity="|first − second|", observed=shown, allowed=0.0, notes=at.notes,
        message=f"the image differs between two evaluations at the same point{mode}: {why}; noise that is meant is "
        "declared by stochastic=True",
    )  # fmt: skip


def _image(at: MapEvaluation, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return at(at.x).detach()


def _draws(at: MapEvaluation) -> str:
    """The random draws that the map makes, in words."""
    from genverify.noise.replay import record

    with record() as recorder:
        at(at.x)
    counts: dict[str, int] = {}
    for draw in recorder.tape.draws:
        counts[draw.law] = counts.get(draw.law, 0) + 1
    return ", ".join(f"{count} × {law}" for law, count in counts.items())
