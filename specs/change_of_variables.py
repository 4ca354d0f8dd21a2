"""Change of variables: the density of an event whose image has a known density.

A normalising flow is a bijection x ↦ z = f(x) between data x and noise z of a simple density p. What it makes of p is
a density of x again, and this page says which, proves it in one dimension for every monotone map and in two for every
affine one, shows how it composes and inverts, and holds the reference against a total mass of one.

Sources: Rezende & Mohamed 2015, "Variational inference with normalizing flows" (ICML); Papamakarios, Nalisnick,
Rezende, Mohamed & Lakshminarayanan 2021, "Normalizing flows for probabilistic modeling and inference" (JMLR 22).
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow
from genverify.numerics.total_mass import total_mass
from genverify.oracles import flow as oracle

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# If z = g(x) and z has the density p, then x has the density p(g(x)) |det ∂g/∂x|.
#
# ── Derivation, one dimension ────────────────────────────────────────────────────────────────────────────────────────
# The distribution function of x is P(Z ≤ g(x)) where g increases, and P(Z ≥ g(x)) where it decreases. Its
# derivative is the density; Leibniz's rule, which SymPy executes, gives ± p(g(x)) g'(x), and ± g' = |g'| in both cases.


@proves("change_of_variables.density")
@pytest.mark.parametrize("increasing", [True, False])
def test_density_of_a_monotone_image(increasing):
    """d/dx ∫ p = p(g(x)) |g'(x)|, with g and p applied functions of which nothing is known."""
    equation = oracle.cumulative_slope(increasing=increasing)
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    assert flow.CHANGE_OF_VARIABLES.equation() == oracle.cumulative_slope(increasing=True)
    x = sympy.Symbol("x", real=True)
    slope = sympy.Symbol("m", positive=True) * (1 if increasing else -1)
    # Where g(x) = ±m x, the right-hand side is p(g(x)) |g'(x)|.
    p = sympy.Function("p")
    at_line = equation.rhs.subs(sympy.Function("g")(x), slope * x).doit()
    assert sympy.simplify(at_line - p(slope * x) * sympy.Abs(slope)) == 0


# ── Derivation, two dimensions ───────────────────────────────────────────────────────────────────────────────────────
# For an affine map the density of the image is known independently: x = A z + b with z ~ N(0, I) is N(b, A Aᵀ).
# log N(z | 0, I) − log|det A| at z = A⁻¹(x − b) must be its logarithm, for all A, b and x.


@proves("change_of_variables.density")
def test_density_of_an_affine_image_of_two_normal_variables():
    """The change of variables gives the normal density of covariance A Aᵀ."""
    matrix = sympy.Matrix(2, 2, sympy.symbols("a11 a12 a21 a22", real=True))
    offset, x = sympy.Matrix(sympy.symbols("b1 b2", real=True)), sympy.Matrix(sympy.symbols("x1 x2", real=True))
    z = matrix.inv() * (x - offset)
    by_change = -(z.T * z)[0] / 2 - sympy.log(2 * sympy.pi) - sympy.log(sympy.Abs(matrix.det()))
    covariance = matrix * matrix.T
    quadratic = ((x - offset).T * covariance.inv() * (x - offset))[0]
    by_definition = -quadratic / 2 - sympy.log(2 * sympy.pi) - sympy.log(covariance.det()) / 2
    # Compared without their logarithms, since log|det A| = ½ log det A Aᵀ is det A Aᵀ = (det A)².
    assert sympy.expand(covariance.det() - matrix.det() ** 2) == 0
    rest = sympy.log(sympy.Abs(matrix.det())) - sympy.log(covariance.det()) / 2
    assert sympy.simplify(by_change - by_definition + rest) == 0


# ── Closed forms that it gives ───────────────────────────────────────────────────────────────────────────────────────
# exp, sinh and the logistic function of a standard normal variable; each has mass one, and SymPy's own inversion of the
# map (`pushforward`) agrees with the form that is displayed.


@proves("change_of_variables.density")
@pytest.mark.parametrize(
    ("form", "image", "low", "high"),
    [
        (oracle.exponential_image, sympy.exp, 0.0, float("inf")),
        (oracle.sinh_image, sympy.sinh, float("-inf"), float("inf")),
        (oracle.logistic_image, lambda z: 1 / (1 + sympy.exp(-z)), 0.0, 1.0),
    ],
)
def test_closed_forms_have_mass_one_and_agree_with_the_pushforward(form, image, low, high):
    """∫ p = 1 within the error that the quadrature measures."""
    mass = total_mass(lambda x: form(x[:, 0]), 1, low=low, high=high)
    assert abs(mass.value - 1.0) <= 4.0 * mass.error < 1e-9
    z, x = sympy.Symbol("z", real=True), form.symbols[0]
    if image is not sympy.sinh:  # SymPy inverts sinh into a logarithm of several branches
        made = oracle.pushforward(image(z), z, -(z**2) / 2 - sympy.log(2 * sympy.pi) / 2, x)
        point = sympy.Rational(3, 10)
        assert abs(sympy.N((made - form.expression).subs(x, point), 30)) < sympy.Rational(1, 10**25)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log-determinants add up along a composition, each part's taken at its own input.


@proves("change_of_variables.composition")
def test_logabsdet_of_a_composition():
    """The chain rule in one dimension, and det(AB) = det A · det B in three: executed."""
    equation = flow.COMPOSITION.equation()
    assert sympy.simplify((equation.lhs - equation.rhs).doit()) == 0
    first = sympy.Matrix(3, 3, sympy.symbols("a1:10", real=True))
    second = sympy.Matrix(3, 3, sympy.symbols("b1:10", real=True))
    assert sympy.expand((first * second).det() - first.det() * second.det()) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The inverse has the negated log-determinant, at the corresponding point.


@proves("change_of_variables.inverse")
def test_logabsdet_of_the_inverse():
    """J(f⁻¹) = J(f)⁻¹, whose determinant is 1/det J(f): −log|det J(f)|."""
    jacobian = sympy.Matrix(3, 3, sympy.symbols("j1:10", real=True))
    assert sympy.simplify(jacobian.inv().det() * jacobian.det()) == 1


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.flows.change_of_variables.FlowDensity` computes log N(f(x)) + logabsdet as it stands above.


@proves("change_of_variables.density")
def test_the_reference_has_mass_one():
    """The density of the reference flow integrates to 1; without the log-determinant it does not."""
    report = gv.verify(flow.coupling_density())
    report.raise_for_failures()
    assert {v.outcome for v in report.verdicts} == {gv.Outcome.PASS}
    prepared = flow.coupling_density().f

    def without(x: torch.Tensor) -> torch.Tensor:
        return prepared.log_prob(x) - prepared.flow(x)[1]

    from genverify.subjects.density import Density

    (verdict,) = gv.verify(Density(without, event_shape=2), checks=["density.integrates_to_one"]).verdicts
    assert verdict.outcome is gv.Outcome.FAIL


@proves("change_of_variables.composition")
def test_the_reference_composition_adds_up():
    """Both directions of the reference composition have the log-determinant of their Jacobian."""
    gv.verify(flow.composition(), budget="quick").raise_for_failures()
