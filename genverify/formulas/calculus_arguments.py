"""The arguments that derivatives have in common: a function, a point, and a batch of these or not."""

from __future__ import annotations

from genverify.subjects.domains import Domain
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Layout, Role

__all__ = ["COTANGENTS", "FUNCTION", "LAYOUTS", "POINT", "POINTS", "SINGLE_POINT", "SIZES", "VECTORS", "function"]

FUNCTION = (
    "f", "fn", "func", "fun", "function", "F", "g", "net", "network", "model", "objective", "loss", "loss_fn", "energy",
    "critic", "potential", "log_prob", "forward", "callable", "closure",
)  # fmt: skip
POINTS = (
    "x", "theta", "params", "point", "inputs", "input", "z", "x0", "at", "primal", "primals", "xs", "parameters",
    "weights",
)  # fmt: skip
VECTORS = ("v", "vec", "vector", "tangent", "tangents", "direction", "d", "p", "dx", "u", "probe", "epsilon", "eps")
COTANGENTS = ("u", "v", "cotangent", "cotangents", "vec", "vector", "w", "grad_output", "grad_outputs", "adjoint", "y")

# Derivatives are defined at a point. Code for one point often answers a batch, too, in some other shape, and a batch of
# shared points is what the mechanism tries after such an answer.
SINGLE_POINT = Layout(name="one point at a time", drop=("batch",), shared=("x",))
LAYOUTS = (Layout(name="a batch of points"), SINGLE_POINT)
POINT = any_real("x", "batch event", *POINTS)
# No batch of one, nor one of as many points as there are coordinates or outputs: code for a single point answers these
# by chance, and would then be held to other batches.
SIZES = {"batch": (3, 5), "event": (2, 4, 1), "out": (2, 4, 1), "hidden": (3, 2)}


def function(axes: str, domain: Domain) -> Argument:
    """The function that is to be differentiated."""
    return plain("f", axes, domain, FUNCTION, role=Role.FUNCTION, differentiable=False)
