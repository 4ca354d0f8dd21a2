"""The lines that make the gradient d out of g, in every convention of where the weight decay λ acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.oracles.recurrences_compiled import symbols

if TYPE_CHECKING:
    import sympy

__all__ = ["Lines", "decay_lines"]

Lines = tuple[tuple[str, "sympy.Expr"], ...]


def decay_lines(decay: str, maximize: bool) -> tuple[Lines, Lines]:
    """The lines before the moments are updated, and those after the step.

    Coupled decay is in the gradient (g + λ θ), decoupled decay beside the step (θ - η λ θ, or θ - λ θ unscaled), before
    it or after.

    Source: Loshchilov & Hutter 2019, algorithms 1 and 2.
    """
    import sympy

    g, a, theta, lr, wd = symbols("g a theta lr weight_decay")
    signed = ("a", -g if maximize else g)
    plain, shrink = ("d", a), ("theta", theta * (sympy.Integer(1) - lr * wd))
    if decay == "coupled":
        return (signed, ("d", a + wd * theta)), ()
    if decay == "decoupled":
        return (signed, plain, shrink), ()
    if decay == "decoupled_unscaled":
        return (signed, plain, ("theta", theta * (sympy.Integer(1) - wd))), ()
    if decay == "decoupled_after":
        return (signed, plain), (shrink,)
    return (signed, plain), ()
