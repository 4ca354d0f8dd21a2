"""Losses of a diffusion model as formulas, the weights of their terms, and the ratio of signal to noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.diffusion_arguments import (
    LEVEL_ONLY,
    NOISE_LEVEL,
    PREDICTED_EPS,
    SIZES,
    STEP,
    WITHIN,
    anatomy,
    levels,
    reach,
    two_levels,
)
from genverify.formulas.diffusion_parametrisations import PREDICTION_TYPE
from genverify.formulas.diffusion_process import INDEX
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import diffusion as oracle
from genverify.oracles import diffusion_tables as tables
from genverify.oracles import loss as squares
from genverify.reference.diffusion import losses as reference
from genverify.subjects.domains import integer, positive
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

__all__ = ["LOSS_SIMPLE", "MIN_SNR_WEIGHT", "P2_WEIGHT", "SNR", "VLB_TERM"]

Terms = tuple[torch.Tensor, ...]
Tensor = torch.Tensor
Number = Any
_IMAGES: dict[str, str] = dict.fromkeys(("noise", "predicted", "return"), "batch channel height width")
_NOISE = any_real("noise", "batch event", "eps", "epsilon", "target", "true_noise", "targets", "z", "e", "n",
    "noise_target",
                  differentiable=False)  # fmt: skip
_PREDICTED = any_real(
    "predicted", "batch event",
    *(name for name in PREDICTED_EPS.forms[0].aliases if name not in ("noise", "z", "e", "n", "epsilon")),
    "predicted_eps", "prediction", "noise_predicted", "input", "model_pred",
)  # fmt: skip
_OVER = (reduction("event", ("mean", "sum", "none")), reduction("batch", ("mean", "sum", "none")))


def _simple(noise: Tensor, predicted: Tensor, *, factor: float = 1.0) -> Terms:
    return (factor * squares.mse(predicted, noise),)


LOSS_SIMPLE = formula(
    Specification(
        name="diffusion.loss_simple", trains=True,
        statement="mean (ε − ε_θ)²",
        source="Ho, Jain & Abbeel 2020, eq. 14",
        arguments=(_NOISE, _PREDICTED),
        oracle=_simple, output="batch event",
        dialects=(
            *_OVER,
            Axis(name="factor", options=(
                Option(name=""),
                Option(name="halved", keywords={"factor": 0.5}, accepted=False,
                note="½ ‖ε − ε_θ‖² is that of score matching"),
            )),
        ),
        layouts=(
            Layout(name="batched"), Layout(name="images", shapes=_IMAGES),
            Layout(name="one sample at a time", drop=("batch",)),
        ),
        sizes=SIZES, gradient_at_extremes=True, derivation="diffusion.loss_simple.score_matching",
    )
)  # fmt: skip


def _vlb(
    noise: Tensor, predicted: Tensor, schedule: Tensor, t: Number, *, variance: str = "", weight: str = "",
    unit: float = 1.0, first: int = 0,
) -> Terms:  # fmt: skip
    level, before = (tables.aligned(x, noise) for x in two_levels(schedule, t, None, first=first))
    alpha = level / before
    beta = 1 - alpha
    spread = beta if variance == "wide" else oracle.posterior_variance(level, before)
    number = beta**2 / (2 * spread * alpha * (1 - level)) / unit
    number = {"": number, "whole": 2 * number, "rate": number / beta, "level": number * alpha / level}[weight]
    return (number * squares.mse(predicted, noise),)


VLB_TERM = formula(
    Specification(
        name="diffusion.vlb_term",
        statement="L_{t−1} = β_t²/(2 σ_t² α_t (1 − ᾱ_t)) ‖ε − ε_θ‖², σ_t² = β̃_t or β_t, t ≥ 2 counted from 1",
        source="Ho, Jain & Abbeel 2020, eq. 12",
        arguments=(
            _NOISE, _PREDICTED,
            replace(STEP, forms=(replace(STEP.forms[0], domain=integer(1, 5)), replace(STEP.forms[1], domain=integer(2,
                6)))),
            levels("betas"),
        ),
        oracle=_vlb, output="batch event",
        dialects=(
            reduction("event", ("sum", "mean", "none")), reduction("batch", ("none", "mean", "sum")),
            Axis(name="variance", options=(
                Option(name=""), Option(name="of the variance β_t", keywords={"variance": "wide"}),
            )),
            Axis(name="unit", options=(
                Option(name=""), Option(name="in bits", keywords={"unit": 0.6931471805599453}),
            )),
            Axis(name="weight", options=(
                Option(name=""),
                Option(name="without its ½", keywords={"weight": "whole"}, accepted=False, note="½ ‖μ̃ − μ‖²/σ²"),
                Option(name="β for β²", keywords={"weight": "rate"}, accepted=False,
                note="the means differ by β times a number"),
                Option(name="ᾱ for α", keywords={"weight": "level"}, accepted=False, note="α_t of the one step"),
                Option(name="counted from one", keywords={"first": 1}, accepted=False, note=INDEX[1].note),
            )),
        ),
        layouts=(
            Layout(name="batched", needs=("t",)),
            Layout(name="one step for the batch", shared=("t",), needs=("t",)),
            Layout(name="images", shapes=_IMAGES, needs=("t",)),
            Layout(name="images, one step for the batch", shapes=_IMAGES, shared=("t",), needs=("t",)),
        ),
        sizes=SIZES, constraints=(WITHIN,), anatomy=anatomy(("betas", "alpha_bar")), derivation="diffusion.vlb_term.kl",
    )
)  # fmt: skip


def _ratio_of(form: Form) -> Form:
    """A parametrisation of the schedule as one of the ratio of signal to noise."""

    def canonical(value: Tensor) -> Tensor:
        level = form.canonical(value)
        return level / (1 - level)

    return replace(form, canonical=canonical)


def _ratio() -> Argument:
    """The ratio of signal to noise, from the schedule, or itself; a table, or the entry of one step."""
    own = Form(
        name="snr", domain=positive(low=0.02, high=40.0, tiny=1e-4, huge=1e4),
        aliases=("snrs", "snr_t", "signal_to_noise", "signal_to_noise_ratio"),
    )  # fmt: skip
    return replace(levels(), forms=(*(_ratio_of(form) for form in levels().forms), own))


_RATIO = _ratio()
# Beside a weight's own parameters k is none of the step's names.
_STEP = replace(STEP, forms=(
    replace(STEP.forms[0], aliases=tuple(name for name in STEP.forms[0].aliases if name != "k")), *STEP.forms[1:],
))  # fmt: skip


def _weight(
    name: str, statement: str, source: str, arguments: tuple[Argument, ...], terms: Callable[..., Any],
        options: tuple[Option, ...],
    **rest: Any,  # noqa: ANN401
) -> Specification:  # fmt: skip
    return formula(
        Specification(
            name=f"diffusion.{name}", statement=statement, source=source,
            arguments=(_RATIO, NOISE_LEVEL, _STEP, *arguments), oracle=terms, output="batch",
            dialects=(Axis(name="form", options=(Option(name=""), *options)), Axis(name="index", options=(
                Option(name=""), INDEX[0], INDEX[1],
            ))),
            layouts=LEVEL_ONLY, sizes=SIZES, constraints=(WITHIN,), reach=reach, anatomy=anatomy(), gradient=False,
                **rest,
        )
    )  # fmt: skip


def _at(schedule: Tensor, t: Number, back: int, first: int) -> Tensor:
    """The ratio at the step; before the first there is no noise, and the ratio infinite."""
    found = tables.entry(schedule, t, back=back, first=first)
    if not back or t is None:
        return found
    return torch.where(torch.as_tensor(t) - first == 0, torch.full_like(found, torch.inf), found)


def _snr(
    schedule: Tensor,
    t: Number,
    noise_level: Number,
    *,
    form: str = "",
    back: int = 0,
    first: int = 0,
) -> Terms:
    ratio = _at(schedule, t, back, first)
    if not form:  # as 1/(1 − ᾱ) − 1, which is also written, both terms are near one where there is little signal
        one = torch.ones_like(ratio)
        return ratio, one, -one
    return ({"root": ratio.sqrt(), "inverse": 1 / ratio, "log": ratio.log(), "share": ratio / (1 + ratio)}[form],)


SNR = _weight(
    "snr", "SNR_t = ᾱ_t/(1 − ᾱ_t)", "Kingma, Salimans, Poole & Ho 2021, eq. 1", (), _snr,
    (
        Option(name="its root", keywords={"form": "root"}, accepted=False, note="√ᾱ/√(1 − ᾱ) is to be squared"),
        Option(name="its inverse", keywords={"form": "inverse"}, accepted=False, note="noise to signal"),
        Option(name="its logarithm", keywords={"form": "log"}, accepted=False, note="log SNR, which also goes by λ"),
        Option(name="ᾱ itself", keywords={"form": "share"}, accepted=False, note="not divided by 1 − ᾱ"),
    ),
    derivation="diffusion.snr.monotone",
)  # fmt: skip


def _min_snr(
    schedule: Tensor, t: Number, noise_level: Number, gamma: Number, prediction_type: str, *, form: str = "",
        back: int = 0,
    first: int = 0,
) -> Terms:  # fmt: skip
    ratio = _at(schedule, t, back, first)
    gamma = torch.as_tensor(gamma, dtype=torch.float64)
    least = torch.maximum(ratio, gamma) if form == "max" else torch.minimum(ratio, gamma)
    if prediction_type == "sample":
        return (least,)
    if prediction_type == "epsilon":
        return (least if form == "not divided" else least / ratio,)
    if form == "inside":
        return (torch.minimum(ratio + 1, gamma) / (ratio + 1),)
    if form == "not divided":
        return (least,)
    return (least / (ratio if form == "as for ε" else ratio + 1),)


MIN_SNR_WEIGHT = _weight(
    "min_snr_weight", "min(SNR, γ) for x_0, min(SNR, γ)/SNR for ε, min(SNR, γ)/(SNR + 1) for v",
    "Hang et al. 2023, section 3.4",
    (
        hyperparameter("gamma", "snr_gamma", "min_snr_gamma", "g", "clip", "max_snr", "min_snr_loss_weight_gamma",
            default=5.0,
                       low=0.5, high=10.0),
        PREDICTION_TYPE,
    ),
    _min_snr,
    (
        Option(name="+ 1 inside the min", keywords={"form": "inside"}, accepted=False,
               note="min(SNR + 1, γ)/(SNR + 1): weight one up to γ − 1, so that the noisiest steps dominate"),
        Option(name="as for ε, of v", keywords={"form": "as for ε"}, accepted=False,
               note="a loss of v weighs ε's by SNR + 1, and not by SNR"),
        Option(name="max for min", keywords={"form": "max"}, accepted=False, note="the weight is bounded from above"),
        Option(name="not divided", keywords={"form": "not divided"}, accepted=False,
               note="min(SNR, γ) is the weight of x_0's loss alone"),
    ),
    kinks=True, derivation="diffusion.min_snr_weight.one_weight",
)  # fmt: skip


def _p2(
    schedule: Tensor,
    t: Number,
    noise_level: Number,
    gamma: Number,
    k: Number,
    *,
    form: str = "",
    back: int = 0,
    first: int = 0,
) -> Terms:
    ratio = _at(schedule, t, back, first)
    gamma, k = (torch.as_tensor(x, dtype=torch.float64) for x in (gamma, k))
    return ({
        "": lambda: (k + ratio) ** -gamma, "not inverted": lambda: (k + ratio) ** gamma,
        "level": lambda: (k + ratio / (1 + ratio)) ** -gamma, "outside": lambda: k + ratio**-gamma,
        "times": lambda: 1 / (k + gamma * ratio),
    }[form](),)  # fmt: skip


P2_WEIGHT = _weight(
    "p2_weight", "(k + SNR)^(−γ)", "Choi et al. 2022, eq. 8",
    (
        hyperparameter("gamma", "p2_gamma", "p2_loss_weight_gamma", "g", default=1.0, low=0.25, high=2.0),
        hyperparameter("k", "p2_k", "p2_loss_weight_k", default=1.0, low=0.5, high=2.0),
    ),
    _p2,
    (
        Option(name="not inverted", keywords={"form": "not inverted"}, accepted=False, note="the exponent is −γ"),
        Option(name="ᾱ for the ratio", keywords={"form": "level"}, accepted=False, note="k + ᾱ/(1 − ᾱ)"),
        Option(name="k outside the power", keywords={"form": "outside"}, accepted=False,
        note="k is added to the ratio"),
        Option(name="γ times", keywords={"form": "times"}, accepted=False, note="γ is the power"),
    ),
    derivation="diffusion.p2_weight.at_unit_k",
)  # fmt: skip


@declares_reference
def diffusion_snr() -> Formula:
    """The reference ratio."""
    return Formula(reference.snr, like="diffusion.snr")


@declares_reference
def diffusion_loss_simple() -> Formula:
    """The reference loss."""
    return Formula(reference.loss_simple, like="diffusion.loss_simple")


@declares_reference
def diffusion_vlb_term() -> Formula:
    """The reference term of the bound."""
    return Formula(reference.vlb_term, like="diffusion.vlb_term")


@declares_reference
def diffusion_min_snr_weight() -> Formula:
    """The reference min-SNR weight."""
    return Formula(reference.min_snr_weight, like="diffusion.min_snr_weight")


@declares_reference
def diffusion_p2_weight() -> Formula:
    """The reference P2 weight."""
    return Formula(reference.p2_weight, like="diffusion.p2_weight")
