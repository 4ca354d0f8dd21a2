"""Wasserstein distances of samples on the line and of normal laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.naming import MEAN
from genverify.formulas.plain_numbers import choice
from genverify.formulas.references import declares_reference
from genverify.oracles import transport as oracle
from genverify.reference.adversarial import transport as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["WASSERSTEIN_1D", "WASSERSTEIN_NORMALS", "WASSERSTEIN_NORMALS_1D"]

_ORDER = plain(
    "order", "", choice(1.0, 2.0, 3.0), ("p", "power", "ord", "exponent"), default=None, differentiable=False
)  # fmt: skip


def _line(
    x: torch.Tensor, y: torch.Tensor, order: Any, *, assumed: float = 1.0, root: bool = True, paired: bool = False,  # noqa: ANN401
    total: bool = False,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    power = assumed if order is None else float(order)
    # W_p^p of n points each of weight one is n times as large.
    scale = float(x.shape[-1]) if total else 1.0
    terms = oracle.on_the_line(x, y, power, root=root, paired=paired)
    return tuple(scale ** (1.0 / power if root else 1.0) * term for term in terms)


def _off_ties(x: torch.Tensor, y: torch.Tensor, order: Any, **how: Any) -> tuple[torch.Tensor, ...]:  # noqa: ANN401
    """For the gradient: of points that coincide nothing says which is the first, and |0| has no slope."""
    gaps = torch.diff(torch.cat([x, y], -1).detach().sort(-1).values, dim=-1)
    apart = torch.where(gaps.amin(-1) > 0, 1.0, torch.nan)
    return tuple(apart * term for term in _line(x, y, order, **how))


def _layouts() -> tuple[Layout, ...]:
    # Code for as many points in each answers other samples, too, and claims nothing of them.
    alike = {"y": "batch sample"}
    return (
        Layout(name="as many points in each", drop=("batch",), instead=alike),
        Layout(name="a sample a row", instead=alike),
        Layout(name="a sample a column", instead=alike, shapes={"x": "sample batch", "y": "sample batch"}),
        Layout(name="samples of any sizes", drop=("batch",)),
    )


WASSERSTEIN_1D = formula(
    Specification(
        name="transport.wasserstein_1d",
        statement="W_p = (∫₀¹ |F⁻¹(u) − G⁻¹(u)|^p du)^(1/p): of n points each, the mean of |x_(i) − y_(i)|^p, sorted",
        source="Villani 2003, remark 2.19",
        arguments=(
            any_real("x", "batch sample", "u_values", "u", "a", "real", "X", "x1", "p_samples", "source", "pred", "xs",
                     "samples_x", "first", "input", "samples1", "data", "p1", "X_prod", "prediction", "values1"),
            any_real("y", "batch other", "v_values", "v", "b", "fake", "Y", "x2", "q_samples", "target", "ys", "z",
                     "samples_y", "second", "generated", "samples2", "other", "p2", "Y_prod", "gen", "values2"),
            _ORDER,
        ),
        oracle=_line,
        surrogate=_off_ties,
        output="batch",
        dialects=(
            reduction("batch", ("none", "mean", "sum")),
            Axis(name="order", options=(
                Option(name=""),
                Option(name="order 2", keywords={"assumed": 2.0}, note="W₂, as a constant"),
            )),
            Axis(name="power", options=(
                Option(name=""),
                Option(name="to the power of p", keywords={"root": False}, note="W_p^p: the cost, without its root"),
            )),
            Axis(name="slip", options=(
                Option(name=""),
                Option(name="unsorted", keywords={"paired": True}, accepted=False,
                       note="points are paired as they come: that is the cost of one coupling, and not of the best"),
                Option(name="summed over the points", keywords={"total": True}, accepted=False,
                       note="each point has the weight 1 and not 1/n: the masses are no probabilities"),
            )),
        ),
        layouts=_layouts(),
        sizes={"sample": (4, 2), "other": (3, 6, 2), "batch": (3, 2)},
        kinks=True, operations=64,
        derivation="transport.wasserstein_1d.sorted",
    )
)  # fmt: skip

WASSERSTEIN_NORMALS = formula(
    Specification(
        name="transport.wasserstein_normals",
        statement="W₂² = ‖μ_p − μ_q‖² + ‖σ_p − σ_q‖² of normal laws with diagonal covariances",
        source="Dowson & Landau 1982; Givens & Shortt 1984, proposition 7",
        arguments=(
            any_real("mean_p", "batch event", *MEAN, group="first"),
            positive_scale("std_p", "batch event", "first", "=scale_p"),
            any_real("mean_q", "batch event", *MEAN, "=nu", group="second"),
            positive_scale("std_q", "batch event", "second", "=tau"),
        ),
        oracle=oracle.between_normals,
        output="batch",
        dialects=(
            reduction("batch", ("none", "mean", "sum")),
            Axis(name="power", options=(
                Option(name=""), Option(name="root", keywords={"root": True}, note="the distance W₂ itself"),
            )),
            Axis(name="slip", options=(
                Option(name=""),
                Option(name="difference of variances", keywords={"slip": "variances"}, accepted=False,
                       note="(σ_p² − σ_q²)²: variances where the standard deviations belong"),
                Option(name="norms, not squared", keywords={"slip": "norms"}, accepted=False,
                       note="‖μ_p − μ_q‖ + ‖σ_p − σ_q‖: the squares are missing"),
            )),
        ),
        layouts=(
            Layout(name="batched"), Layout(name="one pair of laws", drop=("batch",)),
        ),
        kinks=True, operations=48,
        derivation="transport.wasserstein_normals.quantiles",
        namesakes=("transport.wasserstein_normals_1d",),
    )
)  # fmt: skip


def _on_the_line(
    mean_p: torch.Tensor, std_p: torch.Tensor, mean_q: torch.Tensor, std_q: torch.Tensor, *, form: str = ""
) -> tuple[torch.Tensor, ...]:
    if form != "first":
        root = {"root": True} if form else {}
        return oracle.between_normals(*(one[..., None] for one in (mean_p, std_p, mean_q, std_q)), **root)
    spread = (std_p - std_q).abs()
    safe = torch.where(spread > 0, spread, 1.0)
    parts = oracle.normals_first.terms(mean_p - mean_q, safe)
    return tuple(
        torch.where(spread > 0, part, torch.where(torch.tensor(i == 0), (mean_p - mean_q).abs(), 0.0))
        for i, part in enumerate(parts)
    )


WASSERSTEIN_NORMALS_1D = formula(
    Specification(
        name="transport.wasserstein_normals_1d",
        statement="W₂² = (μ_p − μ_q)² + (σ_p − σ_q)² of normal laws on the line, element by element; or W₁",
        source="Givens & Shortt 1984, proposition 7",
        arguments=tuple(replace(one, axes="batch") for one in WASSERSTEIN_NORMALS.arguments),
        oracle=_on_the_line,
        output="batch",
        dialects=(
            reduction("batch", ("none", "mean", "sum")),
            Axis(name="order", options=(
                Option(name=""), Option(name="root", keywords={"form": "root"}, note="the distance W₂ itself"),
                Option(name="W₁", keywords={"form": "first"}, note="E|δ + s z|, the mean of a folded normal law"),
            )),
        ),
        kinks=True, operations=64,
        derivation="transport.wasserstein_normals.quantiles",
    )
)  # fmt: skip


@declares_reference
def wasserstein_1d() -> Formula:
    """The reference distance of samples on the line."""
    return Formula(reference.wasserstein_1d, like="transport.wasserstein_1d", layout="samples of any sizes")


@declares_reference
def wasserstein_normals() -> Formula:
    """The reference distance of normal laws."""
    return Formula(reference.wasserstein_normals, like="transport.wasserstein_normals")
