"""Policy gradients as pointwise formulas."""

from __future__ import annotations

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.reference.estimators import policy_gradient as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["GRADIENT_LOSS"]

_SIGN = Axis(
    name="sign",
    options=(
        Option(name=""),
        Option(
            name="not negated", keywords={"sign": 1.0}, accepted=False, note="the objective, and not a loss to minimise"
        ),
    ),
)

GRADIENT_LOSS = formula(
    Specification(
        name="policy.gradient_loss",
        statement="-Σ_t log π(a_t | s_t) G_t",
        source="Sutton & Barto 2018, section 13.3",
        arguments=(
            any_real("log_probs", "batch time", "log_prob", "logp", "log_p", "log_pi", "logprobs", "logps", "lp"),
            any_real(
                "returns", "batch time", "G", "rewards", "R", "advantages", "adv", "advantage", "gt", "reward", "rets",
                "discounted_returns", differentiable=False,
            ),
        ),
        oracle=lambda log_probs, returns, sign=-1.0: sign * log_probs * returns,
        output="batch time",
        dialects=(reduction("time", ("sum", "mean", "none")), reduction("batch", ("sum", "mean", "none")), _SIGN),
        derivation="score_function.log_derivative",
    )
)  # fmt: skip


@declares_reference
def policy_gradient_loss() -> Formula:
    """The reference policy-gradient loss."""
    return Formula(reference.gradient_loss, like="policy.gradient_loss")
