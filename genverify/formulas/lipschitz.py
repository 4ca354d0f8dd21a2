"""Bounds of the slope of a network: the product of its layers' norms, and the norm of its Jacobian at a point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from genverify.formulas.calculus_arguments import LAYOUTS, POINT, SIZES, function
from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import calculus
from genverify.oracles import operator_norm as oracle
from genverify.reference.layers import lipschitz as reference
from genverify.subjects.domains import Domain, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.smooth_domains import smooth_map
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["JACOBIAN_NORM", "PRODUCT_BOUND"]


def _chain() -> Domain:
    """Weights of layers that follow each other: of n and n − 1 features by turns, so that no matrix is square."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> list[torch.Tensor]:
        narrow = max(1, shape[1] - 1)
        whole = raw.reshape(shape).to(dtype)
        return [one[:narrow] if i % 2 == 0 else one[:, :narrow] for i, one in enumerate(whole)]

    return replace(real(), name="matrices that follow each other", make=make)


def _product(weights: list[torch.Tensor], norm: str = "", together: str = "", isolated: bool = False) -> torch.Tensor:
    each = []
    for weight in weights:
        if norm in ("rows", "columns"):
            each.append(weight.abs().sum(-1 if norm == "rows" else -2).amax(-1))
        else:
            each.append(oracle.frobenius(weight) if norm else oracle.spectral(weight))
        if isolated and not norm:
            each[-1] = each[-1] * oracle.isolated(weight)
    norms = torch.stack(each)
    return norms.amax() if together == "max" else norms.sum() if together == "sum" else norms.prod()


PRODUCT_BOUND = formula(
    Specification(
        name="lipschitz.product_bound",
        statement="L ≤ Π_l ‖W_l‖, ‖·‖ the largest singular value, where activations have slopes of at most one",
        source="Szegedy et al. 2014, section 4.3",
        arguments=(
            plain("weights", "layer width width", _chain(),
                  ("ws", "Ws", "matrices", "layers", "params", "weight_list", "weight_matrices", "W", "mats", "W_list",
                   "parameters", "kernels"), normwise=True),
        ),
        oracle=_product,
        surrogate=lambda weights, **how: _product(weights, isolated=True, **how),
        output="",
        dialects=(
            Axis(name="norm", options=(
                Option(name=""),
                Option(name="in the maximum norm", keywords={"norm": "rows"}, accepted=False,
                       note="row sums: a constant for max-norms, and no bound in the Euclidean norm"),
                Option(name="in the sum norm", keywords={"norm": "columns"}, accepted=False,
                       note="column sums: a constant for ℓ1, and no bound in the Euclidean norm"),
                Option(name="of Frobenius norms", keywords={"norm": "frobenius"}, accepted=False,
                       note="a bound as well, and up to √rank too large for each layer"),
            )),
            Axis(name="together", options=(
                Option(name=""),
                Option(name="the largest norm", keywords={"together": "max"}, accepted=False,
                       note="slopes of layers multiply: this is no bound once two layers are steeper than one"),
                Option(name="the sum of the norms", keywords={"together": "sum"}, accepted=False,
                       note="slopes of layers multiply"),
            )),
        ),
        layouts=(Layout(name="a list of matrices"),),
        sizes={"layer": (3, 2, 1), "width": (3, 2, 4)},
        operations=128, kinks=True,
        derivation="lipschitz.product",
    )
)  # fmt: skip


def _slope(x: torch.Tensor, f: Any, *, norm: str = "") -> torch.Tensor:  # noqa: ANN401 - a drawn function
    jacobian = torch.stack(calculus.jacobian(f.weight, x)).sum(0)
    if norm == "squared":
        return oracle.spectral(jacobian) ** 2
    return oracle.frobenius(jacobian) if norm else oracle.spectral(jacobian)


JACOBIAN_NORM = formula(
    Specification(
        name="lipschitz.jacobian_norm",
        statement="‖J(x)‖, the largest singular value of the Jacobian of a map at each point",
        source="Rockafellar & Wets 1998, theorem 9.7 (its use)",
        arguments=(POINT, function("out event", smooth_map())),
        oracle=_slope,
        output="batch",
        gradient=False,
        dialects=(
            Axis(name="norm", options=(
                Option(name=""),
                Option(name="of Frobenius", keywords={"norm": "frobenius"}, accepted=False,
                       note="the root of the sum of all squares: up to √rank times the slope"),
                Option(name="squared", keywords={"norm": "squared"}, accepted=False,
                       note="λ_max(JᵀJ), without its root"),
            )),
        ),
        layouts=LAYOUTS, sizes=SIZES, operations=128, measured=True,
        derivation="lipschitz.mean_value",
    )
)  # fmt: skip


@declares_reference
def product_bound() -> Formula:
    """The reference product of norms."""
    return Formula(reference.product_bound, like="lipschitz.product_bound")


@declares_reference
def jacobian_norm() -> Formula:
    """The reference norm of a Jacobian."""
    return Formula(reference.jacobian_norm, like="lipschitz.jacobian_norm")
