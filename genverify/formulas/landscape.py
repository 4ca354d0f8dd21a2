"""Loss landscapes: filter-normalised directions, and the loss over the plane that two of them span."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.calculus_arguments import function
from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import landscape as oracle
from genverify.reference.landscape import filter_normalisation as normalisation
from genverify.reference.landscape import plane as plane_reference
from genverify.subjects.domains import Domain, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.smooth_domains import smooth_scalar
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["DIRECTION", "DIRECTIONS", "PLANE"]

_SOURCE = "Li, Xu, Taylor, Studer & Goldstein 2018, section 4"
_D = ("direction", "directions", "d", "dir", "delta", "v", "random_direction", "random", "ds", "dirs", "noise", "eta")
_W = ("weight", "weights", "w", "theta", "params", "param", "parameters", "p", "ws", "W", "model_params", "reference")
_NORM = Axis(
    name="norm",
    options=(
        Option(name=""),
        Option(
            name="per layer", keywords={"norm": "layer"}, accepted=False,
            note="one factor for the whole layer: a filter that batch norm lets shrink is moved far beyond its size",
        ),
        Option(name="filters of norm one", keywords={"norm": "unit"}, accepted=False, note="the weights play no part"),
        Option(
            name="entry by entry", keywords={"norm": "weight"}, accepted=False,
            note="d·w; norm='weight' in the authors' code, not filter normalisation",
        ),
    ),
)  # fmt: skip

# Below this size squares vanish in float32, and the quotient of two norms is 0/0: no direction is so short.
_SHORTEST = 1e-9


def _of_size(raw: torch.Tensor) -> torch.Tensor:
    return torch.where(raw.abs() < _SHORTEST, torch.zeros_like(raw), raw)


def _entries(name: str, aliases: tuple[str, ...]) -> Argument:
    entries = Domain(
        name="zero, or not tiny", extreme_low=-1e6, extreme_high=1e6, narrow_low=-1e6, narrow_high=1e6,
        make=lambda raw, shape, dtype: _of_size(raw).reshape(shape).to(dtype),
    )  # fmt: skip
    return plain(name, "filter input", entries, aliases)


DIRECTION = formula(
    Specification(
        name="landscape.filter_normalised_direction",
        statement="d_i ‖w_i‖/‖d_i‖ for every filter i of one layer (a row; of a convolution, declare shapes=)",
        source=_SOURCE,
        arguments=(_entries("direction", _D), _entries("weight", _W)),
        oracle=oracle.direction, output="filter input", dialects=(_NORM,), layouts=(Layout(name="one layer"),),
        sizes={"filter": (3, 2, 1), "input": (2, 3, 1)}, gradient=False,
        derivation="landscape.filter_normalised_direction.norms",
    )
)  # fmt: skip

# A network of two dense layers, 2 → 3 → 2: weight, bias, weight, bias.
_SHAPES = ((3, 2), (3,), (2, 3), (2,))
_COUNT = sum(torch.Size(shape).numel() for shape in _SHAPES)


def _network() -> Domain:
    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> list[torch.Tensor]:
        parts = _of_size(raw).reshape(-1).split([torch.Size(one).numel() for one in _SHAPES])
        return [part.reshape(one).to(dtype) for part, one in zip(parts, _SHAPES, strict=True)]

    return Domain(name="parameters of a small network", make=make)


def _parameters(name: str, aliases: tuple[str, ...]) -> Argument:
    return plain(name, "parameter", _network(), aliases)


_BIASES = Axis(
    name="biases",
    options=(
        Option(name=""),
        Option(name="biases move along themselves", keywords={"biases": "copied"}),
        Option(
            name="biases normalised, too", keywords={"biases": "normalised"}, accepted=False,
            note="a bias vector is no filter: it and batch norm's parameters stay where they are",
        ),
    ),
)  # fmt: skip

DIRECTIONS = formula(
    Specification(
        name="landscape.filter_normalised_directions",
        statement="d_i ‖w_i‖/‖d_i‖ for every filter of every matrix, and 0 for biases",
        source=_SOURCE,
        arguments=(_parameters("directions", _D), _parameters("weights", _W)),
        oracle=oracle.directions, output="hidden input|hidden|out hidden|out",
        outputs=("weight_1", "bias_1", "weight_2", "bias_2"), dialects=(_NORM, _BIASES),
        layouts=(Layout(name="a network"),), sizes={"parameter": (_COUNT,)}, gradient=False,
        derivation="landscape.filter_normalised_direction.norms",
    )
)  # fmt: skip


def _plane(
    centre: torch.Tensor, f: Any, direction_1: torch.Tensor, direction_2: torch.Tensor, alphas: torch.Tensor,  # noqa: ANN401 - a drawn function
    betas: torch.Tensor, *, transposed: bool = False,
) -> Any:  # noqa: ANN401  # fmt: skip
    return oracle.plane(f.weight, centre, direction_1, direction_2, alphas, betas, transposed=transposed)


_GRID = real(low=-1.0, high=1.0, extreme=1e3)
PLANE = formula(
    Specification(
        name="landscape.plane",
        statement="L(θ + αδ + βη) for all α and β",
        source="Li et al. 2018, eq. 1",
        arguments=(
            any_real(
                "centre", "event", "center", "centre", "theta", "theta_star", "w", "w0", "weights", "params", "x", "x0",
                "origin", "minimum", "theta0", "point", "base",
            ),
            function("hidden event", smooth_scalar()),
            any_real(
                "direction_1", "event", "d1", "delta", "dx", "u", "dir1", "direction1", "direction_x", "x_direction",
                "xdirection", "dir_one", "first",
            ),
            any_real(
                "direction_2", "event", "d2", "eta", "dy", "v", "dir2", "direction2", "direction_y", "y_direction",
                "ydirection", "dir_two", "second",
            ),
            plain(
                "alphas", "alpha", _GRID, ("alphas", "alpha", "a", "xs", "as_", "x_coordinates", "xcoordinates", "A")
            ),
            plain("betas", "beta", _GRID, ("betas", "beta", "b", "ys", "bs", "y_coordinates", "ycoordinates", "B")),
        ),
        oracle=_plane, output="alpha beta", layouts=(Layout(name="one plane"),), gradient=False, operations=64,
        dialects=(
            Axis(
                name="order",
                options=(
                    Option(name=""), Option(name="β along rows, as contour takes it", keywords={"transposed": True}),
                ),
            ),
        ),
        sizes={"alpha": (3, 2), "beta": (2, 4), "event": (2, 3, 1), "hidden": (3, 2)},
        derivation="landscape.plane.substitution",
    )
)  # fmt: skip


@declares_reference
def filter_normalised_direction() -> Formula:
    """The reference direction of one layer."""
    return Formula(normalisation.filter_normalised_direction, like="landscape.filter_normalised_direction")


@declares_reference
def filter_normalised_directions() -> Formula:
    """The reference direction of a network."""
    return Formula(normalisation.filter_normalised_directions, like="landscape.filter_normalised_directions")


@declares_reference
def plane() -> Formula:
    """The reference plane."""
    return Formula(plane_reference.plane, like="landscape.plane")
