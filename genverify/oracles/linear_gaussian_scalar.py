"""The linear-Gaussian latent variable model with one latent and one observed number, derived in SymPy.

z ~ N(0, 1), x | z ~ N(wz + c, s²), and any normal q(z) = N(m, l²) in the place of the posterior: the evidence, the
posterior, the evidence lower bound and the gap between them, and the second moment of the likelihood under the prior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .closed_form import Derivation, closed_form, step
from .gaussian import kl_diagonal_to_standard, kl_divergence, log_prob
from .normal_moments import normal_mean

if TYPE_CHECKING:
    import sympy

__all__ = ["elbo", "gap", "log_evidence", "log_second_moment_ratio", "posterior", "quadratic_evidence"]

_MODEL = {"x": "real", "w": "real", "c": "real", "s": "positive"}
_WITH_ENCODER = {**_MODEL, "m": "real", "l": "positive"}
_SOURCE = "Tipping & Bishop 1999, section 3, at one dimension"


def _density(x: Any, mean: Any, std: Any) -> Any:  # noqa: ANN401 - SymPy expressions
    """The log-density of a normal distribution, at any expressions."""
    at: Any = dict(zip(log_prob.symbols, (x, mean, std), strict=True))
    return log_prob.expression.subs(at, simultaneous=True)


@closed_form("linear_gaussian.posterior", arguments=_MODEL, source=_SOURCE)
def posterior(x: sympy.Symbol, w: sympy.Symbol, c: sympy.Symbol, s: sympy.Symbol) -> Derivation:
    """The posterior's mean and standard deviation: p(z | x) = N(w (x − c)/(w² + s²), s²/(w² + s²)).

    Shapes: all broadcast; a pair (mean, standard deviation).

    Source: Tipping & Bishop 1999, section 3.

    >>> posterior(1.0, 1.0, 0.0, 1.0)
    (0.5, 0.7071067811865476)
    """
    import sympy

    z = sympy.Symbol("z", real=True)
    v = w**2 + s**2
    mean, std = w * (x - c) / v, s / sympy.sqrt(v)
    joint = _density(z, sympy.S.Zero, sympy.S.One) + _density(x, w * z + c, s)
    apart = _density(x, c, sympy.sqrt(v)) + _density(z, mean, std)
    steps = (step("complete the square in z", joint, apart, "p(z) p(x | z) = p(x) p(z | x)"),)
    return Derivation(value=(mean, std), steps=steps, outputs=("mean", "std"))


@closed_form("linear_gaussian.log_evidence", arguments=_MODEL, source=_SOURCE)
def log_evidence(x: sympy.Symbol, w: sympy.Symbol, c: sympy.Symbol, s: sympy.Symbol) -> Derivation:
    """The evidence: log p(x) = log N(x; c, w² + s²).

    Shapes: all broadcast; nats.

    Source: Tipping & Bishop 1999, section 3; the factor that is left over in z has mass one.

    >>> log_evidence(0.0, 0.0, 0.0, 1.0)
    -0.9189385332046728
    """
    import sympy

    value = -sympy.log(w**2 + s**2) / 2 - sympy.log(2 * sympy.pi) / 2 - (x - c) ** 2 / (2 * (w**2 + s**2))
    shown = step("the normal density", _density(x, c, sympy.sqrt(w**2 + s**2)), value, "with variance w² + s²")
    return Derivation(value=value, steps=(*posterior.steps, shown))


@closed_form("linear_gaussian.elbo", arguments=_WITH_ENCODER, source="Kingma & Welling 2014, eq. 3, integrated here")
def elbo(
    x: sympy.Symbol, w: sympy.Symbol, c: sympy.Symbol, s: sympy.Symbol, m: sympy.Symbol, l: sympy.Symbol  # noqa: E741
) -> Derivation:  # fmt: skip
    """The evidence lower bound of q = N(m, l²): E_q log p(x | z) − KL(q ‖ N(0, 1)).

    log N(x; wm + c, s²) − w²l²/(2s²) − ½ (m² + l² − 1 − log l²)

    Shapes: all broadcast; nats.

    Source: Kingma & Welling 2014, eq. 3, with z = m + lε and E ε = 0, E ε² = 1.

    >>> elbo(0.0, 0.0, 0.0, 1.0, 0.0, 1.0)
    -0.9189385332046728
    """
    import sympy

    epsilon = sympy.Symbol("epsilon", real=True)
    z = m + l * epsilon
    divergence = kl_diagonal_to_standard.expression.subs(
        dict(zip(kl_diagonal_to_standard.symbols, (m, l), strict=True)), simultaneous=True
    )
    likelihood = _density(x, w * m + c, s) - w**2 * l**2 / (2 * s**2)
    within = _density(x, w * z + c, s)
    whole = within + _density(z, sympy.S.Zero, sympy.S.One) - _density(z, m, l)
    steps = (
        step("E_q log p(x | z)", normal_mean(within, epsilon), likelihood, "moments of ε"),
        step("E_q log p(x, z)/q(z)", normal_mean(whole, epsilon), likelihood - divergence, "moments of ε"),
    )
    return Derivation(value=likelihood - divergence, steps=steps)


@closed_form("linear_gaussian.gap", arguments=_WITH_ENCODER, source="Kingma & Welling 2014, eq. 1")
def gap(
    x: sympy.Symbol, w: sympy.Symbol, c: sympy.Symbol, s: sympy.Symbol, m: sympy.Symbol, l: sympy.Symbol  # noqa: E741
) -> Derivation:  # fmt: skip
    """What the bound lacks: log p(x) − ELBO = KL(q ‖ p(z | x)).

    Shapes: all broadcast; nats.

    Source: Kingma & Welling 2014, eq. 1.

    >>> round(gap(1.0, 1.0, 0.0, 1.0, 0.5, 0.5**0.5), 12)
    0.0
    """
    mean, std = (
        one.subs(dict(zip(posterior.symbols, (x, w, c, s), strict=True)), simultaneous=True)
        for one in posterior.expressions
    )
    places: Any = dict(zip(kl_divergence.symbols, (m, l, mean, std), strict=True))
    value = kl_divergence.expression.subs(places, simultaneous=True)
    missing = log_evidence.expression - elbo.expression
    return Derivation(value=value, steps=(step("log p(x) − ELBO", missing, value, "the identity of the bound"),))


@closed_form("linear_gaussian.log_second_moment_ratio", arguments=_MODEL, source="integrated here")
def log_second_moment_ratio(x: sympy.Symbol, w: sympy.Symbol, c: sympy.Symbol, s: sympy.Symbol) -> Derivation:
    """How far one draw of the prior is from the evidence: log ρ, ρ = E p(x | z)²/p(x)², z ~ N(0, 1).

    log (w² + s²) − log s − ½ log (2w² + s²) + w² (x − c)²/((w² + s²)(2w² + s²))

    The relative variance of p(x | z) is ρ − 1, and that of a mean of n draws (ρ − 1)/n; over d independent dimensions
    of this kind ρ becomes ρᵈ.

    Shapes: all broadcast.

    Source: integrated here.

    >>> log_second_moment_ratio(1.0, 0.0, 0.0, 2.0)
    0.0
    """
    import sympy

    z = sympy.Symbol("z", real=True)
    narrow = s / sympy.sqrt(2)
    log_factor = -sympy.log(2) - sympy.log(s) - sympy.log(sympy.pi) / 2
    v, twice = w**2 + s**2, 2 * w**2 + s**2
    value = sympy.log(v) - sympy.log(s) - sympy.log(twice) / 2 + w**2 * (x - c) ** 2 / (v * twice)
    second = log_evidence.expression.subs(
        dict(zip(log_evidence.symbols, (x, w, c, narrow), strict=True)), simultaneous=True
    )
    # ½ log (w² + s²/2) opened: SymPy leaves a sum inside a logarithm as it is.
    opened = second.subs(sympy.log(w**2 + s**2 / 2), sympy.log(twice) - sympy.log(2))
    steps = (
        step(
            "a square of a normal density is another", 2 * _density(x, w * z + c, s),
            _density(x, w * z + c, narrow) + log_factor, "half the variance, and a constant",
        ),
        step(
            "log E p(x | z)² − 2 log p(x)", opened + log_factor - 2 * log_evidence.expression, value,
            "the evidence with s²/2 for s²",
        ),
    )  # fmt: skip
    return Derivation(value=value, steps=steps)


@closed_form(
    "linear_gaussian.quadratic_evidence", arguments={"a": "negative", "b": "real", "c": "real"},
    source="integrated here",
)  # fmt: skip
def quadratic_evidence(a: sympy.Symbol, b: sympy.Symbol, c: sympy.Symbol) -> Derivation:
    """The evidence of a likelihood given by its logarithm: E exp(az² + bz + c), z ~ N(0, 1), a < 0.

    exp(c + b²/(2(1 − 2a)))/√(1 − 2a)

    Shapes: all broadcast.

    Source: integrated here.

    >>> quadratic_evidence(-1.5, 0.0, 0.0)
    0.5
    """
    import sympy

    z = sympy.Symbol("z", real=True)
    precision = 1 - 2 * a
    joint = a * z**2 + b * z + c + _density(z, sympy.S.Zero, sympy.S.One)
    log_value = c + b**2 / (2 * precision) - sympy.log(precision) / 2
    apart = log_value + _density(z, b / precision, 1 / sympy.sqrt(precision))
    steps = (step("complete the square in z", joint, apart, "what is left in z is a normal density, of mass one"),)
    return Derivation(value=sympy.exp(c + b**2 / (2 * precision)) / sympy.sqrt(precision), steps=steps)
