"""Whole samplers over a schedule of noise levels, as the field's libraries write them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.field_arguments import DENOISER, FIELD_SIZES, SAMPLE, layouts
from genverify.oracles import edm as oracle
from genverify.subjects.domains import Domain
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["DPM_SOLVER", "EULER", "HEUN"]

_LARGEST = 4.0
Step = Callable[..., Any]


def _falling(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Levels that fall by at least a quarter from one to the next, and end at zero."""
    shares = 0.25 + 0.5 * torch.sigmoid(raw.reshape(shape))
    known = _LARGEST * torch.cumprod(shares, -1)
    known[..., -1] = 0.0
    return known.to(dtype)


_SCHEDULE = plain(
    "sigmas", "level", Domain(name="falling noise levels that end at zero", make=_falling),
    ("sigma_schedule", "t_steps", "schedule", "noise_levels", "ts", "timesteps", "sigma", "steps"),
    differentiable=False,
)  # fmt: skip


def _run(step: Step) -> Callable[..., Tensor]:
    """A chain of steps over the schedule, each given what the last one denoised to and its level."""

    def computed(denoiser: Any, x: Tensor, sigmas: Tensor, **how: Any) -> Tensor:  # noqa: ANN401
        before: tuple[Tensor, Tensor] | None = None
        for now, then in pairwise(sigmas):
            denoised = denoiser(x, now)
            x = torch.stack(step(denoiser, x, denoised, now, then, before, **how)).sum(0)
            before = denoised, now
        return x

    return computed


def _euler(denoiser: Any, x: Tensor, denoised: Tensor, now: Tensor, then: Tensor, before: Any) -> Any:  # noqa: ANN401
    return oracle.euler(x, denoised, now, then)


def _heun(denoiser: Any, x: Tensor, denoised: Tensor, now: Tensor, then: Tensor, before: Any) -> Any:  # noqa: ANN401
    return oracle.heun(denoiser, x, now, then)


def _multistep(
    denoiser: Any,  # noqa: ANN401
    x: Tensor,
    denoised: Tensor,
    now: Tensor,
    then: Tensor,
    before: Any,  # noqa: ANN401
    kind: str = "multistep",
) -> Any:  # noqa: ANN401
    if before is None or float(then) == 0 or kind == "first":
        return oracle.euler(x, denoised, now, then)
    return oracle.dpm_multistep(x, denoised, before[0], now, then, before[1])


def _sampler(name: str, statement: str, source: str, step: Step, **rest: Any) -> Specification:  # noqa: ANN401
    return formula(
        Specification(
            name=f"edm.{name}_sampler", statement=statement, source=source, arguments=(DENOISER, SAMPLE, _SCHEDULE),
            oracle=_run(step), output="batch event", layouts=layouts(("x",)),
            sizes={**FIELD_SIZES, "level": (4, 6, 3, 2)}, operations=512, **rest,
        )
    )  # fmt: skip


EULER = _sampler(
    "euler", "x_{i+1} = x_i + (σ_{i+1} − σ_i) (x_i − D(x_i; σ_i))/σ_i, down a schedule",
    "Karras et al. 2022, algorithm 1",
    _euler, derivation="edm.euler_step.mixture",
)  # fmt: skip
HEUN = _sampler(
    "heun", "Heun's steps down a schedule, Euler's to zero", "Karras et al. 2022, algorithm 1", _heun,
    derivation="edm.heun_step.order",
)  # fmt: skip
DPM_SOLVER = _sampler(
    "dpm_solver", "DPM-Solver++(2M) down a schedule; the first step, and that to zero, are of first order",
    "Lu et al. 2022 (DPM-Solver++), algorithm 2", _multistep, derivation="edm.dpm_solver_step.multistep",
    dialects=(
        Axis(name="order", options=(
            Option(name=""), Option(name="of first order", keywords={"kind": "first"}, note="DDIM; Euler in σ"),
        )),
    ),
)  # fmt: skip
