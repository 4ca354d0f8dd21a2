"""The recurrences of Adadelta and of Adamax: other yardsticks for the gradient than the root of its mean square."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_decay import decay_lines

if TYPE_CHECKING:
    import sympy

__all__ = ["adadelta", "adamax"]


@functools.cache
def adadelta(
    *, epsilon: str = "inside", accumulator: str = "steps", decay: str = "none", maximize: bool = False
) -> Recurrence:
    """Adadelta: v ← ρ v + (1-ρ) g², Δ = √(u+ε)/√(v+ε) g, u ← ρ u + (1-ρ) Δ², θ ← θ - η Δ; Δ uses the old u.

    Source: Zeiler 2012, algorithm 1 (where η = 1); torch.optim.Adadelta.

    >>> adadelta().buffers
    ('v', 'u')
    """
    import sympy

    d, v, u, x, theta, lr, rho, eps = symbols("d v u x theta lr rho eps")
    one = sympy.Integer(1)
    before, after = decay_lines(decay, maximize)

    def root(s: sympy.Expr) -> sympy.Expr:
        return sympy.sqrt(s + eps) if epsilon == "inside" else sympy.sqrt(s) + eps

    gradients: tuple[str, sympy.Expr] = ("v", rho * v + (one - rho) * d**2)
    kept = {"steps": x, "scaled": lr * x, "gradients": d}.get(accumulator, x)
    steps: tuple[str, sympy.Expr] = ("u", rho * u + (one - rho) * kept**2)
    if accumulator == "fresh":  # u is updated before it is used, with the step that the old u gives
        old: tuple[str, sympy.Expr] = ("x", d * root(u) / root(v))
        lines = (gradients, old, steps, ("w", d * root(u) / root(v)), ("theta", theta - lr * symbols("w")[0]))
        return Recurrence(lines=(*before, *lines, *after))
    quotient = root(v) / root(u) if accumulator == "swapped" else root(u) / root(v)
    lines = (gradients, ("x", d * quotient), steps, ("theta", theta - lr * x))
    return Recurrence(lines=(*before, *lines, *after))


@functools.cache
def adamax(
    *,
    epsilon: str = "in_maximum",
    correction: str = "first",
    second: str = "maximum",
    decay: str = "none",
    maximize: bool = False,
) -> Recurrence:
    """Adamax: m ← β₁ m + (1-β₁) g, u ← max(β₂ u, |g|), θ ← θ - η/(1-β₁ᵗ) m/u.

    `epsilon`: in_maximum max(β₂ u, |g| + ε); outside m/(u + ε); in_decayed max(β₂ u + ε, |g|); none.

    Source: Kingma & Ba 2015, algorithm 2 (none); torch.optim.Adamax (in_maximum).
    """
    import sympy

    d, m, u, theta, lr, b1, b2, eps, t = symbols("d m u theta lr beta1 beta2 eps t")
    one = sympy.Integer(1)
    before, after = decay_lines(decay, maximize)
    now = sympy.Abs(d) + (eps if epsilon == "in_maximum" else 0)
    past = b2 * u + (eps if epsilon == "in_decayed" else 0)
    largest = {
        "maximum": sympy.Max(past, now),
        "undecayed": sympy.Max(u, now),
        "mean": b2 * u + (one - b2) * now,
        "of_moment": sympy.Max(past, sympy.Abs(m)),
    }[second]
    c1 = one if correction in ("none", "second") else one - b1**t
    c2 = one - b2**t if correction in ("both", "second") else one
    denominator = u / c2 + (eps if epsilon == "outside" else 0)
    lines = (("m", b1 * m + (one - b1) * d), ("u", largest), ("theta", theta - lr * (m / c1) / denominator))
    return Recurrence(lines=(*before, *lines, *after))
