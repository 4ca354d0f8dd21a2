"""Paths from noise to data and their velocities, as flow matching takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["marginal_velocity", "matching", "path", "velocity", "velocity_at"]

_PATH = {"x0": "real", "x1": "real", "t": "nonnegative", "least": "nonnegative"}


@closed_form("flow_matching.path", arguments=_PATH, source="Lipman et al. 2023, eq. 22")
def path(x0: sympy.Symbol, x1: sympy.Symbol, t: sympy.Symbol, least: sympy.Symbol) -> Derivation:
    """The point at time t: ``(1 − (1 − σ_min) t) x₀ + t x₁``; a straight line, with σ_min = 0 from x₀ to x₁.

    >>> path(1.0, 3.0, 0.5, 0.0)
    2.0
    """
    value = x0 - t * x0 + t * least * x0 + t * x1
    steps = (
        step("as it is written", (1 - (1 - least) * t) * x0 + t * x1, value, "multiplied out"),
        step("it begins at x₀", value.subs(t, 0), x0, "t = 0"),
        step("it ends around x₁", value.subs(t, 1), x1 + least * x0, "t = 1"),
    )
    return Derivation(value=value, steps=steps)


@closed_form(
    "flow_matching.velocity", arguments={name: _PATH[name] for name in ("x0", "x1", "least")},
    source="Lipman et al. 2023, eq. 23",
)  # fmt: skip
def velocity(x0: sympy.Symbol, x1: sympy.Symbol, least: sympy.Symbol) -> Derivation:
    """The velocity along the path: ``x₁ − (1 − σ_min) x₀``, its derivative in t.

    >>> velocity(1.0, 3.0, 0.0)
    2.0
    """
    import sympy

    t = sympy.Symbol("t", nonnegative=True)
    value = x1 - x0 + least * x0
    moved = (1 - (1 - least) * t) * x0 + t * x1
    return Derivation(value=value, steps=(step("the derivative", sympy.diff(moved, t), value, "linear in t"),))


@closed_form(
    "flow_matching.velocity_at",
    arguments={"x": "real", "x1": "real", "t": "nonnegative", "least": "nonnegative"},
    source="Lipman et al. 2023, eq. 21",
)
def velocity_at(x: sympy.Symbol, x1: sympy.Symbol, t: sympy.Symbol, least: sympy.Symbol) -> Derivation:
    """The velocity at a point of the path to x₁: ``(x₁ − (1 − σ_min) x)/(1 − (1 − σ_min) t)``.

    >>> velocity_at(2.0, 3.0, 0.5, 0.0)
    2.0
    """
    import sympy

    x0 = sympy.Symbol("x0", real=True)
    value = (x1 - (1 - least) * x) / (1 - (1 - least) * t)
    on_it = value.subs(x, (1 - (1 - least) * t) * x0 + t * x1)
    return Derivation(
        value=value,
        steps=(step("on the path it is the same", sympy.simplify(on_it), x1 - (1 - least) * x0, "x₀ from x"),),
    )


@closed_form(
    "flow_matching.marginal_velocity",
    arguments={"x": "real", "t": "nonnegative", "mean": "real", "data": "positive"},
    source="Lipman et al. 2023, eq. 8; Albergo & Vanden-Eijnden 2023, eq. 10",
)
def marginal_velocity(x: sympy.Symbol, t: sympy.Symbol, mean: sympy.Symbol, data: sympy.Symbol) -> Derivation:
    """The mean velocity at a point, for noise N(0, 1) and data N(m, d²): a regression of x₁ − x₀ on x.

    E[x₁ − x₀ | x] = m + (t d² − (1 − t))/(t² d² + (1 − t)²) (x − t m)

    >>> marginal_velocity(1.0, 0.0, 0.0, 1.0), marginal_velocity(1.0, 1.0, 0.0, 1.0)
    (-1.0, 1.0)
    """
    covariance, variance = t * data**2 - (1 - t), t**2 * data**2 + (1 - t) ** 2
    return Derivation(value=mean + covariance / variance * (x - t * mean))


def matching(
    field: Callable[..., Tensor], x0: Tensor, x1: Tensor, t: Tensor, column: Tensor, least: float
) -> tuple[Tensor, ...]:
    """The terms of ``(v(x_t, t) − u)²`` in each number.

    Shapes: x0, x1 [batch, event]; t as the field takes it, and as a column beside the samples.
    """
    point = (1 - (1 - least) * column) * x0 + column * x1
    found, wanted = field(point, t), x1 - (1 - least) * x0
    return found**2, -2 * found * wanted, wanted**2
