"""Does an optimizer follow its rule for a thousand steps, and in narrow dtypes? Each increment is judged by itself."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.optimizer_trajectory import judged_against_rule, refused
from genverify.errors import SubjectRaised
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import pursue
from genverify.verdict import Judgement, failed, not_applicable

__all__ = []


@check(
    "optimizer.long_trajectory",
    statement="over a thousand steps on a quadratic, Rosenbrock's function, a logistic regression and hostile "
    "gradients every increment is the rule's, from the parameters before it, in float64, float32 and bfloat16",
    source="the rule's own: genverify explain optimizer.<rule>; Rosenbrock 1960",
    searched=False,
    family="long",
)
def long_trajectory(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Fixed cases, one for each dtype; a dtype that the implementation does not run in is not held against it."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    parameters = tuple(case["parameters"])
    wide = {p.dtype for p in parameters} <= {torch.float64, torch.float32}
    try:
        trajectory = pursue(subject, parameters, int(case["steps"]), case["options"])
    except SubjectRaised as error:
        if wide:
            raise
        return not_applicable(f"it does not run in {str(parameters[0].dtype).removeprefix('torch.')}: {error}")
    astray = ~torch.isfinite(trajectory.observed)
    if bool(astray.any()) and wide:
        step = int(astray.any(dim=1).to(torch.int8).argmax())
        flat = int(astray[step].to(torch.int8).argmax())
        assert subject.law is not None
        allowance = subject.law.allowance(trajectory, case["options"])  # type: ignore[attr-defined]
        if step == 0 or bool(torch.isfinite(allowance[step - 1, flat])):
            return failed(
                examined=step,
                message=f"at step {step} {trajectory.stream.where(flat)} becomes "
                f"{float(trajectory.observed[step, flat])!r}, from {float(trajectory.observed[step - 1, flat]):.6g} "
                f"and the gradient {float(trajectory.stream.flat_gradients()[step - 1, flat]):.6g}",
            )
    return judged_against_rule(subject, case, trajectory)
