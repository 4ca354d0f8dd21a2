"""Flow matching: straight paths from noise to data, their velocities, and the loss by which a velocity is learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.field_arguments import (
    FIELD_SIZES,
    SIZES,
    VELOCITY,
    column,
    layouts,
    standard_normal,
    time,
    uniform_time,
)
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import probability_path as oracle
from genverify.reference.diffusion import flow_matching as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["LINEAR_PATH", "LOSS", "OPTIMAL_TRANSPORT_PATH", "VELOCITY_TARGET"]

Terms = tuple[Tensor, ...]
_LIPMAN, _LIU = (
    "Lipman et al. 2023, eqs. 20 to 23",
    "Liu, Gong & Liu 2023, eq. 1; Lipman et al. 2023, eq. 22 with σ_min = 0",
)
_FROM = any_real("x0", "batch event", "x_0", "source", "start", "z0", "z_0", "X0", "x_source", "a", "x_init", "prior")
_TO = any_real("x1", "batch event", "x_1", "target", "end", "z1", "z_1", "X1", "x_target", "b")
_NOISE_WORDS = ("eps", "epsilon", "z", "gaussian", "noises", "prior", "x_noise", "noise_sample", "e", "base")
_NOISE = any_real("noise", "batch event", *_NOISE_WORDS)
_DATA = any_real(
    "data", "batch event", "x1", "x_1", "x0", "x_0", "x", "x_start", "latents", "images", "target", "actions", "clean",
    "x_data", "img", "action", "model_input", "sample", "samples", "batch", "latent", "image", "y", "z_0", "x_real",
)  # fmt: skip
_T = time("t", "time_expanded", "texp", "alpha", differentiable=False)
_LEVEL = time("sigma", "sigmas", "noise_level", "sigma_t", "noise_levels", differentiable=False)
_LEAST = hyperparameter(
    "least", "sigma_min", "sig_min", "sigma_small", "smin", "s_min", "min_sigma", "sigma", "sigmin", default=None,
    low=0.01, high=0.5, apart=(0.0,),
)  # fmt: skip
# A constant inside a function that has no such argument.
_CONSTANT = Axis(
    name="σ_min",
    options=(
        Option(name=""),
        *(Option(name=f"σ_min = {value:g}", keywords={"constant": value}) for value in (1e-5, 1e-4, 1e-3, 1e-2)),
    ),
)  # fmt: skip
_WAY = Axis(
    name="time",
    options=(
        Option(name=""),
        Option(name="noise at t = 1", keywords={"reverse": True}, note="the other direction of time"),
    ),
)  # fmt: skip
_REVERSED = Option(name="reversed", keywords={"reverse": True}, accepted=False, note="x₀ is left at t = 0, and not x₁")


def _chosen(least: Any, constant: float) -> Any:  # noqa: ANN401
    return constant if least is None else least


def _path(
    x0: Tensor, x1: Tensor, t: Any, least: Any = None, *, constant: float = 0.0, reverse: bool = False, slip: str = ""  # noqa: ANN401
) -> Terms:  # fmt: skip
    at, chosen = column(t), _chosen(least, constant)
    at = 1 - at if reverse else at
    if slip == "roots":
        return torch.sqrt(at) * x1, torch.sqrt(1 - at) * x0
    if slip == "least":
        return (1 - at) * x0, at * x1, chosen * x0
    wide = torch.as_tensor(chosen, dtype=torch.float64)
    return oracle.path.terms(x0, x1, at, wide)


def _specify(
    name: str, statement: str, source: str, arguments: tuple[Argument, ...], compute: Callable[..., Any], *,
    dialects: tuple[Axis, ...] = (), derivation: str = "path.velocity", namesakes: tuple[str, ...] = (),
    operations: int = 32,
) -> Specification:  # fmt: skip
    samples = tuple(one.name for one in arguments if one.axes == "batch event")
    times = tuple(one.name for one in arguments if one.axes == "batch")
    return formula(
        Specification(
            name=f"flow_matching.{name}", statement=statement, source=source, arguments=arguments, oracle=compute,
            output="batch event", dialects=dialects, sizes=SIZES, operations=operations,
            layouts=(*layouts(samples, times), Layout(name="one sample at a time", drop=("batch",))),
            namesakes=tuple(f"flow_matching.{one}" for one in namesakes), derivation=f"flow_matching.{derivation}",
        )
    )  # fmt: skip


_ROOTS = Option(
    name="with square roots", keywords={"slip": "roots"}, accepted=False,
    note="√t x₁ + √(1 − t) x₀ keeps the variance: a path of diffusion, not the straight one",
)  # fmt: skip
_STRAIGHT = "x_t = (1 − t) x₀ + t x₁"
LINEAR_PATH = _specify(
    "linear_path", _STRAIGHT, _LIU, (_FROM, _TO, _T), _path,
    dialects=(Axis(name="path", options=(Option(name=""), _REVERSED, _ROOTS)),),
    namesakes=("linear_path_of_data", "linear_path_of_levels"),
)  # fmt: skip


def _of_data(noise: Tensor, data: Tensor, t: Any, **how: Any) -> Terms:  # noqa: ANN401
    return _path(noise, data, t, **how)


_specify(
    "linear_path_of_data", "x_t = (1 − t) noise + t data, or in the other direction of time", _LIU, (_NOISE, _DATA, _T),
    _of_data, dialects=(_WAY, Axis(name="path", options=(Option(name=""), _ROOTS))),
)  # fmt: skip
_specify(
    "linear_path_of_levels", "x_σ = (1 − σ) data + σ noise", "Esser et al. 2024, eq. 13; " + _LIU,
    (_NOISE, _DATA, _LEVEL),
    lambda noise, data, sigma, **how: _path(noise, data, 1 - torch.as_tensor(sigma, dtype=torch.float64), **how),
    dialects=(
        Axis(name="path", options=(
            Option(name=""), _ROOTS,
            Option(name="data and noise exchanged", keywords={"reverse": True}, accepted=False,
                   note="at the level σ the noise has the share σ"),
        )),
    ),
)  # fmt: skip

_UNUSED = (
    time("t", "sigma", "sigmas", default=None, differentiable=False),
    any_real("x", "batch event", "xt", "x_t", "z_t", "zt", default=None, differentiable=False),
)  # fmt: skip


def _velocity(
    x0: Tensor, x1: Tensor, t: Any = None, x: Any = None, least: Any = None, *, constant: float = 0.0,  # noqa: ANN401
    slip: str = "", reverse: bool = False,
) -> Terms:  # fmt: skip
    chosen = torch.as_tensor(_chosen(least, constant), dtype=torch.float64)
    if slip == "difference":
        return (x1,)
    terms = oracle.velocity.terms(x0, x1, chosen)
    return tuple(-term for term in terms) if reverse else terms


_BACK = Option(name="backwards", keywords={"reverse": True}, accepted=False, note="x₀ − x₁: from the end to the start")
_END = Option(
    name="the end itself", keywords={"slip": "difference"}, accepted=False, note="x₁, a prediction of the data"
)
VELOCITY_TARGET = _specify(
    "velocity_target", "u = dx_t/dt = x₁ − x₀", _LIU, (_FROM, _TO, *_UNUSED), _velocity,
    dialects=(Axis(name="target", options=(Option(name=""), _BACK, _END)),),
    namesakes=("velocity_target_of_data", "velocity_target_of_optimal_transport", "velocity_target_at"),
)  # fmt: skip
_specify(
    "velocity_target_of_data", "u = data − noise, or in the other direction of time noise − data", _LIU,
    (_NOISE, _DATA, *_UNUSED), lambda noise, data, t=None, x=None, **how: _velocity(noise, data, **how),
    dialects=(_WAY, Axis(name="target", options=(Option(name=""), _END))),
)  # fmt: skip
_NEEDED = hyperparameter("least", *_LEAST.forms[0].aliases, default=0.0, low=0.01, high=0.5)
_specify(
    "velocity_target_of_optimal_transport", "u = x₁ − (1 − σ_min) x₀", _LIPMAN, (_FROM, _TO, _LEAST, *_UNUSED),
    _velocity, dialects=(Axis(name="target", options=(Option(name=""), _BACK, _END)), _CONSTANT),
)  # fmt: skip


def _velocity_at(
    x: Tensor, x1: Tensor, t: Any, least: Any, x0: Any = None, *, constant: float = 0.0, slip: str = "", # noqa: ANN401
) -> Terms:  # fmt: skip
    at, chosen = column(t), torch.as_tensor(_chosen(least, constant), dtype=torch.float64)
    start = column(t) if slip == "time" else x
    left = 1 - (1 - chosen) * at
    # At a time near one the bracket is what is left of one, and its rounding is worth 1/bracket.
    lost = (x1.abs() + x.abs()) / left**2
    return x1 / left, -(1 - chosen) * start / left, lost, -lost


_specify(
    "velocity_target_at", "u(x | x₁) = (x₁ − (1 − σ_min) x)/(1 − (1 − σ_min) t)", "Lipman et al. 2023, eq. 21",
    (any_real("x", "batch event", "xt", "x_t", "z_t"), _TO, _T, _LEAST,
     any_real("x0", "batch event", "x_0", default=None, differentiable=False)),
    _velocity_at, operations=64,
    dialects=(
        _CONSTANT,
        Axis(name="numerator", options=(
            Option(name=""),
            Option(name="t for x", keywords={"slip": "time"}, accepted=False,
                   note="x₁ − (1 − σ_min) t: as a docstring of atong01/conditional-flow-matching had it, #175"),
        )),
    ),
)  # fmt: skip

_TRANSPORT = "x_t = (1 − (1 − σ_min) t) x₀ + t x₁"
_ADDED = Option(
    name="σ_min x₀ throughout", keywords={"slip": "least"}, accepted=False,
    note="(1 − t) x₀ + t x₁ + σ_min x₀: at t = 0 it is not x₀",
)  # fmt: skip
_TRANSPORT_AXES = (Axis(name="path", options=(Option(name=""), _REVERSED, _ADDED)), _CONSTANT)
OPTIMAL_TRANSPORT_PATH = _specify(
    "optimal_transport_path", _TRANSPORT, _LIPMAN, (_FROM, _TO, _T, _LEAST), _path, dialects=_TRANSPORT_AXES,
    namesakes=("optimal_transport_path_and_velocity", "optimal_transport_path_of_data"),
)  # fmt: skip
_specify(
    "optimal_transport_path_of_data", "x_t = (1 − (1 − σ_min) t) noise + t data", _LIPMAN, (_NOISE, _DATA, _T, _LEAST),
    lambda noise, data, t, least, **how: _path(noise, data, t, least, **how), dialects=_TRANSPORT_AXES,
)  # fmt: skip
_BOTH = formula(
    Specification(
        name="flow_matching.optimal_transport_path_and_velocity",
        statement=_TRANSPORT + ", and u = x₁ − (1 − σ_min) x₀",
        source=_LIPMAN, arguments=(_FROM, _TO, _T, _LEAST), outputs=("path", "velocity"),
        oracle=lambda x0, x1, t, least, **how: (_path(x0, x1, t, least, **how), _velocity(x0, x1, least=least, **how)),
        output="batch event|batch event", dialects=(_CONSTANT,), sizes=SIZES,
        layouts=layouts(("x0", "x1"), ("t",), returned=False), derivation="flow_matching.path.velocity",
    )
)  # fmt: skip

_OVER = (reduction("batch", ("mean", "sum", "none")), reduction("event", ("mean", "sum")))
_FIELD_AXIS = Axis(
    name="target",
    options=(
        Option(name=""),
        Option(name="backwards", keywords={"slip": "sign"}, accepted=False, note="the velocity points to the noise"),
        Option(name="the data", keywords={"slip": "end"}, accepted=False, note="x₁ is no velocity"),
        Option(name="told 1 − t", keywords={"slip": "time"}, accepted=False,
               note="the network is told the time that is left"),
    ),
)  # fmt: skip


def _loss(
    velocity: Any, x0: Tensor, x1: Tensor, t: Any, least: Any, *, constant: float = 0.0, reverse: bool = False,  # noqa: ANN401
    slip: str = "", first: float = 0.0,
) -> Terms:  # fmt: skip
    chosen = float(_chosen(least, constant))
    told = first + (1 - first) * torch.as_tensor(t, dtype=torch.float64)
    at = column(told)
    share = 1 - at if reverse else at

    def field(point: Tensor, moment: Tensor) -> Tensor:
        found = velocity(point, 1 - moment if slip == "time" else moment)
        return -found if reverse != (slip == "sign") else found

    if slip == "end":
        point = (1 - (1 - chosen) * share) * x0 + share * x1
        found = velocity(point, told)
        return found**2, -2 * found * x1, x1**2
    return oracle.matching(field, x0, x1, told, share, chosen)


# The first times are left out by some: t = ε + (1 − ε) u.
_CONSTANTS = Axis(
    name="constant",
    options=(
        *_CONSTANT.options,
        *(Option(name=f"t from {value:g} on", keywords={"first": value}) for value in (1e-5, 1e-3)),
    ),
)  # fmt: skip
_REGRESSION = "E ‖v(x_t, t) − (x₁ − x₀)‖², x_t = (1 − t) x₀ + t x₁, t uniform, or the logistic map of a normal draw"


def _fit(
    name: str, arguments: tuple[Argument, ...], compute: Callable[..., Any], *more: Axis,
    namesakes: tuple[str, ...] = (),
) -> Specification:  # fmt: skip
    samples = tuple(one.name for one in arguments if one.axes == "batch event")
    return formula(
        Specification(
            name=f"flow_matching.{name}", statement=_REGRESSION, source=f"{_LIU}; Tong et al. 2024, eq. 10",
            arguments=arguments, oracle=compute, output="batch event", operations=256, sizes=FIELD_SIZES,
            dialects=(*_OVER, _CONSTANTS, *more), layouts=layouts(samples, ("t",)),
            derivation="flow_matching.loss.marginal",
            namesakes=namesakes,
        )
    )  # fmt: skip


LOSS = _fit(
    "loss", (VELOCITY, _FROM, _TO, uniform_time(), _LEAST), _loss, _FIELD_AXIS,
    namesakes=("flow_matching.loss_of_data",),
)  # fmt: skip
_fit(
    "loss_of_data", (VELOCITY, _DATA, standard_normal("noise", *_NOISE_WORDS, "x0", "x_0"), uniform_time(), _LEAST),
    lambda velocity, data, noise, t, least, **how: _loss(velocity, noise, data, t, least, **how), _WAY, _FIELD_AXIS,
)  # fmt: skip


@declares_reference
def linear_path() -> Formula:
    """The reference straight path."""
    return Formula(reference.linear_path, like="flow_matching.linear_path")


@declares_reference
def velocity_target() -> Formula:
    """The reference velocity of it."""
    return Formula(reference.velocity_target, like="flow_matching.velocity_target")


@declares_reference
def optimal_transport_path() -> Formula:
    """The reference path that ends around the data."""
    return Formula(reference.optimal_transport_path, like="flow_matching.optimal_transport_path")


@declares_reference
def loss() -> Formula:
    """The reference loss."""
    return Formula(reference.loss, like="flow_matching.loss")
