"""Claims on log-densities: that they are normalised, and in which form they can be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import density

if TYPE_CHECKING:
    import sympy

__all__ = [
    "BERNOULLI", "CATEGORICAL", "DISCRETISED", "DISCRETISED_STABLE", "LAPLACE", "LAPLACE_VARIANCE", "LOGISTIC",
]  # fmt: skip

_LOCATED = ("μ real, the scale positive",)


def _mass() -> sympy.Basic:
    import sympy

    x = density.bernoulli.symbols[0]
    value = density.bernoulli.expression
    return sympy.Eq(sympy.exp(value.subs(x, 0)) + sympy.exp(value.subs(x, 1)), sympy.S.One, evaluate=False)


def _laplace_mass() -> sympy.Basic:
    import sympy

    x, *_ = density.laplace.symbols
    mass = sympy.Integral(sympy.exp(density.laplace.expression), (x, -sympy.oo, sympy.oo))
    return sympy.Eq(mass, sympy.S.One, evaluate=False)


def _logistic_slope() -> sympy.Basic:
    import sympy

    x, mu, s = density.logistic.symbols
    distribution = 1 / (1 + sympy.exp(-(x - mu) / s))
    density_ = sympy.exp(-(x - mu) / s) / (s * (1 + sympy.exp(-(x - mu) / s)) ** 2)
    return sympy.Eq(sympy.Derivative(distribution, x), density_, evaluate=False)


BERNOULLI = claim(
    "density.bernoulli.normalised", Status.DERIVED,
    statement="e^(log p(0)) + e^(log p(1)) = σ(−l) + σ(l) = 1 for every logit l",
    source="Bishop 2006, eq. 2.2", assumptions=("l real",), equation=_mass,
)  # fmt: skip

CATEGORICAL = claim(
    "density.categorical.normalised", Status.DERIVED,
    statement="Σ_k softmax(l)_k = 1, and log softmax(l)_k is the same for l + c: logits are determined up to a "
    "constant, and a logit by itself is no log-probability",
    source="Bishop 2006, eq. 4.62", assumptions=("l, c real; the algebra is executed at three classes",),
)  # fmt: skip

LAPLACE = claim(
    "density.laplace.normalised", Status.DERIVED,
    statement="∫ e^(−|x − μ|/b)/(2b) dx = 1",
    source="Johnson, Kotz & Balakrishnan 1995, chapter 24", assumptions=_LOCATED, equation=_laplace_mass,
)  # fmt: skip

LAPLACE_VARIANCE = claim(
    "density.laplace.variance", Status.DERIVED,
    statement="the variance of Laplace(μ, b) is 2b²: b is no standard deviation",
    source="Johnson, Kotz & Balakrishnan 1995, chapter 24", assumptions=_LOCATED,
)  # fmt: skip

LOGISTIC = claim(
    "density.logistic.normalised", Status.DERIVED,
    statement="the density is the slope of σ((x − μ)/s), which goes from 0 to 1; e^(−z)/(1 + e^(−z))² = σ(z) σ(−z)",
    source="Johnson, Kotz & Balakrishnan 1995, chapter 23", assumptions=_LOCATED, equation=_logistic_slope,
)  # fmt: skip

DISCRETISED = claim(
    "density.discretised_logistic.sums_to_one", Status.DERIVED,
    statement="with the tails in the outermost bins the masses of the levels sum to one, for every number of levels; "
    "without them they sum to σ((1 + h − μ)/s) − σ((−1 − h − μ)/s) < 1",
    source="Salimans et al. 2017, eq. 2",
    assumptions=("bins of half-width h = 1/(levels − 1) around levels from −1 to 1; the sum is executed for 2 to 6",),
    theorems=("a telescoping sum",),
)  # fmt: skip

DISCRETISED_STABLE = claim(
    "density.discretised_logistic.stable", Status.DERIVED,
    statement="σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b − a)), a product: where the difference is 0 in float64, at 60 scales "
    "from the mean, its logarithm is still computed to rounding",
    source="derived here; Salimans et al. 2017 take the density there", assumptions=("a > b",),
)  # fmt: skip
