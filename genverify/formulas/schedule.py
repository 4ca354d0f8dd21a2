"""Schedules of a learning rate, or of the weight of a term: functions of the step."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.plain_numbers import choice, number, whole_numbers
from genverify.formulas.references import declares_reference
from genverify.formulas.schedule_arguments import (
    BASE,
    BEYOND,
    COUNT,
    END,
    FACTOR,
    LAST,
    LONGEST,
    STEP,
    TOTAL,
    WITHIN,
    schedule_formula,
)
from genverify.oracles import schedule as oracle
from genverify.oracles import schedule_phases as phases
from genverify.reference.schedules import decay, waves
from genverify.subjects.domains import function_of_index, integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Form, Option, Role

__all__ = [
    "CONSTANT", "COSINE", "COSINE_RESTARTS", "EXPONENTIAL", "LINEAR", "MULTIPLIER", "MULTI_STEP", "POLYNOMIAL",
    "PRODUCT",
    "SIGMOID", "STAIRCASE",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]
Number = Any
_HELD = Axis(
    name="after the end",
    options=(
        Option(name=""),
        Option(
            name="continued after the end", keywords={"held": False}, accepted=False,
            note="it goes on beyond T, and past the final rate",
        ),
    ),
)  # fmt: skip


def _at(step: Number, beyond: Number, total: Number, first: int, held: bool) -> torch.Tensor:
    t = torch.as_tensor(step, dtype=torch.float64) + torch.as_tensor(beyond, dtype=torch.float64) + first
    return torch.minimum(t, torch.as_tensor(total, dtype=torch.float64)) if held else t


def _constant(step: Number, base: Number, factor: Number, total: Number, first: int = 0) -> Terms:
    t = torch.as_tensor(step, dtype=torch.float64) + first
    early = t < torch.as_tensor(total, dtype=torch.float64)
    return (torch.where(early, torch.as_tensor(base * factor).double(), torch.as_tensor(base).double()),)


def _linear(
    step: Number, total: Number, base: Number, end: Number, start_factor: Number, end_factor: Number, beyond: Number,
    first: int = 0, last: int = 0, held: bool = True,
) -> Terms:  # fmt: skip
    total = torch.as_tensor(total, dtype=torch.float64) - last
    stop = end if end_factor is None else base * end_factor
    return oracle.linear.terms(_at(step, beyond, total, first, held), total, base * start_factor, stop)


def _polynomial(
    step: Number, total: Number, base: Number, end: Number, power: Number, beyond: Number, first: int = 0,
    last: int = 0,
    held: bool = True,
) -> Terms:  # fmt: skip
    total = torch.as_tensor(total, dtype=torch.float64) - last
    return oracle.polynomial.terms(_at(step, beyond, total, first, held), total, base, end, power)


def _cosine(
    step: Number, total: Number, base: Number, end: Number, ratio: Number, beyond: Number, first: int = 0,
    last: int = 0,
    held: bool = False,
) -> Terms:  # fmt: skip
    total = torch.as_tensor(total, dtype=torch.float64) - last
    end = end if ratio is None else base * ratio
    return oracle.cosine.terms(_at(step, beyond, total, first, held), total, base, end)


def _plus(step: Number, first: int) -> torch.Tensor:
    return torch.as_tensor(step, dtype=torch.float64) + first


CONSTANT = schedule_formula(
    "constant", "η(t) = f η₀ for t < T, η₀ from then on; η₀ throughout with f = 1",
    "torch.optim.lr_scheduler.ConstantLR",
    (
        STEP, BASE,
        plain("factor", "", number(0.1, 1.0), ("start_factor", "multiplier", "f"), default=1.0, differentiable=False),
        plain("total", "", integer(1, LONGEST), ("T", "total_iters", "steps", "total_steps"), default=0,
              differentiable=False),
    ),
    _constant,
)  # fmt: skip

LINEAR = schedule_formula(
    "linear", "η(t) = η₀ + (η_T − η₀) t/T, and η_T from T on", "Goodfellow, Bengio & Courville 2016, eq. 8.14",
    (
        STEP, TOTAL, BASE, END,
        plain("start_factor", "", number(0.1, 1.0), (), default=1.0, differentiable=False),
        plain("end_factor", "", number(0.1, 1.0), (), default=None, differentiable=False),
        BEYOND,
    ),
    _linear, dialects=(_HELD, COUNT, LAST), constraints=(WITHIN,), derivation="schedule.linear.recursion",
)  # fmt: skip

STAIRCASE = schedule_formula(
    "step", "η(t) = η₀ γ^⌊t/s⌋", "He et al. 2016, section 4.2; torch.optim.lr_scheduler.StepLR",
    (
        STEP, BASE, FACTOR,
        plain(
            "period", "", integer(1, 5),
            ("step_size", "s", "drop_every", "epochs_drop", "every", "decay_steps", "decay_every", "interval",
             "step_every", "decay_epochs", "size", "drop_epochs", "freq", "lr_decay_epochs", "decay_interval"),
            differentiable=False,
        ),
    ),
    lambda step, base, gamma, period, first=0: oracle.staircase.terms(_plus(step, first), base, gamma, period),
    derivation="schedule.step.recursion",
)  # fmt: skip

MULTI_STEP = schedule_formula(
    "multi_step", "η(t) = η₀ γ^k, k the number of milestones m ≤ t",
    "Goyal et al. 2017, section 5.1; torch.optim.lr_scheduler.MultiStepLR",
    (
        STEP, BASE, FACTOR,
        plain("milestones", "milestone", whole_numbers(1, 5),
              ("boundaries", "steps", "decay_steps", "epochs", "decay_epochs", "at", "step_epochs", "schedule"),
              differentiable=False),
    ),
    lambda step, base, gamma, milestones, first=0: phases.milestones(_plus(step, first), base, gamma, milestones),
    sizes={"time": (1, 2, 3), "milestone": (1, 2, 3)},
)  # fmt: skip

EXPONENTIAL = schedule_formula(
    "exponential", "η(t) = η₀ γ^(t/s), s = 1 if not given", "Li & Arora 2020, section 1; "
    "torch.optim.lr_scheduler.ExponentialLR",
    (
        STEP, BASE,
        # By name a factor, or the constant λ of exp(−λt).
        type(FACTOR)(
            name="gamma", differentiable=False,
            forms=(
                FACTOR.forms[0],
                Form(
                    name="decay_constant", domain=number(0.05, 1.0), aliases=("lam", "lmbda", "lambda_", "kappa",
                    "k_decay"),
                    canonical=lambda rate: torch.exp(-torch.as_tensor(rate, dtype=torch.float64)),
                ),
            ),
        ),
        plain("period", "", integer(1, 5), ("decay_steps", "s", "decay_every", "every", "tau"), default=1,
              differentiable=False),
    ),
    lambda step, base, gamma, period, first=0: oracle.exponential.terms(_plus(step, first) / period, base, gamma),
    derivation="schedule.exponential.recursion",
)  # fmt: skip

POLYNOMIAL = schedule_formula(
    "polynomial", "η(t) = η_T + (η₀ − η_T) (1 − t/T)^p, and η_T from T on",
    "Liu, Rabinovich & Berg 2015; torch.optim.lr_scheduler.PolynomialLR",
    (
        STEP, TOTAL, BASE, END,
        plain("power", "", choice(1.0, 2.0, 0.5, 0.9, 3.0), ("p", "exponent", "degree", "pow", "lr_power"), default=1.0,
              differentiable=False),
        BEYOND,
    ),
    _polynomial, dialects=(_HELD, COUNT, LAST), constraints=(WITHIN,), derivation="schedule.polynomial.recursion",
)  # fmt: skip

COSINE = schedule_formula(
    "cosine", "η(t) = η_T + ½ (η₀ − η_T) (1 + cos πt/T)", "Loshchilov & Hutter 2017, eq. 5",
    (
        STEP, TOTAL, BASE, END,
        plain("ratio", "", number(0.01, 0.5, apart=(0.0,)), ("alpha", "min_ratio", "min_lr_ratio", "eta_min_ratio",
              "lr_min_ratio", "final_ratio", "min_factor", "end_factor", "min_lr_rate"), default=None,
              differentiable=False),
        BEYOND,
    ),
    _cosine,
    dialects=(
        Axis(name="after the end", options=(
            Option(name=""), Option(name="held after the end", keywords={"held": True}),
        )),
        COUNT, LAST,
    ),
    constraints=(WITHIN,), derivation="schedule.cosine.recursion",
)  # fmt: skip

COSINE_RESTARTS = schedule_formula(
    "cosine_restarts", "η(t) = η_T + ½ (η₀ − η_T) (1 + cos π(t − t_i)/T_i), t_i the last restart, T_i = T₀ m^i",
    "Loshchilov & Hutter 2017, eq. 5",
    (
        STEP, BASE, END,
        plain("period", "", integer(1, 4), ("T_0", "T0", "first_cycle_steps", "cycle", "cycle_length", "period", "T",
              "t_initial", "cycle_len", "restart_every", "first_decay_steps", "T_i", "cycle_steps"),
              differentiable=False),
        plain("growth", "", integer(1, 3), ("T_mult", "t_mul", "cycle_mult", "mult", "m", "t_mult", "factor"),
            default=1,
              differentiable=False),
    ),
    lambda step, base, end, period, growth, first=0: phases.cosine_restarts(
        _plus(step, first), period, base, end, growth=growth
    ),
    derivation="schedule.cosine_restarts.restarts",
)  # fmt: skip

SIGMOID = schedule_formula(
    "sigmoid", "η(t) = η₀/(1 + exp(−k (t − t₀)))", "Bowman et al. 2016, section 3.1",
    (
        STEP, BASE,
        plain("slope", "", number(0.1, 2.0), ("k", "rate", "steepness", "sharpness", "speed"), differentiable=False),
        plain("midpoint", "", integer(0, 6), ("x0", "t0", "center", "centre", "midpoint", "shift", "mid", "offset"),
              differentiable=False),
    ),
    lambda step, base, slope, midpoint, first=0: oracle.sigmoid.terms(_plus(step, first), base, slope, midpoint),
    derivation="schedule.sigmoid.odds",
)  # fmt: skip

_LAMBDA = plain(
    "function", "table", function_of_index(), ("lr_lambda", "fn", "f", "lambda_", "lmbda", "multiplier", "lam"),
    role=Role.FUNCTION, differentiable=False,
)  # fmt: skip

MULTIPLIER = schedule_formula(
    "multiplier", "η(t) = η₀ λ(t)", "torch.optim.lr_scheduler.LambdaLR", (STEP, BASE, _LAMBDA),
    lambda step, base, function: phases.multiplier(step, base, function),
    sizes={"time": (1, 2, 3), "table": (LONGEST + 1,)}, dialects=(),
)  # fmt: skip

PRODUCT = schedule_formula(
    "product", "η(t) = η₀ λ(1) λ(2) ⋯ λ(t)", "torch.optim.lr_scheduler.MultiplicativeLR", (STEP, BASE, _LAMBDA),
    lambda step, base, function: phases.product(step, base, function),
    sizes={"time": (1, 2, 3), "table": (LONGEST + 1,)}, dialects=(),
)  # fmt: skip


@declares_reference
def constant() -> Formula:
    """The reference constant rate."""
    return Formula(decay.constant, like="schedule.constant")


@declares_reference
def linear() -> Formula:
    """The reference linear decay."""
    return Formula(decay.linear, like="schedule.linear")


@declares_reference
def step() -> Formula:
    """The reference staircase."""
    return Formula(decay.step, like="schedule.step")


@declares_reference
def multi_step() -> Formula:
    """The reference staircase with milestones."""
    return Formula(decay.multi_step, like="schedule.multi_step")


@declares_reference
def exponential() -> Formula:
    """The reference exponential decay."""
    return Formula(decay.exponential, like="schedule.exponential")


@declares_reference
def polynomial() -> Formula:
    """The reference polynomial decay."""
    return Formula(decay.polynomial, like="schedule.polynomial")


@declares_reference
def cosine() -> Formula:
    """The reference cosine."""
    return Formula(waves.cosine, like="schedule.cosine")


@declares_reference
def cosine_restarts() -> Formula:
    """The reference cosine with restarts."""
    return Formula(waves.cosine_restarts, like="schedule.cosine_restarts")


@declares_reference
def sigmoid() -> Formula:
    """The reference logistic rise."""
    return Formula(waves.sigmoid, like="schedule.sigmoid")
