"""Control variates and baselines as pointwise formulas; what they do to the variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.reference.estimators import control_variate as reference
from genverify.reference.estimators import leave_one_out
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import BATCHED, Axis, Option, Specification

if TYPE_CHECKING:
    import sympy

__all__ = ["ESTIMATE", "LEAVE_ONE_OUT", "OPTIMAL_COEFFICIENT", "VARIANCE_REDUCTION"]

_FX = ("f", "f_x", "fs", "values", "x", "payoff", "f_values", "y")
_CX = ("c", "c_x", "cs", "control", "controls", "h", "hx", "g", "c_values", "t")
_SIGN = Axis(
    name="sign",
    options=(
        Option(name=""),
        Option(name="coefficient added", keywords={"sign": 1.0}, note="f + a (c - E c), with a* = -Cov/Var"),
        Option(
            name="mean not added back", keywords={"centred": False}, accepted=False,
            note="E c is not added back: biased by -a E c",
        ),
    ),
)  # fmt: skip
_SEVERAL = {"batch": (3, 4, 5)}


def _estimate(
    fx: torch.Tensor,
    cx: torch.Tensor,
    mean_c: torch.Tensor,
    coefficient: torch.Tensor,
    *,
    sign: float = -1.0,
    centred: bool = True,
) -> tuple[torch.Tensor, ...]:
    return (fx, sign * coefficient * cx, (-sign if centred else 0.0) * coefficient * mean_c)


def _optimal(fx: torch.Tensor, cx: torch.Tensor) -> torch.Tensor:
    deviation = cx - cx.mean(0)
    return ((fx - fx.mean(0)) * deviation).sum(0) / (deviation**2).sum(0)


def _others(reward: torch.Tensor, *, advantage: bool = False) -> tuple[torch.Tensor, ...]:
    others = (reward.sum(0) - reward) / (len(reward) - 1)
    return (reward, -others) if advantage else (others,)


ESTIMATE = formula(
    Specification(
        name="control_variate.estimate",
        statement="(1/n) Σ f_i - a (c_i - E c)",
        source="Robert & Casella 2004, section 4.4.2",
        arguments=(
            any_real("fx", "batch", *_FX),
            any_real("cx", "batch", *_CX),
            any_real(
                "mean_c", "", "ec", "e_c", "c_mean", "expected_c", "mu_c", "mean_control", "c_bar", "control_mean"
            ),
            any_real("coefficient", "", "coef", "coeff", "beta", "a", "alpha", "b", "c_star", "lam"),
        ),
        oracle=_estimate,
        output="batch",
        dialects=(reduction("batch", ("mean", "none"), {"sum": "a sum over the samples where a mean belongs"}), _SIGN),
        layouts=(BATCHED,),
        derivation="control_variates.unbiased",
    )
)

OPTIMAL_COEFFICIENT = formula(
    Specification(
        name="control_variate.optimal_coefficient",
        statement="a* = Cov(f, c)/Var c",
        source="Robert & Casella 2004, section 4.4.2",
        arguments=(any_real("fx", "batch", *_FX), any_real("cx", "batch", *_CX)),
        oracle=_optimal,
        output="",
        layouts=(BATCHED,),
        sizes=_SEVERAL,
        operations=128,
        derivation="control_variates.variance_reduction",
    )
)

LEAVE_ONE_OUT = formula(
    Specification(
        name="control_variate.leave_one_out",
        statement="b_i = (1/(n-1)) Σ_{j≠i} r_j",
        source="Mnih & Rezende 2016; Kool, van Hoof & Welling 2019",
        arguments=(any_real("reward", "batch", "rewards", "r", "returns", "f", "fx", "values", "scores"),),
        oracle=_others,
        output="batch",
        dialects=(
            Axis(
                name="result",
                options=(Option(name=""), Option(name="as an advantage r_i - b_i", keywords={"advantage": True})),
            ),
        ),
        layouts=(BATCHED,),
        sizes=_SEVERAL,
        derivation="score_function.leave_one_out",
    )
)


def reduction_equation() -> sympy.Basic:
    """Var(f - a* c) = (1 - ρ²) Var f, with a* = Cov/Var c and ρ = Cov/(σ_f σ_c)."""
    import sympy

    sf, sc = sympy.symbols("sigma_f sigma_c", positive=True)
    rho = sympy.Symbol("rho", real=True)
    a = rho * sf / sc
    return sympy.Eq(sf**2 - 2 * a * rho * sf * sc + a**2 * sc**2, (1 - rho**2) * sf**2, evaluate=False)


UNBIASED = claim(
    "control_variates.unbiased",
    Status.DERIVED,
    statement="E[f - a (c - E c)] = E f for every coefficient a that does not depend on the samples",
    source="Robert & Casella 2004, section 4.4.2",
    assumptions=("E f and E c exist, and E c is known",),
)

VARIANCE_REDUCTION = claim(
    "control_variates.variance_reduction",
    Status.DERIVED,
    statement="The best coefficient is a* = Cov(f, c)/Var c, and with it the variance falls by the factor 1 - ρ²",
    source="Robert & Casella 2004, section 4.4.2",
    assumptions=("0 < Var c < ∞, Var f < ∞",),
    equation=reduction_equation,
)


@declares_reference
def control_variate_estimate() -> Formula:
    """The reference estimate, pointwise."""
    return Formula(reference.estimate, like="control_variate.estimate")


@declares_reference
def control_variate_mean() -> GradientEstimator:
    """The reference estimate, as an estimator of a mean."""
    return GradientEstimator(reference.estimate, like="target.mean", name="control variate")


@declares_reference
def control_variate_difference() -> GradientEstimator:
    """The reference estimate with coefficient 1, whose variance under the target's law is the lower."""
    return GradientEstimator(
        reference.difference, like="target.mean", lower_variance_than=reference.plain, name="difference estimate"
    )


@declares_reference
def optimal_coefficient() -> Formula:
    """The reference coefficient."""
    return Formula(reference.optimal_coefficient, like="control_variate.optimal_coefficient")


@declares_reference
def leave_one_out_baseline() -> Formula:
    """The reference leave-one-out baseline."""
    return Formula(leave_one_out.baseline, like="control_variate.leave_one_out")
