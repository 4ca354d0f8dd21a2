"""Gradient clipping: what is left in `.grad`."""

from __future__ import annotations

from dataclasses import replace

from genverify.formulas.catalogue import formula
from genverify.formulas.plain_numbers import choice, number
from genverify.formulas.references import declares_reference
from genverify.oracles import clipping as oracle
from genverify.reference.training import clipping as reference
from genverify.subjects.domains import Domain, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Layout, Option, Specification
from genverify.subjects.structured_domains import listed

__all__ = ["BOUND", "EPSILON", "GLOBAL_NORM", "GRADIENTS", "TOTAL_NORM", "VALUE", "WHOLE", "gradient_tensors"]

WHOLE = (Layout(name="all parameters"), Layout(name="one parameter", drop=("layer",)))


def gradient_tensors() -> Domain:
    """A list of tensors, or one tensor for whoever takes one."""
    several, one = listed(real()), real()
    return replace(
        several, make=lambda raw, shape, dtype: (several if len(shape) > 1 else one).make(raw, shape, dtype)
    )  # fmt: skip


GRADIENTS = plain(
    "gradients", "layer entry", gradient_tensors(),
    ("params", "parameters", "p", "ps", "model_params", "model_parameters", "weights", "tensors", "param_list",
     "variables"),
    in_grad=True, differentiable=False,
)  # fmt: skip
BOUND = plain(
    "bound", "", number(0.3, 16.0),
    ("max_norm", "c", "clip_norm", "threshold", "clip", "max_grad_norm", "clip_value", "limit", "max_value", "value",
     "grad_clip", "clip_grad", "max_grad", "clipnorm", "norm", "gradient_clip_val", "maximum", "theta", "tau"),
    differentiable=False,
)  # fmt: skip
_ORDER = plain(
    "order", "", choice(2.0, 1.0, float("inf")), ("norm_type", "p", "ord", "norm_order"), default=2.0,
    differentiable=False,
)  # fmt: skip

EPSILON = Axis(
    name="ε",
    options=(
        Option(name=""),
        Option(
            name="1e-6 added to the norm", keywords={"epsilon": 1e-6, "branch": False},
            note="torch.nn.utils.clip_grad_norm_: the norm stays below c by a part in 10⁶ c",
        ),
        Option(name="1e-6 added to a norm above c", keywords={"epsilon": 1e-6}),
    ),
)  # fmt: skip
_SLIP = Axis(
    name="slip",
    options=(
        Option(name=""),
        Option(
            name="always scaled", keywords={"always": True}, accepted=False,
            note="min(1, ·) is missing, and small gradients are scaled up to the bound",
        ),
        Option(
            name="each tensor by itself", keywords={"each": True}, accepted=False,
            note="the norm is that of each parameter by itself, which changes the direction of the whole",
        ),
    ),
)  # fmt: skip

GLOBAL_NORM = formula(
    Specification(
        name="clipping.global_norm",
        statement="g min(1, c/‖g‖), ‖g‖ over all entries of all gradients together",
        source="Pascanu, Mikolov & Bengio 2013, algorithm 1",
        arguments=(GRADIENTS, BOUND, _ORDER),
        oracle=lambda gradients, bound, order, **how: oracle.clipped_by_norm(gradients, bound, order, **how),
        output="entry", layouts=WHOLE, dialects=(EPSILON, _SLIP), gradient=False, kinks=True, operations=64,
        sizes={"layer": (1, 2, 3)}, derivation="clipping.global_norm.projection",
    )
)  # fmt: skip

VALUE = formula(
    Specification(
        name="clipping.value",
        statement="max(−c, min(c, g)) for every entry g of every gradient",
        source="Graves 2013, section 2.1",
        arguments=(GRADIENTS, BOUND),
        oracle=lambda gradients, bound: oracle.clipped_by_value(gradients, bound),
        output="entry", layouts=WHOLE, gradient=False, kinks=True,
        sizes={"layer": (1, 2, 3)}, derivation="clipping.value.projection",
    )
)  # fmt: skip

TOTAL_NORM = formula(
    Specification(
        name="clipping.total_norm",
        statement="‖g‖_p over all entries of all tensors together",
        source="Pascanu, Mikolov & Bengio 2013, algorithm 1",
        arguments=(
            plain(
                "gradients", "layer entry", gradient_tensors(),
                ("grads", "tensors", "gradient", "g", "gs", "grad_list", "xs", "values"), differentiable=False,
            ),
            _ORDER,
        ),
        oracle=oracle.total_norm,
        output="", layouts=WHOLE, gradient=False, kinks=True, operations=64,
        sizes={"layer": (1, 2, 3)}, derivation="clipping.global_norm.projection",
    )
)  # fmt: skip


@declares_reference
def global_norm() -> Formula:
    """The reference clipping by norm."""
    return Formula(reference.clip_by_global_norm, like="clipping.global_norm")


@declares_reference
def value() -> Formula:
    """The reference clipping by value."""
    return Formula(reference.clip_by_value, like="clipping.value")
