"""Mutants of what any formula's subject may get wrong, on a formula of their own that has a step."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula
from genverify.subjects.domains import positive, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Role, Specification
from tests.mutants.mutant import Mutant, Twin

SLOPE = formula(
    Specification(
        name="mutants.slope_by_differences",
        statement="f′(x) for f = sin, by differences of step h",
        source="LeVeque 2007, section 1.1",
        arguments=(
            plain("x", "batch", real()),
            plain("h", "", positive(low=0.02, high=0.2), ("step",), role=Role.STEP, differentiable=False),
        ),
        oracle=torch.cos,
        output="batch",
        gradient=False,
    )
)


def one_sided(x, h):
    """A forward difference where a central one is claimed: the error halves with the step and is not quartered.

    Met in gradient checks that compare (f(x + h) − f(x))/h with a tolerance made for the central difference.
    """
    return (torch.sin(x + h) - torch.sin(x)) / h


def central(x, h):
    """The central difference, of second order."""
    return (torch.sin(x + h) - torch.sin(x - h)) / (2 * h)


def extrapolated(x, h):
    """Two central differences extrapolated to fourth order (Richardson 1911), claimed of fourth order."""
    return (4 * central(x, h / 2) - central(x, h)) / 3


MUTANTS = [
    Mutant(
        name="one-sided difference",
        make=lambda: Formula(one_sided, like=SLOPE.name, order=2),
        killed_by="formula.order",
    ),
]
TWINS = [
    Twin(name="central difference", make=lambda: Formula(central, like=SLOPE.name, order=2)),
    Twin(name="extrapolated difference", make=lambda: Formula(extrapolated, like=SLOPE.name, order=4)),
]
