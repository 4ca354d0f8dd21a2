"""The probability flow of an equation, its way back in time, and a step of Euler and Maruyama."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.field_arguments import (
    FIELD_SIZES,
    SCORE_FUNCTION,
    SIZES,
    column,
    field,
    layouts,
    levels,
    standard_normal,
)
from genverify.formulas.references import declares_reference
from genverify.formulas.sde_arguments import STATE, TIME, VE, VP
from genverify.oracles import sde as oracle
from genverify.reference.diffusion import stochastic_equations as reference
from genverify.subjects.domains import function_of_real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Axis, Option, Role, Specification

__all__ = ["EULER_MARUYAMA", "FLOW", "REVERSE"]

Terms = tuple[Tensor, ...]
_DRIFT = any_real("drift", "batch event", "f", "f_t", "forward_drift", "drift_x", "fx", "mu")
_DIFFUSION = levels(
    "diffusion", 0.2, 3.0, "g", "g_t", "G", "diffusion_coeff", "sigma", "diff", "diffusion_t", "gt", "noise_coeff",
    differentiable=False,
)  # fmt: skip
_SCORE = any_real("score", "batch event", "s", "score_x", "grad_log_p", "scores", "s_theta", "score_pred", "score_t")
_FLOW_SLIPS = (
    Option(name="of the wrong sign", keywords={"sign": -1.0}, accepted=False, note="f + …: the score is added"),
    Option(name="g for g²", keywords={"power": 1}, accepted=False, note="the variance g² multiplies the score"),
)
_FLOW_AXIS = Axis(
    name="score's share",
    options=(
        Option(name=""),
        Option(name="without ½", keywords={"share": 1.0}, accepted=False,
               note="that is sde.reverse, which has noise, too"),
        *_FLOW_SLIPS,
    ),
)  # fmt: skip
_REVERSE_AXIS = Axis(
    name="score's share",
    options=(
        Option(name="", keywords={"share": 1.0}),
        Option(name="with ½", keywords={"share": 0.5}, accepted=False,
               note="that is sde.probability_flow, without noise"),
        *(replace(one, keywords={**one.keywords, "share": 1.0}) for one in _FLOW_SLIPS),
    ),
)  # fmt: skip


def _slope(
    drift: Tensor, diffusion: Any, score: Tensor, *, share: float = 0.5, sign: float = 1.0, power: int = 2  # noqa: ANN401
) -> Terms:  # fmt: skip
    amount = column(diffusion) ** (power / 2)
    return oracle.flow_slope(drift, amount, sign * score, share)


def _of_vp(score: Any, x: Tensor, t: Any, low: Any, high: Any, **how: Any) -> Terms:  # noqa: ANN401
    beta = oracle.vp_rate(*(torch.as_tensor(one, dtype=torch.float64) for one in (t, low, high)))
    return _slope(-column(beta) * x / 2, torch.sqrt(beta), score(x, t), **how)


def _of_ve(score: Any, x: Tensor, t: Any, low: Any, high: Any, **how: Any) -> Terms:  # noqa: ANN401
    rate = oracle.ve_diffusion.torch(*(torch.as_tensor(one, dtype=torch.float64) for one in (t, low, high)))
    return _slope(torch.zeros_like(x), rate, score(x, t), **how)


def _of_functions(drift: Any, diffusion: Any, score: Any, x: Tensor, t: Any, **how: Any) -> Terms:  # noqa: ANN401
    return _slope(drift(x, t), diffusion(torch.as_tensor(t, dtype=torch.float64)), score(x, t), **how)


_FUNCTIONS = (
    field("drift", "f", "drift_fn", "f_fn", "forward_drift"),
    plain("diffusion", "number", function_of_real(), ("g", "diffusion_fn", "g_fn", "diffusion_coeff", "G"),
          role=Role.FUNCTION, differentiable=False),
    replace(SCORE_FUNCTION, differentiable=False), STATE, TIME,
)  # fmt: skip


def _both(name: str, statement: str, source: str, axis: Axis) -> Specification:
    """The slope from what it is made of, and from a score and the ends of a schedule."""
    rest: dict[str, Any] = {
        "source": source, "output": "batch event", "dialects": (axis,), "operations": 256,
        "derivation": "sde.probability_flow.normal",
    }  # fmt: skip
    score = replace(SCORE_FUNCTION, differentiable=False)
    for end, compute, bounds in (("vp", _of_vp, VP), ("ve", _of_ve, VE)):
        formula(
            Specification(
                name=f"sde.{name}_{end}", statement=f"{statement}, of sde.{end}",
                arguments=(score, STATE, TIME, *bounds), oracle=compute, layouts=layouts(("x",), ("t",)),
                sizes=FIELD_SIZES, **rest,
            )
        )  # fmt: skip
    formula(
        Specification(
            name=f"sde.{name}_of_functions", statement=statement, arguments=_FUNCTIONS, oracle=_of_functions,
            layouts=layouts(("x",), ("t",)), sizes={**FIELD_SIZES, "number": (3,)}, **rest,
        )
    )  # fmt: skip
    return formula(
        Specification(
            name=f"sde.{name}", statement=statement, arguments=(_DRIFT, _DIFFUSION, _SCORE), oracle=_slope,
            layouts=layouts(("drift", "score"), ("diffusion",)), sizes=SIZES,
            namesakes=tuple(f"sde.{name}_{end}" for end in ("vp", "ve", "of_functions")), **rest,
        )
    )  # fmt: skip


FLOW = _both("probability_flow", "dx/dt = f(x, t) − ½ g(t)² ∇ log p_t(x)", "Song et al. 2021, eq. 13", _FLOW_AXIS)
REVERSE = _both(
    "reverse", "the drift back in time, f(x, t) − g(t)² ∇ log p_t(x)", "Anderson 1982; Song et al. 2021, eq. 6",
    _REVERSE_AXIS,
)  # fmt: skip


def _maruyama(
    x: Tensor, drift: Tensor, diffusion: Any, width: Any, noise: Tensor, *, power: float = 0.5  # noqa: ANN401
) -> Terms:  # fmt: skip
    dt = column(width)
    return x, drift * dt, column(diffusion) * dt**power * noise


EULER_MARUYAMA = formula(
    Specification(
        name="sde.euler_maruyama_step", statement="x′ = x + f dt + g √dt z, z standard normal",
        source="Maruyama 1955; Kloeden & Platen 1992, eq. 9.1.7",
        arguments=(
            STATE, _DRIFT, _DIFFUSION,
            levels("width", 0.01, 0.5, "dt", "h", "step_size", "delta_t", "step", "delta", "time_step", "stepsize",
                   differentiable=False),
            standard_normal("noise", "dw"),
        ),
        oracle=_maruyama, output="batch event", gradient=False,
        layouts=layouts(("x", "drift", "noise"), ("diffusion", "width")),
        sizes=SIZES, operations=64,
        dialects=(
            Axis(name="noise", options=(
                Option(name=""),
                Option(name="with dt for √dt", keywords={"power": 1.0}, accepted=False,
                       note="a sum of n such steps has a variance of 1/n: the noise vanishes with the step"),
                Option(name="without √dt", keywords={"power": 0.0}, accepted=False,
                       note="a sum of n such steps has a variance of n: the noise grows as steps shrink"),
            )),
        ),
        derivation="sde.euler_maruyama_step.root",
    )
)  # fmt: skip


@declares_reference
def probability_flow() -> Formula:
    """The reference flow."""
    return Formula(reference.probability_flow, like="sde.probability_flow")


@declares_reference
def reverse() -> Formula:
    """The reference drift back in time."""
    return Formula(reference.reverse_drift, like="sde.reverse")


@declares_reference
def euler_maruyama_step() -> Formula:
    """The reference step."""
    return Formula(reference.euler_maruyama_step, like="sde.euler_maruyama_step")
