"""Log-densities of discrete and heavy-tailed distributions, derived in SymPy in the form that keeps the tails.

Everything elementwise is a `ClosedForm`; mixtures add their components in the logarithm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step
from .computable import softplus

if TYPE_CHECKING:
    import sympy

__all__ = [
    "bernoulli", "discretised_logistic_above", "discretised_logistic_below", "discretised_logistic_inside",
    "discretised_logistic_terms", "laplace", "logistic", "mixed", "normal_mixture",
]  # fmt: skip

Terms = tuple[Tensor, ...]
_LOCATED = {"x": "real", "mu": "real", "s": "positive"}
_BINNED = {**_LOCATED, "h": "positive"}
_DISCRETISED = "Kingma et al. 2016; Salimans et al. 2017, eq. 2"


@closed_form("density.bernoulli", arguments={"x": "real", "logit": "real"}, source="Bishop 2006, eq. 2.2")
def bernoulli(x: sympy.Symbol, logit: sympy.Symbol) -> Derivation:
    """The log-mass of Bernoulli(σ(l)) at x ∈ {0, 1}, by its logit.

    log p(x) = −x log(1 + e^(−l)) − (1 − x) log(1 + eˡ)

    Shapes: broadcast; nats.

    Source: Bishop 2006, eq. 2.2, with μ = σ(l).

    >>> bernoulli(torch.tensor(0.0), torch.tensor(1e4))
    tensor(-10000.)
    """
    import sympy

    value = -x * sympy.log(1 + sympy.exp(-logit)) - (1 - x) * sympy.log(1 + sympy.exp(logit))
    mass = sympy.exp(value.subs(x, 0)) + sympy.exp(value.subs(x, 1))
    return Derivation(value=value, steps=(step("the masses sum to one", mass, sympy.S.One, "σ(l) + σ(−l) = 1"),))


@closed_form("density.laplace", arguments=_LOCATED, source="Laplace 1774; Johnson, Kotz & Balakrishnan 1995")
def laplace(x: sympy.Symbol, mu: sympy.Symbol, s: sympy.Symbol) -> Derivation:
    """The log-density of Laplace(μ, b); its variance is 2 b².

    log p(x) = −log 2b − |x − μ|/b

    Shapes: broadcast; nats.

    Source: Johnson, Kotz & Balakrishnan 1995, chapter 24.

    >>> laplace(0, 0, 1)
    -0.6931471805599453
    """
    import sympy

    value = -sympy.log(s) - sympy.log(2) - sympy.Abs(x - mu) / s
    t = sympy.Symbol("t", positive=True)
    half = sympy.Integral(sympy.exp(value.subs(x, mu + t)), (t, 0, sympy.oo))
    return Derivation(
        value=value, steps=(step("half of the mass is above μ", half, sympy.Rational(1, 2), "integrated by SymPy"),)
    )


@closed_form("density.logistic", arguments=_LOCATED, source="Johnson, Kotz & Balakrishnan 1995, eq. 23.5")
def logistic(x: sympy.Symbol, mu: sympy.Symbol, s: sympy.Symbol) -> Derivation:
    """The log-density of the logistic distribution, the derivative of σ((x − μ)/s).

    log p(x) = −z − 2 log(1 + e^(−z)) − log s,  z = (x − μ)/s

    Shapes: broadcast; nats.

    Source: Johnson, Kotz & Balakrishnan 1995, chapter 23.

    >>> round(logistic(0, 0, 1), 6)
    -1.386294
    """
    import sympy

    z = (x - mu) / s
    value = -softplus()(z) - softplus()(-z) - sympy.log(s)
    slope = sympy.Derivative(1 / (1 + sympy.exp(-z)), x)
    density = sympy.exp(value.rewrite(sympy.log))
    textbook = sympy.exp(-z) / (s * (1 + sympy.exp(-z)) ** 2)
    steps = (
        step("the density is the slope of σ", slope, density, "differentiation by rule"),
        step("the textbook's form", density, textbook, "log(1 + eᶻ) = z + log(1 + e^(−z))"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("density.discretised_logistic_inside", arguments=_BINNED, source=_DISCRETISED)
def discretised_logistic_inside(x: sympy.Symbol, mu: sympy.Symbol, s: sympy.Symbol, h: sympy.Symbol) -> Derivation:
    """The log-mass of a bin [x − h, x + h] of the logistic distribution.

    log[σ(a) − σ(b)] = log σ(a) + log σ(−b) + log(1 − e^(−2h/s)),  a = (x + h − μ)/s, b = (x − h − μ)/s

    Nothing cancels in it: σ(a) − σ(b) itself is 0 far out.

    Shapes: broadcast; nats.

    Source: Salimans et al. 2017, eq. 2; the form without cancellation is derived here.

    >>> round(discretised_logistic_inside(0, 0, 1, 0.5), 6)
    -1.406829
    """
    import sympy

    a, b = (x + h - mu) / s, (x - h - mu) / s
    value = -softplus()(-a) - softplus()(b) + sympy.log(1 - sympy.exp(-2 * h / s))
    # With u = e^(−(x − μ)/s) and r = e^(−h/s), both positive, the difference is rational.
    u, r = sympy.symbols("u r", positive=True)
    masses = 1 / (1 + u * r) - 1 / (1 + u / r)
    stable = (1 / (1 + u * r)) * (1 / (1 + r / u)) * (1 - r**2)
    step_ = step("no difference is left", masses, stable, "u = e^(−(x − μ)/s), r = e^(−h/s)")
    return Derivation(value=value, steps=(step_,))


@closed_form("density.discretised_logistic_below", arguments=_BINNED, source=_DISCRETISED)
def discretised_logistic_below(x: sympy.Symbol, mu: sympy.Symbol, s: sympy.Symbol, h: sympy.Symbol) -> Derivation:
    """The log-mass of the lowest bin, which has all that is below it: log σ((x + h − μ)/s).

    >>> round(discretised_logistic_below(-1, -1, 1, 1), 6)
    -0.313262
    """
    return Derivation(value=-softplus()(-(x + h - mu) / s))


@closed_form("density.discretised_logistic_above", arguments=_BINNED, source=_DISCRETISED)
def discretised_logistic_above(x: sympy.Symbol, mu: sympy.Symbol, s: sympy.Symbol, h: sympy.Symbol) -> Derivation:
    """The log-mass of the highest bin, which has all that is above it: log σ(−(x − h − μ)/s).

    >>> round(discretised_logistic_above(1, 1, 1, 1), 6)
    -0.313262
    """
    return Derivation(value=-softplus()((x - h - mu) / s))


def discretised_logistic_terms(
    x: Tensor, mean: Tensor, scale: Tensor, levels: Tensor | float, *, edges: bool = True, half: Tensor | float = 0.5
) -> Terms:
    """The log-mass of a grid of levels on [−1, 1], whose outermost bins have the tails.

    The last two terms cancel: σ(a) − σ(b), as people write it, has an error of one rounding of σ(a), and its logarithm
    that error over the difference.

    Shapes: broadcast; nats. `half` is half the width of a bin in units of the spacing 2/(levels − 1).

    Source: Salimans et al. 2017, eq. 2.

    >>> sum(discretised_logistic_terms(torch.tensor([-1.0, 1.0]), torch.zeros(2), torch.ones(2), 2)).exp().sum()
    tensor(1.)
    """
    spacing = 2.0 / (levels - 1.0)
    h = half * spacing
    found = torch.stack(torch.broadcast_tensors(*discretised_logistic_inside.terms(x, mean, scale, h)))
    upper = torch.sigmoid((x + h - mean) / scale)
    if edges:
        nothing = torch.zeros_like(found[0])
        below = torch.stack([discretised_logistic_below(x, mean, scale, h), *[nothing] * (len(found) - 1)])
        above = torch.stack([discretised_logistic_above(x, mean, scale, h), *[nothing] * (len(found) - 1)])
        found = torch.where(x < -1.0 + h / 2, below, torch.where(x > 1.0 - h / 2, above, found))
    lost = upper / found.sum(0).exp()
    return (*found, lost, -lost)


def mixed(log_weights: Terms, log_masses: Terms) -> Terms:
    """Log Σ_k π_k p_k over the last axis, in additive terms whose sum is the value.

    A component's terms count as much as its share in the sum: its posterior probability.

    Shapes: each [..., components]; each of the terms [...].

    Source: Bishop 2006, eq. 9.7, in the logarithm.

    >>> sum(mixed((torch.tensor([0.0, 0.0]).log_softmax(-1),), (torch.tensor([1.0, 1.0]),)))
    tensor(1.)
    """
    parts = torch.stack(torch.broadcast_tensors(*log_weights, *log_masses))
    each = parts.sum(0)
    size = (torch.softmax(each, -1) * parts.abs()).sum((0, -1))
    value = torch.logsumexp(each, -1)
    one = torch.ones_like(value)
    return value - one, one, size, -size


def normal_mixture(x: Tensor, mean: Tensor, std: Tensor) -> Terms:
    """Log N(x | μ_k, diag σ_k²) of each component, as three terms.

    Shapes: ``x`` [..., event], ``mean`` and ``std`` [component, event]; each term [..., component].

    Source: Bishop 2006, eq. 2.43, with a diagonal covariance.

    >>> sum(normal_mixture(torch.zeros(1), torch.zeros(2, 1), torch.ones(2, 1)))
    tensor([-0.9189, -0.9189])
    """
    squares = -0.5 * (((x.unsqueeze(-2) - mean) / std) ** 2).sum(-1)
    logs = -torch.log(std).sum(-1)
    constant = torch.full_like(squares, -0.5 * math.log(2.0 * math.pi) * x.shape[-1])
    return squares, logs, constant
