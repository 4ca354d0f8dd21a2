"""One step of a sampler in noise levels: Euler, Heun, ancestral, DPM-Solver; with a denoiser, or with what it gave."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.field_arguments import (
    DENOISED,
    DENOISER,
    FIELD_SIZES,
    NEXT,
    SAMPLE,
    SIGMA,
    SIZES,
    column,
    layouts,
    levels,
    standard_normal,
)
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import edm as oracle
from genverify.reference.diffusion import dpm_solver, karras
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["ANCESTRAL", "ANCESTRAL_SIGMAS", "DPM_MULTISTEP", "DPM_SOLVER", "EULER", "HEUN"]

_KARRAS = "Karras et al. 2022, algorithm 1"
_LU = "Lu et al. 2022 (DPM-Solver), algorithm 1; Lu et al. 2022 (DPM-Solver++), algorithms 1 and 2"
_TIMES = ("sigma", "sigma_next")
_LEVELS = (SIGMA, NEXT)
Terms = tuple[Tensor, ...]


def _wrong_level(slip: str, now: Tensor, then: Tensor) -> Tensor:
    """What the slope is divided by."""
    return torch.where(then == 0, torch.ones_like(then), then) if slip == "next" else now


def _euler(x: Tensor, denoised: Tensor, sigma: Any, sigma_next: Any, *, slip: str = "") -> Terms:  # noqa: ANN401
    now, then = column(sigma), column(sigma_next)
    if not slip:
        return oracle.euler(x, denoised, now, then)
    sign = -1.0 if slip == "sign" else 1.0
    by = now**2 if slip == "square" else _wrong_level(slip, now, then)
    return x, sign * (then - now) * oracle.slope(x, by, denoised)


_EULER_SLIPS = Axis(
    name="slope",
    options=(
        Option(name=""),
        Option(name="divided by σ′", keywords={"slip": "next"}, accepted=False,
               note="the slope is (x − D)/σ, of the level that is left"),
        Option(name="divided by σ²", keywords={"slip": "square"}, accepted=False,
               note="(x − D)/σ² is minus the score; the slope is σ times as much"),
        Option(name="away from the data", keywords={"slip": "sign"}, accepted=False,
               note="(σ − σ′) for (σ′ − σ), or (D − x) for (x − D)"),
    ),
)  # fmt: skip


def _step(
    name: str, statement: str, source: str, arguments: tuple[Argument, ...], compute: Any, *,  # noqa: ANN401
    dialects: tuple[Axis, ...] = (), times: tuple[str, ...] = _TIMES, **rest: Any,  # noqa: ANN401
) -> Specification:  # fmt: skip
    """A step from samples to samples, as a formula."""
    samples = tuple(one.name for one in arguments if one.axes == "batch event")
    taken = any(one.name == "denoiser" for one in arguments)
    return formula(
        Specification(
            name=f"edm.{name}", statement=statement, source=source, arguments=arguments, oracle=compute,
            output="batch event", dialects=dialects, layouts=layouts(samples, times),
            sizes=FIELD_SIZES if taken else SIZES, operations=128, **rest,
        )
    )  # fmt: skip


def _both(
    name: str, statement: str, source: str, compute: Any, *, more: tuple[Argument, ...] = (),  # noqa: ANN401
    dialects: tuple[Axis, ...] = (), others: tuple[str, ...] = (), **rest: Any,  # noqa: ANN401
) -> Specification:  # fmt: skip
    """A step that evaluates the denoiser once, and its namesake that is given what the denoiser gave."""

    def evaluated(denoiser: Any, x: Tensor, sigma: Any, **given: Any) -> Terms:  # noqa: ANN401
        return compute(x=x, denoised=denoiser(x, sigma), sigma=sigma, **given)

    _step(
        f"{name}_denoised", statement, source, (SAMPLE, DENOISED, *_LEVELS, *more), compute, dialects=dialects, **rest
    )
    return _step(
        name, statement, source, (DENOISER, SAMPLE, *_LEVELS, *more), evaluated, dialects=dialects,
        namesakes=(f"edm.{name}_denoised", *others), **rest,
    )  # fmt: skip


EULER = _both(
    "euler_step", "x′ = x + (σ′ − σ) (x − D(x; σ))/σ", _KARRAS, _euler, dialects=(_EULER_SLIPS,),
    others=("edm.euler_sampler",), derivation="edm.euler_step.mixture",
)  # fmt: skip


def _heun(denoiser: Any, x: Tensor, sigma: Any, sigma_next: Any, *, slip: str = "") -> Terms:  # noqa: ANN401
    if not slip:
        return oracle.heun(denoiser, x, sigma, sigma_next)
    now, then = column(sigma), column(sigma_next)
    first = oracle.slope(x, now, denoiser(x, sigma))
    if slip == "euler":
        return x, (then - now) * first
    ahead = x + (then - now) * first
    safe = torch.where(then == 0, torch.ones_like(then), then)
    second = {
        "level": lambda: oracle.slope(ahead, now, denoiser(ahead, sigma)),
        "point": lambda: oracle.slope(x, safe, denoiser(x, sigma_next)),
        "last": lambda: oracle.slope(ahead, safe, denoiser(ahead, sigma_next)),
    }[slip]()
    second = torch.where(then == 0, first, second)
    first = second if slip == "last" else first
    return x, (then - now) * first / 2, (then - now) * second / 2


HEUN = _step(
    "heun_step", "x̂ = x + (σ′ − σ) d, x′ = x + (σ′ − σ) (d + d′)/2, d = (x − D(x; σ))/σ, d′ = (x̂ − D(x̂; σ′))/σ′; "
    "at σ′ = 0 x′ = x̂", _KARRAS,
    (DENOISER, SAMPLE, *_LEVELS), _heun, namesakes=("edm.heun_sampler",), derivation="edm.heun_step.order",
    dialects=(
        Axis(name="second slope", options=(
            Option(name=""),
            Option(name="left out", keywords={"slip": "euler"}, accepted=False, note="that is edm.euler_step"),
            Option(name="at the old level", keywords={"slip": "level"}, accepted=False,
                   note="D and the divisor are taken at σ, where σ′ belongs"),
            Option(name="at the old sample", keywords={"slip": "point"}, accepted=False,
                   note="the slope at x and σ′, not at the predicted sample"),
            Option(name="alone", keywords={"slip": "last"}, accepted=False, note="the mean of both slopes is taken"),
        )),
    ),
)  # fmt: skip

_ETA = hyperparameter("eta", "churn", "eta_ancestral", "ancestral_eta", default=1.0, low=0.1, high=1.0, apart=(0.0,))
_NOISE_SCALE = hyperparameter("noise_scale", "s_noise", "S_noise", "noise_multiplier", default=1.0, low=0.5, high=2.0)
_POSITIVE_NEXT = levels("sigma_next", 0.1, 0.9, *NEXT.forms[0].aliases, differentiable=False)
_NOISE = standard_normal("noise")


def _split(sigma: Any, sigma_next: Any, eta: Any, *, slip: str = "") -> tuple[Tensor, Tensor]:  # noqa: ANN401
    now, then = (torch.as_tensor(one, dtype=torch.float64) for one in (sigma, sigma_next))
    if slip == "all":
        return then, then * eta
    down, up = oracle.ancestral(now, then, float(eta))
    if slip == "kept":
        return then, up
    return (then - up, up) if slip == "linear" else (down, up)


def _ancestral(
    x: Tensor, denoised: Tensor, sigma: Any, sigma_next: Any, eta: Any, noise_scale: Any, noise: Tensor, *,  # noqa: ANN401
    slip: str = "",
) -> Terms:  # fmt: skip
    down, up = (column(one) for one in _split(sigma, sigma_next, eta, slip=slip))
    up = up**2 if slip == "variance" else up
    return (*oracle.euler(x, denoised, column(sigma), down), up * noise_scale * noise)


_ANCESTRAL_SLIPS = Axis(
    name="noise",
    options=(
        Option(name=""),
        Option(name="the level not lowered", keywords={"slip": "kept"}, accepted=False,
               note="the step goes to σ′ and noise comes on top: the level after it is √(σ′² + σ_up²)"),
        Option(name="σ_down = σ′ − σ_up", keywords={"slip": "linear"}, accepted=False,
               note="variances add, and not deviations"),
        Option(name="a variance for a deviation", keywords={"slip": "variance"}, accepted=False,
               note="the noise is multiplied with σ_up²"),
    ),
)  # fmt: skip
ANCESTRAL = _both(
    "ancestral_step",
    "x′ = x + (σ_down − σ) (x − D(x; σ))/σ + σ_up z, σ_up = min(σ′, η √(σ′² (σ² − σ′²)/σ²)), σ_down = √(σ′² − σ_up²)",
    "crowsonkb/k-diffusion, get_ancestral_step; Song, Meng & Ermon 2021, eq. 16", _ancestral,
    more=(_ETA, _NOISE_SCALE, _NOISE), dialects=(_ANCESTRAL_SLIPS,), others=("edm.ancestral_sigmas",),
    derivation="edm.ancestral_step.variance", gradient=False,
)  # fmt: skip
ANCESTRAL_SIGMAS = formula(
    Specification(
        name="edm.ancestral_sigmas", statement="σ_up = min(σ′, η √(σ′² (σ² − σ′²)/σ²)), σ_down = √(σ′² − σ_up²)",
        source="crowsonkb/k-diffusion, get_ancestral_step; Song, Meng & Ermon 2021, eq. 16",
        arguments=(SIGMA, NEXT, _ETA),
        oracle=lambda order="", **given: _split(**given)[:: -1 if order else 1],
        output="batch|batch", outputs=("sigma_down", "sigma_up"),
        dialects=(
            Axis(name="level", options=(Option(name=""), *_ANCESTRAL_SLIPS.options[1:3])),
            Axis(name="order", options=(Option(name=""), Option(name="σ_up first", keywords={"order": "up"}))),
        ),
        layouts=(Layout(name="one number", drop=("batch",)), Layout(name="one for each row")), operations=128,
        gradient=False, derivation="edm.ancestral_step.variance",
    )
)  # fmt: skip


def _dpm(denoiser: Any, x: Tensor, sigma: Any, sigma_next: Any, *, kind: str = "first") -> Terms:  # noqa: ANN401
    return oracle.dpm_step(denoiser, x, sigma, sigma_next, kind)


# A step to zero ends in D of the first point, or nowhere: in log σ it is infinitely long.
DPM_SOLVER = _step(
    "dpm_solver_step", "x′ = (σ′/σ) x + (1 − σ′/σ) D, D = D(x; σ), or D at the middle of the step in log σ", _LU,
    (DENOISER, SAMPLE, SIGMA, _POSITIVE_NEXT), _dpm,
    namesakes=("edm.dpm_solver_step_denoised", "edm.dpm_solver_step_multistep", "edm.dpm_solver_sampler"),
    dialects=(
        Axis(name="order", options=(
            Option(name=""),
            Option(name="of second order", keywords={"kind": "data"}, note="DPM-Solver++(2S), r = ½"),
            Option(name="of second order, in the noise", keywords={"kind": "noise"}, note="DPM-Solver-2, r = ½"),
            Option(name="of second order, in the noise, by cube roots", keywords={"kind": "cubic"},
                   note="crowsonkb/k-diffusion, sample_dpm_2 of 2022"),
        )),
    ),
    derivation="edm.dpm_solver_step.first_order",
)  # fmt: skip
_step(
    "dpm_solver_step_denoised", "x′ = (σ′/σ) x + (1 − σ′/σ) D", _LU, (SAMPLE, DENOISED, *_LEVELS), _euler,
    dialects=(_EULER_SLIPS,), derivation="edm.dpm_solver_step.first_order",
)  # fmt: skip


def _multistep(
    x: Tensor, denoised: Tensor, before: Tensor, sigma: Any, sigma_next: Any, sigma_before: Any, *, slip: str = ""  # noqa: ANN401
) -> Terms:  # fmt: skip
    now, then, past = (column(one) for one in (sigma, sigma_next, sigma_before))
    if slip == "sign":
        share, forward = then / now, torch.log(now / then) / torch.log(past / now) / 2
        return share * x, (1 - share) * (1 - forward) * denoised, (1 - share) * forward * before
    if slip == "ratio":
        share, forward = then / now, torch.log(past / now) / torch.log(now / then) / 2
        return share * x, (1 - share) * (1 + forward) * denoised, -(1 - share) * forward * before
    return oracle.dpm_multistep(x, denoised, before, now, then, past)


DPM_MULTISTEP = _step(
    "dpm_solver_step_multistep",
    "x′ = (σ′/σ) x + (1 − σ′/σ) (D + (D − D₋)/(2r)), r = log(σ₋/σ)/log(σ/σ′)", _LU,
    (
        SAMPLE, DENOISED,
        any_real("before", "batch event", "old_denoised", "denoised_prev", "prev_denoised", "D_prev", "old_D", "D1",
                 "denoised_old", "last_denoised", "prev_x0", "D_old", "previous_denoised", "old_d"),
        SIGMA, _POSITIVE_NEXT,
        levels("sigma_before", 6.0, 20.0, "sigma_prev", "sigma_last", "last_sigma", "prev_sigma", "sigma_old",
               "old_sigma", "t_prev", "previous_sigma", "sigma_m1", "sigma_im1", differentiable=False),
    ),
    _multistep, times=("sigma", "sigma_next", "sigma_before"),
    dialects=(
        Axis(name="extrapolation", options=(
            Option(name=""),
            Option(name="backwards", keywords={"slip": "sign"}, accepted=False,
                   note="D is moved toward the one before: (1 − 1/(2r)) D + D₋/(2r)"),
            Option(name="r inverted", keywords={"slip": "ratio"}, accepted=False,
                   note="r is the old step over the new"),
        )),
    ),
    derivation="edm.dpm_solver_step.multistep",
)  # fmt: skip


@declares_reference
def euler() -> Formula:
    """The reference step of Euler."""
    return Formula(karras.euler_step, like="edm.euler_step")


@declares_reference
def heun() -> Formula:
    """The reference step of Heun."""
    return Formula(karras.heun_step, like="edm.heun_step")


@declares_reference
def ancestral() -> Formula:
    """The reference ancestral step."""
    return Formula(karras.ancestral_step, like="edm.ancestral_step")


@declares_reference
def dpm_solver_step() -> Formula:
    """The reference step of DPM-Solver++, of second order."""
    return Formula(dpm_solver.single_step, like="edm.dpm_solver_step")


@declares_reference
def dpm_solver_multistep() -> Formula:
    """The reference step of DPM-Solver++(2M)."""
    return Formula(dpm_solver.multistep, like="edm.dpm_solver_step_multistep")
