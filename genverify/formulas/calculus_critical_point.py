"""The kind of a critical point, from the Hessian or from the function itself."""

from __future__ import annotations

from genverify.formulas.calculus_arguments import FUNCTION, POINTS, SINGLE_POINT
from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import calculus as oracle
from genverify.reference.calculus import curvature as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.smooth_domains import basins, critical_hessian, lattice_point
from genverify.subjects.specification import Axis, Layout, Option, Role, Specification

__all__ = ["CRITICAL_POINT", "CRITICAL_POINT_OF"]

_KINDS = (
    ("minimum", "min", "local minimum", "local min", "minima", "strict minimum", "strict local minimum"),
    ("maximum", "max", "local maximum", "local max", "maxima", "strict maximum", "strict local maximum"),
    ("saddle", "saddle point", "saddlepoint", "strict saddle"),
    (
        "degenerate", "inconclusive", "unknown", "undetermined", "flat", "indeterminate", "degenerate point", "none",
        "semidefinite", "degenerate critical point", "test inconclusive", "test fails",
    ),
)  # fmt: skip
_ZEROS = Axis(
    name="zeros among both signs",
    options=(
        Option(name=""),
        Option(name="degenerate wherever an eigenvalue is zero", keywords={"any_zero": True}),
    ),
)
_STATEMENT = (
    "all eigenvalues positive: minimum (0); all negative: maximum (1); both signs: saddle (2); else degenerate (3)"
)

CRITICAL_POINT = formula(
    Specification(
        name="calculus.critical_point",
        statement=_STATEMENT,
        source="Nocedal & Wright 2006, theorems 2.3 and 2.4",
        arguments=(
            plain(
                "hessian", "batch event event", critical_hessian(),
                ("H", "hess", "hessian", "A", "matrix", "hessian_matrix", "h", "M", "hessians"), differentiable=False,
                normwise=True,
            ),
        ),
        oracle=oracle.critical_point, labels=_KINDS, dialects=(_ZEROS,), gradient=False,
        layouts=(
            Layout(name="a batch of matrices"), Layout(name="one matrix", drop=("batch",), shared=("hessian",)),
        ),
        sizes={"batch": (4, 5), "event": (2, 3, 1)}, derivation="calculus.critical_point.positive_definite",
    )
)  # fmt: skip

CRITICAL_POINT_OF = formula(
    Specification(
        name="calculus.critical_point_of",
        statement="the second-derivative test at a critical point x of f: " + _STATEMENT,
        source="Nocedal & Wright 2006, theorems 2.3 and 2.4",
        arguments=(
            plain("x", "event", lattice_point(), POINTS, differentiable=False),
            plain("f", "event event", basins(), FUNCTION, role=Role.FUNCTION, differentiable=False),
        ),
        oracle=lambda x, f, any_zero=False: oracle.critical_point(f.weight, any_zero=any_zero) + 0 * x.sum(),
        labels=_KINDS, dialects=(_ZEROS,), gradient=False, layouts=(SINGLE_POINT,), sizes={"event": (2, 3, 1)},
        derivation="calculus.critical_point.positive_definite",
    )
)  # fmt: skip


@declares_reference
def critical_point() -> Formula:
    """The reference kind of a critical point."""
    return Formula(reference.critical_point, like="calculus.critical_point")
