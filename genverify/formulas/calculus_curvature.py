"""Curvature: Gauss–Newton, Fisher, traces by probes, and the gradient by differences."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.formulas.calculus_arguments import LAYOUTS, POINT, SIZES, function
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.oracles import calculus, calculus_products
from genverify.reference.calculus import curvature as reference
from genverify.reference.calculus import finite_difference as differences
from genverify.subjects.domains import Domain, linear_map, positive, real, simplex, spd
from genverify.subjects.formula import Formula
from genverify.subjects.functions import LinearMap
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.smooth_domains import smooth_scalar
from genverify.subjects.specification import BATCHED, Argument, Form, Layout, Role, Specification

__all__ = ["FINITE_DIFFERENCE_GRADIENT", "FISHER", "GAUSS_NEWTON", "HUTCHINSON_TRACE"]

_JACOBIAN = ("J", "jac", "jacobian", "Jx", "jacobians", "J_f", "Js", "jac_f")
_LAYOUTS = (BATCHED, Layout(name="one sample at a time", drop=("batch",), shared=("jacobian",)))
_SIZES = {"batch": (3,), "event": (2, 1), "out": (4, 2, 1), "class": (4, 2)}
_OVER_BATCH = (reduction("batch", ("none", "mean", "sum")),)

GAUSS_NEWTON = formula(
    Specification(
        name="calculus.gauss_newton",
        statement="JᵀHJ, with J the Jacobian of the model and H the Hessian of the loss in the model's output",
        source="Schraudolph 2002",
        arguments=(
            any_real("jacobian", "batch out event", *_JACOBIAN),
            plain(
                "curvature", "batch out out", spd(),
                (
                    "H", "H_out", "hessian", "hess", "H_L", "H_loss", "output_hessian", "loss_hessian", "hess_out",
                    "A", "Hz", "H_z", "hessian_out", "h_out",
                ),
                differentiable=False, normwise=True,  # it is factorised in large problems
            ),
        ),
        oracle=calculus_products.gauss_newton,
        output="batch event event", dialects=_OVER_BATCH, layouts=_LAYOUTS, sizes=_SIZES, operations=64,
        derivation="calculus.gauss_newton.remainder",
    )
)  # fmt: skip

_LOGITS = Argument(
    name="logits", axes="batch class",
    forms=(
        Form(name="logits", aliases=("logits", "z", "logit", "outputs", "scores", "out", "preds"), domain=real()),
        Form(
            name="probabilities", aliases=("p", "probs", "prob", "probabilities", "pi", "softmax"), domain=simplex(),
            canonical=torch.log,
        ),
    ),
)  # fmt: skip

FISHER = formula(
    Specification(
        name="calculus.fisher",
        statement="Jᵀ(diag p − p pᵀ)J, p = softmax of the logits: E_y∼p of the outer product of the score",
        source="Martens 2020",
        arguments=(any_real("jacobian", "batch class event", *_JACOBIAN), _LOGITS),
        oracle=calculus_products.softmax_fisher,
        output="batch event event", dialects=_OVER_BATCH, layouts=_LAYOUTS, sizes=_SIZES, operations=64,
        derivation="calculus.fisher.expected_gauss_newton",
    )
)  # fmt: skip


def _square() -> Domain:
    return replace(linear_map(), name="linear map, not symmetric")


def _probed(v: torch.Tensor, matvec: LinearMap) -> tuple[torch.Tensor, ...]:
    return tuple((v[..., i, None] * v * matvec.matrix[i]).sum(-1) for i in range(v.shape[-1]))


HUTCHINSON_TRACE = formula(
    Specification(
        name="calculus.hutchinson_trace",
        statement="the mean of vᵀAv over the probes v that are given, A by its product with a vector",
        source="Hutchinson 1989",
        arguments=(
            any_real("v", "probe event", "v", "vs", "probes", "z", "eps", "epsilon", "e", "vectors", "noise", "x"),
            plain(
                "matvec", "event event", _square(), ("matvec", "A", "mv", "f", "matmul", "apply", "hvp", "linear_map"),
                role=Role.FUNCTION, differentiable=False,
            ),
        ),
        oracle=_probed,
        output="probe", dialects=(reduction("probe", ("mean", "none"), {"sum": "the number of probes"}),),
        layouts=(Layout(name="several probes"), Layout(name="one probe", drop=("probe",), shared=("v",))),
        gradient=False, operations=64, derivation="calculus.hutchinson.unbiased",
    )
)  # fmt: skip

FINITE_DIFFERENCE_GRADIENT = formula(
    Specification(
        name="calculus.finite_difference_gradient",
        statement="∇f(x) by differences of f: declare order= (2 for central differences) or accuracy=",
        source="LeVeque 2007, section 1.1",
        arguments=(
            POINT,
            function("hidden event", smooth_scalar()),
            plain(
                "step", "", positive(low=0.02, high=0.2), ("h", "eps", "epsilon", "delta", "step_size", "dx", "e"),
                role=Role.STEP, differentiable=False, default=None,
            ),
        ),
        oracle=lambda x, f: calculus.gradient(f.weight, x),
        output="batch event", gradient=False, operations=64,
        layouts=LAYOUTS, sizes=SIZES, derivation="calculus.finite_difference.order",
    )
)  # fmt: skip


@declares_reference
def gauss_newton() -> Formula:
    """The reference Gauss–Newton matrix."""
    return Formula(reference.gauss_newton, like="calculus.gauss_newton")


@declares_reference
def fisher() -> Formula:
    """The reference Fisher matrix of a softmax."""
    return Formula(reference.fisher, like="calculus.fisher")


@declares_reference
def hutchinson_trace() -> Formula:
    """The reference trace estimate, its probes given."""
    return Formula(reference.hutchinson_trace, like="calculus.hutchinson_trace")


@declares_reference
def finite_difference_gradient() -> Formula:
    """The reference central differences, of second order."""
    return Formula(differences.gradient, like="calculus.finite_difference_gradient", order=2)
