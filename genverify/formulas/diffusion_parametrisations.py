"""What a network predicts as formulas: noise, data, velocity and score, and each from another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.diffusion_arguments import (
    EVENT,
    LAYOUTS,
    NOISE_LEVEL,
    PREDICTED_EPS,
    SIZES,
    STEP,
    WITHIN,
    XT,
    anatomy,
    levels,
    reach,
    x0,
)
from genverify.formulas.diffusion_process import INDEX, ROOTS, scaled
from genverify.formulas.references import declares_reference
from genverify.oracles import diffusion as oracle
from genverify.reference.diffusion import parametrisations as reference
from genverify.subjects.choices import choice
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Axis, Form, Option, Role, Specification

__all__ = [
    "EPS_FROM_X0", "PREDICTION_TYPE", "SCORE_FROM_EPS", "V_TARGET", "X0_EPS_FROM_PREDICTION", "X0_EPS_FROM_V",
    "X0_FROM_EPS",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]
Tensor = torch.Tensor
Number = Any
_HO, _SALIMANS = "Ho, Jain & Abbeel 2020", "Salimans & Ho 2022"
# In formulas of the velocity α and σ are the two roots.
_ROOTS = levels(alphas=("alphas_step",), roots=("alpha", "alpha_t", "a", "alphas_root", "signal", "alphas_t"))
_V = any_real(
    "v", EVENT, "velocity", "v_pred", "pred_v", "model_output", "v_t", "prediction", "output", "out", "vt", "v_hat",
    "pred",
    "model_out", "v_prediction", "predicted_v", "v_theta", "noise_pred",
)  # fmt: skip
_TARGET_NOISE = any_real("noise", EVENT, "eps", "epsilon", "n", "e", "z", "noises")


def _slips(*more: Option) -> tuple[Axis, ...]:
    return (Axis(name="coefficients", options=(Option(name=""), *ROOTS, *INDEX, *more)),)


def _with_roots(function: Callable[..., Terms], like: str) -> Callable[..., Terms]:
    """An oracle of the two roots as one of schedule, step and slips."""

    def found(*, schedule: Tensor, t: Number, noise_level: Tensor | None, sign: float = 1.0, **rest: Any) -> Terms:  # noqa: ANN401
        slip = {name: rest.pop(name) for name in ("roots", "which", "back", "first") if name in rest}
        a, s = scaled(schedule, t, noise_level, rest[like], **slip)
        return tuple(sign * term for term in function(**rest, signal=a, scale=s))

    return found


def _formula(
    name: str,
    statement: str,
    source: str,
    arguments: tuple[Argument, ...],
    terms: Callable[..., Any],
    like: str,
    **rest: Any,  # noqa: ANN401
) -> Specification:
    schedule = rest.pop("schedule", levels())
    settings = {
        "oracle": _with_roots(terms, like),
        "output": EVENT,
        "dialects": _slips(),
        "derivation": "diffusion.parametrisations.equivalent",
        **rest,
    }
    return formula(
        Specification(
            name=f"diffusion.{name}", statement=statement, source=source,
            arguments=(*arguments, schedule, NOISE_LEVEL, STEP),
            layouts=LAYOUTS, sizes=SIZES, constraints=(WITHIN,), reach=reach, anatomy=anatomy(), **settings,
        )
    )  # fmt: skip


X0_FROM_EPS = _formula(
    "x0_from_eps", "x̂_0 = (x_t − √(1 − ᾱ_t) ε)/√ᾱ_t", f"{_HO}, eq. 15", (XT, PREDICTED_EPS), oracle.x0_from_eps.terms,
    "xt",
)  # fmt: skip

EPS_FROM_X0 = _formula(
    "eps_from_x0", "ε̂ = (x_t − √ᾱ_t x_0)/√(1 − ᾱ_t)", "Song, Meng & Ermon 2021, eq. 12", (XT, x0()),
    oracle.eps_from_x0.terms, "xt",
)  # fmt: skip

V_TARGET = _formula(
    "v_target", "v = √ᾱ_t ε − √(1 − ᾱ_t) x_0", f"{_SALIMANS}, appendix D", (x0(), _TARGET_NOISE), oracle.velocity.terms,
    "x0", schedule=_ROOTS,
    dialects=_slips(
        Option(name="its negative", keywords={"sign": -1.0}, accepted=False,
               note="√(1 − ᾱ) x_0 − √ᾱ ε points from noise to data"),
    ),
)  # fmt: skip


def _from_v(*, xt: Tensor, v: Tensor, signal: Tensor, scale: Tensor) -> tuple[Any, Any]:
    return oracle.x0_from_v.terms(xt, v, signal, scale), oracle.eps_from_v.terms(xt, v, signal, scale)


def _both(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """An oracle of two results, of schedule, step and slips: which result is wrong, and how."""

    def found(
        *,
        schedule: Tensor,
        t: Number,
        noise_level: Tensor | None,
        xt: Tensor,
        sign: str = "",
        **rest: Any,  # noqa: ANN401
    ) -> tuple[Any, Any]:
        slip = {name: rest.pop(name) for name in ("roots", "which", "back", "first") if name in rest}
        a, s = scaled(schedule, t, noise_level, xt, **slip)
        x, e = function(xt=xt, signal=a, scale=s, **rest)
        x = (x[0], *(-term for term in x[1:])) if sign == "x0" else x
        return x, ((e[0], *(-term for term in e[1:])) if sign == "eps" else e)

    return found


X0_EPS_FROM_V = _formula(
    "x0_eps_from_v", "x̂_0 = √ᾱ_t x_t − √(1 − ᾱ_t) v, ε̂ = √(1 − ᾱ_t) x_t + √ᾱ_t v", f"{_SALIMANS}, appendix D",
    (XT, _V), lambda: (), "xt", schedule=_ROOTS, output=f"{EVENT}|{EVENT}", outputs=("x0", "eps"),
        oracle=_both(_from_v),
    dialects=_slips(
        Option(name="x_0 with a plus", keywords={"sign": "x0"}, accepted=False,
               note="√ᾱ x_t + √(1 − ᾱ) v: the velocity is then the negative of the paper's"),
        Option(name="ε with a minus", keywords={"sign": "eps"}, accepted=False,
               note="√(1 − ᾱ) x_t − √ᾱ v: the velocity is then the negative of the paper's"),
    ),
)  # fmt: skip


def _words(*words: str) -> tuple[Any, Any]:
    meaning = dict(zip(words, ("epsilon", "sample", "v_prediction"), strict=True))
    # Twice what is no usual default: a subject is called without the option, too.
    return choice(words[2], words[1], words[0], words[1], words[2]), lambda word: meaning.get(word, word)


def _kind() -> Argument:
    """What the network predicts, in the words of three schools."""
    diffusers, lucidrains, short = (
        _words("epsilon", "sample", "v_prediction"), _words("pred_noise", "pred_x0", "pred_v"), _words("eps", "x0", "v")
    )  # fmt: skip
    return Argument(
        name="prediction_type", role=Role.OPTION, differentiable=False, default="epsilon",
        forms=(
            Form(name="prediction_type", domain=diffusers[0], canonical=diffusers[1],
                 aliases=("type", "pred_type", "prediction", "kind", "type_")),
            Form(name="objective", domain=lucidrains[0], canonical=lucidrains[1], aliases=("model_objective",)),
            Form(name="parameterization", domain=short[0], canonical=short[1],
                 aliases=("parametrization", "parametrisation", "param", "pred_param", "target_type", "mode",
                     "pred_mode")),
        ),
    )  # fmt: skip


PREDICTION_TYPE = _kind()


def _from_prediction(
    *, prediction: Tensor, xt: Tensor, prediction_type: str, signal: Tensor, scale: Tensor, as_v: str = "v_prediction"
) -> tuple[Any, Any]:
    kind = as_v if prediction_type == "v_prediction" else prediction_type
    if kind == "epsilon":
        return oracle.x0_from_eps.terms(xt, prediction, signal, scale), (prediction,)
    if kind == "sample":
        return (prediction,), oracle.eps_from_x0.terms(xt, prediction, signal, scale)
    return _from_v(xt=xt, v=prediction, signal=signal, scale=scale)


_PREDICTION = any_real(
    "prediction", EVENT, "model_output", "pred", "output", "out", "model_out", "model_pred", "noise_pred", "v_or_eps",
    "net_out", "y", "f", "predicted", "raw", "F_x", "model_prediction",
)  # fmt: skip
X0_EPS_FROM_PREDICTION = _formula(
    "x0_eps_from_prediction", "x̂_0 and ε̂ from the prediction of ε, of x_0, or of v", f"{_SALIMANS}, section 4",
    (_PREDICTION, XT, PREDICTION_TYPE), lambda: (), "xt", output=f"{EVENT}|{EVENT}", outputs=("x0", "eps"),
    oracle=_both(_from_prediction),
    dialects=_slips(
        Option(name="the velocity taken for the noise", keywords={"as_v": "epsilon"}, accepted=False,
               note="v is √ᾱ ε − √(1 − ᾱ) x_0"),
        Option(name="a minus for a plus in x_0", keywords={"sign": "x0"}, accepted=False,
        note="x_t − s ε, a x_t − s v"),
        Option(name="a minus for a plus in ε", keywords={"sign": "eps"}, accepted=False,
        note="x_t − a x_0, s x_t + a v"),
    ),
)  # fmt: skip


def _score(*, eps: Tensor, signal: Tensor, scale: Tensor) -> Terms:
    return oracle.score_from_eps.terms(eps, scale)


_PLACE = Axis(name="coefficients", options=(
    Option(name=""),
    Option(name="its negative", keywords={"sign": -1.0}, accepted=False,
           note="the score points from the noise to the data, ε the other way"),
    ROOTS[1],
    ROOTS[3],
    Option(name="√ᾱ for √(1 − ᾱ)", keywords={"roots": "exchanged"}, accepted=False,
           note="the noise has the standard deviation √(1 − ᾱ)"),
    *INDEX,
))  # fmt: skip
SCORE_FROM_EPS = _formula(
    "score_from_eps", "∇ log q(x_t) = −ε/√(1 − ᾱ_t)", "Song, Sohl-Dickstein et al. 2021, section 3.4", (PREDICTED_EPS,),
    _score, "eps", dialects=(_PLACE,), derivation="diffusion.score_from_eps.gradient",
)  # fmt: skip


@declares_reference
def diffusion_x0_from_eps() -> Formula:
    """The reference data from noise."""
    return Formula(reference.x0_from_eps, like="diffusion.x0_from_eps")


@declares_reference
def diffusion_eps_from_x0() -> Formula:
    """The reference noise from data."""
    return Formula(reference.eps_from_x0, like="diffusion.eps_from_x0")


@declares_reference
def diffusion_v_target() -> Formula:
    """The reference velocity."""
    return Formula(reference.v_target, like="diffusion.v_target")


@declares_reference
def diffusion_x0_eps_from_v() -> Formula:
    """The reference data and noise from the velocity."""
    return Formula(reference.x0_eps_from_v, like="diffusion.x0_eps_from_v")


@declares_reference
def diffusion_x0_eps_from_prediction() -> Formula:
    """The reference data and noise from a prediction."""
    return Formula(reference.x0_eps_from_prediction, like="diffusion.x0_eps_from_prediction")


@declares_reference
def diffusion_score_from_eps() -> Formula:
    """The reference score."""
    return Formula(reference.score_from_eps, like="diffusion.score_from_eps")
