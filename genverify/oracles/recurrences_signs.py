"""The recurrences of Rprop and Lion, which heed the signs of gradients alone, and of ASGD, whose rate decays."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_compiled import held_in_float32
from genverify.oracles.recurrences_decay import decay_lines

if TYPE_CHECKING:
    import sympy

__all__ = ["asgd", "lion", "rprop"]


@functools.cache
def rprop(*, variant: str = "zeroed", clamp: str = "both", maximize: bool = False) -> Recurrence:
    """θ ← θ - s sign g with a step size s for each element: s η⁺ where g keeps its sign, s η⁻ where it changes.

    `variant`, at a change of sign: zeroed, no step, and the next gradient counts as the first (iRprop⁻); minus, a step
    with the smaller s all the same (Rprop⁻); plus, the last step is taken back, and the next gradient counts as the
    first (Rprop⁺).

    Source: Riedmiller & Braun 1993; Igel & Hüsken 2003 for the names; torch.optim.Rprop (zeroed).
    """
    import sympy

    g, d, p, s, w, x, theta = symbols("g d p s w x theta")
    down, up, low, high = symbols("etaminus etaplus step_size_min step_size_max")
    zero = sympy.Integer(0)
    agrees: sympy.Expr = d * p
    lines: list[tuple[str, sympy.Expr]] = [("d", -g if maximize else g)]
    grown = s * sympy.Piecewise((up, agrees > 0), (down, agrees < 0), (sympy.Integer(1), True))
    clamped = {
        "both": sympy.Min(sympy.Max(grown, low), high),
        "none": grown,
        "above": sympy.Min(grown, high),
        "below": sympy.Max(grown, low),
    }[clamp]
    forward = -sympy.sign(d) * s
    lines.append(("s", clamped))
    if variant == "plus":
        lines.append(("w", sympy.Piecewise((-w, agrees < 0), (forward, True))))
        lines.append(("x", w))
    elif variant in ("zeroed", "zeroed_step"):
        lines.append(("x", sympy.Piecewise((zero, agrees < 0), (forward, True))))
    else:
        lines.append(("x", forward))
    remembers = variant in ("minus", "zeroed_step")
    lines += [("p", d if remembers else sympy.Piecewise((zero, agrees < 0), (d, True))), ("theta", theta + x)]
    return Recurrence(lines=tuple(lines), initial={"s": symbols("lr")[0]})


@functools.cache
def lion(*, direction: str = "interpolated", decay: str = "none", maximize: bool = False) -> Recurrence:
    """θ ← θ - η (sign(β₁ m + (1-β₁) g) + λ θ), m ← β₂ m + (1-β₂) g; sign 0 = 0.

    `direction`: interpolated, as above; moment sign m after its update (signum); no_sign the mean itself.

    Source: Chen et al. 2023, algorithm 2; Bernstein et al. 2018 for signum.
    """
    import sympy

    d, m, x, theta, lr, b1, b2 = symbols("d m x theta lr beta1 beta2")
    one = sympy.Integer(1)
    before, after = decay_lines(decay, maximize)
    mean: tuple[str, sympy.Expr] = ("m", b2 * m + (one - b2) * d)
    looked = b1 * m + (one - b1) * d
    if direction == "moment":
        return Recurrence(lines=(*before, mean, ("theta", theta - lr * sympy.sign(m)), *after))
    if direction == "late":
        return Recurrence(lines=(*before, mean, ("theta", theta - lr * sympy.sign(looked)), *after))
    found = looked if direction == "no_sign" else sympy.sign(looked)
    kept = ("m", symbols("x")[0]) if direction == "shared" else mean
    if direction == "shared":
        return Recurrence(lines=(*before, ("x", looked), ("theta", theta - lr * sympy.sign(x)), kept, *after))
    return Recurrence(lines=(*before, ("x", found), ("theta", theta - lr * x), kept, *after))


@functools.cache
def asgd(*, rate: str = "before", held: str = "single", decay: str = "none", maximize: bool = False) -> Recurrence:
    """θ ← θ (1 - λ η_t) - η_t g, η_{t+1} = η / (1 + λ η t)^α, η₁ = η; the average of θ is kept beside it.

    `rate`: before, as above: η_t was made at the step before, with that step's η; now, η / (1 + λ η t)^α at once;
    current, η / (1 + λ η (t-1))^α at once;
    constant, η. `held`: single where η_t may be a float32 number (as torch's is, whatever the dtype), or exact.

    Source: Polyak & Juditsky 1992; Bottou 2012, section 5.3; torch.optim.ASGD.
    """
    import sympy

    d, theta, lr, eta, lambd, alpha, t = symbols("d theta lr eta lambd alpha t")
    one = sympy.Integer(1)
    before, after = decay_lines(decay, maximize)
    made: sympy.Expr = lr / (one + lambd * lr * t) ** alpha
    if rate == "current":
        made = lr / (one + lambd * lr * (t - one)) ** alpha
    kept = lr if rate == "constant" else held_in_float32(made) if held == "single" else made
    first: sympy.Expr = held_in_float32(eta) if held == "single" else eta
    old: tuple[str, sympy.Expr] = ("old", first)
    step: tuple[str, sympy.Expr] = ("theta", theta * (one - lambd * symbols("old")[0]) - symbols("old")[0] * d)
    if rate in ("now", "current"):
        return Recurrence(lines=(*before, ("old", kept), step, *after))
    return Recurrence(lines=(*before, old, ("eta", kept), step, *after), initial={"eta": lr})
