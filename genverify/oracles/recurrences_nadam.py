"""The recurrences of NAdam and RAdam: Adam that looks ahead, and Adam that waits until its variance can be trusted."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_compiled import held_in_float32
from genverify.oracles.recurrences_decay import decay_lines

if TYPE_CHECKING:
    import sympy

__all__ = ["nadam", "radam"]

Line = tuple[str, "sympy.Expr"]


def _look_ahead(schedule: str, average: str, held: str) -> tuple[list[Line], sympy.Expr, dict[str, sympy.Expr]]:
    """(lines of the schedule, the mean that is descended, initial values of buffers)."""
    import sympy

    d, m, k, b1, t, psi = symbols("d m k beta1 t momentum_decay")
    one = sympy.Integer(1)
    if schedule in ("constant", "constant_now", "uncorrected_gradient"):
        lines = [("m", b1 * m + (one - b1) * d)]
        ahead = b1 * m / (one - (b1 ** (t + 1) if schedule == "constant" else b1**t))
        fresh = (one - b1) * d if schedule == "uncorrected_gradient" else (one - b1) * d / (one - b1**t)
        return lines, ahead + fresh, {}

    def momentum(n: sympy.Expr) -> sympy.Expr:
        return b1 * (one - sympy.Rational(1, 2) * sympy.Rational(24, 25) ** (n * psi))

    now, following = symbols("now next")
    product = now * k
    lines = [
        ("now", momentum(t)),
        ("next", now if schedule == "same" else momentum(t + 1)),
        ("k", held_in_float32(product) if held == "single" else product),
        ("m", now * m + (one - now) * d if average == "scheduled" else b1 * m + (one - b1) * d),
    ]
    if schedule == "no_product":
        return lines, following * m / (one - b1 ** (t + 1)) + (one - now) * d / (one - b1**t), {"k": one}
    return lines, following * m / (one - k * following) + (one - now) * d / (one - k), {"k": one}


@functools.cache
def nadam(
    *,
    epsilon: str = "outside",
    schedule: str = "warming",
    average: str = "plain",
    second: str = "corrected",
    held: str = "single",
    decay: str = "none",
    maximize: bool = False,
) -> Recurrence:
    """θ ← θ - η (μ_{t+1} m / (1 - Π_{i≤t+1} μ_i) + (1-μ_t) g / (1 - Π_{i≤t} μ_i)) / (√v̂ + ε).

    m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², μ_t = β₁ (1 - 0.96^(t ψ) / 2).

    `schedule`: warming, as above; constant, μ = β₁ and the products are powers; constant_now, with 1 - β₁ᵗ for both.
    `average`: plain, or scheduled m ← μ_t m + (1-μ_t) g. `second`: corrected v̂ = v/(1-β₂ᵗ), or scaled β₂ v/(1-β₂ᵗ).
    `held`: single where the product may be a float32 number (as torch's is, whatever the dtype), or exact.

    Source: Dozat 2016, algorithm 2; torch.optim.NAdam.
    """
    import sympy

    d, v, theta, lr, b2, eps, t = symbols("d v theta lr beta2 eps t")
    one = sympy.Integer(1)
    before, after = decay_lines(decay, maximize)
    lines, mean, initial = _look_ahead(schedule, average, held)
    corrected = {"corrected": v / (one - b2**t), "scaled": b2 * v / (one - b2**t), "uncorrected": v}[second]
    denominator = sympy.sqrt(corrected) + eps if epsilon == "outside" else sympy.sqrt(corrected + eps)
    square: Line = ("v", b2 * v + (one - b2) * d**2)
    step: Line = ("theta", theta - lr * mean / denominator)
    return Recurrence(lines=(*before, *lines, square, step, *after), initial=initial)


@functools.cache
def radam(
    *,
    epsilon: str = "hat",
    threshold: str = "five",
    early: str = "momentum",
    rectification: str = "paper",
    decay: str = "none",
    maximize: bool = False,
) -> Recurrence:
    """Adam times r_t where ρ_t > 5, momentum alone (θ ← θ - η m̂) before that.

    ρ_∞ = 2/(1-β₂) - 1, ρ_t = ρ_∞ - 2 t β₂ᵗ/(1-β₂ᵗ), r_t = √((ρ_t-4)(ρ_t-2)ρ_∞ / ((ρ_∞-4)(ρ_∞-2)ρ_t)).

    `threshold`: five, or four as in the paper. `epsilon`: hat √(1-β₂ᵗ)/(√v + ε); outside 1/(√v̂ + ε); none.
    `early`: momentum, or still: no step while ρ_t is small.

    Source: Liu et al. 2020, algorithm 2; torch.optim.RAdam.
    """
    import sympy

    d, m, v, theta, lr, b1, b2, eps, t = symbols("d m v theta lr beta1 beta2 eps t")
    whole, length, step = symbols("rho_inf rho_t step")
    one, two, four = sympy.Integer(1), sympy.Integer(2), sympy.Integer(4)
    before, after = decay_lines(decay, maximize)
    c1, c2 = one - b1**t, one - b2**t
    rectified = sympy.sqrt((length - four) * (length - two) * whole / ((whole - four) * (whole - two) * length))
    factor = {
        "paper": rectified,
        "none": one,
        "no_root": rectified**2,
        "unscaled": sympy.sqrt((length - four) * (length - two) / length),
    }[rectification]
    adaptive = {
        "hat": sympy.sqrt(c2) / (sympy.sqrt(v) + eps),
        "outside": one / (sympy.sqrt(v / c2) + eps),
        "inside": one / sympy.sqrt(v / c2 + eps),
        "none": sympy.sqrt(c2) / sympy.sqrt(v),
    }[epsilon]
    least = {"five": 5, "four": 4, "six": 6, "never": 0}[threshold]
    plain = {"momentum": m / c1, "still": sympy.Integer(0), "gradient": d, "uncorrected": m}[early]
    chosen = sympy.Piecewise((factor * adaptive * m / c1, length > least), (plain, True))
    lines: tuple[Line, ...] = (
        ("m", b1 * m + (one - b1) * d),
        ("v", b2 * v + (one - b2) * d**2),
        ("rho_inf", two / (one - b2) - one),
        ("rho_t", whole - two * t * b2**t / c2),
        ("step", chosen),
        ("theta", theta - lr * step),
    )
    return Recurrence(lines=(*before, *lines, *after))
