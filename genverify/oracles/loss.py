"""Losses of one prediction, derived in SymPy; those over classes for any number of classes in torch.

Reductions are no part of a loss: what is here is elementwise, or one number a row. Losses of logits are written with
log(1 + eˣ), which `ClosedForm` computes without overflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .activation import log_softmax
from .closed_form import Derivation, closed_form, step
from .computable import softplus

if TYPE_CHECKING:
    import sympy

__all__ = [
    "bce", "bce_with_logits", "cross_entropy", "cross_entropy_three", "focal", "hinge", "huber", "mse",
    "smoothed_targets",
]  # fmt: skip

_PAIR = {"prediction": "real", "target": "real"}


@closed_form("loss.mse", arguments=_PAIR, source="Bishop 2006, eq. 1.2")
def mse(prediction: sympy.Symbol, target: sympy.Symbol) -> Derivation:
    """The squared error; mean over what it is reduced over.

    (f − t)²

    Shapes: broadcast.

    Source: Bishop 2006, eq. 1.2 (which has a factor ½ in front of the sum).

    >>> mse(torch.tensor(1.0), torch.tensor(3.0))
    tensor(4.)
    """
    value = (prediction - target) ** 2
    return Derivation(value=value, steps=(step("symmetric", (target - prediction) ** 2, value, "expand"),))


@closed_form("loss.huber", arguments={**_PAIR, "delta": "positive"}, source="Huber 1964")
def huber(prediction: sympy.Symbol, target: sympy.Symbol, delta: sympy.Symbol) -> Derivation:
    """Huber's loss: quadratic near zero, linear beyond δ, with one derivative.

    ½ r² for |r| ≤ δ, else δ (|r| − ½ δ);  as one formula m (|r| − m/2) with m = min(|r|, δ)

    Shapes: broadcast.

    Source: Huber 1964, section 4.

    >>> huber(torch.tensor([1.0, 5.0]), torch.tensor(0.0), 2.0)
    tensor([0.5000, 8.0000])
    """
    import sympy

    distance = sympy.Abs(prediction - target)
    inner = sympy.Min(distance, delta)
    a, p = sympy.symbols("a p", positive=True)
    at = inner.func(a, delta)
    steps = (
        step("within δ", (at * (a - at / 2)).subs(delta, a + p), a**2 / 2, "min(a, a + p) = a"),
        step("beyond δ", (at * (a - at / 2)).subs(a, delta + p), delta * (delta + p - delta / 2), "min(δ + p, δ) = δ"),
    )
    return Derivation(value=inner * (distance - inner / 2), steps=steps)


@closed_form("loss.hinge", arguments={"score": "real", "sign": "real", "margin": "real"}, source="Cortes & Vapnik 1995")
def hinge(score: sympy.Symbol, sign: sympy.Symbol, margin: sympy.Symbol) -> Derivation:
    """The hinge loss of a score against a sign.

    max(0, 1 − t s), t ∈ {−1, 1}

    Shapes: broadcast.

    Source: Cortes & Vapnik 1995 (the slack of the soft margin); Rosasco et al. 2004, section 2.

    >>> hinge(torch.tensor([2.0, 0.25]), torch.tensor([1.0, 1.0]), 1.0)
    tensor([0.0000, 0.7500])
    """
    import sympy

    value = sympy.Max(0, margin - sign * score)
    p = sympy.Symbol("p", positive=True)
    beyond = value.subs(sign * score, margin + p)
    return Derivation(value=value, steps=(step("no loss beyond the margin", beyond, 0, "max(0, −p) = 0"),))


@closed_form("loss.bce", arguments={"probability": "positive", "label": "real"}, source="Bishop 2006, eq. 4.90")
def bce(probability: sympy.Symbol, label: sympy.Symbol) -> Derivation:
    """The binary cross-entropy of a probability.

    −y log p − (1 − y) log(1 − p)

    Shapes: broadcast; nats. Domain: 0 < p < 1, 0 ≤ y ≤ 1.

    Source: Bishop 2006, eq. 4.90.

    >>> bce(torch.tensor(0.5), torch.tensor(1.0))
    tensor(0.6931)
    """
    import sympy

    value = -label * sympy.log(probability) - (1 - label) * sympy.log(1 - probability)
    steps = (
        step("label 1", value.subs(label, 1), -sympy.log(probability), "the other factor is 0"),
        step("label 0", value.subs(label, 0), -sympy.log(1 - probability), "the other factor is 0"),
    )
    return Derivation(value=value, steps=steps, conditions=(sympy.StrictLessThan(probability, 1),))


@closed_form(
    "loss.bce_with_logits", arguments={"logit": "real", "label": "real", "weight": "positive"},
    source="Bishop 2006, eq. 4.59 and 4.90",
)  # fmt: skip
def bce_with_logits(logit: sympy.Symbol, label: sympy.Symbol, weight: sympy.Symbol) -> Derivation:
    """The binary cross-entropy of a logit, with a weight on the positive class.

    w y log(1 + e^(−x)) + (1 − y) log(1 + eˣ)

    Shapes: broadcast; nats.

    Source: Bishop 2006, eq. 4.59 and 4.90, with p = σ(x); w is torch's pos_weight, 1 without it.

    >>> bce_with_logits(torch.tensor(1e4), torch.tensor(0.0), 1.0)
    tensor(10000.)
    """
    import sympy

    value = weight * label * sympy.log(1 + sympy.exp(-logit)) + (1 - label) * sympy.log(1 + sympy.exp(logit))
    by_probability: Any = bce.derive(1 / (1 + sympy.exp(-logit)), label).value
    parts = [(value.subs({label: y, weight: 1}), by_probability.subs(label, y)) for y in (0, 1)]
    (at_zero, zero), (at_one, one) = parts
    steps = (
        step("label 1", one, at_one, "log 1/u = −log u"),
        step("label 0", sympy.exp(-zero), sympy.exp(-at_zero), "1 − σ(x) = 1/(1 + eˣ)"),
    )
    return Derivation(value=value, steps=steps)


@closed_form(
    "loss.focal", arguments={"logit": "real", "label": "real", "gamma": "nonnegative", "alpha": "real", "rest": "real"},
    source="Lin et al. 2017, eq. 5",
)  # fmt: skip
def focal(
    logit: sympy.Symbol, label: sympy.Symbol, gamma: sympy.Symbol, alpha: sympy.Symbol, rest: sympy.Symbol
) -> Derivation:
    """The focal loss of a logit, with the weights of the two classes.

    −α_t (1 − p_t)^γ log p_t, where p_t = σ(x) and α_t = α for label 1, p_t = σ(−x) and α_t = `rest` = 1 − α for label 0

    Shapes: broadcast; nats. `alpha` = `rest` = 1 is the form without α. Domain: labels 0 and 1.

    Source: Lin et al. 2017, eq. 4 and 5.

    >>> focal(torch.tensor(0.0), torch.tensor(1.0), 2.0, 1.0, 1.0)
    tensor(0.1733)
    """
    import sympy

    def of(z: sympy.Expr) -> sympy.Expr:
        # (1 + eᶻ)^(−γ) as an exponential, which does not overflow on the way.
        return sympy.exp(-gamma * softplus()(z)) * softplus()(-z)

    value = alpha * label * of(logit) + rest * (1 - label) * of(-logit)
    plain = value.subs({gamma: 0, alpha: 1, rest: 1})
    entropy = bce_with_logits.derive(logit, label, sympy.S.One).value
    plain = plain.rewrite(sympy.log)
    return Derivation(value=value, steps=(step("γ = 0", plain, entropy, "(1 − p)⁰ = 1"),))


@closed_form(
    "loss.cross_entropy_three", source="Bishop 2006, eq. 4.108",
    arguments={"x1": "real", "x2": "real", "x3": "real", "t1": "real", "t2": "real", "t3": "real"},
)  # fmt: skip
def cross_entropy_three(
    x1: sympy.Symbol, x2: sympy.Symbol, x3: sympy.Symbol, t1: sympy.Symbol, t2: sympy.Symbol, t3: sympy.Symbol
) -> Derivation:
    """Cross-entropy of logits against target probabilities at three classes: a proof more than a program.

    −Σ_k t_k log softmax(x)_k

    Shapes: broadcast; nats.

    Source: Bishop 2006, eq. 4.108.

    >>> round(cross_entropy_three(0, 0, 0, 1, 0, 0), 4)
    1.0986
    """
    import sympy

    xs, ts = (x1, x2, x3), (t1, t2, t3)
    normaliser = sympy.log(sum((sympy.exp(x) for x in xs), sympy.S.Zero))
    value = sum((t * (normaliser - x) for x, t in zip(xs, ts, strict=True)), sympy.S.Zero)
    mass = t1 + t2 + t3
    slope = mass * sympy.exp(x1) / sum((sympy.exp(x) for x in xs), sympy.S.Zero) - t1
    return Derivation(
        value=value, steps=(step("gradient", sympy.Derivative(value, x1), slope, "chain rule; Σ t = 1 in the end"),)
    )


def cross_entropy(logits: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    """Cross-entropy of logits against target probabilities, one term for each class: ``−t_k log softmax(x)_k``.

    Shapes: both [..., classes]; each of the additive terms, too. Sum over the last axis for the loss.

    Source: Bishop 2006, eq. 4.108.

    >>> sum(cross_entropy(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]))).sum()
    tensor(0.6931)
    """
    return tuple(-target * term for term in log_softmax(logits))


def smoothed_targets(target: Tensor, smoothing: Tensor | float, *, others_only: bool = False) -> Tensor:
    """Targets mixed with the uniform distribution: ``(1 − ε) t + ε/K``, or ε spread over the other classes alone.

    Shapes: [..., classes]. With `others_only` a one-hot target keeps 1 − ε, and each of the others gets ε/(K − 1).

    Source: Szegedy et al. 2016, section 7 (with 1/K for u).

    >>> smoothed_targets(torch.tensor([1.0, 0.0]), 0.1)
    tensor([0.9500, 0.0500])
    """
    classes = target.shape[-1]
    if others_only:
        return (1.0 - smoothing) * target + smoothing * (1.0 - target) / max(classes - 1, 1)
    return (1.0 - smoothing) * target + smoothing * torch.ones_like(target) / classes
