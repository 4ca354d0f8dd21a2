"""Masks: of MADE by degrees, with a context, of a checkerboard, of PixelCNN's kernels."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula
from genverify.formulas.flow_arguments import slip
from genverify.formulas.references import declares_reference
from genverify.oracles import masks as oracle
from genverify.reference.flows import masks as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

__all__ = ["CHECKERBOARD", "MADE", "MADE_CONDITIONAL", "MADE_OUTPUT", "PIXELCNN"]

MADE_AUTOREGRESSIVE = claim(
    "mask.made.autoregressive", Status.DERIVED,
    statement="in a product of masks of MADE, ≥ in every layer and > in the last, entry (i, j) is zero unless the "
    "degree of output i exceeds that of input j; with ≥ in the last layer, too, entry (i, i) is not",
    source="Germain et al. 2015, section 4.1",
    assumptions=("degrees are totally ordered",),
    theorems=("≥ is transitive, and a chain of ≥ that ends in > is a chain of >",),
)  # fmt: skip
PIXELCNN_CAUSAL = claim(
    "mask.pixelcnn.raster_order", Status.SUPPORTED,
    statement="through a mask of type A and then masks of type B an output sees the pixels before it in raster order "
    "alone, and with a mask of type B first itself as well",
    source="van den Oord, Kalchbrenner & Kavukcuoglu 2016, section 3.1",
    assumptions=("kernels 3 × 3 and 5 × 5, three layers",),
)  # fmt: skip

_IN = plain("degrees_in", "in", integer(0, 3), (
    "in_degrees", "m_in", "d_in", "m_prev", "prev", "m0", "degrees_prev", "m", "input_degrees", "deg_in", "in_deg",
    "m_k_prev", "d_prev", "degrees_input", "order_in", "prev_degrees", "m_1", "m_l", "from_degrees", "previous",
), differentiable=False)  # fmt: skip
_OUT = plain("degrees_out", "out", integer(0, 3), (
    "out_degrees", "m_out", "d_out", "m_next", "next", "m1", "degrees_next", "m_hidden", "output_degrees", "deg_out",
    "out_deg", "m_k", "d_next", "degrees_output", "order_out", "next_degrees", "m_2", "hidden_degrees", "to_degrees",
    "degrees",
), differentiable=False)  # fmt: skip
_STRICT = option(
    "strict", choice(False, True), None, "is_output", "output", "last", "final", "is_last", "output_layer", "exclusive",
    "is_output_layer", "is_final", "out", "is_out",
)  # fmt: skip
_SIDES = (
    Layout(name="[out, in]"), Layout(name="[in, out]", shapes={"return": "in out"}),
)  # fmt: skip
_DEGREES: dict[str, Any] = {
    "source": "Germain, Gregor, Murray & Larochelle 2015, eqs. 8, 9 and 13", "output": "out in", "layouts": _SIDES,
    "gradient": False, "sizes": {"in": (3, 2, 4), "out": (4, 3, 2)}, "derivation": "mask.made.autoregressive",
}  # fmt: skip
_EXCHANGED = slip("≤ for ≥", "units see those of a higher degree", turned=True)


def _made(
    *, degrees_in: Tensor, degrees_out: Tensor, strict: bool | None = None, other: bool = False, usual: bool = False,
    **how: Any,  # noqa: ANN401
) -> Tensor:  # fmt: skip
    asked = usual if strict is None else bool(strict)
    return oracle.degrees(degrees_in, degrees_out, strict=asked != other, **how)


MADE = formula(
    Specification(
        name="mask.made", statement="M_ij = 1 where m'_i ≥ m_j (in the output layer, which is strict, m'_i > m_j)",
        arguments=(_IN, _OUT, _STRICT), oracle=_made,
        dialects=(
            Axis(name="rule", options=(
                Option(name=""),
                slip("> for ≥", "units of one degree do not connect; right for the output layer: mask.made_output",
                     other=True),
                _EXCHANGED,
            )),
        ),
        **_DEGREES,
    )
)  # fmt: skip
MADE_OUTPUT = formula(
    Specification(
        name="mask.made_output", statement="M_ij = 1 where m'_i > m_j: the mask of the output layer",
        arguments=(_IN, _OUT), oracle=lambda **given: _made(usual=True, **given),
        dialects=(
            Axis(name="rule", options=(
                Option(name=""),
                slip("≥ for >", "output i then sees input i: the mask of a hidden layer", other=True), _EXCHANGED,
            )),
        ),
        **_DEGREES,
    )
)  # fmt: skip


def _conditional(*, context: int, **given: Any) -> Tensor:  # noqa: ANN401
    return _made(context=int(context), **given)


MADE_CONDITIONAL = formula(
    Specification(
        name="mask.made_conditional",
        statement="the mask of a layer of MADE whose units all see the context: ones beside M_ij = [m'_i ≥ m_j]",
        arguments=(
            _IN, _OUT, _STRICT,
            option("context", integer(1, 3), ..., "n_context", "context_features", "context_dim", "n_cond", "cond_dim",
                   "num_context", "context_size", "n_ctx", "cond_size", "c", "cond_label_size", "observed_dim"),
        ),
        oracle=_conditional,
        dialects=(
            Axis(name="place", options=(
                Option(name=""), Option(name="context last", keywords={"last": True}),
            )),
            Axis(name="rule", options=(
                Option(name=""), slip("> for ≥", "units of one degree do not connect", other=True),
                slip("context hidden", "zeros where ones belong: the condition is not seen", blind=True), _EXCHANGED,
            )),
        ),
        **{**_DEGREES, "output": "out seen", "source": "Papamakarios, Pavlakou & Murray 2017, section 3.4",
           "layouts": (Layout(name="[out, context + in]"),)},
    )
)  # fmt: skip

CHECKERBOARD = formula(
    Specification(
        name="mask.checkerboard", statement="M_ij = (i + j) mod 2, or one less that",
        source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.4",
        arguments=(
            option("height", integer(2, 5), ..., "h", "H", "rows", "n_rows", "height_"),
            option("width", integer(2, 5), None, "w", "W", "columns", "cols", "n_cols", "width_"),
            option("flipped", choice(False, True), None, "reverse", "invert", "flip", "inverse", "parity", "swap",
                   "reverse_mask", "reversed", "invert_mask", "odd", "even", "alternate"),
        ),
        oracle=lambda height, width, flipped, **how: _board(height, width, flipped, **how),
        output="height width", gradient=False, layouts=(Layout(name="a board"),),
        dialects=(
            Axis(name="corner", options=(
                Option(name=""),
                Option(name="the first is one", keywords={"other": True}, note="which is kept is open"),
            )),
            Axis(name="pattern", options=(
                Option(name=""),
                slip("rows", "stripes: neighbours in a row are on one side", slip="rows"),
                slip("columns", "stripes: neighbours in a column are on one side", slip="columns"),
                slip("counted through", "stripes wherever the width is even: rows begin alike", slip="flat"),
            )),
        ),
        derivation="mask.checkerboard.neighbours",
    )
)  # fmt: skip
CHECKERBOARD_NEIGHBOURS = claim(
    "mask.checkerboard.neighbours", Status.DERIVED,
    statement="of two pixels side by side exactly one is kept: (i + j) mod 2 changes with every step along an axis",
    source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.4",
)  # fmt: skip


def _board(height: int, width: int | None, flipped: bool | None, *, other: bool = False, slip: str = "") -> Tensor:
    return oracle.checkerboard(
        int(height), int(height if width is None else width), flipped=bool(flipped) != other, slip=slip
    )


_TYPE = Argument(
    name="mask_type", role=option("_", choice("A", "B"), ...).role, differentiable=False,
    forms=(
        Form(name="letter", domain=choice("A", "B"), aliases=("mask_type", "type", "kind", "mask", "typ", "mtype")),
        Form(name="sees_itself", domain=choice(False, True), canonical=lambda one: "B" if one else "A",
             aliases=("include_center", "center", "include_centre", "allow_center", "sees_itself", "is_b",
                      "mask_center_not")),
        Form(name="hides_itself", domain=choice(False, True), canonical=lambda one: "A" if one else "B",
             aliases=("mask_center", "exclude_center", "exclusive", "mask_centre", "is_a", "first", "is_first")),
    ),
)  # fmt: skip
PIXELCNN = formula(
    Specification(
        name="mask.pixelcnn", statement="1 above the centre and left of it in its row; at the centre in type B alone",
        source="van den Oord, Kalchbrenner & Kavukcuoglu 2016, section 3.1",
        arguments=(
            _TYPE,
            option("size", choice(3, 5, 1), ..., "kernel_size", "k", "ks", "kernel", "ksize", "filter_size", "n"),
            option("out_channels", integer(1, 2), None, "out_c", "c_out", "cout", "out_ch", "n_out", "out"),
            option("in_channels", integer(1, 2), None, "in_c", "c_in", "cin", "in_ch", "n_in", "inp"),
        ),
        oracle=lambda mask_type, size, out_channels, in_channels, **how: _kernel(
            mask_type, size, out_channels, in_channels, **how
        ),
        output="kernel", gradient=False, layouts=(Layout(name="a kernel"),),
        dialects=(
            Axis(name="pattern", options=(
                Option(name=""),
                slip("types exchanged", "type A hides the centre", exchanged=True),
                slip("rows below seen", "the pixels that come later", slip="rows below"),
                slip("whole row seen", "the pixels right of the centre come later", slip="whole row"),
                slip("a quadrant", "the pixels above, to the right, come earlier, too", slip="quadrant"),
                slip("columns first", "the kernel is turned: rows come first in raster order", slip="columns first"),
            )),
        ),
        derivation="mask.pixelcnn.raster_order",
    )
)  # fmt: skip


def _kernel(
    mask_type: str, size: int, out_channels: int | None, in_channels: int | None, *, exchanged: bool = False,
    slip: str = "",
) -> Tensor:  # fmt: skip
    made = oracle.pixelcnn(int(size), sees_itself=(mask_type == "B") != exchanged, slip=slip)
    for count in (in_channels, out_channels):
        made = made if count is None else made.expand(int(count), *made.shape)
    return made


@declares_reference
def made_mask() -> Formula:
    """The reference mask of MADE."""
    return Formula(reference.made_mask, like="mask.made")


@declares_reference
def made_conditional_mask() -> Formula:
    """The reference mask with a context."""
    return Formula(reference.made_conditional_mask, like="mask.made_conditional")


@declares_reference
def checkerboard_mask() -> Formula:
    """The reference checkerboard."""
    return Formula(reference.checkerboard_mask, like="mask.checkerboard")


@declares_reference
def pixelcnn_mask() -> Formula:
    """The reference mask of a kernel."""
    return Formula(reference.pixelcnn_mask, like="mask.pixelcnn")
