"""Where does sharpness-aware minimisation ask for its second gradient, and does it step with it from where it was?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.optimizer_trajectory import judged_against_rule, refused
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_objectives import Landscape
from genverify.subjects.optimizer_run import Stream, Trajectory, flat, held, start
from genverify.verdict import Judgement, Outcome, failed, inconclusive

__all__ = []


def _asks_twice(subject: Optimizer) -> str | None:
    assert subject.law is not None
    return None if subject.law.wants == "closure" else "the rule asks for one gradient a step"


@check(
    "optimizer.perturbation",
    statement="the second gradient of a step is that at θ + ρ g/‖g‖, with the norm over all parameters, and the inner "
    "step is made with it, from θ",
    source="Foret, Kleiner, Mobahi & Neyshabur 2021, algorithm 1 and eq. (2)",
    requires=_asks_twice,
    searched=False,
    family="landscape",
)
def perturbation(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Closed loop: the gradient is the landscape's, wherever the parameters stand when it is asked for."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    law: Any = subject.law
    walked = _walk(subject, case)
    if isinstance(walked, Judgement):
        return walked
    trajectory, first, points = walked
    due = law.perturbed(trajectory, first, case["options"])
    expected, allowed = due[""]
    excess = _excess(points, expected, allowed)
    if not bool(torch.isfinite(allowed).any()):
        return inconclusive("every perturbation is lost in rounding")
    if bool((excess > 1).any()):
        step = int((excess > 1).any(dim=1).to(torch.int8).argmax())
        entry = int(excess[step].argmax())
        named = [words for words, one in due.items() if words and not bool((_excess(points, *one) > 1).any())]
        before = float(trajectory.observed[step, entry])
        return failed(
            examined=int(torch.isfinite(allowed).sum()),
            quantity="|point - expected|",
            observed=float((points - expected).abs()[step, entry]),
            allowed=float(allowed[step, entry]),
            message=f"{'probably ' + named[0] if named else 'asks for the second gradient elsewhere'}: at step "
            f"{step + 1} {trajectory.stream.where(entry)} was moved by {float(points[step, entry]) - before:.6g} "
            f"before the second gradient, not by {float(expected[step, entry]) - before:.6g}",
            figures={"step": step + 1},
        )
    judged = judged_against_rule(subject, case, trajectory)
    if judged.outcome is Outcome.FAIL:
        message = f"the step with the second gradient {judged.evidence.message}"
        return replace(judged, evidence=replace(judged.evidence, message=message))
    return judged


def _excess(points: Tensor, expected: Tensor, allowed: Tensor) -> Tensor:
    error = torch.nan_to_num((points - expected).abs(), nan=torch.inf)
    return torch.where(torch.isfinite(allowed) & (error > 0), error / allowed, 0.0)


def _walk(subject: Optimizer, case: Case) -> tuple[Trajectory, Tensor, Tensor] | Judgement:
    """θ and its second gradients as a trajectory, the first gradients, and where the second were asked for."""
    law: Any = subject.law
    parameters, steps = tuple(case["parameters"]), int(case["steps"])
    session: Any = start(subject, parameters, law.arguments(case["options"]))
    landscape, observed, first, second, points = Landscape(steps), [flat(session.parameters)], [], [], []
    for k in range(steps):
        asked: list[Tensor] = []
        slopes: list[Tensor] = []

        def evaluate(k: int = k, asked: list[Tensor] = asked, slopes: list[Tensor] = slopes) -> Tensor:
            asked.append(flat(session.parameters))
            given = held(landscape.slope(k, asked[-1]), parameters)
            slopes.append(flat(given))
            session.put(given)
            return torch.zeros(())

        first.append(flat(held(landscape.slope(k, observed[-1]), parameters)))
        session.put(held(landscape.slope(k, observed[-1]), parameters))
        with subject_code():
            session.ask(evaluate)
        if not asked or torch.equal(asked[-1], observed[-1]):
            what = "never asks for a second gradient" if not asked else "asks for the last gradient where it began"
            return failed(examined=1, message=f"{what}: θ is not perturbed")
        points.append(asked[-1])
        second.append(slopes[-1])
        observed.append(flat(session.parameters))
    stream = Stream.along(torch.stack(second), parameters)
    return Trajectory(stream=stream, observed=torch.stack(observed)), torch.stack(first), torch.stack(points)
