"""The recurrence of Adafactor: the second moment of a matrix held as its row and column means."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_reductions import column_mean, if_matrix, rms, row_mean

if TYPE_CHECKING:
    import sympy

__all__ = ["adafactor"]

Line = tuple[str, "sympy.Expr"]


def _estimate(form: str, factors: str, machine: bool) -> tuple[list[Line], sympy.Expr]:
    """(lines of the factored second moment, the square root's inverse of its estimate)."""
    import sympy

    d, s, rows, columns, q, f = symbols("d s rows columns q forget")
    eps1 = symbols("machine_epsilon" if machine else "eps1")[0]
    one = sympy.Integer(1)
    square = d**2 + (eps1 if form == "paper" else 0)
    level = column_mean(rows)
    if form == "torch":
        level = sympy.Max(level, eps1)
    product = {
        "normalised": rows * columns / level,
        "product": rows * columns,
        "elementwise": s,
        "rows": rows,
    }[factors]
    lines: list[Line] = [
        ("s", f * square + (one - f) * s),
        ("rows", f * row_mean(square) + (one - f) * rows),
        ("columns", f * column_mean(square) + (one - f) * columns),
        ("q", if_matrix(product, s)),
    ]
    return lines, one / sympy.sqrt(sympy.Max(q, eps1**2) if form == "torch" else q)


@functools.cache
def adafactor(
    *,
    form: str = "torch",
    factors: str = "normalised",
    clipping: str = "rms",
    scale: str = "parameter",
    relative: bool = True,
    decay: str = "none",
    machine: bool = False,
    maximize: bool = False,
) -> Recurrence:
    """θ ← θ - α_t u / max(1, RMS(u)/d), u = g/√V̂, α_t = max(ε₂, RMS(θ)) min(η, 1/√t), V̂ = R C / mean(R).

    R and C are the means of the rows and columns of V ← β₂ₜ V + (1-β₂ₜ) g², with β₂ₜ = 1 - t^τ; parameters of one
    dimension keep V whole. `form`: paper, g² + ε₁ is averaged; torch, V̂ is kept above ε₁², and mean(R) above ε₁.
    `scale`: parameter, as above; none, α_t without RMS(θ). Not `relative`: η for min(η, 1/√t). `machine`: ε₁ is the
    spacing of the parameters' dtype at 1. `decay`: decoupled η λ θ, or decoupled_step α_t λ θ.

    Source: Shazeer & Stern 2018, algorithm 4; torch.optim.Adafactor.
    """
    import sympy

    g, u, theta, lr, wd, t = symbols("g u theta lr weight_decay t")
    eps2, d, tau, step, d_line = symbols("eps2 clip beta2_decay step d")
    one = sympy.Integer(1)
    rate = sympy.Min(lr, one / sympy.sqrt(t)) if relative else lr
    alpha = sympy.Max(eps2, rms(theta)) * rate if scale == "parameter" else rate
    lines: list[Line] = [("a", -g if maximize else g)]
    signed = symbols("a")[0]
    lines.append(("d", signed + wd * theta if decay == "coupled" else signed))
    lines += [("forget", t**tau), ("step", alpha)]
    if decay in ("decoupled", "decoupled_step"):
        lines.append(("theta", theta * (one - (lr if decay == "decoupled" else step) * wd)))
    moment, inverse_root = _estimate(form, factors, machine)
    lines += [*moment, ("u", d_line * inverse_root)]
    clipped = {"rms": u / sympy.Max(one, rms(u) / d), "none": u, "always": u / (rms(u) / d)}[clipping]
    return Recurrence(lines=(*lines, ("theta", theta - step * clipped)))
