"""The reference optimizers, declared as a stranger would declare their own."""

from __future__ import annotations

from genverify.formulas.references import declares_reference
from genverify.reference.optimizers.adam import Adam
from genverify.reference.optimizers.gradient_descent import GradientDescent
from genverify.reference.optimizers.heavy_ball import HeavyBall
from genverify.reference.optimizers.momentum_ema import MomentumEMA
from genverify.reference.optimizers.nesterov import Nesterov
from genverify.subjects.optimizer import Optimizer

__all__ = ["adam", "gradient_descent", "heavy_ball", "momentum_ema", "nesterov"]


@declares_reference
def gradient_descent() -> Optimizer:
    """Gradient descent."""
    return Optimizer(GradientDescent, rule="gradient_descent")


@declares_reference
def heavy_ball() -> Optimizer:
    """Momentum as torch writes it."""
    return Optimizer(HeavyBall, rule="heavy_ball")


@declares_reference
def momentum_ema() -> Optimizer:
    """Momentum as an average of the gradients."""
    return Optimizer(MomentumEMA, rule="momentum_ema")


@declares_reference
def nesterov() -> Optimizer:
    """Nesterov's momentum."""
    return Optimizer(Nesterov, rule="nesterov")


@declares_reference
def adam() -> Optimizer:
    """Adam."""
    return Optimizer(Adam, rule="adam")
