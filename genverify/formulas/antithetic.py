"""Antithetic pairs as a formula and as estimators; when they help, and when they do harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.reference.estimators import antithetic as reference
from genverify.subjects.domains import function_of_real, integer, real
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import BATCHED, Argument, Axis, Form, Option, Role, Specification

if TYPE_CHECKING:
    import sympy

__all__ = ["LOWER_VARIANCE", "MONOTONE", "PAIR", "UNBIASED"]

_FUNCTION = (
    "f", "fn", "func", "h", "g", "payoff", "objective", "reward", "reward_fn", "integrand", "loss_fn", "fitness",
)  # fmt: skip


def _pairs(
    function: Callable[[torch.Tensor], torch.Tensor], noise: torch.Tensor, mean: torch.Tensor | float,
    std: torch.Tensor | float, *, slip: str = "",
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    moved = std * noise
    first, second = function(mean + moved), function(-(mean + moved) if slip == "all" else mean - moved)
    if slip == "difference":
        return first / 2, -second / 2
    return (first, second) if slip == "sum" else (first / 2, second / 2)


PAIR = formula(
    Specification(
        name="control_variate.antithetic",
        statement="(1/n) Σ ½ (f(μ + σε_i) + f(μ − σε_i))",
        source="Hammersley & Morton 1956; Robert & Casella 2004, section 4.4.3",
        arguments=(
            plain("function", "coefficients", function_of_real(), _FUNCTION, role=Role.FUNCTION, differentiable=False),
            Argument(name="noise", axes="batch", role=Role.DRAW, law="normal", differentiable=False, forms=(
                Form(name="noise", domain=real(),
                     aliases=("eps", "epsilon", "z", "x", "e", "xi", "draws", "samples", "normals", "epsilons")),
            )),
            any_real("mean", "", "mu", "loc", "m", "theta", default=0.0),
            positive_scale("std", "", default=1.0),
            plain("n", "batch", integer(1, 3), ("n_pairs", "num_samples", "n_samples", "num_pairs", "N", "n_half"),
                  role=Role.SIZE, differentiable=False),
        ),
        oracle=_pairs,
        output="batch",
        dialects=(
            reduction("batch", ("mean", "none"), {"sum": "a sum over the pairs where a mean belongs"}),
            Axis(name="pair", options=(
                Option(name=""),
                Option(name="not halved", keywords={"slip": "sum"}, accepted=False, note="twice the mean"),
                Option(name="difference", keywords={"slip": "difference"}, accepted=False,
                       note="½ (f(z) − f(z')), whose mean is 0; times ε/σ it is a gradient, and no value"),
                Option(name="mirrored at 0", keywords={"slip": "all"}, accepted=False,
                       note="f(−z) and not f(2μ − z): another law, unless μ = 0"),
            )),
        ),
        layouts=(BATCHED,),
        sizes={"coefficients": (3,), "batch": (2, 3, 1)},
        derivation="control_variates.antithetic.unbiased",
    )
)  # fmt: skip


def variance_equation() -> sympy.Basic:
    """Var ½ (f(z) + f(z')) against Var f/2 of two independent draws: the difference is half their covariance."""
    import sympy

    v, c = sympy.Symbol("V", positive=True), sympy.Symbol("C", real=True)
    pair = (v + 2 * c + v) / 4
    return sympy.Eq(pair - v / 2, c / 2, evaluate=False)


UNBIASED = claim(
    "control_variates.antithetic.unbiased",
    Status.DERIVED,
    statement="½ (f(z) + f(z')) has the mean of f whenever z' has the law of z, however the two depend on each other",
    source="Hammersley & Morton 1956",
    assumptions=("E f exists",),
)

MONOTONE = claim(
    "control_variates.antithetic.monotone",
    Status.DERIVED,
    statement="For monotone f, Cov(f(ε), f(−ε)) ≤ 0: a pair has at most the variance of two independent draws",
    source="Hammersley & Morton 1956; Robert & Casella 2004, section 4.4.3",
    assumptions=("E f² < ∞",),
    equation=variance_equation,
    theorems=("Chebyshev's association inequality: (f(x) − f(y))(g(x) − g(y)) ≤ 0 for f up and g down",),
)

LOWER_VARIANCE = claim(
    "control_variates.antithetic.lower_variance",
    Status.REFUTED,
    statement="Antithetic pairs reduce the variance",
    source="common reading of Hammersley & Morton 1956",
    counterexample="f(z) = z² at μ = 0: f(−z) = f(z), so a pair is worth one draw, with twice the variance of two",
    corrected="of f = even + odd part the odd part vanishes from the pair and the even part is counted twice: its "
    "variance is Var even, against (Var even + Var odd)/2 of two draws; lower if and only if Var even < Var odd",
)


@declares_reference
def antithetic_pairs() -> Formula:
    """The reference pairs."""
    return Formula(reference.estimate, like="control_variate.antithetic")


@declares_reference
def antithetic_gradient() -> GradientEstimator:
    """The reference pathwise estimate from pairs."""
    return GradientEstimator(reference.pathwise_loss, like="target.gradient_normal", name="antithetic pathwise")
