"""Exponential moving averages of weights: one step, and over all steps."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.oracles import ema as oracle
from genverify.reference.training import moving_average as reference
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

__all__ = ["WEIGHTS", "WEIGHTS_BIAS_CORRECTED", "WEIGHTS_OVER_STEPS"]

_WHOLE = (Layout(name="all entries"),)
_DECAY = Argument(
    name="decay", differentiable=False,
    forms=(
        Form(name="decay", domain=number(0.3, 0.97), aliases=("beta", "ema_decay", "mu", "b", "smoothing", "m", "d",
             "decay_rate", "ema_rate", "ema_beta")),
        Form(name="rate", domain=number(0.03, 0.7), aliases=("tau", "one_minus_decay", "step_size", "polyak", "rho"),
             canonical=lambda rate: 1.0 - rate),
    ),
)  # fmt: skip
_NEW = (
    "params", "new", "model", "theta", "w", "p", "x", "value", "current", "source", "online", "param", "model_params",
    "new_value", "weight", "parameters", "model_param", "source_param", "new_weight", "new_weights",
)  # fmt: skip


def _update(
    average: torch.Tensor, weights: torch.Tensor, decay: Any, updates: Any, exchanged: bool = False,  # noqa: ANN401
    counted: int | None = None,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    updates = counted if updates is None else updates
    if updates is not None:
        decay = min(float(decay), (1 + updates) / (10 + updates))
    return oracle.update.terms(weights, average, decay) if exchanged else oracle.update.terms(average, weights, decay)


WEIGHTS = formula(
    Specification(
        name="ema.weights",
        statement="θ̄ ← β θ̄ + (1 − β) θ, with min(β, (1 + n)/(10 + n)) for β where a count n is given",
        source="Kingma & Ba 2015, section 7.2",
        arguments=(
            any_real("average", "entry", "ema", "avg", "shadow", "ema_params", "averaged", "target", "old", "running",
                     "ema_param", "ema_weights", "mean", "averaged_param", "theta_bar", "target_param",
                     "moving_average", "old_weight", "old_weights", "old_value", "ma", "old_average"),
            any_real("weights", "entry", *_NEW),
            _DECAY,
            plain("updates", "", integer(0, 100), ("num_updates", "n", "step", "t", "steps", "n_updates", "count",
                  "optimization_step"), default=None, differentiable=False),
        ),
        oracle=_update,
        output="entry", layouts=_WHOLE, gradient=False,
        dialects=(
            Axis(name="roles", options=(
                Option(name=""),
                Option(name="roles exchanged", keywords={"exchanged": True}, accepted=False,
                       note="β weighs the new weights: the average follows them almost at once"),
            )),
            Axis(name="count", options=(
                Option(name=""),
                Option(name="first of a warm-up", keywords={"counted": 0}, accepted=False,
                       note="the weight of the first update, (1 + n)/(10 + n) at n = 0, where no count is given"),
                Option(name="first of a warm-up, counted from one", keywords={"counted": 1}, accepted=False,
                       note="the weight of the first update, (1 + n)/(10 + n) at n = 1, where no count is given"),
            )),
        ),
        derivation="ema.weights.closed_form",
    )
)  # fmt: skip

_CALLED = (any_real("weights", "call entry", *_NEW), _DECAY)

WEIGHTS_OVER_STEPS = formula(
    Specification(
        name="ema.weights_over_steps",
        statement="after n steps β^(n−1) θ₁ + Σ_{i=2}^n (1 − β) β^(n−i) θ_i",
        source="Kingma & Ba 2015, section 7.2",
        arguments=_CALLED,
        oracle=lambda weights, decay, zero=False: (
            oracle.corrected(weights, decay, correct=False) if zero else oracle.from_first(weights, decay)
        ),
        output="entry", layouts=_WHOLE, gradient=False, sizes={"call": (1, 2, 4)},
        dialects=(
            Axis(name="start", options=(
                Option(name=""),
                Option(name="begun at zero", keywords={"zero": True}, accepted=False,
                       note="biased towards zero by the factor 1 − βⁿ, and not corrected"),
            )),
        ),
        derivation="ema.weights.closed_form",
    )
)  # fmt: skip

WEIGHTS_BIAS_CORRECTED = formula(
    Specification(
        name="ema.weights_bias_corrected",
        statement="after n steps Σ_i (1 − β) β^(n−i) θ_i / (1 − βⁿ)",
        source="Kingma & Ba 2015, section 3",
        arguments=_CALLED,
        oracle=oracle.corrected,
        output="entry", layouts=_WHOLE, gradient=False, sizes={"call": (1, 2, 4)},
        dialects=(
            Axis(name="correction", options=(
                Option(name=""),
                Option(name="not corrected", keywords={"correct": False}, accepted=False,
                       note="biased towards zero by the factor 1 − βⁿ"),
            )),
        ),
        derivation="ema.weights_bias_corrected.constant",
    )
)  # fmt: skip


@declares_reference
def weights() -> Formula:
    """The reference update."""
    return Formula(reference.update, like="ema.weights")


@declares_reference
def weights_over_steps() -> Formula:
    """The reference average over all steps."""
    return Formula(reference.WeightAverage, like="ema.weights_over_steps")


@declares_reference
def weights_bias_corrected() -> Formula:
    """The reference average with bias correction."""
    return Formula(reference.BiasCorrectedAverage, like="ema.weights_bias_corrected")
