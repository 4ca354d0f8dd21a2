"""Mutants of pictures of a loss: another normalisation, another plane."""

from __future__ import annotations

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

_CONVOLUTION = "filter channel height width"


def per_layer(direction, weight):
    """One factor for the whole layer: "layer normalisation" of the same paper, taken for the other."""
    return direction * (weight.norm() / direction.norm())


def unit_filters(direction, weight):
    """Filters of norm one: the weights' own norms are forgotten."""
    return direction / direction.norm(dim=1, keepdim=True)


def per_input(direction, weight):
    """Columns for rows: normalised over what a filter is made of in a framework that keeps [in, out]."""
    return direction * (weight.norm(dim=0, keepdim=True) / direction.norm(dim=0, keepdim=True))


def per_kernel(d, w):
    """A convolution's kernels [height, width] for its filters [channel, height, width]."""
    return d * (w.norm(dim=(2, 3), keepdim=True) / d.norm(dim=(2, 3), keepdim=True))


def squared_norms(direction, weight):
    """‖w_i‖²/‖d_i‖²: (w**2).sum() without its root."""
    return direction * ((weight**2).sum(1, keepdim=True) / (direction**2).sum(1, keepdim=True))


def by_the_first_filter(direction, weight):
    """In a loop over filters the norm of the direction is taken after the first has been scaled, of the whole layer."""
    scaled = direction.clone()
    for d, w in zip(scaled, weight, strict=True):
        d.mul_(w.norm() / scaled.norm())
    return scaled


def biases_normalised(directions, weights):
    """Every entry of a bias is a filter of its own: its direction becomes ±|b|, and batch norm's scale moves, too."""
    return [
        d * (w.abs() / d.abs()) if d.dim() == 1 else d * (w.norm(dim=1, keepdim=True) / d.norm(dim=1, keepdim=True))
        for d, w in zip(directions, weights, strict=True)
    ]


def biases_left_alone(directions, weights):
    """Vectors are skipped, and so keep their random direction at its own scale."""
    return [
        d if d.dim() == 1 else d * (w.norm(dim=1, keepdim=True) / d.norm(dim=1, keepdim=True))
        for d, w in zip(directions, weights, strict=True)
    ]


def one_coordinate_twice(f, theta, d1, d2, alphas, betas):
    """α for both directions: the picture of a line, spread over a plane."""
    return torch.stack([torch.stack([f(theta + a * d1 + a * d2) for _ in betas]) for a in alphas])


def walking_centre(f, theta, d1, d2, alphas, betas):
    """The parameters are moved in place and not put back: each point starts where the last one ended."""
    theta, rows = theta.clone(), []
    for a in alphas:
        row = []
        for b in betas:
            theta = theta + a * d1 + b * d2
            row.append(f(theta))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def without_centre(f, theta, d1, d2, alphas, betas):
    """The plane through the origin of parameter space: the trained weights are overwritten, not moved."""
    return torch.stack([torch.stack([f(a * d1 + b * d2) for b in betas]) for a in alphas])


def interpolated(f, theta, d1, d2, alphas, betas):
    """(1 − α)θ + αδ: the interpolation of Goodfellow et al. between two sets of parameters, used with a direction."""
    return torch.stack([torch.stack([f((1 - a) * theta + a * d1 + b * d2) for b in betas]) for a in alphas])


_ONE, _ALL, _PLANE = (
    "landscape.filter_normalised_direction", "landscape.filter_normalised_directions", "landscape.plane",
)  # fmt: skip


def _mutant(f, like, **declared):
    return Mutant(
        name=f"{like.partition('.')[2]}: {f.__name__.replace('_', ' ')}",
        make=lambda: Formula(f, like=like, **declared), killed_by="formula.dialect",
    )  # fmt: skip


_SHAPES = {"d": _CONVOLUTION, "w": _CONVOLUTION, "return": _CONVOLUTION}
MUTANTS = [
    _mutant(per_layer, _ONE), _mutant(unit_filters, _ONE), _mutant(per_input, _ONE),
    _mutant(per_kernel, _ONE, shapes=_SHAPES), _mutant(squared_norms, _ONE), _mutant(by_the_first_filter, _ONE),
    _mutant(biases_normalised, _ALL), _mutant(biases_left_alone, _ALL),
    _mutant(one_coordinate_twice, _PLANE), _mutant(walking_centre, _PLANE), _mutant(without_centre, _PLANE),
    _mutant(interpolated, _PLANE),
]  # fmt: skip


def in_place_with_a_guard(direction, weights):
    """Overwrites the direction, filter by filter, guarded by 1e-10 in the denominator; returns nothing."""
    for d, w in zip(direction, weights, strict=True):
        d.mul_(w.norm() / (d.norm() + 1e-10))


def of_a_convolution(d, w):
    """Flattened to [filters, rest]."""
    rows = torch.nn.functional.normalize(d.flatten(1), dim=1)
    return (rows * w.flatten(1).norm(dim=1, keepdim=True)).view_as(d)


def biases_along_themselves(dirs, params):
    """Without ignore="biasbn": vectors move along themselves."""
    return [p.clone() if p.dim() < 2 else of_a_convolution(d, p) for d, p in zip(dirs, params, strict=True)]


def in_one_batch(loss_fn, center, delta, eta, xs, ys):
    """All points at once, as a meshgrid for contour: β along rows."""
    a, b = torch.meshgrid(xs, ys, indexing="xy")
    points = center + a[..., None] * delta + b[..., None] * eta
    return torch.func.vmap(loss_fn)(points.reshape(-1, center.numel())).reshape(a.shape)


TWINS = [
    Twin(
        name="in place, with a guard",
        make=lambda: Formula(in_place_with_a_guard, like=_ONE, in_place=("direction",)),
    ),
    Twin(name="filters of a convolution", make=lambda: Formula(of_a_convolution, like=_ONE, shapes=_SHAPES)),
    Twin(name="biases move along themselves", make=lambda: Formula(biases_along_themselves, like=_ALL)),
    Twin(name="the plane as one batch", make=lambda: Formula(in_one_batch, like=_PLANE)),
]
