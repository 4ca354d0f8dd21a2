"""Gradients that are made of parts, and gradients of a loss that was scaled."""

from __future__ import annotations

from genverify.formulas.catalogue import formula
from genverify.formulas.clipping import BOUND, EPSILON, GRADIENTS, WHOLE
from genverify.formulas.plain_numbers import number, sizes
from genverify.formulas.references import declares_reference
from genverify.oracles import clipping as oracle
from genverify.reference.training import accumulation as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Layout, Option, Specification
from genverify.subjects.structured_domains import listed

__all__ = ["LOSS_SCALING", "MEAN_GRADIENT"]

MEAN_GRADIENT = formula(
    Specification(
        name="accumulation.mean_gradient",
        statement="Σ n_i g_i / Σ n_i, g_i the gradient of the mean over micro-batch i of n_i samples",
        source="linearity of the gradient",
        arguments=(
            plain("gradients", "micro entry", listed(real()),
                  ("grads", "gradient", "gs", "g", "micro_grads", "partial_grads", "losses", "means"),
                  differentiable=False),
            plain("sizes", "micro", sizes(1, 5),
                  ("batch_sizes", "n", "ns", "counts", "lengths", "micro_batch_sizes", "num_samples", "weights"),
                  differentiable=False),
        ),
        oracle=oracle.mean_gradient,
        output="entry", layouts=(Layout(name="all micro-batches"),), gradient=False,
        sizes={"micro": (1, 2, 3)},
        dialects=(
            Axis(name="weights", options=(
                Option(name=""),
                Option(name="mean of the means", keywords={"equal": True}, accepted=False,
                       note="each micro-batch counts alike, so that a sample of the small last one counts for more"),
            )),
        ),
        derivation="accumulation.mean_gradient.identity",
    )
)  # fmt: skip

LOSS_SCALING = formula(
    Specification(
        name="accumulation.loss_scaling",
        statement="g/S, clipped by its norm then where a bound is given: g the gradient of S times the loss",
        source="Micikevicius et al. 2018, section 3.2",
        arguments=(
            GRADIENTS,
            plain("scale", "", number(2.0, 64.0), ("loss_scale", "S", "s", "scaling", "factor", "grad_scale", "scaler"),
                  differentiable=False),
            type(BOUND)(name="bound", forms=BOUND.forms, default=None, differentiable=False),
        ),
        oracle=lambda gradients, scale, bound, **how: oracle.unscaled(gradients, scale, bound, **how),
        output="entry", layouts=WHOLE, gradient=False, kinks=True, operations=64,
        sizes={"layer": (1, 2, 3)},
        dialects=(
            EPSILON,
            Axis(name="order", options=(
                Option(name=""),
                Option(name="clipped before unscaling", keywords={"early": True}, accepted=False,
                       note="the bound is held against a gradient that is S times too large"),
            )),
        ),
        derivation="accumulation.loss_scaling.order",
    )
)  # fmt: skip


@declares_reference
def mean_gradient() -> Formula:
    """The reference accumulation."""
    return Formula(reference.mean_gradient, like="accumulation.mean_gradient")


@declares_reference
def loss_scaling() -> Formula:
    """The reference unscaling."""
    return Formula(reference.unscale, like="accumulation.loss_scaling")
