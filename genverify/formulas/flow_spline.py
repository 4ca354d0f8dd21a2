"""Rational-quadratic splines: through given knots, and from unconstrained widths, heights and slopes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genverify.formulas.flow_arguments import DIRECTION, point, slip, transform
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import flow_spline as oracle
from genverify.reference.flows import rational_quadratic_spline as reference
from genverify.subjects.bijection import Bijection
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import Domain
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Axis, Layout, Option

__all__ = ["RATIONAL_QUADRATIC_SPLINE", "RATIONAL_QUADRATIC_SPLINE_INSIDE", "RATIONAL_QUADRATIC_SPLINE_UNCONSTRAINED"]

# The draws of x go twice as far as the knots.
_BOUND = 1.0


def _ascending(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """From −B to B, no bin smaller than a tenth of the even one."""
    parts = torch.softmax(raw.reshape(shape)[..., 1:], -1)
    parts = 0.1 / parts.shape[-1] + 0.9 * parts
    places = torch.cumsum(parts, -1)[..., :-1]
    edge = torch.ones_like(parts[..., :1])
    return (_BOUND * torch.cat([-edge, 2 * places - 1, edge], -1)).to(dtype)


def _slopes(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Positive, and one at both ends."""
    made = torch.exp(raw.reshape(shape) / 2)
    made[..., 0], made[..., -1] = 1.0, 1.0
    return made.to(dtype)


_ASCENDING = Domain(name="ascending from −1 to 1", make=_ascending)
_SLOPES = Domain(name="positive, one at both ends", make=_slopes)
_KNOTS = (
    plain("knots_x", "event knot", _ASCENDING, ("xk", "x_k", "xs", "x_pos", "cumwidths", "x_knots", "knots", "xpos",
                                                "cum_widths", "x_positions"), differentiable=False),
    plain("knots_y", "event knot", _ASCENDING, ("yk", "y_k", "ys", "y_pos", "cumheights", "y_knots", "ypos",
                                                "cum_heights", "y_positions"), differentiable=False),
    plain("slopes", "event knot", _SLOPES, ("derivatives", "d", "dk", "d_k", "delta", "deltas", "knot_slopes", "ds",
                                            "derivs", "delta_k"), differentiable=False),
)  # fmt: skip
_SLIPS = (
    slip("slopes exchanged", "δ_(k+1) belongs to ξ² and δ_k to (1 − ξ)²", slip="slopes exchanged"),
    slip("s for s²", "the numerator has s squared", slip="s for s²"),
    slip("the denominator once", "the denominator is squared", slip="once"),
    slip("the slope in ξ", "dy/dx = (dy/dξ)/w is divided by the width once, and no more", slip="width"),
)
_A_ROW = Layout(name="knots a row", instead=dict.fromkeys(("knots_x", "knots_y", "slopes"), "batch event knot"))
_SETTINGS: dict[str, Any] = {
    "derivation": "flow.rational_quadratic_spline.slope",
    "operations": 160,
    "kinks": True,
    "log": _SLIPS,
    "each": True,
}
_SOURCE = "Gregory & Delbourgo 1982, eqs. 2.6–2.8; Durkan et al. 2019, eqs. 4 and 5"
_PLAIN_LAYOUTS = (
    Layout(name="knots for each feature"), Layout(name="one event at a time", drop=("batch", "row")), _A_ROW,
    Layout(name="one spline for all", instead=dict.fromkeys(("knots_x", "knots_y", "slopes"), "knot")),
    Layout(name="one spline, a list of points", drop=("batch", "row"),
           instead=dict.fromkeys(("knots_x", "knots_y", "slopes"), "knot")),
)  # fmt: skip
RATIONAL_QUADRATIC_SPLINE = transform(
    "rational_quadratic_spline", "a quotient of quadratic polynomials in each bin, the identity outside",
    _SOURCE, (point(without=("t", "u", "h", "v")), *_KNOTS), oracle.spline, dialects=(DIRECTION,),
    layouts=_PLAIN_LAYOUTS, sizes={"knot": (4, 3, 2)}, **_SETTINGS,
)  # fmt: skip
RATIONAL_QUADRATIC_SPLINE_INSIDE = transform(
    "rational_quadratic_spline_inside", "a quotient of quadratic polynomials in each bin; nothing is said of outside",
    _SOURCE, (point(low=-_BOUND, high=_BOUND, without=("t", "u", "h", "v")), *_KNOTS),
    lambda **given: oracle.spline(**given, inside=True),
    dialects=(DIRECTION,), layouts=_PLAIN_LAYOUTS, sizes={"knot": (4, 3, 2)}, **_SETTINGS,
)  # fmt: skip


def _unconstrained(
    *,
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    slopes: Tensor,
    bound: Tensor | float | None,
    least_width: float | None,
    least_height: float | None,
    least_slope: float | None,
    smallest: float = 1e-3,
    wide: bool = False,
    **how: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    first, second, third = (smallest if one is None else float(one) for one in (least_width, least_height, least_slope))
    reach = float(bound) if bound is not None else 1.0
    if slopes.shape[-1] != widths.shape[-1] - 1:
        return (torch.full_like(x, torch.nan),), (torch.full_like(x, torch.nan),)
    places, _, made = oracle.knots_of(widths, widths, slopes, reach, least=first, least_slope=third)
    levels, _, _ = oracle.knots_of(heights, heights, slopes, reach, least=second, least_slope=third)
    return oracle.spline(x, places, levels, made, **how)


def _least(name: str, *aliases: str) -> Any:  # noqa: ANN401
    return option(name, choice(1e-3, 1e-2), None, *aliases)


_RAW = ("batch event bin", "batch event bin", "batch event inner")
RATIONAL_QUADRATIC_SPLINE_UNCONSTRAINED = transform(
    "rational_quadratic_spline_unconstrained",
    "the spline of softmax(widths), softmax(heights) and softplus(slopes) on [−B, B], the identity outside",
    "Durkan et al. 2019, section 3.1",
    (
        point(without=("t", "u", "h", "v")),
        any_real("widths", _RAW[0], "unnormalized_widths", "w", "uw", "W", "raw_widths", "unnorm_widths", "width",
                 differentiable=False),
        any_real("heights", _RAW[1], "unnormalized_heights", "h", "uh", "H", "raw_heights", "unnorm_heights", "height",
                 differentiable=False),
        any_real("slopes", _RAW[2], "unnormalized_derivatives", "d", "ud", "D", "raw_derivatives", "derivatives",
                 "raw_slopes", "derivs", "deriv", differentiable=False),
        hyperparameter("bound", "tail_bound", "B", "tails_bound", "interval", "limit", default=None, low=0.8, high=1.2),
        _least("least_width", "min_bin_width", "min_width"), _least("least_height", "min_bin_height", "min_height"),
        _least("least_slope", "min_derivative", "min_slope", "min_knot_slope"),
    ),
    _unconstrained,
    dialects=(
        DIRECTION,
        Axis(name="least", options=(
            Option(name=""), Option(name="no least bin or slope", keywords={"smallest": 0.0}),
        )),
    ),
    layouts=(
        Layout(name="a spline each"),
        Layout(name="a spline for each feature", instead={
            "widths": "event bin", "heights": "event bin", "slopes": "event inner",
        }),
        Layout(name="one event at a time", drop=("batch", "row")),
    ),
    sizes={"bin": (3, 2, 4)}, settle=lambda sizes, given: {"inner": sizes["bin"] - 1}, **_SETTINGS,
)  # fmt: skip


def _seeded(features: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return reference.RationalQuadraticSpline(features)


@declares_reference
def rational_quadratic_spline() -> Bijection:
    """The reference spline of two features."""
    return Bijection(
        _seeded(2), event_shape=(2,), monotone=True, autoregressive=True, vary_parameters=True,
        name="RationalQuadraticSpline",
    )  # fmt: skip


@declares_reference
def rational_quadratic_spline_formula() -> Formula:
    """The reference function of a spline."""
    return Formula(reference.rational_quadratic_spline, like="flow.rational_quadratic_spline")
