"""What stochastic differential equations take, under the names of Song et al.'s code and its ports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from genverify.formulas.field_arguments import time
from genverify.formulas.plain_numbers import number
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Layout

__all__ = ["NUMBERS", "STATE", "TIME", "VE", "VP", "bound"]

STATE = any_real(
    "x", "batch event", "x_t", "xt", "sample", "samples", "x0", "x_0", "latents", "z", "state", "y", "batch", "data",
    "X", "x_start", "xs", "input", "x_init",
)  # fmt: skip
TIME = time("t", "vec_t", "random_t", "batch_t", "tt", low=0.1, high=1.0, differentiable=False)
NUMBERS = (Layout(name="one for each row"), Layout(name="one number", drop=("batch",)))


def bound(name: str, low: float, high: float, default: Any, *aliases: str) -> Argument:  # noqa: ANN401
    """An end of a schedule, as a plain number; no end stands for another."""
    domain = replace(number(low, high), name=f"positive number {low:g}..{high:g}")
    return plain(name, "", domain, aliases, default=default, differentiable=False)


VP = (
    bound("low", 0.05, 0.5, 0.1, "beta_min", "beta_0", "bmin", "b_min", "beta_start", "beta0", "min_beta", "b0",
          "betamin"),
    bound("high", 2.0, 25.0, 20.0, "beta_max", "beta_1", "bmax", "b_max", "beta_end", "beta1", "max_beta", "b1",
          "betamax"),
)  # fmt: skip
VE = (
    bound("low", 0.01, 0.5, 0.01, "sigma_min", "smin", "min_sigma", "sigma_0", "sigma0", "s_min", "sigma_begin"),
    bound("high", 1.0, 100.0, 50.0, "sigma_max", "smax", "max_sigma", "sigma_1", "sigma1", "s_max", "sigma_end"),
)  # fmt: skip
