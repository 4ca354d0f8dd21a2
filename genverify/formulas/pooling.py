"""Pooling of images: the largest or the mean of each window, and the mean of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genverify.formulas.catalogue import formula
from genverify.formulas.convolution import PADDING
from genverify.formulas.references import declares_reference
from genverify.oracles import pooling
from genverify.oracles.convolution import pair
from genverify.reference.layers import pooling as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Axis, Constraint, Layout, Option, Specification

__all__ = ["AVERAGE", "GLOBAL_AVERAGE", "MAX"]

_INPUT = ("input", "X", "image", "images", "img", "imgs", "inputs", "inp", "data", "features", "fmap", "a")
_SIZES = {"channel": (1, 2), "height": (2, 3, 5), "width": (2, 4, 5)}
_KERNEL = option("kernel_size", integer(1, 3), ..., "kernel", "k", "pool_size", "window", "size", "ksize", "ks", "pool",
                 "window_size")  # fmt: skip
_STRIDE = option("stride", integer(1, 3), None, "strides", "s", "step")
_CEIL = option("ceil_mode", choice(False, True), False)


def _settle(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    """An image into which the padded window fits."""
    kernel, padding = pair(options["kernel_size"]), pair(options.get("padding") or 0)
    dilation = pair(options.get("dilation") or 1)
    found = {}
    for i, axis in enumerate(("height", "width")):
        found[axis] = max(sizes[axis], dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i], 1)
    return found


_HALF = Constraint(
    statement="padding ≤ kernel_size / 2",
    holds=lambda v: all(
        2 * p <= k for p, k in zip(pair(v.get("padding") or 0), pair(v["kernel_size"]), strict=True)
    ),
)  # fmt: skip
_LAYOUTS = (
    Layout(name="batch, channel, height, width"),
    Layout(name="one sample at a time", drop=("batch",)),
    Layout(name="one channel", drop=("batch", "channel")),
)


def _windows(name: str, statement: str, oracle: Any, *more: Argument, **rest: Any) -> Specification:  # noqa: ANN401
    return Specification(
        name=f"pooling.{name}",
        statement=statement,
        source="Goodfellow, Bengio & Courville 2016, section 9.3",
        arguments=(
            any_real("x", "batch channel height width", *_INPUT),
            _KERNEL,
            _STRIDE,
            PADDING,
            *more,
        ),
        oracle=oracle,
        output="batch channel oh ow",
        layouts=_LAYOUTS,
        sizes=_SIZES,
        settle=_settle,
        constraints=(_HALF,),
        **rest,
    )


MAX = formula(
    _windows(
        "max",
        "y(i,j) = max_mn X(s i + d m − p, s j + d n − p) over what lies in the image",
        pooling.largest,
        option("dilation", integer(1, 2), 1),
        _CEIL,
        kinks=True,
        derivation="convolution.max_pool_gradient",
    )
)

_COUNTED = Axis(
    name="border",
    options=(
        Option(name="padding counted", keywords={"counted": True}),
        Option(name="padding not counted", keywords={"counted": False}),
    ),
)
AVERAGE = formula(
    _windows(
        "average",
        "y(i,j) = (1/N) Σ_mn X(s i + m − p, s j + n − p), N with the padding or without it",
        pooling.average,
        _CEIL,
        option("count_include_pad", choice(True, False), None),
        option("divisor_override", integer(1, 4), None),
        dialects=(_COUNTED,),
    )
)

GLOBAL_AVERAGE = formula(
    Specification(
        name="pooling.global_average",
        statement="y_c = (1/HW) Σ_ij X_c(i,j)",
        source="Lin, Chen & Yan 2014, section 3.2",
        arguments=(any_real("x", "batch channel height width", *_INPUT),),
        oracle=pooling.global_average,
        output="batch channel",
        layouts=(*_LAYOUTS,),
        sizes={"channel": (1, 2, 3), "height": (1, 2, 4), "width": (1, 3, 5)},
    )
)


@declares_reference
def largest() -> Formula:
    """The reference max pooling."""
    return Formula(reference.largest, like="pooling.max")


@declares_reference
def average() -> Formula:
    """The reference average pooling."""
    return Formula(reference.average, like="pooling.average")


@declares_reference
def global_average() -> Formula:
    """The reference global average."""
    return Formula(reference.global_average, like="pooling.global_average")
