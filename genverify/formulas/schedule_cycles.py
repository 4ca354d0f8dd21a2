"""Schedules that rise and fall: triangles, one cycle, and the cycles of an annealed weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from genverify.formulas.plain_numbers import choice, number
from genverify.formulas.references import declares_reference
from genverify.formulas.schedule_arguments import COUNT, STEP, TOTAL, schedule_formula, steps
from genverify.formulas.schedule_warmup import PEAK
from genverify.oracles import schedule_phases as phases
from genverify.reference.schedules import one_cycle as one_cycle_reference
from genverify.reference.schedules import waves
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Constraint, Option

__all__ = ["CYCLICAL", "CYCLICAL_ANNEALING", "CYCLICAL_MOMENTUM", "ONE_CYCLE", "ONE_CYCLE_MOMENTUM"]

Terms = tuple[torch.Tensor, ...]
Number = Any


def _one_cycle(
    step: Number, total: Number, base: Number, fraction: Number, division: Number, final: Number,
    shape: str = "cosine", last: int = 1, three: bool = False,
) -> Terms:  # fmt: skip
    return phases.one_cycle(
        step, total, base, fraction=fraction, division=division, final=final, shape=shape, last=last, three=three
    )


def _inside(values: Mapping[str, Any]) -> bool:
    """The rise takes time, and the last rate is that of step T − 1."""
    fraction, total = float(values["fraction"]), int(values["total"])
    return fraction * total > 1.05 and bool((torch.as_tensor(values["step"]) < total).all())


ONE_CYCLE = schedule_formula(
    "one_cycle", "η/d at 0, η at pT − 1, η/(d f) at T − 1, by half cosines or straight lines between",
    "Smith & Topin 2019; torch.optim.lr_scheduler.OneCycleLR",
    (
        steps(0, 11),
        plain("total", "", integer(4, 12), tuple(one for one in TOTAL.forms[0].aliases if one != "epochs"),
              differentiable=False),
        PEAK,
        plain("fraction", "", choice(0.3, 0.5, 0.25, 0.4),
              ("pct_start", "pct", "warmup_frac", "warmup_pct", "rise", "peak_frac", "peak_at", "up_fraction"),
              default=0.3, differentiable=False),
        plain("division", "", number(2.0, 50.0), ("div_factor", "div", "start_div"), default=25.0,
            differentiable=False),
        plain("final", "", number(2.0, 1e4), ("final_div_factor", "div_final", "final_div", "end_div"), default=1e4,
              differentiable=False),
    ),
    _one_cycle,
    dialects=(
        Axis(name="shape", options=(Option(name=""), Option(name="straight lines", keywords={"shape": "linear"}))),
        Axis(name="phases", options=(Option(name=""), Option(name="three phases", keywords={"three": True}))),
        Axis(name="end", options=(Option(name=""), Option(name="ends at T", keywords={"last": 0}))),
    ),
    constraints=(Constraint(statement="pT > 1 and t < T", holds=_inside),),
    derivation="schedule.one_cycle.endpoints",
)  # fmt: skip

CYCLICAL = schedule_formula(
    "cyclical", "η(t) = η₁ + (η₂ − η₁) A (1 − |t/s − 2⌊t/(2s)⌋ − 1|), A = 1, 2^(−⌊t/(2s)⌋) or γᵗ",
    "Smith 2017, section 3",
    (
        STEP,
        plain("low", "", number(0.01, 0.9), ("base_lr", "min_lr", "lr_min", "lr_low", "minimum", "lo", "base",
            "initial_lr",
              "eta_min", "lower", "min_value", "start"), default=0.0, differentiable=False),
        plain("high", "", number(1.0, 4.0), ("max_lr", "lr_max", "lr_high", "maximum", "hi", "peak", "eta_max", "upper",
              "max_value", "lr", "peak_lr"), default=1.0, differentiable=False),
        plain("up", "", integer(1, 4), ("step_size", "step_size_up", "stepsize", "half_cycle", "s", "half_period",
              "steps_up", "size"), differentiable=False),
        plain("down", "", integer(1, 4), ("step_size_down", "steps_down"), default=None, differentiable=False),
        plain("gamma", "", number(0.5, 1.0), ("decay", "g"), default=1.0, differentiable=False),
    ),
    lambda step, low, high, up, down, gamma, first=0, amplitude="triangular": phases.cycles(
        torch.as_tensor(step, dtype=torch.float64) + first, low, high, up, down, gamma, amplitude=amplitude
    ),
    dialects=(
        Axis(name="amplitude", options=(
            Option(name=""), Option(name="halved after each cycle", keywords={"amplitude": "halved"}),
            Option(name="amplitude times γᵗ", keywords={"amplitude": "exponential"}),
        )),
        COUNT,
    ),
    derivation="schedule.cyclical.periodic",
)  # fmt: skip

_LEAST = plain("least", "", number(0.3, 0.8), ("base_momentum", "min_momentum", "momentum_min", "low", "beta_min"),
               default=0.8, differentiable=False)  # fmt: skip
_MOST = plain("most", "", number(0.85, 0.99), ("max_momentum", "momentum_max", "high", "momentum", "beta_max"),
              default=0.9, differentiable=False)  # fmt: skip

CYCLICAL_MOMENTUM = schedule_formula(
    "cyclical_momentum",
    "μ(t) = μ₂ − (μ₂ − μ₁) A (1 − |t/s − 2⌊t/(2s)⌋ − 1|), A as of the rate; low where that is high",
    "Smith 2018, section 4.3; torch.optim.lr_scheduler.CyclicLR",
    (STEP, _LEAST, _MOST, *CYCLICAL.arguments[3:]),
    lambda step, least, most, up, down, gamma, first=0, amplitude="triangular": phases.cycles(
        torch.as_tensor(step, dtype=torch.float64) + first, most, least, up, down, gamma, amplitude=amplitude
    ),
    dialects=CYCLICAL.dialects, derivation="schedule.cyclical.periodic",
)  # fmt: skip

ONE_CYCLE_MOMENTUM = schedule_formula(
    "one_cycle_momentum", "μ₂ at 0, μ₁ at pT − 1, μ₂ at T − 1, by half cosines or straight lines between",
    "Smith & Topin 2019; torch.optim.lr_scheduler.OneCycleLR",
    (
        *ONE_CYCLE.arguments[:2],
        plain("least", "", number(0.3, 0.84), _LEAST.forms[0].aliases, default=0.85, differentiable=False),
        plain("most", "", number(0.85, 0.99), _MOST.forms[0].aliases, default=0.95, differentiable=False),
        ONE_CYCLE.arguments[3],
    ),
    lambda step, total, least, most, fraction, shape="cosine", last=1, three=False: phases.one_cycle(
        step, total, least, fraction=fraction, division=least / most, final=1.0, shape=shape, last=last, three=three
    ),
    dialects=ONE_CYCLE.dialects, constraints=ONE_CYCLE.constraints, derivation="schedule.one_cycle.endpoints",
)  # fmt: skip

CYCLICAL_ANNEALING = schedule_formula(
    "cyclical_annealing", "β(t) = β_max min(1, τ/R), τ = (t mod ⌈T/M⌉)/(T/M)", "Fu et al. 2019, eqs. 6–7",
    (
        STEP, TOTAL, PEAK,
        plain("number", "", integer(1, 3), ("n_cycle", "n_cycles", "M", "num_cycles", "cycles", "ncycles"), default=4,
              differentiable=False),
        plain("fraction", "", choice(0.5, 0.25, 1.0), ("ratio", "R", "proportion", "frac", "rise"), default=0.5,
              differentiable=False),
    ),
    lambda step, total, base, number, fraction, first=0: phases.annealing_cycles(
        step, total, base, number=number, fraction=fraction, first=first
    ),
    dialects=(
        Axis(name="count", options=(
            Option(name=""), Option(name="steps counted from one", keywords={"first": 1}, note="(t − 1) mod ⌈T/M⌉"),
        )),
    ),
    constraints=(
        Constraint(statement="M divides T", holds=lambda v: int(v["total"]) % int(v["number"]) == 0),
        Constraint(statement="1 ≤ t < T", holds=lambda v: bool(
            ((torch.as_tensor(v["step"]) < v["total"]) & (torch.as_tensor(v["step"]) >= 1)).all()
        )),
    ),
)  # fmt: skip


@declares_reference
def one_cycle() -> Formula:
    """The reference one-cycle policy."""
    return Formula(one_cycle_reference.one_cycle, like="schedule.one_cycle")


@declares_reference
def triangular() -> Formula:
    """The reference triangle."""
    return Formula(waves.triangular, like="schedule.cyclical")


@declares_reference
def annealing_cycles() -> Formula:
    """The reference cycles of a weight."""
    return Formula(waves.annealing_cycles, like="schedule.cyclical_annealing")
