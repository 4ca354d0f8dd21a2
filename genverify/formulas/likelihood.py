"""Estimates of log p(x) from draws, and a log-density in bits per dimension."""

from __future__ import annotations

import math
from typing import Any

import torch

from genverify.formulas import iwae_arguments as take
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.iwae import SLIPS
from genverify.formulas.references import declares_reference
from genverify.oracles import iwae as oracle
from genverify.reference.likelihood import bits_per_dimension as reference_bits
from genverify.reference.likelihood import iwae as reference
from genverify.subjects.choices import choice
from genverify.subjects.domains import integer, real
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Role, Specification

__all__ = ["BITS_PER_DIMENSION", "IMPORTANCE_SAMPLED", "NAIVE_MONTE_CARLO"]

Terms = tuple[torch.Tensor, ...]
_BATCH = reduction("batch", ("none", "mean", "sum"))
_AS = Axis(
    name="estimate",
    options=(
        Option(name=""),
        Option(name="the estimate itself, and not its logarithm", keywords={"kind": "plain"}, note="it is unbiased"),
        *SLIPS,
    ),
)

NAIVE_MONTE_CARLO = formula(
    Specification(
        name="likelihood.naive_monte_carlo",
        statement="log p̂(x) = log (1/n) Σ_k p(x | z_k), z_k drawn from the prior",
        source="Doersch 2016, section 2; Robert & Casella 2004, eq. 3.4",
        arguments=(take.likelihoods(),),
        oracle=lambda log_likelihood, **how: oracle.log_mean(log_likelihood, **how),
        output="batch",
        dialects=(_BATCH, take.ESTIMATE_OR_LOSS, _AS),
        layouts=take.LAYOUTS,
        sizes=take.SIZES,
        derivation="likelihood.naive_monte_carlo.unbiased",
    )
)


def _importance(*, kind: str = "", sign: float = 1.0, **parts: Any) -> Terms:  # noqa: ANN401
    return oracle.log_mean(take.sum_of(**parts), kind=kind, sign=sign)


IMPORTANCE_SAMPLED = formula(
    Specification(
        name="likelihood.importance_sampled",
        statement="log p̂(x) = log (1/n) Σ_k p(x | z_k) p(z_k)/q(z_k | x), z_k drawn from q",
        source="Rezende, Mohamed & Wierstra 2014, appendix E; Robert & Casella 2004, eq. 3.8",
        arguments=take.weight_parts(),
        oracle=_importance,
        output="batch",
        dialects=(_BATCH, take.ESTIMATE_OR_LOSS, _AS),
        layouts=take.LAYOUTS,
        sizes=take.SIZES,
        derivation="likelihood.naive_monte_carlo.unbiased",
    )
)

_DENSITY = Argument(
    name="log_density",
    axes="batch",
    forms=(
        Form(
            name="log_density", domain=real(low=-20.0, high=20.0, extreme=1e6),
            aliases=("log_px", "log_p", "logp", "log_prob", "log_probs", "log_likelihood", "likelihood", "ll", "logpx",
                     "loglik", "log_p_x", "log_likelihoods", "logprob", "x_logp", "lp", "log_prob_x", "log_lik"),
        ),
        Form(
            name="nll", domain=real(low=-20.0, high=20.0, extreme=1e6), canonical=torch.neg,
            aliases=("nll", "nlls", "neg_log_likelihood", "negative_log_likelihood", "loss", "total_nll", "neg_logp",
                     "nll_loss", "nll_nats", "neg_ll", "neg_log_prob", "neg_elbo", "nelbo"),
        ),
    ),
)  # fmt: skip


def _shape(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[int, ...]:
    wide = int(raw.reshape(-1)[0])
    return (1 + wide % 3, wide, 2)


_COUNT = integer(1, 12)
_SHAPE = type(_COUNT)(name="a shape", low=1, high=4, integral=True, simple=1.0, make=_shape)
_DIMENSIONS = Argument(
    name="dimensions",
    role=Role.OPTION,
    differentiable=False,
    default=None,
    forms=(
        Form(
            name="dimensions", domain=_COUNT,
            aliases=("D", "dim", "dims", "n_dims", "num_dims", "ndims", "d", "num_pixels", "n_pixels", "n_pixel",
                     "num_dimensions", "n_dimensions", "pixels", "dimension", "n_dim", "num_dim", "numel", "total_dims",
                     "n", "N", "data_dim", "x_dim", "input_dim"),
        ),
        Form(
            name="shape", domain=_SHAPE, canonical=math.prod,
            aliases=("shape", "input_shape", "image_shape", "img_shape", "x_shape", "event_shape", "data_shape",
                     "input_size", "image_shape_hwc", "img_size"),
        ),
    ),
)  # fmt: skip
_DATA = Argument(
    name="data",
    axes="batch event",
    differentiable=False,
    default=None,
    forms=(Form(name="data", domain=real(), aliases=("x", "z", "image", "images", "img", "batch", "inputs", "input")),),
)
_LEVELS = Argument(
    name="levels",
    role=Role.OPTION,
    differentiable=False,
    default=None,
    forms=(
        Form(
            name="levels", domain=choice(256, 32, 2),
            aliases=("n_levels", "num_levels", "n_bins", "bins", "num_bins", "k", "K", "quantization", "n_values",
                     "num_values", "quants", "data_range", "scale", "quantization_levels", "q_levels", "n_quant"),
        ),
        Form(
            name="bits", domain=choice(8, 5, 1), canonical=lambda n: 2**n,
            aliases=("bits", "n_bits", "num_bits", "nbits", "bit_depth", "n_bits_x", "bpp"),
        ),
    ),
)  # fmt: skip


def _bits(
    log_density: torch.Tensor, dimensions: int | None, data: torch.Tensor | None, levels: torch.Tensor | float | None,
    *,
    scaled: str = "", unit: float = math.log(2.0), forgotten: bool = False,
) -> Terms:  # fmt: skip
    if dimensions is None:
        count = 1.0 if data is None else float(data.shape[-1])
    else:
        count = float(dimensions)
    number = 256.0 if levels is None else float(levels)
    offset = math.log(
        {"": number, "symmetric": number / 2, "levels less one": max(number - 1, 1.0)}.get(scaled, number)
    )
    if forgotten or (scaled == "integers" and levels is None):
        offset = 0.0
    return oracle.bits_per_dimension(log_density, count, offset, unit)


BITS_PER_DIMENSION = formula(
    Specification(
        name="likelihood.bits_per_dimension",
        statement="−(log p(x) − D log levels)/(D log 2), p the density of the data scaled to [0, 1]",
        source="Theis, van den Oord & Bethge 2016, section 3.1; Papamakarios, Pavlakou & Murray 2017, appendix D",
        arguments=(_DENSITY, _DIMENSIONS, _LEVELS, _DATA),
        oracle=_bits,
        output="batch",
        dialects=(
            _BATCH,
            Axis(
                name="scale",
                options=(
                    Option(name=""),
                    Option(name="of the integers themselves", keywords={"scaled": "integers"},
                           note="log p(x) is that of data in [0, levels), where no levels are given"),
                    Option(name="of data scaled to [−1, 1]", keywords={"scaled": "symmetric"},
                           note="one of the density's units is half the levels: Song et al. 2021"),
                    Option(name="with log(levels − 1)", keywords={"scaled": "levels less one"}, accepted=False,
                           note="dequantised data lie in [0, levels), and are divided by levels"),
                    Option(name="without the scale", keywords={"forgotten": True}, accepted=False,
                           note="the logarithm of the levels is left out: too small by log₂ levels"),
                ),
            ),
            Axis(
                name="unit",
                options=(
                    Option(name=""),
                    Option(name="in nats", keywords={"unit": 1.0}, accepted=False,
                           note="nats per dimension: log 2 times as much"),
                ),
            ),
        ),
        layouts=(
            Layout(name="batched"), Layout(name="one sample at a time", drop=("batch",)),
            Layout(name="images", shapes={"data": "batch channel height width"}),
        ),
        sizes={"channel": (1, 2), "height": (2, 1), "width": (1, 2)},
        derivation="likelihood.bits_per_dimension.quantised",
    )
)  # fmt: skip


@declares_reference
def naive_monte_carlo() -> Formula:
    """The reference estimate from draws of the prior."""
    return Formula(reference.naive_monte_carlo, like="likelihood.naive_monte_carlo")


@declares_reference
def importance_sampled() -> Formula:
    """The reference estimate from draws of the encoder."""
    return Formula(reference.importance_sampled, like="likelihood.importance_sampled")


@declares_reference
def bits_per_dimension() -> Formula:
    """The reference conversion."""
    return Formula(reference_bits.bits_per_dimension, like="likelihood.bits_per_dimension")
