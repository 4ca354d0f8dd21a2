"""The recurrences of gradient descent and of momentum in its forms.

θ descends along a direction d that is made of the gradients so far: d = g (gradient descent), an undamped sum
b ← β b + g (heavy ball, Polyak 1964), an average m ← β m + (1 - β) g, or a look ahead along either (Nesterov 1983).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from genverify.oracles.recurrences import Recurrence, symbols

if TYPE_CHECKING:
    import sympy

__all__ = ["FORMS", "descent", "momentum"]

Lines = tuple[tuple[str, "sympy.Expr"], ...]
_Form = Callable[..., tuple["sympy.Expr", "sympy.Expr"]]


def _forms() -> dict[str, tuple[sympy.Expr, sympy.Expr]]:
    """Form → (new buffer from the old b and the decayed gradient d, direction from the new buffer and d)."""
    import sympy

    b, d, beta, damping, t = symbols("b d momentum dampening t")
    one = sympy.Integer(1)
    damped = beta * b + (one - damping) * d
    torchs = sympy.Piecewise((d, sympy.Eq(t, 1)), (damped, True))
    average = beta * b + (one - beta) * d
    heavy = beta * b + d
    return {
        "heavy_ball": (heavy, b),
        "ema": (average, b),
        "ema_corrected": (average, b / (one - beta**t)),
        "ema_undamped_first": (sympy.Piecewise((d, sympy.Eq(t, 1)), (average, True)), b),
        "torch": (torchs, b),
        "torch_nesterov": (torchs, d + beta * b),
        "damped": (damped, b),
        "damped_nesterov": (damped, d + beta * b),
        "nesterov": (heavy, d + beta * b),
        "nesterov_without_gradient": (heavy, beta * b),
        "nesterov_ema": (average, (one - beta) * d + beta * b),
        "nesterov_ema_full_gradient": (average, d + beta * b),
    }


FORMS = (
    "heavy_ball",
    "ema",
    "ema_corrected",
    "ema_undamped_first",
    "torch",
    "torch_nesterov",
    "damped",
    "damped_nesterov",
    "nesterov",
    "nesterov_without_gradient",
    "nesterov_ema",
    "nesterov_ema_full_gradient",
)


def _signed(maximize: bool) -> tuple[str, sympy.Expr]:
    (g,) = symbols("g")
    return ("a", -g if maximize else g)


def _decayed(decay: str, maximize: bool) -> Lines:
    """The lines that make the gradient d out of g, with weight decay of that dialect."""
    a, theta, lr, wd = symbols("a theta lr weight_decay")
    first = _signed(maximize)
    if decay == "coupled":
        return (first, ("d", a + wd * theta))
    if decay == "decoupled":
        return (first, ("d", a), ("theta", theta - lr * wd * theta))
    if decay == "decoupled_unscaled":
        return (first, ("d", a), ("theta", theta - wd * theta))
    return (first, ("d", a))


def descent(*, decay: str = "none", maximize: bool = False) -> Recurrence:
    """θ ← θ - η g.

    Source: Cauchy 1847; the Blog's algorithm "gradient descent".

    >>> descent().equations()[-1]
    Eq(theta_t, -d_t*lr + theta_{t-1})
    """
    d, theta, lr = symbols("d theta lr")
    return Recurrence(lines=(*_decayed(decay, maximize), ("theta", theta - lr * d)))


def momentum(form: str, *, velocity: str = "unit", decay: str = "none", maximize: bool = False) -> Recurrence:
    """θ ← θ - η (direction), with the buffer and direction of the form; a folded velocity carries η inside the buffer.

    Source: Polyak 1964, eq. (9); Nesterov 1983; Sutskever et al. 2013, eqs. (1)-(4); torch.optim.SGD.

    >>> momentum("heavy_ball").equations()[-2]
    Eq(b_t, b_{t-1}*momentum + d_t)
    """
    import sympy

    d, theta, lr, beta = symbols("d theta lr momentum")
    buffer, direction = _forms()[form]
    lines = _decayed(decay, maximize)
    if velocity == "folded":
        # b holds η times the sum; the gradient enters with today's η, the past with the η of its own day.
        scaled = buffer.subs(d, lr * d)
        step = direction.subs(d, lr * d)
        return Recurrence(lines=(*lines, ("b", scaled), ("theta", theta - step)))
    if velocity == "stale":
        return Recurrence(lines=(*lines, ("theta", theta - lr * direction), ("b", buffer)))
    if velocity == "stale_look_ahead":
        heavy = sympy.expand(direction.subs(d, 0)) != 0 and direction.has(d)
        ahead = d + beta * symbols("b")[0] if heavy else direction
        return Recurrence(lines=(*lines, ("theta", theta - lr * ahead), ("b", buffer)))
    return Recurrence(lines=(*lines, ("b", buffer), ("theta", theta - lr * direction)))
