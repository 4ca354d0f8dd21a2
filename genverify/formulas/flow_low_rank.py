"""Planar, radial and Sylvester flows as functions of a point and their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.flow_arguments import ONE_EVENT, ROWS, point, slip, transform
from genverify.formulas.references import declares_reference
from genverify.oracles import flow_low_rank as oracle
from genverify.reference.flows import planar as reference_planar
from genverify.reference.flows import radial as reference_radial
from genverify.reference.flows import sylvester as reference_sylvester
from genverify.subjects.bijection import Bijection
from genverify.subjects.domains import Domain, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Constraint, Form, Layout, Option

__all__ = ["PLANAR", "RADIAL", "SYLVESTER"]

# How far from the bound of invertibility the draws keep: beyond it log|det| grows without bound.
_ROOM = 0.1


def _inner(values: Mapping[str, Any]) -> bool:
    w, u = (values[name].reshape(values[name].shape) for name in ("w", "u"))
    return bool(((w * u).sum(-1) > _ROOM - 1.0).all())


_AWAY = Domain(
    name="a vector away from zero",
    make=lambda raw, shape, dtype: (raw.reshape(shape) + torch.where(raw.reshape(shape) < 0, -0.25, 0.25)).to(dtype),
)
PLANAR = transform(
    "planar", "y = x + u tanh(wᵀx + b), logabsdet = log|1 + (1 − tanh²(wᵀx + b)) wᵀu|",
    "Rezende & Mohamed 2015, eqs. 10–12",
    (
        point(without=("u", "h")),
        plain("w", "event", _AWAY, ("weight", "weights", "W", "w_k", "weight_w")),
        any_real("u", "event", "scale", "u_hat", "uhat", "U", "us", "u_k"),
        any_real("b", "", "bias", "c", "shift", "b_k"),
    ),
    oracle.planar, separable=False, operations=96, derivation="flow.planar.logabsdet",
    constraints=(Constraint(statement="wᵀu > −1: there the flow is invertible", holds=_inner),),
    log=(
        slip("1 − h for 1 − h²", "the slope of tanh is 1 − tanh²", slip="no square"),
        slip("the slope of tanh left out", "det J = 1 + h′ wᵀu", slip="no slope"),
        slip("h for h′", "the activation where its derivative belongs", slip="activation"),
        slip("w left out", "ψ = h′ w; the sum of u is taken for wᵀu", slip="w forgotten"),
    ),
    dialects=(
        Axis(name="u", options=(
            Option(name=""),
            Option(name="made invertible", keywords={"form": "constrained"}, note="û, which has wᵀû > −1: section A.1"),
            slip("made invertible by ‖w‖", "w/‖w‖ for w/‖w‖²: wᵀû is not m(wᵀu), and may be below −1", form="norm"),
        )),
    ),
    layouts=(
        ROWS, ONE_EVENT,
        Layout(name="vectors as rows", shapes={"w": "one event", "u": "one event"}),
        Layout(name="vectors as columns", shapes={"w": "event one", "u": "event one"}),
        Layout(name="vectors as rows, b as [1]", shapes={"w": "one event", "u": "one event", "b": "one"}),
        Layout(name="parameters a row", instead={"w": "batch event", "u": "batch event", "b": "batch"}),
        Layout(name="parameters a row, b as [batch, 1]", shapes={"b": "batch one"},
               instead={"w": "batch event", "u": "batch event", "b": "batch"}),
        Layout(name="parameters a row, for bmm",
               shapes={"w": "batch one event", "u": "batch event one", "b": "batch one one"},
               instead={"w": "batch event", "u": "batch event", "b": "batch"}),
    ),
)  # fmt: skip

_POSITIVE = Domain(
    name="positive", low=-1.0, high=1.0, make=lambda raw, shape, dtype: raw.exp().reshape(shape).to(dtype)
)
_ALPHA = Argument(
    name="alpha", axes="",
    forms=(
        Form(name="alpha", domain=_POSITIVE, aliases=("a", "alpha_k")),
        Form(name="log_alpha", domain=real(low=-1.0, high=1.0), canonical=torch.exp, aliases=("log_alpha", "log_a")),
    ),
)  # fmt: skip
RADIAL = transform(
    "radial", "y = x + β h (x − c), h = 1/(α + r); logabsdet = (D − 1) log(1 + β h) + log(1 + β h − β r h²)",
    "Rezende & Mohamed 2015, eq. 14",
    (
        point(without=("z0", "x0", "z_0")),
        any_real("center", "event", "c", "z0", "x0", "z_0", "x_0", "centre", "reference", "ref", "z_ref", "mu", "loc",
                 "z_star"),
        _ALPHA,
        any_real("beta", "", "b", "beta_hat", "beta_k"),
    ),
    oracle.radial, separable=False, operations=96, kinks=True, derivation="flow.radial.logabsdet",
    constraints=(
        Constraint(
            statement="β > −α: there the flow is invertible",
            holds=lambda values: bool((values["beta"] > (_ROOM - 1.0) * _raw_alpha(values)).all()),
        ),
    ),
    log=(
        slip("D for D − 1", "one direction is radial: D − 1 are tangential", slip="power D"),
        slip("1 for D − 1", "D − 1 directions are tangential", slip="power 1"),
        slip("sign of h′", "h falls: h′ = −h²", slip="sign of h′"),
        slip("tangential factor left out", "the D − 1 other directions are stretched, too", slip="no tangent"),
        slip("r left out", "the radial slope is 1 + β h + β h′ r", slip="no r"),
    ),
    dialects=(
        Axis(name="beta", options=(
            Option(name=""),
            Option(name="made invertible", keywords={"form": "constrained"}, note="−α + log(1 + e^β): section A.2"),
        )),
    ),
    layouts=(
        ROWS, ONE_EVENT,
        Layout(name="the centre as a row", shapes={"center": "one event"}),
        Layout(name="the centre as a row, numbers as [1]",
               shapes={"center": "one event", "alpha": "one", "beta": "one"}),
        Layout(name="numbers as [1]", shapes={"alpha": "one", "beta": "one"}),
        Layout(name="parameters a row", shapes={"alpha": "batch one", "beta": "batch one"},
               instead={"center": "batch event", "alpha": "batch", "beta": "batch"}),
    ),
    sizes={"event": (3, 2)},
)  # fmt: skip


def _raw_alpha(values: Mapping[str, Any]) -> Tensor:
    """A lower bound of α whether it is given as itself or as its logarithm."""
    alpha = torch.as_tensor(values["alpha"])
    return torch.minimum(alpha.abs(), alpha.exp())


def _orthonormal(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """The first columns of (I − A)(I + A)⁻¹ for a skew matrix A (Cayley 1846)."""
    rows, columns = shape
    square = torch.zeros(rows, rows, dtype=torch.float64)
    square[:, :columns] = raw.reshape(shape)
    skew = torch.triu(square.mT, 1) - torch.triu(square.mT, 1).mT
    one = torch.eye(rows, dtype=torch.float64)
    return torch.linalg.solve(one + skew, one - skew)[:, :columns].to(dtype)


def _triangular(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Upper triangular with a diagonal in (−0.9, 0.9), so that every factor 1 + r r̃ h′ is positive."""
    square = raw.reshape(shape)
    return (torch.triu(square, 1) + torch.diag_embed(0.9 * torch.tanh(torch.diagonal(square, dim1=-2, dim2=-1)))).to(
        dtype
    )


SYLVESTER = transform(
    "sylvester", "y = x + Q R₁ tanh(R₂ Qᵀx + b), logabsdet = Σ_i log|1 + h′_i (R₁)_ii (R₂)_ii|",
    "van den Berg et al. 2018, eqs. 9 and 13",
    (
        point(),
        plain("q", "event rank", Domain(name="orthonormal columns", make=_orthonormal), ("Q", "q_ortho", "qmat"),
              differentiable=False),
        plain("r1", "rank other", Domain(name="upper triangular", make=_triangular),
              ("R1", "R", "r", "r_1", "R_1", "rmat"), differentiable=False),
        plain("r2", "rank other", Domain(name="upper triangular", make=_triangular),
              ("R2", "R_tilde", "r_tilde", "Rt", "r_2", "R_2", "R_hat"), differentiable=False),
        any_real("b", "rank", "bias", "c"),
    ),
    oracle.sylvester, separable=False, operations=160, derivation="flow.sylvester.logabsdet",
    log=(
        slip("the slope of tanh left out", "det = Π (1 + h′ r r̃)", slip="no slope"),
        slip("one diagonal", "the products of both diagonals count", slip="one diagonal"),
        slip("sum for product", "log|1 + Σ| for Σ log|1 + ·|", slip="trace"),
    ),
    layouts=(ROWS, ONE_EVENT),
    sizes={"event": (3, 4), "rank": (2, 1, 3)}, settle=lambda sizes, given: {"other": sizes["rank"]},
)  # fmt: skip


@declares_reference
def planar() -> Bijection:
    """The reference planar flow, whose u is made invertible; it has no inverse in closed form."""
    return Bijection(_seeded(lambda: reference_planar.Planar(2)), event_shape=(2,), vary_parameters=True, name="Planar")


@declares_reference
def planar_formula() -> Formula:
    """The reference function of a planar flow."""
    return Formula(reference_planar.planar, like="flow.planar")


@declares_reference
def radial() -> Bijection:
    """The reference radial flow."""
    return Bijection(_seeded(lambda: reference_radial.Radial(3)), event_shape=(3,), vary_parameters=True, name="Radial")


@declares_reference
def radial_formula() -> Formula:
    """The reference function of a radial flow."""
    return Formula(reference_radial.radial, like="flow.radial")


@declares_reference
def sylvester() -> Bijection:
    """The reference Sylvester flow."""
    return Bijection(
        _seeded(lambda: reference_sylvester.Sylvester(3, 2)), event_shape=(3,), vary_parameters=True, name="Sylvester"
    )


@declares_reference
def sylvester_formula() -> Formula:
    """The reference function of a Sylvester flow."""
    return Formula(reference_sylvester.sylvester, like="flow.sylvester")


def _seeded(make: Any) -> Any:  # noqa: ANN401 - a module
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make()
