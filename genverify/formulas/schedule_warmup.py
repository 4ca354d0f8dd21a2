"""Schedules that begin low: warm-ups, and what follows them."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.formulas.schedule_arguments import (
    BEYOND,
    COUNT,
    END,
    FACTOR,
    STEP,
    TOTAL,
    WARMUP,
    WITHIN,
    schedule_formula,
    steps,
)
from genverify.oracles import schedule as oracle
from genverify.oracles import schedule_phases as phases
from genverify.reference.schedules import warmup as reference
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Constraint, Option

__all__ = [
    "INVERSE_SQUARE_ROOT",
    "LINEAR_WARMUP",
    "NOAM",
    "PEAK",
    "WARMUP_COSINE",
    "WARMUP_EXPONENTIAL",
    "WARMUP_LINEAR",
]

Terms = tuple[torch.Tensor, ...]
Number = Any

PEAK = plain(
    "base", "", number(0.05, 4.0),
    ("lr", "base_lr", "lr_max", "max_lr", "learning_rate", "peak_lr", "eta_max", "peak", "peak_value", "lr_peak",
    "target",
     "target_lr", "lr0", "beta_max", "max_beta", "initial_lr", "lr_base", "base_value", "eta", "rate", "value", "high",
     "max_value", "final", "eta0", "max_weight"),
    default=1.0, differentiable=False,
)  # fmt: skip
_START = plain(
    "start", "", number(0.001, 0.5, apart=(0.0,)),
    ("warmup_init_lr", "init_lr", "start_lr", "warmup_start_lr", "lr_start", "initial", "warmup_lr", "start_value",
     "start_warmup_value", "warmup_lr_init", "init_value", "low", "min_lr_warmup", "warmup_init"),
    default=0.0, differentiable=False,
)  # fmt: skip
_START_FACTOR = plain(
    "start_factor", "", number(0.01, 0.5), ("warmup_factor", "warmup_ratio"), default=None, differentiable=False
)
_LENGTH = plain(
    "warmup", "", integer(1, 6), tuple(dict.fromkeys((*WARMUP.forms[0].aliases, *TOTAL.forms[0].aliases, "x0"))),
    differentiable=False,
)  # fmt: skip

_WARM = Axis(
    name="warm-up",
    options=(
        Option(name=""),
        Option(name="first step at 1/w", keywords={"offset": 1}, note="(t + 1)/w, so that no step is wasted at zero"),
        Option(name="first step at 1/(w + 1)", keywords={"offset": 1, "stretch": 1}, note="(t + 1)/(w + 1)"),
    ),
)  # fmt: skip
_WARM_BEFORE = Constraint(statement="w < T", holds=lambda v: int(v["warmup"]) < int(v["total"]))


def _plus(step: Number, first: int) -> torch.Tensor:
    return torch.as_tensor(step, dtype=torch.float64) + first


def _from(base: Number, start: Number, factor: Number) -> Number:
    return start if factor is None else base * factor


def _linear_warmup(
    step: Number, warmup: Number, base: Number, start: Number, start_factor: Number, beyond: Number, first: int = 0,
    offset: int = 0, stretch: int = 0,
) -> Terms:  # fmt: skip
    begin = _from(base, start, start_factor)
    return phases.warmup(_plus(step, first) + beyond, warmup, base, begin, offset=offset, stretch=stretch)


def _warmup_cosine(
    step: Number, warmup: Number, total: Number, base: Number, end: Number, start: Number, beyond: Number,
    first: int = 0,
    offset: int = 0, stretch: int = 0, held: bool = False, shifted: bool = True,
) -> Terms:  # fmt: skip
    t = _plus(step, first) + beyond
    total = torch.as_tensor(total, dtype=torch.float64)
    t = torch.minimum(t, total) if held else t
    skipped = torch.as_tensor(warmup, dtype=torch.float64) if shifted else torch.zeros((), dtype=torch.float64)
    rising = phases.warmup(t, warmup, base, start, offset=offset, stretch=stretch)

    def falling(since: torch.Tensor) -> Terms:
        return oracle.cosine.terms(since if shifted else since + warmup, total - skipped, base, end)

    return phases.after_warmup(t, warmup, rising, falling)


def _warmup_linear(
    step: Number, warmup: Number, total: Number, base: Number, end: Number, start: Number, beyond: Number,
    first: int = 0,
    offset: int = 0, stretch: int = 0,
) -> Terms:  # fmt: skip
    total = torch.as_tensor(total, dtype=torch.float64)
    t = torch.minimum(_plus(step, first) + beyond, total)
    rising = phases.warmup(t, warmup, base, start, offset=offset, stretch=stretch)
    return phases.after_warmup(t, warmup, rising, lambda since: oracle.linear.terms(since, total - warmup, base, end))


def _warmup_exponential(
    step: Number, warmup: Number, base: Number, gamma: Number, period: Number, start: Number, first: int = 0,
    offset: int = 0, stretch: int = 0,
) -> Terms:  # fmt: skip
    t = _plus(step, first)
    rising = phases.warmup(t, warmup, base, start, offset=offset, stretch=stretch)
    return phases.after_warmup(t, warmup, rising, lambda since: oracle.exponential.terms(since / period, base, gamma))


def _inverse(step: Number, warmup: Number, base: Number, start: Number, first: int = 0) -> Terms:
    t = _plus(step, first)
    rising = phases.warmup(t, warmup, base, start)
    return phases.after_warmup(
        t, warmup, rising, lambda since: oracle.inverse_square_root.terms(since + warmup, base, warmup)
    )


LINEAR_WARMUP = schedule_formula(
    "linear_warmup", "η(t) = η_s + (η₀ − η_s) min(1, t/w), η_s = 0 if not given",
    "Goyal et al. 2017, section 2.2; Bowman et al. 2016, section 3.1 (of a weight)",
    (STEP, _LENGTH, PEAK, _START, _START_FACTOR, BEYOND), _linear_warmup, dialects=(_WARM, COUNT),
    derivation="schedule.linear.recursion",
)  # fmt: skip

# w < T whatever is drawn, so that few cases are thrown away.
_SHORT = plain("warmup", "", integer(1, 3), WARMUP.forms[0].aliases, differentiable=False)
_LONG = plain("total", "", integer(4, 8), TOTAL.forms[0].aliases, differentiable=False)

WARMUP_COSINE = schedule_formula(
    "warmup_cosine", "η(t) = η₀ t/w for t < w; η_T + ½ (η₀ − η_T) (1 + cos π(t − w)/(T − w)) from then on",
    "Goyal et al. 2017, section 2.2; Loshchilov & Hutter 2017, eq. 5",
    (STEP, _SHORT, _LONG, PEAK, END, _START, BEYOND),
    _warmup_cosine,
    dialects=(
        _WARM,
        Axis(name="after the end", options=(
            Option(name=""), Option(name="held after the end", keywords={"held": True}),
        )),
        Axis(name="cosine", options=(
            Option(name=""),
            Option(name="cosine from step zero", keywords={"shifted": False}, accepted=False,
                   note="cos πt/T also after the warm-up, which has used up a part of it: the rate drops at w"),
        )),
    ),
    constraints=(WITHIN, _WARM_BEFORE), derivation="schedule.warmup_cosine.continuous",
)  # fmt: skip

WARMUP_LINEAR = schedule_formula(
    "warmup_linear", "η(t) = η₀ t/w for t < w; η₀ + (η_T − η₀) (t − w)/(T − w) from then on, and η_T from T on",
    "Devlin et al. 2019, appendix A.2",
    (STEP, _SHORT, _LONG, PEAK, END, _START, BEYOND), _warmup_linear, dialects=(_WARM, COUNT), constraints=(WITHIN,),
    derivation="schedule.linear.recursion",
)  # fmt: skip

WARMUP_EXPONENTIAL = schedule_formula(
    "warmup_exponential", "η(t) = η₀ t/w for t < w; η₀ γ^((t − w)/s) from then on, s = 1 if not given",
    "Goyal et al. 2017, section 2.2; torch.optim.lr_scheduler.ExponentialLR",
    (
        STEP, WARMUP, PEAK, FACTOR,
        plain("period", "", integer(1, 5), ("decay_steps", "s", "decay_every", "every"), default=1,
            differentiable=False),
        _START,
    ),
    _warmup_exponential, dialects=(_WARM, COUNT), derivation="schedule.exponential.recursion",
)  # fmt: skip

_COUNT_FREE = Axis(
    name="count", options=(Option(name=""), Option(name="counted from one", keywords={"first": 1}))
)  # fmt: skip

INVERSE_SQUARE_ROOT = schedule_formula(
    "inverse_square_root", "η(t) = η₀ t/w for t < w; η₀ √(w/t) from then on, w = 1 if not given",
    "Vaswani et al. 2017, eq. 3, by its largest rate",
    (
        steps(1), plain("warmup", "", integer(1, 5), WARMUP.forms[0].aliases, default=1, differentiable=False), PEAK,
        _START
    ),
    _inverse, dialects=(_COUNT_FREE,), derivation="schedule.noam.peak",
)  # fmt: skip

NOAM = schedule_formula(
    "noam", "η(t) = f d^(−1/2) min(t^(−1/2), t w^(−3/2))", "Vaswani et al. 2017, eq. 3",
    (
        steps(1), WARMUP,
        plain("width", "", integer(1, 64), ("d_model", "dim", "model_size", "d", "hidden_size", "model_dim",
            "embed_dim",
              "dim_embed", "n_embd", "dmodel"), differentiable=False),
        plain("base", "", number(0.25, 4.0), ("factor", "scale", "lr", "lr_mul", "multiplier", "k", "init_lr",
            "base_lr"),
              default=1.0, differentiable=False),
    ),
    lambda step, warmup, width, base, first=0: oracle.noam.terms(_plus(step, first), base, warmup, width),
    derivation="schedule.noam.peak",
)  # fmt: skip


@declares_reference
def linear_warmup() -> Formula:
    """The reference warm-up."""
    return Formula(reference.linear_warmup, like="schedule.linear_warmup")


@declares_reference
def warmup_cosine() -> Formula:
    """The reference warm-up with a cosine."""
    return Formula(reference.warmup_cosine, like="schedule.warmup_cosine")


@declares_reference
def warmup_exponential() -> Formula:
    """The reference warm-up with an exponential decay."""
    return Formula(reference.warmup_exponential, like="schedule.warmup_exponential")


@declares_reference
def warmup_linear() -> Formula:
    """The reference warm-up with a linear decay."""
    return Formula(reference.warmup_linear, like="schedule.warmup_linear")


@declares_reference
def inverse_square_root() -> Formula:
    """The reference inverse square root."""
    return Formula(reference.inverse_square_root, like="schedule.inverse_square_root")


@declares_reference
def noam() -> Formula:
    """The reference schedule of the Transformer."""
    return Formula(reference.noam, like="schedule.noam")
