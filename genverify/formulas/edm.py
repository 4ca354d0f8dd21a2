"""Karras et al.'s noise levels, the scalings around a network, and the weight of its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas import edm_samplers, edm_steps
from genverify.formulas.catalogue import formula
from genverify.formulas.field_arguments import FIELD_SIZES, SAMPLE, SIZES, column, field, layouts, levels
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.oracles import edm as oracle
from genverify.reference.diffusion import karras, preconditioning
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Constraint, Layout, Option, Role, Specification

__all__ = [
    "COEFFICIENTS", "DENOISED_BY", "LOSS_WEIGHT", "OUTPUT", "PRECONDITIONING", "SCALED_INPUT", "SCALINGS", "SIGMAS",
    "STEPS",
]  # fmt: skip

STEPS = (edm_steps, edm_samplers)
_MOST = 6


def _levels(
    n: int, low: Any, high: Any, rho: Any, index: int | None, *, zero: bool = True, kind: str = ""  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    count = int(n)
    places = torch.arange(count, dtype=torch.float64) / (count if kind == "over n" else count - 1)
    low, high, rho = (torch.as_tensor(one, dtype=torch.float64) for one in (low, high, rho))
    power = 1 / rho if kind == "inverse" else rho
    if kind == "geometric":
        found = torch.exp((1 - places) * torch.log(high) + places * torch.log(low))
    else:
        found = oracle.level.torch(places, low, high, power)
    # As it is written, two roots of the size of the highest cancel at the end: so much is a rounding there worth.
    weight = torch.full_like(found, float(power)) * found ** (1 - 1 / power) * high ** (1 / power)
    terms = [found + weight, -weight]
    terms = [one.flip(0) for one in terms] if kind == "ascending" else terms
    if index is not None:
        return tuple(one[int(index)] for one in terms)
    end = torch.zeros(1 if zero else 0, dtype=torch.float64)
    return tuple(torch.cat([one, end]) for one in terms)


def _in_range(values: Mapping[str, Any]) -> bool:
    return values["index"] is None or int(values["index"]) < int(values["n"])


def _number(name: str, low: float, high: float, *aliases: str, default: Any = ...) -> Argument:  # noqa: ANN401
    # No two of these numbers stand for each other, so that their domains have names of their own.
    domain = replace(number(low, high), name=f"positive number {low:g}..{high:g}")
    return plain(name, "", domain, aliases, default=default, differentiable=False)


_LOW = _number(
    "low", 0.002, 0.5, "sigma_min", "min_sigma", "smin", "sigma_lo", "s_min", "sigma_low", "smallest", default=0.002
)
_HIGH = _number(
    "high", 1.0, 80.0, "sigma_max", "max_sigma", "smax", "sigma_hi", "s_max", "sigma_high", "largest", default=80.0
)

SIGMAS = formula(
    Specification(
        name="edm.sigmas",
        statement="σ_i = (σ_max^(1/ρ) + i/(n − 1) (σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ, i < n, and σ_n = 0",
        source="Karras et al. 2022, eq. 5",
        arguments=(
            plain(
                "n", "", integer(2, _MOST),
                ("num_steps", "steps", "N", "n_steps", "num_inference_steps", "num_sampling_steps", "n_sampling_steps",
                 "num_sample_steps", "timesteps", "n_timesteps", "num", "T", "nsteps", "sample_steps", "num_sigmas",
                 "scales", "num_scales", "K"),
                role=Role.OPTION, differentiable=False,
            ),
            _LOW, _HIGH, _number("rho", 1.0, 9.0, "r", "power", "exponent", default=7.0),
            plain("index", "", integer(0, _MOST - 1), ("i", "idx", "step", "step_index", "k", "indices"), default=None,
                  role=Role.OPTION, differentiable=False),
        ),
        oracle=_levels,
        output="time",
        dialects=(
            Axis(name="end", options=(
                Option(name=""), Option(name="without the final zero", keywords={"zero": False}),
            )),
            Axis(name="spacing", options=(
                Option(name=""),
                Option(name="ascending", keywords={"kind": "ascending"}, accepted=False,
                       note="from the lowest level up: consistency training counts so, a sampler goes down"),
                Option(name="geometric", keywords={"kind": "geometric"}, accepted=False,
                       note="equal steps in log σ: the exponential schedule, the limit ρ → ∞"),
                Option(name="i/n", keywords={"kind": "over n"}, accepted=False,
                       note="the lowest level is not reached: n levels have n − 1 steps"),
                Option(name="powers exchanged", keywords={"kind": "inverse"}, accepted=False,
                       note="(σ_max^ρ + …)^(1/ρ): dense at the highest level"),
            )),
        ),
        layouts=(Layout(name="a schedule"),), constraints=(Constraint(statement="i < n", holds=_in_range),),
        gradient=False, operations=64, derivation="edm.sigmas.equal_steps",
    )
)  # fmt: skip

_AT = levels(
    "sigma", 0.01, 50.0, "t", "sigmas", "sigma_t", "noise_level", "std", "s", "noise_std", "padded_sigmas", "sig",
    differentiable=False,
)  # fmt: skip
_DATA = hyperparameter(
    "data", "sigma_data", "sd", "data_std", "sigma_d", "s_data", "data_sigma", "std_data", default=0.5, low=0.25,
    high=2.0,
)  # fmt: skip


def _scalings(sigma: Any, data: Any, *, slip: str = "") -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
    sigma = torch.as_tensor(sigma, dtype=torch.float64)
    known = oracle.c_skip.torch(sigma, data), oracle.c_out.torch(sigma, data), oracle.c_in.torch(sigma, data)
    skip, out, into = (column(one) for one in known)
    if slip == "exchanged":
        return out, skip, into
    return skip, out * into if slip == "out" else out, into**2 if slip == "in" else into


def _told(sigma: Any, how: str) -> Tensor:  # noqa: ANN401
    sigma = torch.as_tensor(sigma, dtype=torch.float64)
    return sigma if how == "sigma" else torch.log(sigma) * (1.0 if how == "log" else 0.25)


_SLIPS = Axis(
    name="scalings",
    options=(
        Option(name=""),
        Option(name="c_skip and c_out exchanged", keywords={"slip": "exchanged"}, accepted=False,
               note="at σ → 0 the network, and not the sample, is returned"),
        Option(name="c_in without its root", keywords={"slip": "in"}, accepted=False,
               note="1/(σ² + σ_d²): inputs of variance 1/(σ² + σ_d²)"),
        Option(name="c_out without its root", keywords={"slip": "out"}, accepted=False,
               note="σ σ_d/(σ² + σ_d²): targets whose variance grows with σ² + σ_d²"),
    ),
)  # fmt: skip
_NETWORK = field(
    "network", "F", "F_theta", "raw_model", "denoiser", "inner", "network_fn", "score_model", "base_model",
    differentiable=True,
)  # fmt: skip
_CONDITION = Axis(
    name="condition",
    options=(
        Option(name=""),
        Option(name="conditioned on σ itself", keywords={"told": "sigma"},
               note="crowsonkb/k-diffusion: the network takes the logarithm"),
        Option(name="conditioned on ln σ", keywords={"told": "log"}, accepted=False,
               note="without the factor ¼: another network, which takes another number"),
    ),
)  # fmt: skip


def _denoised(
    network: Any, x: Tensor, sigma: Any, data: Any, *, told: str = "", slip: str = "",  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    skip, out, into = _scalings(sigma, data, slip=slip)
    return skip * x, out * network(into * x, _told(sigma, told))


_FORMS = (
    "edm.preconditioning_coefficients", "edm.preconditioning_scalings", "edm.preconditioning_output",
    "edm.preconditioning_input",
)  # fmt: skip
DENOISED_BY = (
    "D(x; σ) = c_skip x + c_out F(c_in x; ¼ ln σ), c_skip = σ_d²/(σ² + σ_d²), c_out = σ σ_d c_in, c_in = 1/√(σ² + σ_d²)"
)
_SOURCE = "Karras et al. 2022, eq. 7 and table 1"

PRECONDITIONING = formula(
    Specification(
        name="edm.preconditioning", statement=DENOISED_BY, source=_SOURCE,
        arguments=(_NETWORK, SAMPLE, _AT, _DATA), oracle=_denoised, output="batch event",
        dialects=(_CONDITION, _SLIPS), layouts=layouts(("x",), ("sigma",)), sizes=FIELD_SIZES, operations=64,
        namesakes=_FORMS, derivation="edm.preconditioning.unit_variance",
    )
)  # fmt: skip

_NUMBERS = (Layout(name="one for each row"), Layout(name="one number", drop=("batch",)))


def _coefficients(sigma: Any, data: Any, *, told: str = "", slip: str = "", order: str = "") -> tuple[Tensor, ...]:  # noqa: ANN401
    skip, out, into = (one.reshape(torch.as_tensor(sigma).shape) for one in _scalings(sigma, data, slip=slip))
    if order == "scalings":
        return skip, out, into
    noise = _told(sigma, told)
    return (into, skip, out, noise) if order == "in first" else (skip, out, into, noise)


COEFFICIENTS = formula(
    Specification(
        name="edm.preconditioning_coefficients",
        statement="c_skip, c_out, c_in, c_noise: " + DENOISED_BY, source=_SOURCE, arguments=(_AT, _DATA),
        oracle=_coefficients, output="batch|batch|batch|batch", outputs=("c_skip", "c_out", "c_in", "c_noise"),
        dialects=(
            _CONDITION, _SLIPS,
            Axis(name="order", options=(Option(name=""), Option(name="c_in first", keywords={"order": "in first"}))),
        ),
        layouts=_NUMBERS, gradient=False, operations=64, derivation="edm.preconditioning.unit_variance",
    )
)  # fmt: skip
SCALINGS = formula(
    Specification(
        name="edm.preconditioning_scalings", statement="c_skip, c_out, c_in: " + DENOISED_BY, source=_SOURCE,
        arguments=(_AT, _DATA), oracle=lambda **given: _coefficients(order="scalings", **given),
        output="batch|batch|batch", outputs=("c_skip", "c_out", "c_in"), dialects=(_SLIPS,), layouts=_NUMBERS,
        gradient=False, operations=64, derivation="edm.preconditioning.unit_variance",
    )
)  # fmt: skip


def _from_output(x: Tensor, output: Tensor, sigma: Any, data: Any, *, slip: str = "") -> tuple[Tensor, Tensor]:  # noqa: ANN401
    skip, out, _ = _scalings(sigma, data, slip=slip)
    return skip * x, out * output


OUTPUT = formula(
    Specification(
        name="edm.preconditioning_output", statement="c_skip x + c_out F: " + DENOISED_BY, source=_SOURCE,
        arguments=(
            SAMPLE,
            any_real("output", "batch event", "model_output", "F", "F_x", "net_out", "out", "model_pred", "pred", "raw",
                     "prediction", "noise_pred", "network_output"),
            _AT, _DATA,
        ),
        oracle=_from_output, output="batch event", dialects=(_SLIPS,), layouts=layouts(("x", "output"), ("sigma",)),
        sizes=SIZES, operations=64, derivation="edm.preconditioning.unit_variance",
    )
)  # fmt: skip
SCALED_INPUT = formula(
    Specification(
        name="edm.preconditioning_input", statement="c_in x: " + DENOISED_BY, source=_SOURCE,
        arguments=(SAMPLE, _AT, _DATA), oracle=lambda x, sigma, data, **how: _scalings(sigma, data, **how)[2] * x,
        output="batch event", dialects=(_SLIPS,), layouts=layouts(("x",), ("sigma",)), sizes=SIZES, operations=64,
        derivation="edm.preconditioning.unit_variance",
    )
)  # fmt: skip


def _weight(sigma: Any, data: Any, *, kind: str = "") -> tuple[Tensor, ...]:  # noqa: ANN401
    sigma = torch.as_tensor(sigma, dtype=torch.float64)
    if kind == "sum":
        return ((sigma**2 + data**2) / (sigma + data) ** 2,)
    if kind == "inverse":
        return (1 / (1 / sigma**2 + 1 / torch.as_tensor(data, dtype=torch.float64) ** 2),)
    if kind == "root":
        return ((sigma**2 + data**2) / (sigma * data),)
    return oracle.loss_weight.terms(sigma, data)


LOSS_WEIGHT = formula(
    Specification(
        name="edm.loss_weight", statement="λ(σ) = (σ² + σ_d²)/(σ σ_d)² = 1/c_out²",
        source="Karras et al. 2022, table 1", arguments=(_AT, _DATA), oracle=_weight, output="batch",
        dialects=(
            Axis(name="weight", options=(
                Option(name=""),
                Option(name="over the square of the sum", keywords={"kind": "sum"}, accepted=False,
                       note="(σ + σ_d)² for (σ σ_d)²: lucidrains/alphafold3-pytorch#68, as AlphaFold 3 prints it"),
                Option(name="c_out²", keywords={"kind": "inverse"}, accepted=False, note="the inverse of the weight"),
                Option(name="without the square", keywords={"kind": "root"}, accepted=False,
                       note="(σ² + σ_d²)/(σ σ_d): the square of the denominator is lost"),
            )),
        ),
        layouts=_NUMBERS, gradient=False, operations=64, derivation="edm.loss_weight.even",
    )
)  # fmt: skip


@declares_reference
def sigmas() -> Formula:
    """The reference schedule."""
    return Formula(karras.sigmas, like="edm.sigmas")


@declares_reference
def preconditioned() -> Formula:
    """The reference denoiser around a network."""
    return Formula(preconditioning.preconditioned, like="edm.preconditioning")


@declares_reference
def weight() -> Formula:
    """The reference weight."""
    return Formula(preconditioning.loss_weight, like="edm.loss_weight")
