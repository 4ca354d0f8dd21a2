"""What schedules take: the step, the number of steps, rates and factors, as plain numbers, under all their names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch

from genverify.errors import UsageError
from genverify.formulas.catalogue import formula
from genverify.formulas.plain_numbers import number
from genverify.subjects.domains import Domain, integer
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Constraint, Layout, Option, Specification

__all__ = [
    "AT_ONCE", "BASE", "BEYOND", "COUNT", "END", "FACTOR", "LAST", "LONGEST", "STEP", "TOTAL", "WARMUP", "WITHIN",
    "schedule_formula", "steps",
]  # fmt: skip

# Long enough for two restarts, short enough to step through; up to here t·(1/T) = 1 at t = T in every precision.
LONGEST = 8
# The recursions that people run lose about (2T/π)² roundings where a cosine turns from its minimum: 26 at T = 8.
_ROUNDINGS = 256

SINGLY = Layout(name="one step at a time", drop=("time",))
AT_ONCE = Layout(name="several steps at once")


def _argument(name: str, domain: Domain, *aliases: str, default: Any = ..., axes: str = "") -> Argument:  # noqa: ANN401
    return plain(name, axes, domain, aliases, default=default, differentiable=False)


def steps(first: int = 0, last: int = LONGEST) -> Argument:
    """The step, counted from zero."""
    return _argument(
        "step", integer(first, last), "t", "step", "epoch", "it", "iteration", "iter", "i", "n", "k", "global_step",
        "current_step", "cur_step", "step_num", "step_count", "last_epoch", "iter_num", "cur_iter", "current_epoch",
        "cur_epoch", "x", "count", "t_step", "train_step", "num_updates", "idx", "progress_step", axes="time",
    )  # fmt: skip


STEP = steps()
TOTAL = _argument(
    "total", integer(1, LONGEST),
    "T", "total_steps", "T_max", "max_steps", "num_steps", "steps", "total_iters", "num_training_steps",
    "max_iters", "n_steps", "epochs", "max_epochs", "num_epochs", "max_iter", "decay_steps", "N", "n_epochs",
    "total_epochs", "train_iters", "train_steps", "num_train_steps", "total_updates", "max_updates",
    "lr_decay_iters", "max_decay_steps", "t_total", "max_step", "n_iters", "total_step", "t_max", "num_iters",
    "training_steps", "t_initial", "anneal_steps", "anneal_epochs", "max_epoch", "t_end",
)  # fmt: skip
BASE = _argument(
    "base", number(0.05, 4.0), "lr", "base_lr", "lr_max", "max_lr", "initial_lr", "init_lr", "lr0", "eta_max",
    "peak_lr", "lr_init", "learning_rate", "eta0", "start_lr", "lr_start", "start", "initial", "initial_value",
    "maximum",
    "max_value", "eta", "init_value", "lr_base", "eta_0", "base_value", "value", "max_lr_value", "high", "hi",
    "beta_max",
    "max_beta", "peak", "peak_value", "initial_learning_rate", "start_value", "eta_start", "lr_peak", "base_rate",
    "rate",
    default=1.0,
)  # fmt: skip
END = _argument(
    "end", number(0.001, 2.0, apart=(0.0,)), "lr_min", "min_lr", "eta_min", "end_lr", "final_lr", "lr_end", "end_value",
    "final_value",
    "min_value", "minimum", "lr_final", "eta_end", "stop", "final", "end_learning_rate", "lr_low", "low", "lo",
    "alpha_f", "swa_lr",
    default=0.0,
)  # fmt: skip
WARMUP = _argument(
    "warmup", integer(1, 5), "warmup_steps", "w", "num_warmup_steps", "warmup_iters", "n_warmup", "warmup_epochs",
    "warm",
    "warm_up", "n_warmup_steps", "warmup_updates", "num_warmup", "t_warmup", "warmup_step", "linear_warmup_steps",
    "warm_steps", "wu",
)  # fmt: skip
# A schedule that is stepped goes on when its end has come; a function of the step is asked up to the end only.
BEYOND = _argument("beyond", integer(0, LONGEST + 2), default=0)
FACTOR = _argument(
    "gamma", number(0.2, 1.25), "decay", "decay_rate", "factor", "rate", "drop", "lr_decay", "multiplier", "ratio", "g",
    "decay_factor", "beta",
)  # fmt: skip

COUNT = Axis(
    name="count",
    options=(
        Option(name=""),
        Option(
            name="counted from one", keywords={"first": 1}, accepted=False,
            note="the rate of step t + 1 at step t: the first rate is never used",
        ),
    ),
)  # fmt: skip
LAST = Axis(
    name="last",
    options=(
        Option(name=""),
        Option(
            name="ends at T − 1", keywords={"last": 1}, accepted=False,
            note="T rates, as by linspace(…, T), where the formula takes T steps",
        ),
    ),
)  # fmt: skip


def _within(values: Mapping[str, Any]) -> bool:
    return bool((torch.as_tensor(values["step"]) <= torch.as_tensor(values["total"])).all())


WITHIN = Constraint(statement="t ≤ T", holds=_within)


# Arguments that are lengths of a phase, or numbers of phases: there is one step, or cycle, at least.
_LENGTHS = frozenset({"total", "warmup", "period", "up", "down", "number", "width"})


def _reach(kept: Mapping[str, Any]) -> Mapping[str, Domain]:
    """Steps as far as a script's own settings go: both sides of where a phase ends, and some between.

    Raises:
        UsageError: There is no such schedule: a phase without steps, a negative number of them, a rate that is none.
    """
    for name, value in kept.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if not math.isfinite(value):
            raise UsageError(
                given=f"{name} = {value!r}", expected="a finite number", do="give the schedule's own",
            )  # fmt: skip
        if name in _LENGTHS and value <= 0:
            raise UsageError(
                given=f"{name} = {value!r}, a length of a schedule", expected="at least one step",
                do=f"fix {name} at a positive number, or leave it free; what is done without a step is no schedule",
            )  # fmt: skip
    ends = sorted({int(kept[name]) for name in ("warmup", "total") if isinstance(kept.get(name), (int, float))})
    if not ends or ends[-1] <= LONGEST:
        return {}
    points = {0, 1, 2}
    for begin, end in pairwise([0, *(ends if len(ends) > 1 or "total" in kept else [*ends, 2 * ends[-1]])]):
        points |= {begin + 1, *(begin + (end - begin) * part // 8 for part in range(8)), end - 1, end}
    zero, *others = sorted(points)
    return {"step": replace(integer(zero, zero, sentinels=tuple(others)), name=f"a step up to {others[-1]}")}


def schedule_formula(
    name: str, statement: str, source: str, arguments: tuple[Argument, ...], oracle: Callable[..., Any],
    **rest: Any  # noqa: ANN401
) -> Specification:  # fmt: skip
    """Registers a schedule: a function of the step and of plain numbers, asked for one step or for several at once."""
    settings = {"layouts": (SINGLY, AT_ONCE), "sizes": {"time": (1, 2, 3)}, "dialects": (COUNT,), **rest}
    return formula(
        Specification(
            name=f"schedule.{name}", statement=statement, source=source, arguments=arguments, oracle=oracle,
            output="time", gradient=False, operations=_ROUNDINGS, reach=_reach, **settings,
        )
    )  # fmt: skip
