"""Gradient estimators that move the draws: along the path, or to two other laws; and what is claimed of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import measure_valued as oracle
from genverify.reference.estimators import measure_valued, pathwise
from genverify.subjects.domains import function_of_real, positive
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from genverify.subjects.functions import Quadratic, Sine
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Layout, Role, Specification

if TYPE_CHECKING:
    import sympy

__all__ = ["BERNOULLI_WEAK", "MEASURE_VALUED", "NORMAL_WEAK", "PATHWISE", "POISSON_WEAK"]

_SIZES = {"dim": (1, 2, 3), "coefficients": (3,), "batch": (1, 2, 3)}
_REWARDS = (
    "f", "reward_fn", "reward", "fn", "func", "function", "objective", "cost", "h", "g", "loss_fn", "critic",
    "reward_function", "cost_fn",
)  # fmt: skip
_STD = ("sigma", "std", "scale", "s", "stddev", "sd")
_MEAN = ("mu", "mean", "loc", "m", "location")


def _slope(reward: Quadratic | Sine, z: Tensor) -> Tensor:
    """The slope f' at each number; Quadratic and Sine sum over the last axis."""
    if isinstance(reward, Sine):
        return reward.frequency * torch.cos(reward.frequency * z + reward.phase)
    return 2 * reward.a * z + reward.b


def _pathwise(*, mean: Tensor, std: Tensor, reward: Quadratic | Sine, noise: Tensor) -> tuple[Tensor, Tensor]:
    slope = _slope(reward, mean + std * noise)
    return slope.mean(0), (slope * noise).mean(0)


def _weak(*, mean: Tensor, std: Tensor, reward: Quadratic | Sine, rayleigh: Tensor) -> Tensor:
    apart = reward(mean + std * rayleigh) - reward(mean - std * rayleigh)
    return apart.mean(0) / (std * math.sqrt(2.0 * math.pi))


PATHWISE = formula(
    Specification(
        name="estimator.pathwise",
        statement="∇_μ = mean f'(μ + σ ε), ∇_σ = mean f'(μ + σ ε) ε",
        source="Mohamed, Rosca, Figurnov & Mnih 2020, section 5",
        arguments=(
            any_real("mean", "dim", *_MEAN),
            plain("std", "dim", positive(), _STD),
            plain("reward", "coefficients", function_of_real(), _REWARDS, role=Role.FUNCTION, differentiable=False),
            any_real("noise", "batch dim", "eps", "epsilon", "e", "xi", "epsilons"),
        ),
        oracle=_pathwise,
        output="dim",
        outputs=("mean", "std"),
        sizes=_SIZES,
        layouts=(Layout(name="a batch of draws"),),
        gradient=False,
        derivation="reparameterisation.derivatives",
    )
)  # fmt: skip

MEASURE_VALUED = formula(
    Specification(
        name="estimator.measure_valued",
        statement="∇_μ = mean [f(μ + σ W) - f(μ - σ W)] / (σ √(2π)), W a Rayleigh draw",
        source="Mohamed, Rosca, Figurnov & Mnih 2020, section 6 and table 1; Pflug 1989",
        arguments=(
            any_real("mean", "", *_MEAN),
            plain("std", "", positive(), _STD),
            plain("reward", "coefficients", function_of_real(), _REWARDS, role=Role.FUNCTION, differentiable=False),
            plain("rayleigh", "batch", positive(), ("w", "weibull", "r", "rayleigh", "draws", "ws", "u", "radius")),
        ),
        oracle=_weak,
        output="",
        sizes=_SIZES,
        layouts=(Layout(name="a batch of draws"),),
        gradient=False,
        derivation="measure_valued.normal",
    )
)  # fmt: skip


def normal_weak_equation() -> sympy.Basic:
    """E [f(μ + σW) - f(μ - σW)] / (σ √(2π)) = ∂/∂μ E f(μ + σε), for a cubic f."""
    return oracle.normal_equation()


def poisson_weak_equation() -> sympy.Basic:
    """d/dλ of the Poisson probability of k is that of k - 1 less that of k."""
    return oracle.poisson_equation()


NORMAL_WEAK = claim(
    "measure_valued.normal",
    Status.DERIVED,
    statement="∂/∂μ E f(z) = (E f(μ + σW) - E f(μ - σW)) / (σ √(2π)), W Rayleigh; f need not be differentiable",
    source="Mohamed, Rosca, Figurnov & Mnih 2020, table 1; Pflug 1989",
    assumptions=("f φ has no mass at infinity",),
    equation=normal_weak_equation,
    theorems=("integration by substitution on each half line: ∂/∂μ of the density is a difference of two densities",),
)

BERNOULLI_WEAK = claim(
    "measure_valued.bernoulli",
    Status.DERIVED,
    statement="∂/∂p E f(b) = f(1) - f(0), b ~ Bernoulli(p): with one coordinate, variance 0",
    source="Mohamed, Rosca, Figurnov & Mnih 2020, table 1",
)

POISSON_WEAK = claim(
    "measure_valued.poisson",
    Status.DERIVED,
    statement="∂/∂λ E f(k) = E f(k + 1) - E f(k), k ~ Poisson(λ)",
    source="Mohamed, Rosca, Figurnov & Mnih 2020, table 1",
    equation=poisson_weak_equation,
    theorems=("differentiation under the sum",),
)


@declares_reference
def pathwise_gradient() -> Formula:
    """The reference pathwise gradient."""
    return Formula(pathwise.normal, like="estimator.pathwise", name="pathwise gradient")


@declares_reference
def measure_valued_gradient() -> Formula:
    """The reference measure-valued gradient, for given draws."""
    return Formula(measure_valued.normal_mean, like="estimator.measure_valued", name="measure-valued gradient")


@declares_reference
def measure_valued_normal() -> GradientEstimator:
    """The reference measure-valued estimator of the mean's gradient, drawing inside."""
    return GradientEstimator(
        measure_valued.normal, like="target.gradient_normal", wrt=("mean",), name="normal measure-valued"
    )


@declares_reference
def measure_valued_bernoulli() -> GradientEstimator:
    """The reference measure-valued estimator of a Bernoulli law."""
    return GradientEstimator(
        measure_valued.bernoulli, like="target.gradient_bernoulli", name="bernoulli measure-valued"
    )
