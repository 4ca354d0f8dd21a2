"""The reverse process as formulas: the DDPM mean and step, DDIM and PLMS steps, guidance."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.diffusion_arguments import (
    EARLIER,
    EVENT,
    FALLS,
    LATER,
    LAYOUTS,
    PREDICTED_EPS,
    PREVIOUS,
    SIZES,
    STEP,
    WITHIN,
    XT,
    anatomy,
    levels,
    noise,
    reach,
    seldom,
    two_levels,
)
from genverify.formulas.diffusion_process import INDEX
from genverify.formulas.plain_numbers import choice
from genverify.formulas.references import declares_reference
from genverify.oracles import diffusion as oracle
from genverify.oracles import diffusion_tables as tables
from genverify.reference.diffusion import samplers as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Form, Option, Specification
from genverify.subjects.structured_domains import listed

__all__ = ["DDIM_STEP", "DDPM_MEAN", "DDPM_STEP", "PLMS_STEP"]

Terms = tuple[torch.Tensor, ...]
Tensor = torch.Tensor
Number = Any
_HO, _SONG = "Ho, Jain & Abbeel 2020", "Song, Meng & Ermon 2021"
_ANATOMY = anatomy(("betas", "alpha_bar"))
_COUNTED = INDEX[1]
_reach = functools.partial(reach, seldom_first=True)


def _mean(
    xt: Tensor,
    eps: Tensor,
    schedule: Tensor,
    t: Number,
    previous: Tensor | None,
    *,
    mean: str = "",
    first: int = 0,
) -> Terms:
    level, before = (tables.aligned(x, xt) for x in two_levels(schedule, t, previous, first=first))
    alpha = level / before
    beta = 1 - alpha
    if mean == "clipped":
        x0 = sum(oracle.x0_from_eps.terms(xt, eps, level.sqrt(), (1 - level).sqrt()), torch.zeros_like(xt))
        return oracle.posterior_mean.terms(x0.clamp(-1.0, 1.0), xt, level, before)
    if mean == "not divided":
        return xt, -beta / (1 - level).sqrt() * eps
    if mean == "no root":
        return xt / alpha.sqrt(), -beta / (1 - level) / alpha.sqrt() * eps
    if mean == "root of rate":
        return xt / alpha.sqrt(), -beta.sqrt() / (1 - level).sqrt() / alpha.sqrt() * eps
    if mean == "level":
        return xt / level.sqrt(), -beta / (1 - level).sqrt() / level.sqrt() * eps
    if mean == "one step":
        return xt / alpha.sqrt(), -beta.sqrt() / alpha.sqrt() * eps
    return oracle.ddpm_mean.terms(xt, eps, level, before)


_MEAN_SLIPS = (
    Option(name="not divided by √α", keywords={"mean": "not divided"}, accepted=False,
           note="the whole of it is divided by √α_t"),
    Option(name="1 − ᾱ for its root", keywords={"mean": "no root"}, accepted=False,
           note="β_t is divided by √(1 − ᾱ_t)"),
    Option(name="√β for β", keywords={"mean": "root of rate"}, accepted=False, note="ε has the coefficient β_t"),
    Option(name="√ᾱ for √α outside", keywords={"mean": "level"}, accepted=False,
           note="one step is undone, and not all of them"),
    Option(name="1 − α for 1 − ᾱ", keywords={"mean": "one step"}, accepted=False,
           note="the noise of all steps stands under β_t: β_t/√(1 − ᾱ_t), and not √β_t"),
    Option(name="counted from one", keywords={"first": 1}, accepted=False, note=_COUNTED.note),
)  # fmt: skip
_CLIPPED = Option(
    name="x̂_0 clipped to [−1, 1]", keywords={"mean": "clipped"}, note="as in the authors' code, for data in that range"
)

DDPM_MEAN = formula(
    Specification(
        name="diffusion.ddpm_mean",
        statement="μ = (x_t − β_t/√(1 − ᾱ_t) ε)/√α_t",
        source=f"{_HO}, eq. 11",
        arguments=(XT, PREDICTED_EPS, STEP, levels("betas"), PREVIOUS),
        oracle=_mean, output=EVENT, dialects=(Axis(name="mean", options=(Option(name=""), _CLIPPED, *_MEAN_SLIPS)),),
        layouts=LAYOUTS, sizes=SIZES, constraints=(WITHIN, FALLS), reach=reach, anatomy=_ANATOMY, kinks=True,
        derivation="diffusion.ddpm_mean.posterior",
    )
)  # fmt: skip


def _drawn(noise: Number, like: Tensor) -> Any:  # noqa: ANN401
    """The draw; where nothing is drawn, a number that is none, so that it is missed wherever it would have counted."""
    return torch.ones_like(like) if noise is None else noise


def _step(
    xt: Tensor, eps: Tensor, noise: Number, schedule: Tensor, t: Number, previous: Tensor | None, *, mean: str = "",
    first: int = 0, spread: str = "",
) -> Terms:  # fmt: skip
    terms, noise = _mean(xt, eps, schedule, t, previous, mean=mean, first=first), _drawn(noise, xt)
    level, before = (tables.aligned(x, xt) for x in two_levels(schedule, t, previous, first=first))
    smaller, rate = oracle.posterior_variance(level, before), 1 - level / before
    last = before == 1
    wide = torch.where(last, torch.zeros_like(rate), rate)
    if spread == "wide":
        return *terms, _root(wide) * noise
    if spread == "at the end":
        return *terms, rate.sqrt() * noise
    # The root of a zero has no slope; there nothing is added.
    deviation = torch.where(
        last, torch.zeros_like(smaller), torch.where(last, torch.ones_like(smaller), smaller).sqrt()
    )
    factor = {"": deviation, "variance": deviation**2, "wide variance": wide, "none": torch.zeros_like(rate)}[spread]
    return *terms, factor * noise


_LAST = SIZES["step"][0] - 1
_STEP_OR_END = replace(STEP, forms=(
    replace(STEP.forms[0], domain=seldom(0, *range(1, _LAST + 1))),
    replace(STEP.forms[1], domain=seldom(1, *range(2, _LAST + 2))),
))  # fmt: skip

DDPM_STEP = formula(
    Specification(
        name="diffusion.ddpm_step",
        statement="x_{t−1} = (x_t − β_t/√(1 − ᾱ_t) ε)/√α_t + σ_t z, σ_t² = β̃_t or β_t, and no noise at the last step",
        source=f"{_HO}, algorithm 2",
        arguments=(XT, replace(PREDICTED_EPS, forms=(
            replace(PREDICTED_EPS.forms[0], aliases=tuple(
                name for name in PREDICTED_EPS.forms[0].aliases if name not in ("noise", "z", "n")
            )),
        )), _STEP_OR_END, levels("betas"), PREVIOUS, noise()),
        oracle=_step, output=EVENT,
        dialects=(
            Axis(name="mean", options=(Option(name=""), _CLIPPED, *_MEAN_SLIPS)),
            Axis(name="variance", options=(
                Option(name=""),
                Option(name="of the variance β_t", keywords={"spread": "wide"},
                note="right for data that are pure noise"),
                Option(name="noise at the last step, too", keywords={"spread": "at the end"}, accepted=False,
                       note="at t = 0 the mean is the result: √β_1 z is left in every sample"),
                Option(name="β̃ for its root", keywords={"spread": "variance"}, accepted=False,
                       note="β̃_t is a variance; its root multiplies z"),
                Option(name="β for its root", keywords={"spread": "wide variance"}, accepted=False,
                       note="β_t is a variance; its root multiplies z"),
            )),
        ),
        layouts=LAYOUTS, sizes=SIZES, constraints=(WITHIN, FALLS), reach=_reach, anatomy=_ANATOMY, kinks=True,
        drawn=(("noise",), ()), derivation="diffusion.ddpm_step.data_moments",
    )
)  # fmt: skip

_ETA = plain(
    "eta",
    "",
    choice(0.5, 0.0, 1.0, 0.25),
    ("ddim_eta", "eta_ddim", "stochasticity", "eta_"),
    default=0.0,
    differentiable=False,
)
# Every step that is drawn comes after every step that is gone to, but the first, from which only the data are left.
_FROM = replace(STEP, forms=(
    replace(STEP.forms[0], domain=seldom(0, *range(2, _LAST + 1))), replace(STEP.forms[1], domain=seldom(1, *range(3,
        _LAST + 2))),
))  # fmt: skip
_STEP_OF_SEVERAL = (*LAYOUTS[3:4], *LAYOUTS[:3], *LAYOUTS[4:])


def _ddim_levels(
    schedule: Tensor,
    t: Number,
    before: Number,
    previous: Tensor | None,
    like: Tensor,
    *,
    first: int = 0,
    end: str = "",
) -> tuple[Tensor, Tensor]:
    level, earlier = two_levels(schedule, t, previous, first=first)
    if t is not None and before is not None and previous is None:
        # Behind the first step are the data, of level 1, or as the slip has it the first step again.
        padded = torch.cat((schedule[:1] if end else torch.ones_like(schedule[:1]), schedule))
        earlier = padded[(torch.as_tensor(before) + 1 - first) % len(padded)]
    elif end and t is not None and previous is None:
        earlier = torch.where(torch.as_tensor(t) - first == 0, schedule[0], earlier)
    return tables.aligned(level, like), tables.aligned(earlier, like)


def _ddim(
    xt: Tensor, eps: Tensor, noise: Number, schedule: Tensor, t: Number, before: Number, previous: Tensor | None,
        eta: Number, *,
    direction: str = "", spread: str = "", x0: str = "", first: int = 0, end: str = "",
) -> Terms:  # fmt: skip
    level, earlier = _ddim_levels(schedule, t, before, previous, xt, first=first, end=end)
    noise = torch.as_tensor(_drawn(noise, xt), dtype=torch.float64)
    eta = torch.as_tensor(eta, dtype=torch.float64)
    variance = oracle.ddim_variance(level, earlier, eta)
    if spread == "no ratio":
        variance = eta**2 * (1 - level / earlier)
    still = variance == 0
    deviation = torch.where(
        still, torch.zeros_like(variance), torch.where(still, torch.ones_like(variance), variance).sqrt()
    )
    if x0 == "clipped":
        data = sum(oracle.x0_from_eps.terms(xt, eps, level.sqrt(), (1 - level).sqrt()), torch.zeros_like(xt))
        lead: Terms = (earlier.sqrt() * data.clamp(-1.0, 1.0),)
    elif x0 == "not divided":
        lead = (earlier.sqrt() * xt, -earlier.sqrt() * (1 - level).sqrt() * eps)
    else:
        part = (earlier / level).sqrt()
        lead = (part * xt, -part * (1 - level).sqrt() * eps)
    toward = 1 - earlier - variance
    toward = {
        "": lambda: _root(toward), "deviation": lambda: deviation, "whole": lambda: _root(1 - earlier),
        "none": lambda: torch.zeros_like(level), "squared": lambda: toward, "of t": lambda: _root(1 - level - variance),
        "minus deviation": lambda: _root(1 - earlier - deviation),
    }[direction]()  # fmt: skip
    return *lead, toward * eps, (variance if spread == "variance" else deviation) * noise


def _root(x: Tensor) -> Tensor:
    """The root, and zero without a slope where rounding has left nothing, or less."""
    none = x <= 0
    return torch.where(none, torch.zeros_like(x), torch.where(none, torch.ones_like(x), x).sqrt())


DDIM_STEP = formula(
    Specification(
        name="diffusion.ddim_step",
        statement="x' = √ᾱ' (x_t − √(1 − ᾱ) ε)/√ᾱ + √(1 − ᾱ' − σ²) ε + σ z, σ² = η² (1 − ᾱ')/(1 − ᾱ) (1 − ᾱ/ᾱ')",
        source=f"{_SONG}, eqs. 12 and 16",
        arguments=(
            XT, replace(PREDICTED_EPS, forms=(
                replace(PREDICTED_EPS.forms[0], aliases=tuple(
                    name for name in PREDICTED_EPS.forms[0].aliases if name not in ("noise", "z", "n")
                )),
            )), _FROM, LATER, levels(), PREVIOUS, _ETA, noise(),
        ),
        oracle=_ddim, output=EVENT,
        dialects=(
            Axis(name="x0", options=(
                Option(name=""), Option(name=_CLIPPED.name, keywords={"x0": "clipped"}, note=_CLIPPED.note),
                Option(name="not divided by √ᾱ", keywords={"x0": "not divided"}, accepted=False,
                       note="x̂_0 is (x_t − √(1 − ᾱ) ε)/√ᾱ"),
            )),
            Axis(name="direction", options=(
                Option(name=""),
                Option(name="σ for the direction's coefficient", keywords={"direction": "deviation"}, accepted=False,
                       note="√(1 − ᾱ' − σ²): with σ, at η = 0, the direction is lost"),
                Option(name="σ² not subtracted", keywords={"direction": "whole"}, accepted=False,
                       note="√(1 − ᾱ'): the variance of x' is then too large by σ²"),
                Option(name="σ for σ²", keywords={"direction": "minus deviation"}, accepted=False,
                       note="1 − ᾱ' − σ² is what is left of the variance"),
                Option(name="without its root", keywords={"direction": "squared"}, accepted=False,
                       note="1 − ᾱ' − σ² is a variance"),
                Option(name="ᾱ for ᾱ' in the direction", keywords={"direction": "of t"}, accepted=False,
                       note="the noise of the step that is left"),
            )),
            Axis(name="variance", options=(
                Option(name=""),
                Option(name="σ² for σ before z", keywords={"spread": "variance"}, accepted=False,
                note="z is multiplied by σ"),
                Option(name="σ² without (1 − ᾱ')/(1 − ᾱ)", keywords={"spread": "no ratio"}, accepted=False,
                       note="that is DDPM's larger variance, σ̂, and only with √(1 − ᾱ' − σ²) as it is"),
            )),
            Axis(name="end", options=(
                Option(name=""),
                Option(name="ᾱ of the first step for that of the data", keywords={"end": "first"}, accepted=False,
                       note="set_alpha_to_one=False: the last step ends before the data; declare it with dialect="),
            )),
        ),
        layouts=_STEP_OF_SEVERAL, sizes=SIZES, constraints=(WITHIN, FALLS, EARLIER), reach=_reach, anatomy=anatomy(),
        kinks=True, drawn=(("noise",), ()), derivation="diffusion.ddim_step.marginal",
    )
)  # fmt: skip

_ADAMS = {0: (1.0,), 1: (3 / 2, -1 / 2), 2: (23 / 12, -16 / 12, 5 / 12), 3: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}


def _plms(
    xt: Tensor, eps: Tensor, old: Sequence[Tensor], schedule: Tensor, t: Number, before: Number,
        previous: Tensor | None, *,
    newest: str = "last", weights: str = "", first: int = 0, end: str = "",
) -> Terms:  # fmt: skip
    past = list(old)[::-1] if newest == "last" else list(old)
    numbers = list(_ADAMS[min(len(past), 3)])
    if weights == "signs":
        numbers = [abs(one) for one in numbers]
    if weights == "held":
        numbers = [1.0, *[0.0] * (len(numbers) - 1)]
    level, earlier = _ddim_levels(schedule, t, before, previous, xt, first=first, end=end)
    part = (earlier / level).sqrt()
    gained = _root(1 - earlier) - part * (1 - level).sqrt()
    return part * xt, *(weight * gained * one for weight, one in zip(numbers, [eps, *past], strict=False))


_OLD = Argument(
    name="old", axes=f"past {EVENT}",
    forms=(Form(name="old_eps", domain=listed(real()),
                aliases=("ets", "old_epsilons", "eps_list", "history", "past", "eps_history", "old", "buffer",
                         "prev_eps", "previous_eps", "past_eps", "cache")),),
)  # fmt: skip
PLMS_STEP = formula(
    Specification(
        name="diffusion.plms_step",
        statement="ε' = ε, (3ε − ε₁)/2, (23ε − 16ε₁ + 5ε₂)/12 or (55ε − 59ε₁ + 37ε₂ − 9ε₃)/24, then a DDIM step with "
            "η = 0",
        source="Liu, Ren, Lin & Zhao 2022, eqs. 9, 11 and 12",
        arguments=(XT, PREDICTED_EPS, _OLD, _FROM, LATER, levels(), PREVIOUS),
        oracle=_plms, output=EVENT,
        dialects=(
            Axis(name="order", options=(
                Option(name=""),
                Option(name="the newest of the earlier predictions first", keywords={"newest": "first"}),
            )),
            Axis(name="weights", options=(
                Option(name=""),
                Option(name="all weights positive", keywords={"weights": "signs"}, accepted=False,
                note="they alternate"),
                Option(name="the past not used", keywords={"weights": "held"}, accepted=False,
                       note="that is diffusion.ddim_step, of first order"),
            )),
            Axis(name="end", options=(
                Option(name=""),
                Option(name="ᾱ of the first step for that of the data", keywords={"end": "first"}, accepted=False,
                       note="set_alpha_to_one=False: the last step ends before the data; declare it with dialect="),
            )),
        ),
        layouts=_STEP_OF_SEVERAL, sizes={**SIZES, "past": (3, 1, 2)}, constraints=(WITHIN, FALLS, EARLIER),
            reach=_reach,
        anatomy=anatomy(), derivation="diffusion.plms_step.order",
    )
)  # fmt: skip


@declares_reference
def diffusion_ddpm_mean() -> Formula:
    """The reference mean."""
    return Formula(reference.ddpm_mean, like="diffusion.ddpm_mean")


@declares_reference
def diffusion_ddpm_step() -> Formula:
    """The reference step."""
    return Formula(reference.ddpm_step, like="diffusion.ddpm_step")


@declares_reference
def diffusion_ddim_step() -> Formula:
    """The reference DDIM step."""
    return Formula(reference.ddim_step, like="diffusion.ddim_step")


@declares_reference
def diffusion_plms_step() -> Formula:
    """The reference PLMS step."""
    return Formula(reference.plms_step, like="diffusion.plms_step")
