"""The recurrences of Adagrad, RMSProp, Adam, AdamW and AMSGrad, in the conventions that the field uses.

All divide a mean of the gradients by the root of a mean (or sum) of their squares; they differ in where ε stands, in
which means are corrected for having begun at zero, in how the weights decay, and in what is maximised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_decay import decay_lines

if TYPE_CHECKING:
    import sympy

__all__ = ["adagrad", "adam", "rmsprop"]


def adam(
    *,
    epsilon: str = "outside",
    correction: str = "both",
    decay: str = "none",
    maximum: str = "none",
    second: str = "square",
    maximize: bool = False,
) -> Recurrence:
    """Adam: m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², θ ← θ - η m̂ / (√v̂ + ε), and its dialects.

    `epsilon`: outside √v̂ + ε (algorithm 1); hat, √v + ε̂ before the corrections (end of section 2); inside √(v̂ + ε);
    inside_hat √(v + ε). `maximum`: v, the running maximum of v, corrected afterwards; v_hat, that of v̂.

    Source: Kingma & Ba 2015, algorithm 1; Reddi et al. 2018, algorithm 2; Loshchilov & Hutter 2019, algorithm 2.

    >>> adam().equations()[2]
    Eq(m_t, beta1*m_{t-1} + d_t*(1 - beta1))
    """
    import sympy

    d, m, v, x, theta, lr, b1, b2, eps, t = symbols("d m v x theta lr beta1 beta2 eps t")
    one = sympy.Integer(1)
    before, after = decay_lines(decay, maximize)
    square = {"square": d**2, "absolute": sympy.Abs(d), "momentum": m**2}[second]
    lines: list[tuple[str, sympy.Expr]] = [*before, ("m", b1 * m + (one - b1) * d), ("v", b2 * v + (one - b2) * square)]
    c1 = one - b1**t if correction in ("both", "first") else one
    c2 = one - b2**t if correction in ("both", "second") else one
    if maximum == "v_hat":
        lines.append(("x", sympy.Max(x, v / c2)))
        held, c2 = x, one
    elif maximum == "v":
        lines.append(("x", sympy.Max(x, v)))
        held = x
    else:
        held = v
    denominator = {
        "outside": sympy.sqrt(held / c2) + eps,
        "hat": (sympy.sqrt(held) + eps) / sympy.sqrt(c2),
        "inside": sympy.sqrt(held / c2 + eps),
        "inside_hat": sympy.sqrt(held + eps) / sympy.sqrt(c2),
        "no_root": held / c2 + eps,
    }[epsilon]
    lines += [("theta", theta - lr * (m / c1) / denominator), *after]
    return Recurrence(lines=tuple(lines))


def rmsprop(
    *, epsilon: str = "outside", center: str = "none", form: str = "none", decay: str = "none", maximize: bool = False
) -> Recurrence:
    """RMSProp: v ← α v + (1-α) g², θ ← θ - η g / (√v + ε); centred, v - m² for v, with m the mean gradient.

    Source: Tieleman & Hinton 2012, lecture 6e; Graves 2013, eqs. (38)-(45) for the centred form; torch.optim.RMSprop.
    """
    import sympy

    d, m, v, b, theta, lr, alpha, eps, mu = symbols("d m v b theta lr alpha eps momentum")
    one = sympy.Integer(1)
    before, after = decay_lines(decay, maximize)
    lines: list[tuple[str, sympy.Expr]] = [*before, ("v", alpha * v + (one - alpha) * d**2)]
    variance: sympy.Expr = v
    if center != "none":
        lines.append(("m", alpha * m + (one - alpha) * d))
        variance = v - (m**2 if center == "variance" else m)
    denominator = {
        "outside": sympy.sqrt(variance) + eps,
        "inside": sympy.sqrt(variance + eps),
        "no_root": variance + eps,
    }
    step = d / denominator[epsilon]
    if form == "none":
        lines.append(("theta", theta - lr * step))
    elif form == "folded":
        lines += [("b", mu * b + lr * step), ("theta", theta - b)]
    else:
        lines += [("b", mu * b + step), ("theta", theta - lr * b)]
    return Recurrence(lines=(*lines, *after))


def adagrad(
    *, epsilon: str = "outside", accumulator: str = "sum", decay: str = "none", maximize: bool = False
) -> Recurrence:
    """G ← G + g², θ ← θ - η / (1 + (t-1) η_decay) · g / (√G + ε).

    Source: Duchi, Hazan & Singer 2011, figure 1 (diagonal); torch.optim.Adagrad for the decay of the rate.
    """
    import sympy

    d, s, theta, lr, eps, lr_decay, t = symbols("d s theta lr eps lr_decay t")
    before, after = decay_lines(decay, maximize)
    square = d**2 if accumulator == "sum" else sympy.Abs(d)
    rate = lr / (1 + (t - 1) * lr_decay)
    denominator = {"outside": sympy.sqrt(s) + eps, "inside": sympy.sqrt(s + eps), "no_root": s + eps}[epsilon]
    lines = (*before, ("s", s + square), ("theta", theta - rate * d / denominator), *after)
    return Recurrence(lines=lines, initial={"s": symbols("initial_accumulator_value")[0]})
