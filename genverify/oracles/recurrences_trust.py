"""The recurrences of LARS and LAMB: a step as long as the parameter's own norm, times the rate."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_decay import decay_lines
from genverify.oracles.recurrences_reductions import if_matrix, norm, rms

if TYPE_CHECKING:
    import sympy

__all__ = ["lamb", "lars"]

Line = tuple[str, "sympy.Expr"]


def _or_one(ratio: sympy.Expr, *norms: sympy.Expr) -> sympy.Expr:
    """The ratio where no norm is zero, 1 where one is."""
    import sympy

    for one in norms:
        ratio = sympy.Piecewise((ratio, one > 0), (sympy.Integer(1), True))
    return ratio


@functools.cache
def lars(
    *,
    trust: str = "sum",
    vectors: str = "adapted",
    velocity: str = "folded",
    epsilon: str = "none",
    nesterov: bool = False,
    maximize: bool = False,
) -> Recurrence:
    """LARS: b ← μ b + η r (g + λ θ), θ ← θ - b, with r = c ‖θ‖ / (‖g‖ + λ ‖θ‖), and r = 1 where a norm is zero.

    `trust`: sum, as above; joint, c ‖θ‖/‖g + λ θ‖; gradient, c ‖θ‖/‖g‖; clipped, min(r/η, 1). `vectors`: adapted;
    bare, r = 1 in parameters of one dimension or none; plain, r = 1 and λ = 0 there. `velocity`: folded, or unit
    b ← μ b + r (g + λ θ), θ ← θ - η b. `epsilon`: outside, added to the denominator.

    Source: You, Gitman & Ginsburg 2017, algorithm 1.
    """
    import sympy

    g, a, d, b, r, theta, lr, mu, wd = symbols("g a d b r theta lr momentum weight_decay")
    eps, c, weights, gradients = symbols("eps trust_coefficient weights gradients")
    one = sympy.Integer(1)
    decayed = a + (if_matrix(wd, 0) if vectors == "plain" else wd) * theta
    of = {"joint": norm(d), "sum": norm(a) + wd * weights, "clipped": norm(a) + wd * weights}.get(trust, norm(a))
    if trust == "rms":
        of = rms(a)
    denominator = gradients + (eps if epsilon == "outside" else 0)
    found: sympy.Expr = c * weights / denominator
    if trust == "inverted":
        found = c * denominator / weights
    if trust == "clipped":
        found = sympy.Min(found / lr, one)
    ratio = _or_one(found, weights, norm(d) if trust == "joint" else norm(a))
    lines: list[Line] = [
        ("a", -g if maximize else g),
        ("d", decayed),
        ("weights", norm(theta)),
        ("gradients", of),
        ("r", if_matrix(ratio, 1) if vectors != "adapted" else ratio),
    ]
    scaled = lr * r * d if velocity == "folded" else r * d
    ahead = mu * b + scaled if nesterov else b
    moved = theta - (ahead if velocity == "folded" else lr * ahead)
    if velocity == "outside":  # the ratio scales the velocity, not what enters it
        return Recurrence(lines=(*lines, ("b", mu * b + d), ("theta", theta - lr * r * b)))
    return Recurrence(lines=(*lines, ("b", mu * b + scaled), ("theta", moved)))


@functools.cache
def lamb(
    *,
    correction: str = "both",
    phi: str = "identity",
    ratio: str = "update",
    epsilon: str = "outside",
    maximize: bool = False,
) -> Recurrence:
    """LAMB: r = m̂/(√v̂ + ε) + λ θ, θ ← θ - η (φ(‖θ‖)/‖r‖) r; the ratio is 1 where a norm is zero.

    `correction`: both, or none. `phi`: identity; clamped, min(‖θ‖, 10). `ratio`: update, as above; clipped at 1; only
    where λ ≠ 0 (decayed).

    Source: You et al. 2020, algorithm 2.
    """
    import sympy

    d, m, v, x, u, theta, lr, wd = symbols("d m v x u theta lr weight_decay")
    b1, b2, eps, t, weights, length = symbols("beta1 beta2 eps t weights length")
    one = sympy.Integer(1)
    before, _ = decay_lines("none", maximize)
    c1, c2 = (one - b1**t, one - b2**t) if correction == "both" else (one, one)
    root = {"outside": sympy.sqrt(v / c2) + eps, "hat": (sympy.sqrt(v) + eps) / sympy.sqrt(c2)}
    root |= {"inside": sympy.sqrt(v / c2 + eps)}
    size = {"identity": weights, "clamped": sympy.Min(weights, 10)}[phi]
    of = {"undecayed": norm(x), "gradient": norm(d), "rms": rms(u)}.get(ratio, norm(u))
    found = length / size if ratio == "inverted" else size / length
    trust = _or_one(found, weights, length)
    if ratio == "clipped":
        trust = sympy.Min(trust, one)
    if ratio in ("none", "decayed"):
        trust = one
    lines: tuple[Line, ...] = (
        ("m", b1 * m + (one - b1) * d),
        ("v", b2 * v + (one - b2) * d**2),
        ("x", (m / c1) / root[epsilon]),
        ("u", x + wd * theta),
        ("weights", norm(theta)),
        ("length", of),
        ("theta", theta - lr * trust * u),
    )
    return Recurrence(lines=(*before, *lines))
