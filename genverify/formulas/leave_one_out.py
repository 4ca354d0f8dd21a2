"""The leave-one-out estimate from rewards and scores, as a formula."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.reference.estimators import leave_one_out as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import BATCHED, Axis, Option, Specification

__all__ = ["ESTIMATE"]


def _estimate(
    reward: torch.Tensor, score: torch.Tensor, *, sign: float = 1.0, own: bool = False
) -> tuple[torch.Tensor, ...]:
    """Each reward and each baseline times the score: r_i s_i and −s_i Σ_{j≠i} r_j/(n − 1)."""
    n = len(reward)
    total = (reward.sum() - (0.0 if own else reward)) / (n if own else n - 1)
    return sign * reward.unsqueeze(-1) * score, -sign * total.unsqueeze(-1) * score


ESTIMATE = formula(
    Specification(
        name="estimator.leave_one_out",
        statement="(1/n) Σ_i (f_i − (1/(n−1)) Σ_{j≠i} f_j) s_i, s = ∇ log p",
        source="Kool, van Hoof & Welling 2019, eq. 8; Mnih & Rezende 2016",
        arguments=(
            any_real("reward", "batch", "rewards", "r", "f", "fz", "f_z", "fs", "returns", "values", "R", "cost"),
            any_real("score", "batch parameter", "scores", "grad_log_prob", "grad_log_p", "dlogp", "s", "glogp",
                     "grad_logp", "grads", "grad_log_probs"),
        ),
        oracle=_estimate,
        output="batch parameter",
        dialects=(
            reduction("batch", ("mean", "none", "sum")),
            Axis(name="sign", options=(
                Option(name=""), Option(name="negated, as a loss", keywords={"sign": -1.0}),
            )),
            Axis(name="baseline", options=(
                Option(name=""),
                Option(name="of all n", keywords={"own": True}, accepted=False,
                       note="the own reward is in the mean: (1 − 1/n) of the gradient"),
            )),
        ),
        layouts=(BATCHED,),
        sizes={"batch": (3, 4, 5, 2)},
        derivation="score_function.leave_one_out",
    )
)  # fmt: skip


@declares_reference
def leave_one_out_estimate() -> Formula:
    """The reference estimate."""
    return Formula(reference.estimate, like="estimator.leave_one_out")
