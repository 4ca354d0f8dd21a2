"""What is claimed of continuous flows: how the logabsdet changes, and what steps of a method do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["CHANGE", "DISCRETISED", "LINEAR", "ONE_PROBE", "REVERSED", "sensitivities"]


def sensitivities(size: int) -> tuple[sympy.Matrix, sympy.Matrix]:
    """The sensitivities Φ = ∂x(t)/∂x(0) as functions of t, and the field's Jacobian J at x(t)."""
    import sympy

    t = sympy.Symbol("t", real=True)
    flow = sympy.Matrix(size, size, lambda i, j: sympy.Function(f"phi{i + 1}{j + 1}")(t))
    slope = sympy.Matrix(size, size, lambda i, j: sympy.Symbol(f"j{i + 1}{j + 1}", real=True))
    return flow, slope


def change_equation(size: int = 2) -> sympy.Basic:
    """The slope of det Φ, with dΦ/dt = J Φ put in, and tr J · det Φ."""
    import sympy

    t = sympy.Symbol("t", real=True)
    flow, slope = sensitivities(size)
    moved: Any = slope * flow
    rules: Any = {sympy.Derivative(flow[i, j], t): moved[i, j] for i in range(size) for j in range(size)}
    before: Any = flow.det()
    return sympy.Eq(sympy.diff(before, t).subs(rules), slope.trace() * before, evaluate=False)


def discretised_equation() -> sympy.Basic:
    """After n Euler steps along f(x) = a x over a span T: the logabsdet of the map less the one that is integrated."""
    import sympy

    n, a, span = sympy.symbols("n a T", positive=True)
    gap = n * sympy.log(1 + a * span / n) - a * span
    return sympy.Eq(sympy.Limit(n * gap, n, sympy.oo), -((a * span) ** 2) / 2, evaluate=False)


def reversed_equation() -> sympy.Basic:
    """One Euler step of width h there and one back along f(x) = a x."""
    import sympy

    a, h, x = sympy.symbols("a h x", real=True)
    there = x + h * a * x
    return sympy.Eq(there - h * a * there - x, -((a * h) ** 2) * x, evaluate=False)


CHANGE = claim(
    "continuous_flows.change_of_variables", Status.DERIVED,
    statement="along dx/dt = f(x, t) the sensitivities Φ = ∂x(t)/∂x(0) obey dΦ/dt = (∂f/∂x) Φ, and d log|det Φ|/dt = "
    "tr ∂f/∂x; so log p falls along the way by ∫ tr ∂f/∂x dt",
    source="Chen, Rubanova, Bettencourt & Duvenaud 2018, theorem 1; Liouville 1838",
    assumptions=("f continuous in t, and C¹ in x with bounded derivative", "two and three dimensions, for the algebra "
                 "executed"),
    theorems=(
        "a flow is differentiable in its initial value (Hartman 1964, theorem V.3.1)", "Jacobi's formula (any size)"
    ),
    equation=change_equation,
)  # fmt: skip
LINEAR = claim(
    "continuous_flows.linear", Status.DERIVED,
    statement="along f(x) = A x the sample is e^{AT} x, and its logabsdet T tr A at every x",
    source="Papamakarios et al. 2021, section 4.2",
    assumptions=("two dimensions and A with distinct eigenvalues, for the algebra executed",),
)  # fmt: skip
DISCRETISED = claim(
    "continuous_flows.discretised", Status.REFUTED,
    statement="the logabsdet that is integrated beside the sample is that of the map that the steps compute",
    source="Chen et al. 2018, theorem 1, read as a statement on what is computed",
    counterexample="one Euler step along f(x) = x from 0 to 1 doubles x: log 2 = 0.693, and 1 is integrated",
    corrected="it approaches that of the exact flow, as the sample does; over n Euler steps the two differ by "
    "−(aT)²/(2n) + O(1/n²) along f(x) = a x, and a method of order p leaves a gap of order p",
    equation=discretised_equation,
)  # fmt: skip
REVERSED = claim(
    "continuous_flows.reversed", Status.REFUTED,
    statement="a continuous flow is inverted exactly by integrating it backwards",
    source="Grathwohl et al. 2019, section 3.1 (reversibility), read as a statement on what is computed",
    counterexample="one Euler step along f(x) = x there and back: 0 for every x where the width is 1",
    corrected="the exact flow is; explicit steps are not, and one of Euler there and back leaves −(ah)² x along "
    "f(x) = a x, so that a flow must state the accuracy of its inverse",
    equation=reversed_equation,
)  # fmt: skip
ONE_PROBE = claim(
    "continuous_flows.one_probe", Status.DERIVED,
    statement="with one probe v, E vvᵀ = I, kept all along the way, E ∫ vᵀ(∂f/∂x)v dt = ∫ tr ∂f/∂x dt, over a fixed "
    "number of steps of any Runge–Kutta method as well: it is linear in vvᵀ, and the sample does not depend on v",
    source="Grathwohl et al. 2019, eq. 8",
    assumptions=(
        "steps that do not depend on v, as those of an adaptive method that looks at the error of the estimate do",
    ),
)  # fmt: skip
