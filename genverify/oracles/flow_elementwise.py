"""Elementwise flows in SymPy: the logarithm of each map's slope, derived by differentiation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import activation
from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "leaky_relu", "logistic_log_density", "logit", "logit_slope", "mixture_cdf", "normal_log_density", "sigmoid",
    "sigmoid_slope", "softplus", "softplus_slope", "standardize", "tanh", "tanh_slope",
]  # fmt: skip

Terms = tuple[Tensor, ...]
_ONE = {"x": "real"}


@closed_form("flow.tanh_slope", arguments=_ONE, source="Abramowitz & Stegun 1964, eq. 4.5.73")
def tanh_slope(x: sympy.Symbol) -> Derivation:
    """The logarithm of the slope of tanh, without its cancellation.

    log tanh′(x) = log(1 − tanh² x) = 2 log 2 − 2x − 2 log(1 + e^(−2x))

    Shapes: elementwise.

    Source: Abramowitz & Stegun 1964, eq. 4.5.73.

    >>> tanh_slope(torch.tensor(0.0)), tanh_slope(torch.tensor(-50.0))
    (tensor(0.), tensor(-98.6137))
    """
    import sympy

    value = 2 * sympy.log(2) - 2 * x - 2 * sympy.log(1 + sympy.exp(-2 * x))
    slope = sympy.Derivative(sympy.tanh(x), x)
    steps = (
        step("slope", slope, 1 - sympy.tanh(x) ** 2, "differentiation by rule"),
        step("by exponentials", (1 - sympy.tanh(x) ** 2).rewrite(sympy.exp), sympy.exp(value), "definition of tanh"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("flow.sigmoid_slope", arguments=_ONE, source="Bishop 2006, eq. 4.88")
def sigmoid_slope(x: sympy.Symbol) -> Derivation:
    """The logarithm of the slope of the logistic sigmoid.

    log σ′(x) = log σ(x) + log σ(−x) = −log(1 + e^(−x)) − log(1 + e^x)

    Shapes: elementwise.

    Source: Bishop 2006, eq. 4.88.

    >>> sigmoid_slope(torch.tensor(0.0))
    tensor(-1.3863)
    """
    import sympy

    value = -sympy.log(1 + sympy.exp(-x)) - sympy.log(1 + sympy.exp(x))
    sigmoid = 1 / (1 + sympy.exp(-x))
    steps = (step("slope", sympy.Derivative(sigmoid, x), sympy.exp(value), "quotient rule"),)
    return Derivation(value=value, steps=steps)


@closed_form("flow.logit_slope", arguments={"x": "positive"}, source="Dinh, Sohl-Dickstein & Bengio 2017, section 4.1")
def logit_slope(x: sympy.Symbol) -> Derivation:
    """The logarithm of the slope of the logit, on 0 < x < 1.

    log logit′(x) = −log x − log(1 − x)

    Shapes: elementwise.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 4.1.

    >>> logit_slope(torch.tensor(0.5))
    tensor(1.3863)
    """
    import sympy

    value = -sympy.log(x) - sympy.log(1 - x)
    slope = sympy.Derivative(sympy.log(x) - sympy.log(1 - x), x)
    steps = (step("slope", slope, sympy.exp(value), "differentiation by rule"),)
    return Derivation(value=value, steps=steps, conditions=(sympy.StrictLessThan(x, 1),))


@closed_form("flow.softplus_slope", arguments=_ONE, source="Dugas et al. 2001")
def softplus_slope(x: sympy.Symbol) -> Derivation:
    """The logarithm of the slope of softplus, which is the sigmoid.

    log d/dx log(1 + e^x) = log σ(x) = −log(1 + e^(−x))

    Shapes: elementwise.

    Source: Dugas et al. 2001.

    >>> softplus_slope(torch.tensor(-100.0))
    tensor(-100.)
    """
    import sympy

    value = -sympy.log(1 + sympy.exp(-x))
    slope = sympy.Derivative(sympy.log(1 + sympy.exp(x)), x)
    return Derivation(value=value, steps=(step("slope", slope, sympy.exp(value), "chain rule"),))


@closed_form("flow.logistic_log_density", arguments=_ONE, source="Balakrishnan 1992, eq. 1.1")
def logistic_log_density(x: sympy.Symbol) -> Derivation:
    """The logarithm of the standard logistic density, the slope of its distribution function σ.

    log σ′(x) = −x − 2 log(1 + e^(−x))

    Shapes: elementwise.

    Source: Balakrishnan 1992, eq. 1.1.

    >>> logistic_log_density(torch.tensor(0.0))
    tensor(-1.3863)
    """
    import sympy

    value = -x - 2 * sympy.log(1 + sympy.exp(-x))
    steps = (step("slope", sympy.Derivative(1 / (1 + sympy.exp(-x)), x), sympy.exp(value), "quotient rule"),)
    return Derivation(value=value, steps=steps)


@closed_form("flow.normal_log_density", arguments=_ONE, source="Abramowitz & Stegun 1964, eq. 26.2.1")
def normal_log_density(x: sympy.Symbol) -> Derivation:
    """The logarithm of the standard normal density, the slope of Φ.

    log Φ′(x) = −½ x² − ½ log 2π

    Shapes: elementwise.

    Source: Abramowitz & Stegun 1964, eqs. 26.2.1 and 26.2.2.

    >>> normal_log_density(torch.tensor(0.0))
    tensor(-0.9189)
    """
    import sympy

    value = -(x**2) / 2 - sympy.log(2 * sympy.pi) / 2
    cumulative = (1 + sympy.erf(x / sympy.sqrt(2))) / 2
    return Derivation(value=value, steps=(step("slope", sympy.Derivative(cumulative, x), sympy.exp(value), "by rule"),))


def _about(value: Tensor, slope: Tensor) -> Terms:
    """Log s as the two terms between which it is lost when s is computed first, as a difference of numbers near one."""
    lost = 1.0 / slope
    return value - lost, lost


def tanh(x: Tensor, *, inverse: bool = False) -> tuple[Terms, Terms]:
    """Tanh x and log tanh′ x; the inverse artanh y = ½ (log(1 + y) − log(1 − y)).

    Shapes: [..., event] → terms of both, one log slope an element.

    >>> image, slope = tanh(torch.zeros(1, 2))
    >>> sum(image), sum(slope)
    (tensor([[0., 0.]]), tensor([[0., 0.]]))
    """
    if inverse:
        back = (0.5 * torch.log1p(x), -0.5 * torch.log1p(-x))
        return back, (-torch.log1p(x), -torch.log1p(-x))
    value = tanh_slope(x)
    return (activation.tanh(x),), _about(value, value.exp())


def sigmoid(x: Tensor, *, inverse: bool = False) -> tuple[Terms, Terms]:
    """σ(x) and log σ′(x); its inverse is the logit."""
    if inverse:
        return logit(x)
    value = sigmoid_slope(x)
    return (activation.sigmoid(x),), _about(value, value.exp())


def logit(x: Tensor, alpha: Tensor | float | None = None, *, half: bool = False, inverse: bool = False,
          unscaled: bool = False) -> tuple[Terms, Terms]:  # fmt: skip
    """Log x − log(1 − x) and its log slope, of α + (1 − 2α) x where there is an α; its inverse is the sigmoid.

    `half` takes α/2 for α; `unscaled` leaves the logarithm of 1 − 2α out.
    """
    low = torch.zeros((), dtype=x.dtype) if alpha is None else torch.as_tensor(alpha, dtype=x.dtype)
    low = low / 2 if half else low
    stretch = torch.log1p(-2 * low).expand_as(x)
    stretch = torch.zeros_like(x) if unscaled else stretch
    if inverse:
        (image,), slope = sigmoid(x)
        return (image / (1 - 2 * low), (-low / (1 - 2 * low)).expand_as(x)), (*slope, -stretch)
    inner = low + (1 - 2 * low) * x
    return (torch.log(inner), -torch.log1p(-inner)), (logit_slope(inner), stretch)


def softplus(x: Tensor, *, inverse: bool = False) -> tuple[Terms, Terms]:
    """Log(1 + e^x) and log σ(x); the inverse log(e^y − 1) = y + log(1 − e^(−y))."""
    if inverse:
        lost = torch.log(-torch.expm1(-x))
        return (x, lost), _about(-lost, -torch.expm1(-x))
    value = softplus_slope(x)
    return (activation.softplus(x, 1.0),), _about(value, value.exp())


def leaky_relu(x: Tensor, slope: Tensor | float, *, inverse: bool = False) -> tuple[Terms, Terms]:
    """Max(x, 0) + a min(x, 0), and log a where x < 0; at the kink there is no slope."""
    factor = torch.as_tensor(slope, dtype=x.dtype)
    factor = 1.0 / factor if inverse else factor
    below = torch.where(x < 0, torch.log(factor), torch.zeros_like(x))
    return (activation.leaky_relu(x, factor),), (torch.where(x == 0, torch.nan, below),)


def standardize(x: Tensor, mean: Tensor, std: Tensor, *, inverse: bool = False) -> tuple[Terms, Terms]:
    """(x − μ)/σ and −log σ; the inverse σ x + μ and log σ."""
    if inverse:
        return (std * x, mean.expand_as(x)), (torch.log(std).expand_as(x),)
    return (x / std, (-mean / std).expand_as(x)), (-torch.log(std).expand_as(x),)


def mixture_cdf(
    x: Tensor, weights: Tensor, mean: Tensor, scale: Tensor, *, normal: bool = False, logit: bool = False
) -> tuple[Terms, Terms]:
    """Σ_k π_k F((x − μ_k)/s_k), F the logistic or the normal distribution function, and the log of its slope.

    `logit` takes the logit of that, as Flow++ does.

    Shapes: `x` [..., event], the others [..., event, component] → terms of both, elementwise.

    Source: Ho et al. 2019, eqs. 12 and 13.
    """
    u = (x[..., None] - mean) / scale
    if normal:
        lower, upper = (torch.special.ndtr(one) for one in (u, -u))
        slopes = normal_log_density(u)
    else:
        lower, upper = (activation.sigmoid(one) for one in (u, -u))
        slopes = logistic_log_density(u)
    below, above = ((weights * part).sum(-1) for part in (lower, upper))
    value = torch.logsumexp(torch.log(weights) + slopes - torch.log(scale), -1)
    if not logit:
        # No digits of a tail are claimed: Φ is ½ (1 + erf) to most.
        half = 0.5 * weights.expand_as(lower)
        terms = (*half.unbind(-1), *(weights * lower - half).unbind(-1))
        if not normal:
            # Nor are those of its slope: σ is differentiated as σ (1 − σ) of a rounded σ. Terms of no value whose
            # slopes are π_k σ(u_k)/s_k, and cancel, carry that.
            rising = weights * torch.nn.functional.softplus(u)
            still = rising - rising.detach()
            terms = (*terms, *still.unbind(-1), *(-still).unbind(-1))
        return terms, (value,)
    # 1 − F is computed as a difference by most: what that loses is F/(1 − F) roundings.
    lost = below / above
    return (torch.log(below), -torch.log(above) + lost, -lost), (value, -torch.log(below), -torch.log(above) + lost,
                                                                -lost)  # fmt: skip
