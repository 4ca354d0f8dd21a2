"""Which rules do not mind the unit of the loss: their steps are homogeneous in the gradient, of a degree.

With weight decay and ε at zero, gradients c g move the parameters c^degree times as far as gradients g do, for c > 0.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DEGREES", "UNITS"]

DEGREES: Mapping[str, int] = {
    **dict.fromkeys(("gradient_descent", "sgd", "sgdw", "heavy_ball", "momentum_ema", "nesterov", "nesterov_ema"), 1),
    **dict.fromkeys(("adagrad", "rmsprop", "adam", "adamw", "amsgrad", "adamax", "nadam", "lion", "rprop"), 0),
}
# Hyperparameters with a unit: they must be zero for the law to hold.
UNITS = ("eps", "weight_decay", "initial_accumulator_value")
