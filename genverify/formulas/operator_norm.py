"""Norms of linear layers: of matrices, and of convolutions on images of a size."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import operator_norm as oracle
from genverify.reference.layers import spectral_norm as reference
from genverify.subjects.domains import integer, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Constraint, Layout, Option, Specification

__all__ = ["CONV2D_CIRCULAR", "CONV2D_ZERO_PADDED", "DENSE", "KERNEL", "MATRIX"]

MATRIX = ("W", "w", "weights", "matrix", "A", "M", "mat", "kernel", "w_mat", "weight_mat", "X", "x", "weight_matrix")
KERNEL = ("weight", "w", "W", "K", "k", "filter", "filters", "conv_weight", "weights", "kernels", "conv_filter", "filt")

_OTHER_NORMS = (
    Option(name="of Frobenius", keywords={"norm": "frobenius"}, accepted=False,
           note="the root of the sum of all squares: up to √rank times as large"),
    Option(name="squared", keywords={"norm": "squared"}, accepted=False, note="λ_max(AᵀA), without its root"),
)  # fmt: skip


def _dense(weight: torch.Tensor, *, norm: str = "", apart: bool = False) -> torch.Tensor:
    if norm == "frobenius":
        return oracle.frobenius(weight)
    found = oracle.spectral(weight) * (oracle.isolated(weight) if apart else 1.0)
    return found**2 if norm else found


DENSE = formula(
    Specification(
        name="operator_norm.dense",
        statement="‖W‖ = max |Wv|/|v|, the largest singular value",
        source="Horn & Johnson 2013, example 5.6.6",
        arguments=(plain("weight", "out in", real(extreme=1e6), MATRIX, normwise=True),),
        oracle=_dense,
        surrogate=lambda weight, norm="": _dense(weight, norm=norm, apart=True),
        output="",
        dialects=(Axis(name="norm", options=(
            Option(name=""), *_OTHER_NORMS,
        )),),
        layouts=(Layout(name="a matrix"),),
        sizes={"out": (3, 2, 1), "in": (2, 4, 1)}, operations=128, kinks=True,
        derivation="lipschitz.product",
    )
)  # fmt: skip


def _side(name: str, *aliases: str) -> Argument:
    return plain(name, "", integer(1, 5), aliases, differentiable=False)


_HEIGHT = _side("height", "h", "H", "n", "size", "input_size", "img_size", "n_rows", "rows", "image_size", "N")
_SIZES = {"out": (2, 1, 3), "in": (1, 2), "kh": (3, 2, 1), "kw": (3, 1, 2)}
_KERNEL = plain("kernel", "out in kh kw", real(extreme=1e6), KERNEL, normwise=True)


def _of(matrices: torch.Tensor, kernel: torch.Tensor, norm: str) -> torch.Tensor:
    if norm == "reshaped":
        return oracle.spectral(kernel.flatten(1))
    found = oracle.spectral(matrices).max()
    return found**2 if norm == "squared" else found


_RESHAPED = Axis(
    name="norm",
    options=(
        Option(name=""),
        Option(name="of the reshaped kernel", keywords={"norm": "reshaped"}, accepted=False,
               note="the norm of the matrix [out, in·kh·kw]: the operator's is up to √(kh·kw) times as large"),
        _OTHER_NORMS[1],
    ),
)  # fmt: skip


def _circular(kernel: torch.Tensor, height: int, width: Any, *, norm: str = "") -> torch.Tensor:  # noqa: ANN401
    return _of(oracle.circular(kernel, height, height if width is None else width), kernel, norm)


CONV2D_CIRCULAR = formula(
    Specification(
        name="operator_norm.conv2d_circular",
        statement="the largest singular value of x ↦ k ⋆ x on a torus of h × w places",
        source="Sedghi, Gupta & Long 2019, theorem 6",
        arguments=(_KERNEL, _HEIGHT, plain("width", "", integer(1, 5), ("w", "W", "m", "n_columns", "columns"),
                                           differentiable=False, default=None)),
        oracle=_circular, output="", gradient=False, dialects=(_RESHAPED,),
        layouts=(
            Layout(name="kernel as [out, in, height, width]"),
            Layout(name="kernel as [height, width, in, out]", shapes={"kernel": "kh kw in out"}),
            Layout(name="kernel as [height, width, out, in]", shapes={"kernel": "kh kw out in"}),
        ),
        constraints=(
            Constraint(
                statement="the kernel fits onto the torus",
                holds=lambda given: min(given["height"], given["width"] or given["height"])
                >= max(given["kernel"].shape[-2:]),
            ),
        ),
        sizes=_SIZES, operations=256, derivation="lipschitz.zero_padding",
    )
)  # fmt: skip


def _zero_padded(kernel: torch.Tensor, height: int, width: int | None, padding: int, *, norm: str = "") -> torch.Tensor:
    matrix = oracle.zero_padded(kernel, height, height if width is None else width, (padding, padding))
    return _of(matrix, kernel, norm)


CONV2D_ZERO_PADDED = formula(
    Specification(
        name="operator_norm.conv2d_zero_padded",
        statement="the largest singular value of x ↦ k ⋆ x on h × w pixels with zeros around",
        source="Araujo, Negrevergne, Chevaleyre & Atif 2021",
        arguments=(
            *CONV2D_CIRCULAR.arguments,
            plain("padding", "", integer(0, 1), ("pad", "p", "padding_size"), differentiable=False),
        ),
        oracle=_zero_padded, output="", gradient=False, dialects=(_RESHAPED,),
        layouts=CONV2D_CIRCULAR.layouts,
        constraints=(
            Constraint(
                statement="the kernel fits into the padded image",
                holds=lambda given: min(given["height"], given["width"] or given["height"]) >= 3,
            ),
        ),
        sizes=_SIZES, operations=256, derivation="lipschitz.zero_padding",
    )
)  # fmt: skip


@declares_reference
def dense() -> Formula:
    """The reference norm of a matrix."""
    return Formula(reference.dense_norm, like="operator_norm.dense")


@declares_reference
def conv2d_circular() -> Formula:
    """The reference norm of a convolution on a torus."""
    return Formula(reference.circular_norm, like="operator_norm.conv2d_circular")


@declares_reference
def conv2d_zero_padded() -> Formula:
    """The reference norm of a convolution with zeros around."""
    return Formula(reference.zero_padded_norm, like="operator_norm.conv2d_zero_padded")
