"""Entropies of Bernoulli and Laplace distributions, and the distribution function of the latter; derived in SymPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .closed_form import Derivation, closed_form, step
from .computable import sigmoid, softplus

if TYPE_CHECKING:
    import sympy

__all__ = ["bernoulli", "laplace", "laplace_cdf"]


@closed_form("entropy.bernoulli", arguments={"logit": "real"}, source="Cover & Thomas 2006, eq. 2.5")
def bernoulli(logit: sympy.Symbol) -> Derivation:
    """σ(l) log(1 + e^(−l)) + σ(−l) log(1 + eˡ), nats.

    Shapes: broadcast.

    Source: Cover & Thomas 2006, eq. 2.5.

    >>> import torch
    >>> bernoulli(torch.tensor(0.0))
    tensor(0.6931)
    """
    import sympy

    u = sympy.Symbol("u", positive=True)  # the odds eˡ
    p = u / (1 + u)
    definition = -p * sympy.log(p) - (1 - p) * sympy.log(1 - p)
    opened = sympy.expand_log(sympy.simplify(definition), force=True)
    by_odds = p * (sympy.log(1 + u) - sympy.log(u)) + sympy.log(1 + u) / (1 + u)
    value = sigmoid()(logit) * softplus()(-logit) + sigmoid()(-logit) * softplus()(logit)
    return Derivation(value=value, steps=(step("by the odds", opened, by_odds, "p = u/(1 + u)"),))


@closed_form("entropy.laplace", arguments={"scale": "positive"}, source="Cover & Thomas 2006, table 17.1")
def laplace(scale: sympy.Symbol) -> Derivation:
    """1 + log 2b, nats.

    Shapes: any.

    Source: Cover & Thomas 2006, table 17.1; integrated here.

    >>> laplace(0.5)
    1.0
    """
    import sympy

    t = sympy.Symbol("t", positive=True)
    surprise = sympy.log(2 * scale) + t / scale
    mean = sympy.Integral(surprise * sympy.exp(-t / scale) / scale, (t, 0, sympy.oo))
    value = 1 + sympy.log(2) + sympy.log(scale)
    return Derivation(value=value, steps=(step("E −log p", mean, value, "|x − μ| is exponential with mean b"),))


@closed_form(
    "density.laplace_cdf", arguments={"x": "real", "mean": "real", "scale": "positive"},
    source="Johnson, Kotz & Balakrishnan 1995",
)  # fmt: skip
def laplace_cdf(x: sympy.Symbol, mean: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """½ + ½ sgn(x − μ) (1 − e^(−|x − μ|/b)).

    Shapes: broadcast.

    Source: Johnson, Kotz & Balakrishnan 1995, chapter 24; integrated here.

    >>> laplace_cdf(0.0, 0.0, 1.0)
    0.5
    """
    import sympy

    t, d = sympy.symbols("t d", positive=True)
    above = sympy.Rational(1, 2) + sympy.Integral(sympy.exp(-t / scale) / (2 * scale), (t, 0, d))
    closed = 1 - sympy.exp(-d / scale) / 2
    gap = x - mean
    value = sympy.Rational(1, 2) + sympy.sign(gap) / 2 - sympy.sign(gap) * sympy.exp(-sympy.Abs(gap) / scale) / 2
    return Derivation(value=value, steps=(step("above the mean", above, closed, "half of the mass lies below"),))
