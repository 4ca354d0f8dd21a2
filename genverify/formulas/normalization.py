"""Normalisation inside a sample, and of weights: layer, RMS, group, instance and weight normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import normalization as oracle
from genverify.reference.layers import normalization as reference
from genverify.subjects.choices import option
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Role, Specification

__all__ = [
    "EPS",
    "GROUP_NORM",
    "INPUT",
    "INSTANCE_NORM",
    "LAYER_NORM",
    "RMS_NORM",
    "SCALE",
    "SHIFT",
    "WEIGHT_NORM",
    "WEIGHT_NORM_LAYER",
    "epsilon_of", "epsilons",
]  # fmt: skip

INPUT = ("input", "inputs", "X", "h", "z", "a", "hidden_states", "hidden", "img", "feats", "inp", "data", "value")
SCALE = ("gamma", "scale", "w", "g", "a_2", "alpha", "gain", "gammas", "weights", "norm.weight", "ln.weight")
SHIFT = ("beta", "shift", "b", "b_2", "offset", "betas", "norm.bias", "ln.bias")
EPS = hyperparameter("eps", "epsilon", "e", "variance_epsilon", "layer_norm_eps", "norm_eps", "ε",
                     default=None, low=1e-7, high=0.1)  # fmt: skip
_COUNT = ("features", "dim", "d_model", "num_features", "size", "n", "d", "hidden_size", "hidden_dim", "ndim", "n_embd",
          "embed_dim", "channels", "num_channels", "n_channels", "c", "emb_dim", "feature_dim", "width")  # fmt: skip


def epsilons(*further: Option, first: str = "1e-5") -> Axis:
    """What is added to the variance: what the subject is given, or keeps, or has written down as a constant."""
    known = {"1e-5": 1e-5, "1e-6": 1e-6, "1e-8": 1e-8, "1e-3": 1e-3, "1e-12": 1e-12, "0": 0.0}
    hard = [Option(name=f"ε = {word}", keywords={"assumed": one}) for word, one in known.items() if word != first]
    return Axis(name="epsilon", options=(Option(name=""), *hard, *further))


def slip(name: str, note: str, **keywords: Any) -> Option:  # noqa: ANN401
    """A way to write it that is wrong under this name."""
    return Option(name=name, keywords=keywords, accepted=False, note=note)


_SLIPS = (
    slip("ε outside the root", "√v + ε for √(v + ε)", outside=True),
    slip("unbiased variance", "the variance is divided by n − 1; the layer's is by n", unbiased=True),
    slip(
        "unbiased standard deviation plus ε", "the Annotated Transformer's; not that of Ba, Kiros & Hinton",
        outside=True, unbiased=True,
    ),
)  # fmt: skip


def epsilon_of(eps: Any, assumed: float | None, usual: float = 1e-5) -> Any:  # noqa: ANN401
    """The ε that is given, or the constant that is assumed; no number where both are: such a dialect fits none."""
    if eps is None:
        return usual if assumed is None else assumed
    return eps if assumed is None else torch.tensor(torch.nan, dtype=torch.float64)


def _size(name: str, axis: str, aliases: tuple[str, ...]) -> Argument:
    return plain(name, axis, integer(1, 8), aliases, role=Role.SIZE, differentiable=False)


def _layer(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: Any, assumed: float | None = None, **slips: bool  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    return oracle.layer_norm(x, epsilon_of(eps, assumed), weight, bias, **slips)


_LAST = (
    Layout(name="batch, position, feature"),
    Layout(name="batch, feature", drop=("position",), shapes={"x": "batch feature"}),
    Layout(name="one row", drop=("batch", "position"), shapes={"x": "feature"}),
    Layout(
        name="over the channels of images",
        shapes={"x": "batch feature height width", "return": "batch feature height width"},
    ),
    Layout(
        name="over the channels of images, weights as [channel, 1, 1]",
        shapes={
            "x": "batch feature height width", "return": "batch feature height width", "weight": "feature one one",
            "bias": "feature one one",
        },
    ),
    Layout(
        name="over two axes", drop=("position",),
        shapes={"x": "batch height width", "weight": "height width", "bias": "height width"},
    ),
    Layout(
        name="over three axes", drop=("position",),
        shapes={
            "x": "batch channel height width", "weight": "channel height width", "bias": "channel height width",
        },
    ),
    Layout(name="over three axes without weights", drop=("position",), shapes={"x": "batch channel height width"}),
)  # fmt: skip
_LAST_SIZES = {"batch": (2, 1), "position": (3, 2, 1), "feature": (4, 3, 2), "height": (2,), "width": (3, 2),
               "channel": (2,)}  # fmt: skip

LAYER_NORM = formula(
    Specification(
        name="normalization.layer_norm",
        statement="y = γ (x − μ) / √(σ² + ε) + β with the mean and (biased) variance of each row of features",
        source="Ba, Kiros & Hinton 2016, eq. 4",
        arguments=(
            any_real("x", "batch position feature", *INPUT),
            any_real("weight", "feature", *SCALE, default=None),
            any_real("bias", "feature", *SHIFT, default=None),
            EPS,
            _size("normalized_shape", "feature", _COUNT),
        ),
        oracle=_layer,
        output="batch position feature",
        dialects=(epsilons(*_SLIPS),),
        layouts=_LAST,
        sizes=_LAST_SIZES,
        operations=64,
        derivation="normalization.layer_norm_gradient",
    )
)


def _rms(
    x: Tensor, weight: Tensor | None, eps: Any, assumed: float | None = None, unit: bool = False, **slips: Any  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    if unit and eps is None:
        return oracle.rms_norm(x, None, weight)
    return oracle.rms_norm(x, epsilon_of(eps, 0.0 if unit else assumed, usual=1e-6), weight, **slips)


RMS_NORM = formula(
    Specification(
        name="normalization.rms_norm",
        statement="y = γ x / √(mean x² + ε) over each row of features",
        source="Zhang & Sennrich 2019, eq. 4",
        arguments=(
            any_real("x", "batch position feature", *INPUT),
            any_real("weight", "feature", *SCALE, default=None),
            EPS,
            _size("normalized_shape", "feature", _COUNT),
        ),
        oracle=_rms,
        output="batch position feature",
        dialects=(
            epsilons(
                Option(name="ε the dtype's unit of rounding", keywords={"unit": True}),
                slip("weight stored less one", "γ is 1 + weight, as in Gemma: declare it", offset=1.0),
                slip("mean subtracted", "that is layer normalisation without β", centred=True),
                _SLIPS[0], first="1e-6",
            ),
        ),
        layouts=_LAST,
        sizes=_LAST_SIZES,
        operations=64,
        derivation="normalization.rms_norm_scale",
    )
)  # fmt: skip

_IMAGES = (
    Layout(name="batch, channel, height, width"),
    Layout(name="batch, channel, length", drop=("width",), shapes={"x": "batch channel height"}),
    Layout(
        name="weights as [1, channel, 1, 1]",
        shapes={"weight": "one channel one one", "bias": "one channel one one", "x": "batch channel height width"},
    ),
    Layout(
        name="channels last", shapes={"x": "batch height width channel", "return": "batch height width channel"},
    ),
    Layout(name="batch, channel", drop=("height", "width"), shapes={"x": "batch channel"}),
)  # fmt: skip


def _grouped(
    x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: Any, assumed: float | None = None,  # noqa: ANN401
    **slips: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    return oracle.over_groups(x, int(groups), epsilon_of(eps, assumed), weight, bias, **slips)


def _whole_groups(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    """Channels that the groups divide."""
    groups = int(options.get("groups") or 1)
    return {} if sizes["channel"] % groups == 0 else {"channel": groups * max(2, sizes["channel"] // groups)}


GROUP_NORM = formula(
    Specification(
        name="normalization.group_norm",
        statement="y = γ (x − μ) / √(σ² + ε) + β with the moments of each sample's groups of adjacent channels",
        source="Wu & He 2018, eq. 7",
        arguments=(
            any_real("x", "batch channel height width", *INPUT),
            option("groups", integer(1, 3), ..., "num_groups", "n_groups", "G", "group", "ngroups", "g"),
            any_real("weight", "channel", *(one for one in SCALE if one != "g"), default=None),
            any_real("bias", "channel", *SHIFT, default=None),
            EPS,
            _size("num_channels", "channel", (*_COUNT, "C", "num_ch")),
        ),
        oracle=_grouped,
        output="batch channel height width",
        dialects=(
            epsilons(
                *_SLIPS[:2],
                slip("channels interleaved", "group k takes the channels k, k + G, k + 2G, …", interleaved=True),
            ),
        ),
        layouts=_IMAGES,
        sizes={"batch": (2, 1), "channel": (4, 6), "height": (2, 1), "width": (1, 2)},
        settle=_whole_groups,
        operations=64,
        derivation="normalization.layer_norm_gradient",
    )
)  # fmt: skip


def _instance(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: Any, assumed: float | None = None,  # noqa: ANN401
    of_batch: bool = False, **slips: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    if of_batch:
        stacked = x.transpose(0, 1).reshape(1, x.shape[1], -1)
        terms = oracle.over_groups(stacked, x.shape[1], epsilon_of(eps, assumed), weight, bias)
        return tuple(t.expand_as(stacked).reshape(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1) for t in terms)
    return oracle.over_groups(x, x.shape[1], epsilon_of(eps, assumed), weight, bias, **slips)


INSTANCE_NORM = formula(
    Specification(
        name="normalization.instance_norm",
        statement="y = γ (x − μ) / √(σ² + ε) + β with the moments of each channel of each image",
        source="Ulyanov, Vedaldi & Lempitsky 2016, eq. 4",
        arguments=(
            any_real("x", "batch channel height width", *INPUT),
            any_real("weight", "channel", *SCALE, default=None),
            any_real("bias", "channel", *SHIFT, default=None),
            EPS,
            _size("num_channels", "channel", (*_COUNT, "C", "num_ch")),
        ),
        oracle=_instance,
        output="batch channel height width",
        dialects=(
            epsilons(*_SLIPS[:2], slip("moments of the batch", "that is batch normalisation", of_batch=True)),
        ),
        layouts=_IMAGES[:-1],
        sizes={"batch": (2, 1), "channel": (3, 2, 1), "height": (2,), "width": (2, 3)},
        operations=64,
        derivation="normalization.layer_norm_gradient",
    )
)  # fmt: skip

_DIRECTION = any_real("v", "out in", "weight_v", "V", "direction", "weight", "W", "w", "raw", "original1",
                      "parametrizations.weight.original1", "linear.weight_v",
                      "linear.parametrizations.weight.original1", "w_v", "layer.weight_v")  # fmt: skip
_LENGTH = any_real("g", "out", "weight_g", "G", "magnitude", "scale", "gain", "original0", "length", "gamma",
                   "parametrizations.weight.original0", "linear.weight_g", "linear.parametrizations.weight.original0",
                   "w_g", "layer.weight_g", default=None)  # fmt: skip
_OVER = Axis(
    name="norm",
    options=(
        Option(name=""),
        slip("norm over the columns", "each row, which is one unit, has its own length", over="column"),
        slip("norm over the whole weight", "one length for all units, as torch's dim=None", over="all"),
    ),
)

WEIGHT_NORM = formula(
    Specification(
        name="normalization.weight_norm",
        statement="w = g v / ‖v‖ for the weights v of each unit",
        source="Salimans & Kingma 2016, eq. 2",
        arguments=(_DIRECTION, _LENGTH),
        oracle=oracle.weight_norm,
        output="out in",
        dialects=(_OVER,),
        layouts=(
            Layout(name="g as [out]"),
            Layout(name="g as [out, 1]", shapes={"g": "out one"}),
            Layout(
                name="a convolution's",
                shapes={"v": "out channel kh kw", "g": "out one one one", "return": "out channel kh kw"},
            ),
            Layout(name="units in columns", shapes={"v": "in out", "return": "in out"}),
            Layout(name="units in columns, g as [1, out]", shapes={"v": "in out", "g": "one out", "return": "in out"}),
        ),
        sizes={"out": (2, 3, 1), "in": (3, 2, 4), "channel": (2, 1), "kh": (2, 1), "kw": (3, 1)},
        operations=48,
        derivation="normalization.weight_norm_gradient",
    )
)  # fmt: skip


def _dense(
    x: Tensor, v: Tensor, g: Tensor | None, bias: Tensor | None, over: str = "row"
) -> tuple[Tensor, ...]:  # fmt: skip
    parts = oracle.weight_norm(v, g, over=over)
    terms = [x[..., i, None] * weight[:, i] for weight in parts for i in range(weight.shape[1])]
    return (*terms, bias.expand_as(terms[0])) if bias is not None else tuple(terms)


WEIGHT_NORM_LAYER = formula(
    Specification(
        name="normalization.weight_norm_layer",
        statement="y_o = g_o ⟨v_o, x⟩ / ‖v_o‖ + b_o",
        source="Salimans & Kingma 2016, eq. 1 and 2",
        arguments=(
            any_real("x", "batch in", *INPUT),
            _DIRECTION,
            _LENGTH,
            any_real("bias", "out", "b", "beta", "linear.bias", "layer.bias", default=None),
            _size("in_features", "in", ("n_in", "d_in", "in_dim", "dim_in", "input_dim", "in_")),
            _size("out_features", "out", ("n_out", "d_out", "out_dim", "dim_out", "output_dim", "out_")),
        ),
        oracle=_dense,
        output="batch out",
        dialects=(_OVER,),
        layouts=(
            Layout(name="g as [out]"),
            Layout(name="g as [out, 1]", shapes={"g": "out one"}),
        ),
        sizes={"batch": (2, 1, 3), "out": (2, 3, 1), "in": (3, 2, 4)},
        operations=64,
        derivation="normalization.weight_norm_gradient",
    )
)


@declares_reference
def layer_norm() -> Formula:
    """The reference layer normalisation."""
    return Formula(reference.layer_norm, like="normalization.layer_norm")


@declares_reference
def rms_norm() -> Formula:
    """The reference RMS normalisation."""
    return Formula(reference.rms_norm, like="normalization.rms_norm")


@declares_reference
def group_norm() -> Formula:
    """The reference group normalisation."""
    return Formula(reference.group_norm, like="normalization.group_norm")


@declares_reference
def instance_norm() -> Formula:
    """The reference instance normalisation."""
    return Formula(reference.instance_norm, like="normalization.instance_norm")


@declares_reference
def weight_norm() -> Formula:
    """The reference weight normalisation."""
    return Formula(reference.weight_norm, like="normalization.weight_norm")
