"""The forward process as formulas: a draw of x_t, one step, the posterior of the step before, a learned variance."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.diffusion_arguments import (
    EVENT,
    FALLS,
    LAYOUTS,
    NOISE_LEVEL,
    PREVIOUS,
    SIZES,
    STEP,
    WITHIN,
    XT,
    anatomy,
    levels,
    noise,
    pair,
    reach,
    two_levels,
    x0,
)
from genverify.formulas.references import declares_reference
from genverify.oracles import diffusion as oracle
from genverify.oracles import diffusion_tables as tables
from genverify.reference.diffusion import process as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Form, Option, Specification
from genverify.subjects.structured_domains import schedule as rates

__all__ = ["LEARNED_RANGE", "POSTERIOR", "Q_SAMPLE", "Q_STEP"]

Terms = tuple[torch.Tensor, ...]
Tensor = torch.Tensor
Number = Any
_HO = "Ho, Jain & Abbeel 2020"

INDEX = (
    Option(name="of the step before", keywords={"back": 1}, accepted=False,
           note="ᾱ_{t−1} stands where ᾱ_t belongs: a table that has ᾱ_0 = 1 in front is read as one that has not"),
    Option(name="counted from one", keywords={"first": 1}, accepted=False,
           note="step t is read at place t − 1, so that t = 0 reads the last entry; where t runs from 1 to T, say so: "
           "arguments={'t': 'count_from_one'}"),
    Option(name="of one step: α_t for ᾱ_t", keywords={"which": "step"}, accepted=False,
           note="the factor of one step stands where the product of all belongs"),
)  # fmt: skip
ROOTS = (
    Option(name="without the roots", keywords={"roots": "neither"}, accepted=False,
           note="ᾱ and 1 − ᾱ are variances; their roots multiply x_0 and ε"),
    Option(name="1 − ᾱ for its root", keywords={"roots": "signal"}, accepted=False,
           note="1 − ᾱ is a variance; its root multiplies ε"),
    Option(name="ᾱ for its root", keywords={"roots": "scale"}, accepted=False, note="√ᾱ multiplies x_0"),
    Option(name="1 − √ᾱ for √(1 − ᾱ)", keywords={"roots": "late"}, accepted=False,
           note="the variance of x_t is then not one between the ends"),
    Option(name="coefficients exchanged", keywords={"roots": "exchanged"}, accepted=False,
           note="x_0 is multiplied by √(1 − ᾱ), and ε by √ᾱ"),
)  # fmt: skip
COEFFICIENTS = Axis(name="coefficients", options=(Option(name=""), *ROOTS, *INDEX))


def scaled(
    schedule: Tensor, t: Number, noise_level: Tensor | None, like: Tensor, *, roots: str = "", which: str = "",
    back: int = 0, first: int = 0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """√ᾱ and √(1 − ᾱ), or what a slip takes for them."""
    a, s = pair(schedule, t, noise_level, like, which=which, back=back, first=first)
    return {
        "": (a, s), "neither": (a * a, s * s), "signal": (a, s * s), "scale": (a * a, s), "late": (a, 1 - a),
        "exchanged": (s, a),
    }[roots]  # fmt: skip


def _q_sample(
    x0: Tensor,
    noise: Tensor,
    schedule: Tensor,
    t: Number,
    noise_level: Tensor | None,
    **slip: Any,  # noqa: ANN401
) -> Terms:
    return oracle.q_sample.terms(x0, noise, *scaled(schedule, t, noise_level, x0, **slip))


Q_SAMPLE = formula(
    Specification(
        name="diffusion.q_sample",
        statement="x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε",
        source=f"{_HO}, eq. 4",
        arguments=(x0(), STEP, levels(), NOISE_LEVEL, noise()),
        oracle=_q_sample, output=EVENT, dialects=(COEFFICIENTS,), layouts=LAYOUTS, sizes=SIZES, constraints=(WITHIN,),
        reach=reach, anatomy=anatomy(), derivation="diffusion.q_sample.composition",
    )
)  # fmt: skip

_BETA = Argument(
    name="schedule", axes="step", differentiable=False,
    forms=(
        Form(name="betas", aliases=("beta", "beta_t", "b", "betas_t", "variance", "bt"), domain=rates()),
        Form(
            name="alphas", aliases=("alpha", "alpha_t", "a", "at"), canonical=lambda a: 1 - a,
            domain=next(form for form in levels().forms if form.name == "alphas").domain,
        ),
    ),
)  # fmt: skip


def _q_step(
    x: Tensor,
    noise: Tensor,
    schedule: Tensor,
    t: Number,
    *,
    which: str = "",
    roots: str = "",
    first: int = 0,
) -> Terms:
    table = 1 - torch.cumprod(1 - schedule, -1) if which == "all" and t is not None else schedule
    beta = tables.aligned(tables.entry(table, t, first=first), x)
    if roots == "noise":
        return (1 - beta).sqrt() * x, beta * noise
    if roots == "neither":
        return (1 - beta) * x, beta * noise
    if roots == "signal":
        return x, beta.sqrt() * noise
    return oracle.q_step.terms(x, noise, beta)


Q_STEP = formula(
    Specification(
        name="diffusion.q_step",
        statement="x_t = √(1 − β_t) x_{t−1} + √β_t ε",
        source=f"{_HO}, eq. 2",
        arguments=(
            any_real("x", EVENT, "x_prev", "x_t_1", "x_tm1", "xprev", "xt", "x_t", "x_t_minus_1", "img", "image", "z",
                     "x0", "x_minus", "sample", "xs", "images"),
            STEP, _BETA, noise(),
        ),
        oracle=_q_step, output=EVENT,
        dialects=(
            Axis(name="coefficients", options=(
                Option(name=""),
                Option(name="β for its root", keywords={"roots": "noise"}, accepted=False,
                       note="β is a variance; its root multiplies ε"),
                Option(name="without the roots", keywords={"roots": "neither"}, accepted=False,
                       note="the roots of 1 − β and β multiply x and ε"),
                Option(name="x not scaled", keywords={"roots": "signal"}, accepted=False,
                       note="the variance then grows with every step, as in a variance-exploding process"),
                Option(name="of all steps", keywords={"which": "all"}, accepted=False,
                       note="ᾱ_t stands where α_t belongs: that is diffusion.q_sample, from x_0"),
                Option(name="counted from one", keywords={"first": 1}, accepted=False, note=INDEX[1].note),
            )),
        ),
        layouts=LAYOUTS, sizes=SIZES, constraints=(WITHIN,), reach=reach,
        derivation="diffusion.q_sample.composition",
    )
)  # fmt: skip


def _posterior(
    x0: Tensor, xt: Tensor, schedule: Tensor, t: Number, previous: Tensor | None, *, mean: str = "", second: str = "",
    first: int = 0,
) -> tuple[Any, Any]:  # fmt: skip
    flat, earlier = two_levels(schedule, t, previous, first=first)
    level, before = tables.aligned(flat, x0), tables.aligned(earlier, x0)
    beta = 1 - level / before
    now, then = level.sqrt(), before.sqrt()
    terms = {
        "": lambda: oracle.posterior_mean.terms(x0, xt, level, before),
        "exchanged": lambda: oracle.posterior_mean.terms(xt, x0, level, before),
        "level": lambda: (now * beta / (1 - level) * x0, now / then * (1 - before) / (1 - level) * xt),
        "roots": lambda: (before * beta / (1 - level) * x0, level / before * (1 - before) / (1 - level) * xt),
    }[mean]()
    variance, rate = oracle.posterior_variance(flat, earlier), 1 - flat / earlier
    spread = {
        "": variance, "beta": rate, "root": variance.sqrt(), "inverted": rate * (1 - flat) / (1 - earlier),
    }[second]  # fmt: skip
    return tuple(terms), (spread,)


POSTERIOR = formula(
    Specification(
        name="diffusion.posterior",
        statement="μ̃ = √ᾱ_{t−1} β_t/(1 − ᾱ_t) x_0 + √α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) x_t, β̃ = β_t (1 − ᾱ_{t−1})/(1 − "
            "ᾱ_t)",
        source=f"{_HO}, eq. 7",
        arguments=(x0(), XT, STEP, levels("betas"), PREVIOUS),
        oracle=_posterior, output=f"{EVENT}|batch", outputs=("mean", "variance"),
        dialects=(
            Axis(name="mean", options=(
                Option(name=""),
                Option(name="coefficients exchanged", keywords={"mean": "exchanged"}, accepted=False,
                       note="x_0 has the coefficient of x_t, and x_t that of x_0"),
                Option(name="ᾱ_t for ᾱ_{t−1} before x_0", keywords={"mean": "level"}, accepted=False,
                       note="the coefficient of x_0 has the root of the level before"),
                Option(name="without the roots", keywords={"mean": "roots"}, accepted=False,
                       note="√ᾱ_{t−1} and √α_t are the coefficients"),
            )),
            Axis(name="variance", options=(
                Option(name=""),
                Option(name="β_t for β̃_t", keywords={"second": "beta"}, accepted=False,
                       note="that is the other extreme of the reverse variance, for data that are pure noise, and no "
                       "posterior given x_0"),
                Option(name="the deviation", keywords={"second": "root"}, accepted=False, note="√β̃_t, no variance"),
                Option(name="the ratio inverted", keywords={"second": "inverted"}, accepted=False,
                       note="(1 − ᾱ_t)/(1 − ᾱ_{t−1}): at the first step that is a division by zero"),
            )),
            Axis(name="index", options=(Option(name=""), INDEX[1])),
        ),
        layouts=LAYOUTS, sizes=SIZES, constraints=(WITHIN, FALLS), reach=reach, anatomy=anatomy(("betas", "alpha_bar")),
        derivation="diffusion.posterior.bayes",
    )
)  # fmt: skip


def _learned(
    prediction: Tensor,
    schedule: Tensor,
    t: Number,
    *,
    share: str = "",
    floor: float = 0.0,
    first: int = 0,
) -> Terms:
    before = tables.alpha_bar_prev(schedule)[0]
    beta = 1 - schedule / before
    lower = oracle.posterior_variance(schedule, before)
    # The first is zero, and has no logarithm: that of the second stands for it, or the smallest that is allowed.
    lower = lower.clamp(min=floor) if floor else torch.cat((lower[1:2], lower[1:]))
    low, high = (tables.aligned(tables.entry(x.log(), t, first=first), prediction) for x in (lower, beta))
    part = prediction if share == "itself" else (prediction + 1) / 2
    if share == "exchanged":
        low, high = high, low
    if share == "variances":
        return ((part * high.exp() + (1 - part) * low.exp()).log(),)
    if share == "itself":
        return part * high, low, -part * low
    return prediction / 2 * high, high / 2, low / 2, -prediction / 2 * low


LEARNED_RANGE = formula(
    Specification(
        name="diffusion.learned_range_log_variance",
        statement="log σ² = ½ (v + 1) log β_t + ½ (1 − v) log β̃_t, with β̃_2 for β̃_1",
        source="Nichol & Dhariwal 2021, eq. 15",
        arguments=(
            plain("prediction", EVENT, real(low=-1.0, high=1.0, extreme=1e3),
                  ("v", "model_var_values", "model_var", "var_values", "pred_var", "model_output", "var_interp",
                   "var_interp_frac_unnormalized", "predicted_variance", "nu", "x", "frac", "logvar_raw", "var_pred")),
            STEP, levels("betas"),
        ),
        oracle=_learned, output=EVENT,
        dialects=(
            Axis(name="first step", options=(
                Option(name=""),
                Option(name="β̃ clamped at 1e-20", keywords={"floor": 1e-20},
                       note="lucidrains/denoising-diffusion-pytorch"),
            )),
            Axis(name="share", options=(
                Option(name=""),
                Option(name="v itself for ½ (v + 1)", keywords={"share": "itself"}, accepted=False,
                       note="right where v is in [0, 1]; here it is in [−1, 1]"),
                Option(name="bounds exchanged", keywords={"share": "exchanged"}, accepted=False,
                       note="v = 1 stands for β_t, the larger one"),
                Option(name="of the variances", keywords={"share": "variances"}, accepted=False,
                       note="the logarithms are interpolated, not what they are of"),
                Option(name="counted from one", keywords={"first": 1}, accepted=False, note=INDEX[1].note),
            )),
        ),
        layouts=LAYOUTS[:5], sizes=SIZES, constraints=(WITHIN,), reach=reach, anatomy=anatomy(("betas", "alpha_bar")),
        derivation="diffusion.learned_range_log_variance.between",
    )
)  # fmt: skip


@declares_reference
def diffusion_q_sample() -> Formula:
    """The reference draw of x_t."""
    return Formula(reference.q_sample, like="diffusion.q_sample")


@declares_reference
def diffusion_q_step() -> Formula:
    """The reference step."""
    return Formula(reference.q_step, like="diffusion.q_step")


@declares_reference
def diffusion_posterior() -> Formula:
    """The reference posterior."""
    return Formula(reference.posterior, like="diffusion.posterior")


@declares_reference
def diffusion_learned_range() -> Formula:
    """The reference learned variance."""
    return Formula(reference.learned_range_log_variance, like="diffusion.learned_range_log_variance")
