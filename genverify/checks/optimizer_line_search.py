"""Does a quasi-Newton method search along its own direction, and stop where Wolfe's conditions hold?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.optimizer_trajectory import judged_against_rule
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream, Trajectory, flat, held, start
from genverify.verdict import Judgement, Outcome, failed, inconclusive

__all__ = []

# Sufficient decrease and curvature (Nocedal & Wright 2006, section 3.1, for quasi-Newton methods).
_DECREASE, _CURVATURE = 1e-4, 0.9
_STEPS = 12


def _searches(subject: Optimizer) -> str | None:
    assert subject.law is not None
    return None if subject.law.wants == "function" else "the rule searches no line"


@check(
    "optimizer.line_search",
    statement="on a convex function every step goes along the rule's direction, and the strong Wolfe conditions hold "
    "where it ends",
    source="Nocedal & Wright 2006, eq. (3.7), with c₁ = 10⁻⁴ and c₂ = 0.9",
    requires=_searches,
    searched=False,
    family="bowl",
)
def line_search(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """An ill-conditioned bowl Σ λ_i (cosh θ_i - 1), one iteration a step."""
    law: Any = subject.law
    parameters, curvatures = tuple(case["parameters"]), case["curvatures"]
    arguments = law.arguments(case["options"])
    assert subject.convention is not None
    if "max_iter" in subject.convention.arguments:
        arguments["max_iter"] = 1
    elif "max_iter" in subject.convention.fixed and subject.convention.fixed["max_iter"] != 1:
        return inconclusive("it makes several iterations a step: declare the class, which takes max_iter")
    session: Any = start(subject, parameters, arguments)

    def evaluate() -> Tensor:
        here = flat(session.parameters)
        session.put(held(_slope(here, curvatures), parameters))
        return _height(here, curvatures)

    points = [flat(session.parameters)]
    for _ in range(_STEPS):
        with subject_code():
            session.ask(evaluate)
        points.append(flat(session.parameters))
    observed = torch.stack(points)
    slopes = torch.stack([_slope(one, curvatures) for one in points])
    for k in range(_STEPS):
        found = _wolfe(observed[k : k + 2], slopes[k : k + 2], curvatures)
        if found:
            return failed(examined=k + 1, message=f"at step {k + 1} {found}", figures={"step": k + 1})
    trajectory = Trajectory(stream=Stream.along(slopes[:-1], parameters), observed=observed)
    judged = judged_against_rule(subject, case, trajectory)
    return judged if judged.outcome is not Outcome.INCONCLUSIVE else inconclusive("it does not move")


def _slope(theta: Tensor, curvatures: Tensor) -> Tensor:
    return curvatures * torch.sinh(theta)


def _height(theta: Tensor, curvatures: Tensor) -> Tensor:
    return (curvatures * 2.0 * torch.sinh(theta / 2.0) ** 2).sum()


def _wolfe(observed: Tensor, slopes: Tensor, curvatures: Tensor) -> str:
    """What is wrong with a step, or nothing: where rounding decides (near the minimum), nothing is."""
    step = observed[1] - observed[0]
    before, after = float(slopes[0] @ step), float(slopes[1] @ step)
    heights = [float(_height(one, curvatures)) for one in observed]
    # Differences of heights are good to a few units of the larger one.
    unsure = 64 * torch.finfo(torch.float64).eps * max(heights)
    if before == 0 or abs(before) <= unsure:
        return ""
    if before > 0:
        return f"it goes up: gᵀ(θ - θ before) = {before:.3g}"
    if heights[1] > heights[0] + _DECREASE * before + unsure:
        return f"the loss falls from {heights[0]:.6g} to {heights[1]:.6g} only: the decrease is not sufficient"
    if abs(after) > _CURVATURE * abs(before) + unsure:
        return (
            f"the slope along the step is {after:.3g} after it and {before:.3g} before: the curvature condition fails"
        )
    return ""
