"""Schedulers in the manner of huggingface/diffusers: a schedule, `set_timesteps`, `add_noise`, and a `step`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from genverify.adapters.adapter import adapter
from genverify.adapters.diffusion_process import in_words
from genverify.adapters.diffusion_roles import predicted
from genverify.adapters.diffusion_schedule import rates_of, tables_of
from genverify.errors import UsageError
from genverify.subjects.diffusion_process import DiffusionCalls, DiffusionProcess, Role

__all__ = ["scheduler"]


def _is_scheduler(thing: object) -> bool:
    """Whether it is a discrete scheduler of ᾱ; those that integrate in σ are samplers of another process."""
    if isinstance(thing, type):
        return False
    parts = ("set_timesteps", "step", "add_noise", "alphas_cumprod", "betas")
    return all(hasattr(thing, name) for name in parts) and not hasattr(thing, "sigmas")


@adapter("scheduler of diffusers: set_timesteps, add_noise, step", "diffusion_process", _is_scheduler, rank=20,
         guesses=True)  # fmt: skip
def scheduler(subject: DiffusionProcess) -> DiffusionProcess:
    """Schedulers of diffusers, set to all of their steps, or to `steps` of them.

    Raises:
        UsageError: It cannot be set to so many steps.
    """
    thing = copy.deepcopy(subject.f)
    tables = tables_of(subject)
    alphas, origin, unit = rates_of(subject, tables)
    steps = len(alphas) if subject.steps is None else int(subject.steps)
    try:
        thing.set_timesteps(steps)
        path = tuple(int(t) for t in thing.timesteps)
    except Exception as error:
        raise UsageError(
            given=f"{subject.label}, whose set_timesteps({steps}) raises {type(error).__name__}: {error}",
            expected="a number of steps that it takes", do="say steps=",
        ) from error  # fmt: skip
    if any(a <= b for a, b in pairwise(path)) or not all(0 <= t < len(alphas) for t in path):
        raise UsageError(
            given=f"{subject.label}, set to {steps} steps: {list(path[:4])} …",
            expected="each step once, from noise to data", do="say another steps=, or judge its formulas one by one",
        )  # fmt: skip
    roles = _roles(thing)
    config = getattr(thing, "config", None)
    event = subject.event_shape if isinstance(subject.event_shape, tuple) else (1, 2, 2)
    calls = DiffusionCalls(
        tables={role: table for role, (_, table) in tables.items()}, alphas=alphas, origin=origin, unit=unit,
        roles=roles, network=None, event=event, dtype=torch.float64,
        stated=predicted(getattr(config, "prediction_type", "")), path=path,
        final=float(getattr(thing, "final_alpha_cumprod", 1.0)),
        notes=(*in_words(tables, roles, (), unit), f"set to {steps} steps: t = {_listed(path)}"),
    )  # fmt: skip
    return replace(subject, prepared=calls)


def _listed(path: tuple[int, ...]) -> str:
    shown = [str(t) for t in path]
    return ", ".join(shown if len(shown) < 9 else [*shown[:4], "…", *shown[-3:]])


def _roles(thing: Any) -> dict[str, Role]:  # noqa: ANN401
    """Its functions; `step` is DDIM's where it takes an η."""
    takes = inspect.signature(thing.step).parameters
    found = [_role("q_sample", "add_noise", frozenset({"x0", "noise", "t"}), True, _noising(thing))]
    if callable(getattr(thing, "get_velocity", None)):
        found.append(_role("v_target", "get_velocity", frozenset({"x0", "noise", "t"}), True, _velocity(thing)))
    back, eta = _stepping(thing), frozenset({"eta"} if "eta" in takes else ())
    name = "ddim_step" if eta else "p_sample"
    found.append(_role(name, "step", frozenset({"prediction", "xt", "t"}) | eta, False, back))
    return {one.name: one for one in found}


def _role(name: str, own: str, takes: frozenset[str], per_row: bool, call: Callable[..., Any]) -> Role:
    return Role(name=name, spelt=f"{own} is {name}", call=call, takes=takes, per_row=per_row, number=not per_row)


def _noising(thing: Any) -> Callable[..., Tensor]:  # noqa: ANN401
    return lambda x0, noise, t: thing.add_noise(x0, noise, t)


def _velocity(thing: Any) -> Callable[..., Tensor]:  # noqa: ANN401
    return lambda x0, noise, t: thing.get_velocity(x0, noise, t)


def _stepping(thing: Any) -> Callable[..., Tensor]:  # noqa: ANN401
    def back(prediction: Tensor, xt: Tensor, t: int, **more: float) -> Tensor:
        return thing.step(prediction, t, xt, **more).prev_sample

    return back
