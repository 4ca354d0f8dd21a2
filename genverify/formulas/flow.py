"""Flows: what is claimed of changes of variables, coupling layers and residual blocks, and their references."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from genverify.claims import Status, claim

# A name flow.… is looked for here first: these files hold the formulas.
from genverify.formulas import (
    flow_bijections,  # noqa: F401
    flow_claims,  # noqa: F401
    flow_continuous,  # noqa: F401
    flow_continuous_claims,  # noqa: F401
    flow_coupling,  # noqa: F401
    flow_density,  # noqa: F401
    flow_elementwise,  # noqa: F401
    flow_linear,  # noqa: F401
    flow_low_rank,  # noqa: F401
    flow_residual,  # noqa: F401
    flow_residual_claims,  # noqa: F401
    flow_spline,  # noqa: F401
)
from genverify.formulas.references import declares_reference
from genverify.oracles import flow as oracle
from genverify.reference.flows.affine_coupling import AffineCoupling
from genverify.reference.flows.change_of_variables import FlowDensity
from genverify.reference.flows.composition import Composition
from genverify.reference.flows.permutation import Permutation
from genverify.reference.flows.residual import ContractiveResidual
from genverify.subjects.bijection import Bijection
from genverify.subjects.density import Density

if TYPE_CHECKING:
    import sympy

__all__ = ["composition", "coupling", "coupling_density", "residual"]


def _density_of_image() -> sympy.Basic:
    return oracle.cumulative_slope(increasing=True)


def _composed() -> sympy.Basic:
    import sympy

    x = sympy.Symbol("x", real=True)
    f, g = sympy.Function("f"), sympy.Function("g")
    u = sympy.Symbol("u", real=True)
    inner = sympy.Subs(sympy.Derivative(f(u), u), u, g(x))
    return sympy.Eq(sympy.Derivative(f(g(x)), x), inner * sympy.Derivative(g(x), x), evaluate=False)


def _coupling_determinant() -> sympy.Basic:
    import sympy

    jacobian, total = oracle.coupling_jacobian(1, 1)
    return sympy.Eq(sympy.Determinant(sympy.ImmutableMatrix(jacobian)), sympy.exp(total), evaluate=False)


def _coupling_inverse() -> sympy.Basic:
    import sympy

    a, b = sympy.symbols("a b", real=True)
    s, t = sympy.Function("s", real=True)(a), sympy.Function("t", real=True)(a)
    image = b * sympy.exp(s) + t
    return sympy.Eq((sympy.UnevaluatedExpr(image) - t) * sympy.exp(-s), b, evaluate=False)


def _contraction() -> sympy.Basic:
    import sympy

    distance, residual, lipschitz = sympy.symbols("d r L", nonnegative=True)
    return sympy.Ge(distance - residual, (1 - lipschitz) * distance)


CHANGE_OF_VARIABLES = claim(
    "change_of_variables.density", Status.DERIVED,
    statement="if x ↦ z = g(x) is a C¹ bijection with nowhere vanishing Jacobian and z has the density p, then x has "
    "the density p(g(x)) |det ∂g/∂x|",
    source="Rezende & Mohamed 2015, eq. 5; Papamakarios et al. 2021, eq. 3",
    assumptions=("g strictly monotone and C¹ (one dimension), or affine and invertible (two dimensions)",
                 "p continuous"),
    equation=_density_of_image,
    theorems=("Leibniz's rule for integrals with variable limits",),
)  # fmt: skip

COMPOSITION = claim(
    "change_of_variables.composition", Status.DERIVED,
    statement="log|det| of a composition is the sum of the log|det| of its parts, each at its own input",
    source="Rezende & Mohamed 2015, eqs. 6–7",
    assumptions=("each part differentiable at its input",),
    equation=_composed, theorems=("chain rule", "det(AB) = det A · det B"),
)  # fmt: skip

INVERSE = claim(
    "change_of_variables.inverse", Status.DERIVED,
    statement="log|det ∂x/∂z| = −log|det ∂z/∂x| at corresponding points",
    source="Papamakarios et al. 2021, eq. 4",
    assumptions=("the Jacobian is invertible at the point",),
    theorems=("inverse function theorem",),
)  # fmt: skip

COUPLING_LOGABSDET = claim(
    "affine_coupling.logabsdet", Status.DERIVED,
    statement="for y = (a, b·exp s(a) + t(a)): log|det ∂y/∂x| = Σ s(a), whatever the functions s and t",
    source="Dinh, Sohl-Dickstein & Bengio 2017, eqs. 5–6",
    assumptions=("s and t differentiable in a",),
    equation=_coupling_determinant,
)  # fmt: skip

COUPLING_INVERSE = claim(
    "affine_coupling.inverse", Status.DERIVED,
    statement="b = (y_b − t(a))·exp(−s(a)) inverts the layer, without inverting s or t",
    source="Dinh, Sohl-Dickstein & Bengio 2017, eqs. 7–8",
    equation=_coupling_inverse,
)  # fmt: skip

COUPLING_DENSITY = claim(
    "affine_coupling.normalised", Status.SUPPORTED,
    statement="a composition of coupling layers and permutations makes of a standard normal density one with mass 1",
    source="Dinh, Sohl-Dickstein & Bengio 2017, eqs. 2–3",
    assumptions=("two features, the parameters of the reference",),
)  # fmt: skip

RESIDUAL = claim(
    "residual_invertibility.skip_connection", Status.REFUTED,
    statement="residual networks, due to their skip connections, are always full rank and invertible",
    source="the Blog, on residual networks",
    equation=_contraction,
    counterexample="F(x) = −x: the block x + F(x) = 0 maps every point to 0; its Jacobian has rank 0",
    corrected="x ↦ x + F(x) is invertible when Lip F = L < 1: then (1 − L)‖x − x'‖ ≤ ‖y − y'‖ ≤ (1 + L)‖x − x'‖, and "
    "x ← y − F(x) converges to the preimage of any y, within Lⁿ/(1 − L)·‖x_1 − x_0‖ after n steps",
    assumptions=("F maps a Banach space to itself",),
    theorems=("Banach's fixed-point theorem (Banach 1922)",),
)  # fmt: skip


def _seeded(make: Callable[[], torch.nn.Module], seed: int = 0) -> torch.nn.Module:
    """A module with the parameters that this seed gives, the global random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make()


def _coupling_flow() -> Composition:
    return Composition([AffineCoupling(2), Permutation([1, 0]), AffineCoupling(2)])


@declares_reference
def coupling() -> Bijection:
    """The reference affine coupling layer."""
    return Bijection(
        _seeded(lambda: AffineCoupling(3)), event_shape=(3,), autoregressive=True, vary_parameters=True,
        name="AffineCoupling",
    )  # fmt: skip


@declares_reference
def composition() -> Bijection:
    """Two coupling layers with a permutation between them."""
    return Bijection(_seeded(_coupling_flow), event_shape=(2,), vary_parameters=True, name="Composition")


@declares_reference
def residual() -> Bijection:
    """The reference residual block."""
    return Bijection(
        _seeded(lambda: ContractiveResidual(2)), event_shape=(2,), vary_parameters=True, name="ContractiveResidual"
    )


@declares_reference
def coupling_density() -> Density:
    """The density that two coupling layers make of a standard normal one."""
    return Density(_seeded(lambda: FlowDensity(_coupling_flow())), event_shape=(2,), name="FlowDensity")
