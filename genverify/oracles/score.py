"""Scores, ∇ log p: what they are regressed on, what they say of the data, and the step that they drive.

The target of denoising score matching and Tweedie's mean are derived for normal data, for which both are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["denoising", "gaussian_score", "langevin", "sliced", "smoothed_target", "tweedie_mean"]

Field = Callable[..., Tensor]


@closed_form(
    "score.smoothed_target", arguments={"noisy": "real", "x": "real", "sigma": "positive"},
    source="Vincent 2011, eq. 9",
)  # fmt: skip
def smoothed_target(noisy: sympy.Symbol, x: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The score of the noise around a sample: ``∂ log N(x̃ | x, σ²)/∂x̃ = −(x̃ − x)/σ²``.

    >>> smoothed_target(3.0, 1.0, 2.0)
    -0.5
    """
    import sympy

    log_density = -(((noisy - x) / sigma) ** 2) / 2 - sympy.log(sigma) - sympy.log(2 * sympy.pi) / 2
    value = (x - noisy) / sigma**2
    eps = sympy.Symbol("epsilon", real=True)
    steps = (
        step("differentiated", sympy.diff(log_density, noisy), value, "the chain rule"),
        step("in the noise", value.subs(noisy, x + sigma * eps), -eps / sigma, "x̃ = x + σ ε"),
    )
    return Derivation(value=value, steps=steps)


_NORMAL = {"x": "real", "mean": "real", "data": "positive", "sigma": "positive"}


@closed_form("score.gaussian", arguments=_NORMAL, source="elementary")
def gaussian_score(x: sympy.Symbol, mean: sympy.Symbol, data: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The score of normal data with noise: of ``N(m, d² + σ²)`` it is ``−(x − m)/(d² + σ²)``.

    >>> gaussian_score(3.0, 1.0, 1.0, 1.0)
    -1.0
    """
    return Derivation(value=(mean - x) / (data**2 + sigma**2))


@closed_form("score.tweedie_mean", arguments=_NORMAL, source="Efron 2011, eq. 1.4")
def tweedie_mean(x: sympy.Symbol, mean: sympy.Symbol, data: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The mean of normal data y behind ``x = y + σ ε``: completed squares, and Tweedie's formula, are one.

    E[y | x] = (σ² m + d² x)/(d² + σ²) = x + σ² ∂ log p(x)/∂x

    >>> tweedie_mean(2.0, 0.0, 1.0, 1.0)
    1.0
    """
    import sympy

    y = sympy.Symbol("y", real=True)
    exponent = -((y - mean) ** 2) / (2 * data**2) - (x - y) ** 2 / (2 * sigma**2)
    (value,) = sympy.solve(sympy.diff(exponent, y), y)
    score = (mean - x) / (data**2 + sigma**2)
    return Derivation(
        value=value,
        steps=(step("Tweedie's formula", x + sigma**2 * score, value, "the mode of a normal law is its mean"),),
    )  # fmt: skip


def denoising(found: Tensor, x: Tensor, noise: Tensor, sigma: Tensor, target: str = "") -> tuple[Tensor, ...]:
    """The terms of ``(s + ε/σ)²`` in each number, s the score that was found at x + σ ε.

    As it is written, ``−(x̃ − x)/σ²``, the difference of two samples cancels: the last two terms say how much.

    Shapes: found, x, noise [batch, event]; sigma broadcasts. `target` names another one: "sign", "noise", "scale".

    >>> one = torch.ones(1, 1)
    >>> sum(float(term.sum()) for term in denoising(-one, 0 * one, one, one))
    0.0
    """
    wanted = {"": -noise / sigma, "sign": noise / sigma, "noise": -noise, "square": -noise / sigma**2}[target]
    residual = found - wanted
    lost = 2 * residual * (x.abs() + (sigma * noise).abs()) / sigma**2
    return found**2, -2 * found * wanted, wanted**2, lost, -lost


def sliced(score: Field, x: Tensor, direction: Tensor, *, whole: bool = False) -> tuple[Tensor, Tensor]:
    """The two terms of sliced score matching in each row: ``vᵀ ∇s v`` and ``½ (vᵀs)²``; with `whole`, ½ ‖s‖².

    Shapes: x, direction [batch, event] → [batch] twice.

    >>> [float(t) for t in sliced(lambda x: -x, torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, -1.0]]))]
    [-2.0, 0.5]
    """
    found, pull = torch.func.vjp(score, x)[:2]
    (along,) = pull(direction)
    norm = (found**2).sum(-1) if whole else ((direction * found).sum(-1)) ** 2
    return (along * direction).sum(-1), norm / 2


def langevin(x: Tensor, score: Tensor, noise: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A step of Langevin's dynamics of width η: ``x + η s + √(2η) z``, in three terms.

    >>> [float(t) for t in langevin(*(torch.tensor(v) for v in (1.0, 2.0, 1.0, 0.5)))]
    [1.0, 1.0, 1.0]
    """
    return x, width * score, torch.sqrt(2 * width) * noise
