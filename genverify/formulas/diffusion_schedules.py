"""Whole schedules as formulas: rates, products and deviations, of a number of steps or of other schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.diffusion_arguments import SIZES, levels
from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.oracles import diffusion_tables as oracle
from genverify.reference.diffusion import schedules as reference
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = [
    "ALPHA_BAR", "ALPHA_BAR_PREV", "COSINE_ALPHA_BAR", "COSINE_BETAS", "LINEAR_BETAS", "VE_SIGMAS", "ZERO_TERMINAL_SNR",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]
Tensor = torch.Tensor
Number = Any
_NAMES = (
    "T", "timesteps", "num_timesteps", "n_timesteps", "num_diffusion_timesteps", "n_steps", "steps", "num_steps", "N",
    "n",
    "num_train_timesteps", "max_timesteps", "num_diffusion_steps", "total_steps", "total_timesteps", "noise_steps",
    "n_timestep",
    "diffusion_steps", "num_scales", "timestep", "n_T", "num_sigmas", "time_steps", "max_t", "length", "size",
)  # fmt: skip


def _total(low: int, high: int, *more: int) -> Argument:
    """The number of steps, a plain integer."""
    return plain("total", "", integer(low, high, sentinels=more), _NAMES, differentiable=False)


def _scalar(name: str, low: float, high: float, default: float, *aliases: str) -> Argument:
    """A plain number between two bounds of its own, so that no other argument's value is taken for it."""
    domain = replace(number(low, high), name=f"number from {low:g} to {high:g}", simple=math.log(default))
    return plain(name, "", domain, aliases, default=default, differentiable=False)


def _table(
    name: str, statement: str, source: str, arguments: tuple[Argument, ...], terms: Callable[..., Terms],
    *options: Option, more: tuple[Axis, ...] = (), **rest: Any,  # noqa: ANN401
) -> Specification:  # fmt: skip
    settings = {"layouts": (Layout(name="whole schedule"),), "sizes": {"step": (4, SIZES["step"][0], 9)}, **rest}
    return formula(
        Specification(
            name=f"diffusion.{name}", statement=statement, source=source, arguments=arguments, oracle=terms,
                output="step",
            dialects=(Axis(name="form", options=(Option(name=""), *options)), *more), gradient=False, operations=64,
                **settings,
        )
    )  # fmt: skip


def _slip(name: str, note: str, **keywords: Any) -> Option:  # noqa: ANN401
    return Option(name=name, keywords=keywords, accepted=False, note=note)


LINEAR_BETAS = _table(
    "linear_betas", "β_i = β_1 + (β_T − β_1)(i − 1)/(T − 1), i = 1, …, T", "Ho, Jain & Abbeel 2020, section 4",
    (
        _total(32, 40, 1000),
        _scalar("start", 1e-5, 1e-3, 1e-4, "beta_start", "beta_1", "beta1", "beta_min", "linear_start", "b0", "low",
            "lo",
                "beta_0", "b1", "min_beta", "schedule_low", "betas_start", "lower"),
        _scalar("end", 5e-3, 0.02, 0.02, "beta_end", "beta_T", "beta2", "beta_max", "linear_end", "high", "hi", "b_T",
                "max_beta", "schedule_high", "bT", "betas_end", "upper", "b2"),
    ),
    oracle.linear_betas,
    Option(name="scaled by 1000/T", keywords={"scaled": True},
    note="Nichol & Dhariwal's code: as much noise with fewer steps"),
    _slip("the roots on a line", "scaled_linear, that of latent diffusion: another schedule", roots=True),
    _slip("T + 1 points, the last left out", "β_T is never reached", last=1),
    _slip("T + 1 points, the first left out", "β_1 is never taken", last=1, first=1),
    derivation="diffusion.linear_betas.alpha_bar_falls",
)  # fmt: skip

_OFFSET = _scalar("offset", 1e-3, 0.05, 0.008, "s", "cosine_s", "eps", "epsilon", "small")
_LARGEST = _scalar("largest", 0.99, 0.9999, 0.999, "max_beta", "clip", "beta_max", "max_value", "clip_max", "upper",
    "clip_value",
                   "beta_clip", "maximum", "high")  # fmt: skip
_SHORT = _total(4, 24, 1000)


def _with_largest(terms: Callable[..., Terms]) -> Callable[..., Terms]:
    """A dialect has a bound of its own where the subject is not given one."""

    def found(total: int, offset: Number, largest: Number, bound: float | None = None, **slip: Any) -> Terms:  # noqa: ANN401
        return terms(total, offset, torch.as_tensor(bound or largest, dtype=torch.float64), **slip)

    return found


_ANNOTATED = Option(
    name="clipped to [0.0001, 0.9999]",
    keywords={"smallest": 1e-4, "bound": 0.9999},
    note="the annotated diffusion model's",
)
_TEN_THOUSANDTH = Option(name="clipped to 0.9999", keywords={"bound": 0.9999}, note="a bound of one's own")
COSINE_BETAS = _table(
    "cosine_betas", "β_t = min(1 − f(t)/f(t − 1), 0.999), f(t) = cos²((t/T + s)/(1 + s) π/2), t = 1, …, T",
    "Nichol & Dhariwal 2021, eq. 17", (_SHORT, _OFFSET, _LARGEST), _with_largest(oracle.cosine_betas),
    _ANNOTATED, _TEN_THOUSANDTH,
    _slip("not clipped", "β_T is 1: nothing is left, and x_0 cannot be had from ε", clipped=False),
    _slip("T − 1 for T", "a grid of T points, from whose ratios T − 1 rates or another last one come", points=-1),
    _slip("T + 1 for T", "the grid has one point too many: the end is not reached", points=1),
    _slip("the cosine not squared", "f is a variance, a square", power=1),
    _slip("one step late", "t + 1 for t: the first rate is left out", shift=1),
    derivation="diffusion.cosine_betas.telescopes",
)  # fmt: skip

COSINE_ALPHA_BAR = _table(
    "cosine_alpha_bar", "ᾱ_t = f(t)/f(0), f(t) = cos²((t/T + s)/(1 + s) π/2), t = 1, …, T, or the product of the "
    "clipped rates",
    "Nichol & Dhariwal 2021, eq. 17", (_SHORT, _OFFSET, _LARGEST), _with_largest(oracle.cosine_alpha_bar),
    Option(name="of the cosine itself", keywords={"clipped": False}, note="at T nothing is left"),
    Option(name="of the rates clipped to 0.9999", keywords={"bound": 0.9999}),
    Option(name="of the rates clipped to [0.0001, 0.9999]", keywords={"smallest": 1e-4, "bound": 0.9999}),
    _slip("from t = 0", "ᾱ = 1 comes first, and every entry is shifted by one", clipped=False, first=0),
    _slip("from t = 0 to T, in T points", "ᾱ = 1 comes first, and the grid has T − 1 for T", clipped=False, first=0,
        points=-1),
    _slip("the cosine not squared", "f is a variance, a square", clipped=False, power=1),
    _slip("not divided by f(0)", "a constant is missing: a little of the signal is lost before the first step",
        clipped=False,
          normalised=False),
    derivation="diffusion.cosine_betas.telescopes",
)  # fmt: skip

_BY_RATES = levels("betas")


def _alpha_bar(schedule: Tensor, **slip: Any) -> Terms:  # noqa: ANN401
    return oracle.alpha_bar(schedule, **slip)


ALPHA_BAR = _table(
    "alpha_bar", "ᾱ_t = (1 − β_1) ⋯ (1 − β_t)", "Ho, Jain & Abbeel 2020, section 2",
    (replace(_BY_RATES, forms=tuple(form for form in _BY_RATES.forms if form.name in ("betas", "alphas"))),),
        _alpha_bar,
    Option(name="with ᾱ_0 = 1 in front", keywords={"which": "front"}, note="T + 1 entries, of which that at t is ᾱ_t"),
    _slip("not cumulated", "α_t = 1 − β_t is that of one step", which="step"),
    _slip("the product of the rates", "β is to be taken from one first", which="rates"),
    _slip("1 − Σ β", "the first order of the product alone: below zero after many steps", which="sum"),
    _slip("of the step before", "ᾱ_{t−1}, with 1 in front and the last one lost", which="exclusive"),
    derivation="diffusion.q_sample.composition",
)  # fmt: skip

ALPHA_BAR_PREV = _table(
    "alpha_bar_prev", "ᾱ_{t−1}, with ᾱ_0 = 1", "Ho, Jain & Abbeel 2020, eq. 7", (levels(),),
    lambda schedule, **slip: oracle.alpha_bar_prev(schedule, **slip),
    _slip("its own first entry in front", "ᾱ_1 for ᾱ_0: the posterior then has a variance at the first step",
        front="own"),
    _slip("zero in front", "before the first step there is all of the signal, and not none", front="zero"),
    _slip("not moved", "ᾱ_t for ᾱ_{t−1}", shift=0),
    _slip("moved the other way", "ᾱ_{t+1}, with 1 behind", shift=-1),
    _slip("moved the other way, with zero behind", "ᾱ_{t+1}, of inversion", shift=-1, front="zero"),
    derivation="diffusion.posterior.bayes",
)  # fmt: skip

VE_SIGMAS = _table(
    "ve_sigmas", "σ_i = σ_min (σ_max/σ_min)^((i − 1)/(N − 1)), i = 1, …, N",
    "Song, Sohl-Dickstein et al. 2021, appendix C",
    (
        _total(3, 24, 1000),
        _scalar("low", 5e-3, 0.1, 0.01, "sigma_min", "sigma_end", "min_sigma", "smin", "s_min", "sigma_low", "sigma_L",
            "begin"),
        _scalar("high", 1.0, 100.0, 50.0, "sigma_max", "sigma_begin", "max_sigma", "smax", "s_max", "sigma_high",
            "sigma_1",
                "sigma_start"),
    ),
    oracle.ve_sigmas,
    Option(name="falling", keywords={"falling": True}, note="the order of annealed Langevin dynamics, and of sampling"),
    _slip("on a line", "the ratio of neighbours is to be constant, not their difference", linear=True),
    _slip("on a falling line", "the ratio of neighbours is to be constant, not their difference", linear=True,
        falling=True),
    _slip("the end left out", "N + 1 points, or i/N: σ_max is never reached", last=1),
    derivation="diffusion.ve_sigmas.ratio",
)  # fmt: skip


def _zero_terminal(schedule: Tensor, **slip: Any) -> Terms:  # noqa: ANN401
    return oracle.zero_terminal_snr(schedule, **slip)


ZERO_TERMINAL_SNR = _table(
    "zero_terminal_snr", "√ᾱ'_t = (√ᾱ_t − √ᾱ_T) √ᾱ_1/(√ᾱ_1 − √ᾱ_T), β'_t = 1 − ᾱ'_t/ᾱ'_{t−1}",
    "Lin, Liu, Li & Yang 2024, algorithm 1", (_BY_RATES,), _zero_terminal,
    _slip("not scaled", "the first step, too, then loses √ᾱ_T", scaled=False),
    _slip("ᾱ moved for its root", "the roots are moved and scaled", roots=False),
    more=(Axis(name="result", options=(
        Option(name=""), Option(name="ᾱ' for the rates", keywords={"result": "alpha_bar"}),
    )),),
    derivation="diffusion.zero_terminal_snr.ends",
)  # fmt: skip


@declares_reference
def diffusion_linear_betas() -> Formula:
    """The reference linear rates."""
    return Formula(reference.linear_betas, like="diffusion.linear_betas")


@declares_reference
def diffusion_cosine_betas() -> Formula:
    """The reference cosine rates."""
    return Formula(reference.cosine_betas, like="diffusion.cosine_betas")


@declares_reference
def diffusion_cosine_alpha_bar() -> Formula:
    """The reference cosine."""
    return Formula(reference.cosine_alpha_bar, like="diffusion.cosine_alpha_bar")


@declares_reference
def diffusion_alpha_bar() -> Formula:
    """The reference product."""
    return Formula(reference.alpha_bar, like="diffusion.alpha_bar")


@declares_reference
def diffusion_alpha_bar_prev() -> Formula:
    """The reference product of the step before."""
    return Formula(reference.alpha_bar_prev, like="diffusion.alpha_bar_prev")


@declares_reference
def diffusion_ve_sigmas() -> Formula:
    """The reference deviations."""
    return Formula(reference.ve_sigmas, like="diffusion.ve_sigmas")


@declares_reference
def diffusion_zero_terminal_snr() -> Formula:
    """The reference rates without signal at the end."""
    return Formula(reference.zero_terminal_snr, like="diffusion.zero_terminal_snr")
