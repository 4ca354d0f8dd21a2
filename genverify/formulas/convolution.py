"""Convolutions of images, and the sizes that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import convolution
from genverify.oracles.convolution import Size, pair
from genverify.reference.layers import convolution as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Constraint, Layout, Option, Role, Specification

__all__ = [
    "AS_MATRIX", "CROSS_CORRELATION_2D", "MASKED_2D", "OUTPUT_SIZE", "TRANSPOSED_2D", "TRANSPOSED_OUTPUT_SIZE",
    "TRUE_CONVOLUTION_2D",
]  # fmt: skip

_INPUT = ("input", "X", "image", "images", "img", "imgs", "inputs", "inp", "data", "signal", "features", "a", "f", "I")
_WEIGHT = ("W", "weights", "w", "kernel", "K", "k", "filter", "filters", "filt", "kernels", "h", "g",
           "conv.weight", "conv2d.weight", "0.weight")  # fmt: skip
_BIAS = ("b", "biases", "conv.bias", "conv2d.bias", "0.bias")
_IN = ("in_channels", "in_ch", "cin", "c_in", "in_planes", "inplanes", "in_dim", "channels_in", "nin", "n_in",
       "input_channels", "in_c", "inp_channels")  # fmt: skip
_OUT = ("out_channels", "out_ch", "cout", "c_out", "out_planes", "planes", "out_dim", "channels_out", "nout", "n_out",
        "output_channels", "out_c", "num_filters", "filters_out")  # fmt: skip
_SIZES = {"out": (1, 2, 4), "group": (1, 2), "kh": (1, 2, 3), "kw": (1, 2, 3), "height": (2, 3, 5), "width": (2, 4, 5)}


def size_argument(name: str, axis: str, *aliases: str) -> Argument:
    """The size of an axis, for constructors."""
    return plain(name, axis, integer(1, 8), aliases, role=Role.SIZE, differentiable=False)


STRIDE = option("stride", integer(1, 3), 1, "strides", "s", "step")
PADDING = option("padding", integer(0, 2), 0, "pad", "p", "pads")
DILATION = option("dilation", integer(1, 2), 1, "dilations", "dil", "rate", "d")
GROUPS = option("groups", integer(1, 2), 1, "num_groups", "n_groups")


def _sizes(kernel: Mapping[str, int], options: Mapping[str, Any]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Along both axes: what is needed before and after the image, the span of the kernel, the stride."""
    dilation, stride = pair(options.get("dilation") or 1), pair(options.get("stride") or 1)
    sizes = [kernel["kh"], kernel["kw"]]
    around = [
        convolution.padding_of(options.get("padding", 0), k, d, i)
        for i, (k, d) in enumerate(zip(sizes, dilation, strict=True))
    ]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, sizes, strict=True)]
    return [a for a, _ in around], [b for _, b in around], spans, list(stride)


def settle(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    """Channels that the groups divide, and an image into which the kernel and the padding fit."""
    kernel = {"kh": sizes["kh"], "kw": sizes["kh"] if "kernel_size" in options else sizes["kw"]}
    groups = int(options.get("groups") or 1)
    found = dict(kernel)
    if "group" in sizes:
        found["in"] = sizes["group"] * groups
        found["out"] = -(-sizes["out"] // groups) * groups
    before, after, spans, strides = _sizes(kernel, options)
    # Reflection and wrapping need an image that is larger than what they mirror.
    mirrored = options.get("padding_mode", "zeros") in ("reflect", "circular")
    for i, (axis, out) in enumerate((("height", "oh"), ("width", "ow"))):
        least = max(spans[i] - before[i] - after[i], max(before[i], after[i]) + 1 if mirrored else 1)
        found[axis] = max(sizes[axis], least)
        found[out] = (found[axis] + before[i] + after[i] - spans[i]) // strides[i] + 1
    return found


def _arguments(*, weight: str = "out group kh kw") -> tuple[Argument, ...]:
    return (
        any_real("x", "batch in height width", *_INPUT),
        any_real("weight", weight, *_WEIGHT),
        any_real("bias", "out", *_BIAS, default=None),
        STRIDE,
        PADDING,
        DILATION,
        GROUPS,
        option("padding_mode", choice("zeros"), "zeros"),
        size_argument("in_channels", "in", *_IN),
        size_argument("out_channels", "out", *_OUT),
        size_argument("kernel_size", "kh", "ksize", "kernel", "kernel_dim", "k_size", "ks"),
    )


_LAST = {"x": "batch height width in", "return": "batch oh ow out"}
LAYOUTS = (
    Layout(name="batch, channel, height, width"),
    Layout(name="channels last", shapes=_LAST),
    Layout(name="channels last, weight too", shapes={**_LAST, "weight": "kh kw group out"}),
    Layout(name="one sample at a time", drop=("batch",)),
    Layout(name="one channel", drop=("batch", "in", "out", "group")),
)
_FITS = Constraint(
    statement="the kernel is no larger than the padded image",
    holds=lambda v: v.get("height", 1) > 0 and v.get("width", 1) > 0,
)


def _turned(slip: str, turned: bool) -> Axis:
    option_ = Option(name=slip, keywords={"flipped": turned}, accepted=False, note="turn the kernel by 180 degrees")
    return Axis(name="kernel", options=(Option(name="", keywords={"flipped": not turned}), option_))


def _both(name: str, statement: str, source: str, kernel: Axis, derivation: str) -> Specification:
    return Specification(
        name=name,
        statement=statement,
        source=source,
        arguments=_arguments(),
        oracle=convolution.cross_correlation,
        output="batch out oh ow",
        dialects=(kernel,),
        layouts=LAYOUTS,
        sizes=_SIZES,
        settle=settle,
        constraints=(_FITS,),
        measured=True,
        derivation=derivation,
    )


CROSS_CORRELATION_2D = formula(
    _both(
        "convolution.cross_correlation_2d",
        "y(o,i,j) = b_o + Σ_cmn K(o,c,m,n) X(c, s i + d m − p, s j + d n − p)",
        "Goodfellow, Bengio & Courville 2016, eq. 9.6",
        _turned("kernel turned: a convolution proper", True),
        "convolution.matrix",
    )
)

TRUE_CONVOLUTION_2D = formula(
    _both(
        "convolution.true_convolution_2d",
        "y(o,i,j) = b_o + Σ_cmn K(o,c,M−1−m,N−1−n) X(c, s i + d m − p, s j + d n − p): Σ K(m,n) X(i−m,j−n)",
        "Goodfellow, Bengio & Courville 2016, eq. 9.5",
        _turned("kernel not turned: a cross-correlation", False),
        "convolution.matrix",
    )
)


def _masked(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    mask_type: str | None = None,
    assumed: str = "A",
    padding: Size | str | None = None,
    **rest: Any,  # noqa: ANN401
) -> tuple[Tensor, ...]:
    kh, kw = weight.shape[-2:]
    kept = convolution.mask((kh, kw), mask_type or assumed)
    around = (kh // 2, kw // 2) if padding is None else padding
    return convolution.cross_correlation(x, weight * kept, bias, padding=around, **rest)


def _settle_masked(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    side = {"kh": sizes["kh"], "kw": sizes["kh"] if "kernel_size" in options else sizes["kw"]}
    around = (side["kh"] // 2, side["kw"] // 2) if options.get("padding") is None else options["padding"]
    return settle({**sizes, **side}, {**options, "padding": around})


MASKED_2D = formula(
    Specification(
        name="convolution.masked_2d",
        statement="cross-correlation with K ⊙ M, M = 1 before the centre in reading order, 0 after it, there 0 or 1",
        source="van den Oord, Kalchbrenner & Kavukcuoglu 2016, section 3.4",
        # Where the mask is written into the weights themselves, their gradient at the hidden entries means nothing.
        arguments=(
            any_real("x", "batch in height width", *_INPUT),
            any_real("weight", "out group kh kw", *_WEIGHT, differentiable=False),
            any_real("bias", "out", *_BIAS, default=None),
            option("mask_type", choice("A", "B"), None, "kind", "type", "mask_kind"),
            STRIDE,
            option("padding", integer(0, 2), None, "pad"),
            DILATION,
            GROUPS,
            *_arguments()[-3:],
        ),
        oracle=_masked,
        output="batch out oh ow",
        dialects=(
            Axis(name="mask", options=tuple(Option(name=f"type {k}", keywords={"assumed": k}) for k in ("A", "B"))),
        ),
        layouts=LAYOUTS[:1],
        sizes={**_SIZES, "kh": (1, 3, 5), "kw": (1, 3, 5)},
        settle=_settle_masked,
        measured=True,
    )
)


def _settle_transposed(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    kernel = {"kh": sizes["kh"], "kw": sizes["kh"] if "kernel_size" in options else sizes["kw"]}
    groups = int(options.get("groups") or 1)
    found = {**kernel, "in": -(-sizes["in"] // groups) * groups, "out": sizes["outgroup"] * groups}
    before, _, spans, strides = _sizes(kernel, options)
    extra = pair(options.get("output_padding") or 0)
    for i, axis in enumerate(("height", "width")):
        # Something must be left: (n − 1)s + span + a − 2p ≥ 1.
        least = -(-(2 * before[i] + 1 - spans[i] - extra[i]) // strides[i]) + 1
        found[axis] = max(sizes[axis], least, 1)
        found[f"o{axis[0]}"] = (found[axis] - 1) * strides[i] + spans[i] + extra[i] - 2 * before[i]
    return found


TRANSPOSED_2D = formula(
    Specification(
        name="convolution.transposed_2d",
        statement="y(o, s i + d m − p, s j + d n − p) = b_o + Σ K(c,o,m,n) X(c,i,j): the adjoint of a correlation",
        source="Dumoulin & Visin 2016, section 4",
        arguments=(
            any_real("x", "batch in height width", *_INPUT, "z"),
            any_real("weight", "in outgroup kh kw", *_WEIGHT),
            any_real("bias", "out", *_BIAS, default=None),
            STRIDE,
            PADDING,
            option("output_padding", integer(0, 1), 0, "out_padding", "outpad"),
            GROUPS,
            DILATION,
            *_arguments()[-3:],
        ),
        oracle=convolution.transposed,
        output="batch out oh ow",
        layouts=(LAYOUTS[0], LAYOUTS[3]),
        sizes={**_SIZES, "in": (1, 2, 4), "outgroup": (1, 2), "height": (1, 2, 3), "width": (1, 3, 4)},
        settle=_settle_transposed,
        measured=True,
        constraints=(
            Constraint(
                statement="output_padding < max(stride, dilation)",
                holds=lambda v: max(pair(v.get("output_padding") or 0))
                < max(min(pair(v.get("stride") or 1)), min(pair(v.get("dilation") or 1))),
            ),
        ),
        derivation="convolution.output_size",
    )
)  # fmt: skip


def _settle_matrix(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    room = 2 * int(options.get("padding") or 0)
    sides = (("kh", options["height"]), ("kw", options["width"]))
    return {k: min(sizes[k], int(n) + room) for k, n in sides if isinstance(n, int)}


AS_MATRIX = formula(
    Specification(
        name="convolution.as_matrix",
        statement="M[(i,j),(k,l)] = K(k + p − s i, l + p − s j): vec(K ⋆ X) = M vec(X), one channel, row by row",
        source="Goodfellow, Bengio & Courville 2016, section 9.1",
        arguments=(
            any_real("weight", "kh kw", *_WEIGHT),
            option("height", integer(2, 4), ..., "h", "H", "n_rows", "rows", "in_height", "image_height", "n"),
            option("width", integer(2, 5), ..., "w", "W", "n_cols", "cols", "in_width", "image_width", "m"),
            STRIDE,
            PADDING,
        ),
        oracle=convolution.as_matrix,
        output="rows columns",
        dialects=(_turned("kernel turned: the matrix of a convolution proper", True),),
        layouts=(Layout(name="one channel"),),
        sizes=_SIZES,
        settle=_settle_matrix,
        derivation="convolution.matrix",
    )
)  # fmt: skip


def _integral(size: Any) -> Any:  # noqa: ANN401
    def oracle(size_: Any, **options: Any) -> Tensor:  # noqa: ANN401
        return torch.tensor(float(size(size_, **options)), dtype=torch.float64)

    return oracle


_SIZE = ("n", "n_in", "size", "in_size", "input_size", "h", "w", "h_in", "i", "length", "l_in", "width", "height", "L",
         "W", "H", "dim", "in_dim", "x")  # fmt: skip
_KERNEL = ("k", "kernel_size", "kernel", "ks", "ksize", "f", "F", "filter_size")


def _count(name: str, statement: str, size: Any, *more: Argument) -> Specification:  # noqa: ANN401
    return Specification(
        name=name,
        statement=statement,
        source="Dumoulin & Visin 2016, relationships 14 and 15",
        arguments=(
            option("size_", integer(3, 40), ..., *_SIZE),
            option("kernel", integer(1, 5), ..., *_KERNEL),
            STRIDE,
            PADDING,
            DILATION,
            *more,
        ),
        oracle=_integral(size),
        output="",
        layouts=(Layout(name="one axis"),),
        gradient=False,
        constraints=(
            Constraint(
                statement="the kernel fits into the padded axis, and something is left",
                holds=lambda v: (
                    v["dilation"] * (v["kernel"] - 1) < v["size_"] + 2 * v["padding"] and 2 * v["padding"] < v["size_"]
                ),
            ),
        ),
        derivation="convolution.output_size",
    )


OUTPUT_SIZE = formula(
    _count("convolution.output_size", "n' = ⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1", convolution.output_size)
)
TRANSPOSED_OUTPUT_SIZE = formula(
    _count(
        "convolution.transposed_output_size",
        "n' = (n − 1)s − 2p + d(k − 1) + 1 + a",
        convolution.transposed_output_size,
        option("output_padding", integer(0, 2), 0, "out_padding", "a", "outpad", "op"),
    )
)


@declares_reference
def cross_correlation_2d() -> Formula:
    """The reference cross-correlation."""
    return Formula(reference.cross_correlation_2d, like="convolution.cross_correlation_2d")


@declares_reference
def true_convolution_2d() -> Formula:
    """The reference convolution proper."""
    return Formula(reference.true_convolution_2d, like="convolution.true_convolution_2d")


@declares_reference
def transposed_2d() -> Formula:
    """The reference transposed convolution."""
    return Formula(reference.transposed_2d, like="convolution.transposed_2d")


@declares_reference
def masked_2d() -> Formula:
    """The reference masked convolution."""
    return Formula(reference.masked_2d, like="convolution.masked_2d")


@declares_reference
def as_matrix() -> Formula:
    """The reference matrix."""
    return Formula(reference.as_matrix, like="convolution.as_matrix")


@declares_reference
def output_size() -> Formula:
    """The reference count of windows."""
    return Formula(reference.output_size, like="convolution.output_size")
