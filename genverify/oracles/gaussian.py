"""The normal distribution in one dimension, derived in SymPy; the multivariate forms are re-exported from beside it.

Everything elementwise here is a `ClosedForm`: tensors in, tensors out; mpmath in, mpmath out; `.terms` gives the
additive terms for a rounding allowance, `.steps` the derivation. Expectations are integrals over z of a polynomial
times the standard normal density φ(z), after x = μ + σz; each moment is integrated by SymPy.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.errors import UsageError

from .closed_form import Derivation, Step, closed_form, step
from .multivariate_gaussian import mvn_kl, mvn_kl_2d, mvn_log_prob, mvn_mle

if TYPE_CHECKING:
    import sympy

__all__ = [
    "cdf",
    "entropy",
    "expected_mle_variance",
    "kl_diagonal_to_standard",
    "kl_divergence",
    "log_prob",
    "mle",
    "mle_from_statistics",
    "mvn_kl",
    "mvn_kl_2d",
    "mvn_log_prob",
    "mvn_mle",
    "nll",
    "reparameterised",
    "score",
]

_LOCATED = {"x": "real", "mu": "real", "sigma": "positive"}


def _log_density(x: sympy.Expr, mu: sympy.Expr, sigma: sympy.Expr) -> sympy.Expr:
    import sympy

    return -sympy.log(sigma) - sympy.log(2 * sympy.pi) / 2 - ((x - mu) / sigma) ** 2 / 2


@functools.cache
def _standard_moment(k: int) -> Step:
    """E z^k for z ~ N(0, 1), integrated."""
    import sympy

    z = sympy.Symbol("z", real=True)
    integral = sympy.Integral(z**k * sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi), (z, -sympy.oo, sympy.oo))
    return Step(
        title=f"moment {k} of the standard normal distribution",
        equation=sympy.Eq(integral, integral.doit(), evaluate=False),
        because="integrated by SymPy",
    )


def _expectation(of: sympy.Expr, x: sympy.Symbol, mu: sympy.Expr, sigma: sympy.Expr) -> tuple[Any, tuple[Step, ...]]:
    """E of a polynomial in x ~ N(mu, sigma²), and the moments that it took."""
    import sympy

    z = sympy.Symbol("z", real=True)
    polynomial: Any = sympy.Poly(sympy.expand(sympy.expand_log(of.subs(x, mu + sigma * z))), z)
    moments = [_standard_moment(k) for k in range(polynomial.degree() + 1)]
    coefficients = list(reversed(polynomial.all_coeffs()))
    value = sum((c * m.equation.args[1] for c, m in zip(coefficients, moments, strict=True)), sympy.S.Zero)
    return sympy.expand(value), tuple(moments)


@closed_form("gaussian.log_prob", arguments=_LOCATED, source="Bishop 2006, eq. 1.46")
def log_prob(x: sympy.Symbol, mu: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The log-density of N(μ, σ²).

    log p(x) = -log σ - ½ log 2π - ½ ((x - μ)/σ)²

    Shapes: `x`, `mu`, `sigma` broadcast; nats. Domain: σ > 0, a standard deviation, not a variance.

    Source: Bishop, Pattern Recognition and Machine Learning, 2006, eq. 1.46; its integral is 1 (SymPy).

    >>> log_prob(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(-0.9189)
    """
    import sympy

    mass = sympy.Integral(sympy.exp(_log_density(x, mu, sigma)), (x, -sympy.oo, sympy.oo))
    steps = (step("the density has mass one", mass, sympy.S.One, "integrated by SymPy"),)
    return Derivation(value=_log_density(x, mu, sigma), steps=steps)


@closed_form("gaussian.nll", arguments=_LOCATED, source="Bishop 2006, eq. 1.46")
def nll(x: sympy.Symbol, mu: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The negative log-likelihood of one observation under N(μ, σ²), the constant ½ log 2π included.

    -log p(x) = log σ + ½ log 2π + ½ ((x - μ)/σ)²

    Shapes: `x`, `mu`, `sigma` broadcast; nats.

    Source: Bishop 2006, eq. 1.46, negated.

    >>> nll(0, 0, 1)
    0.9189385332046728
    """
    import sympy

    value = sympy.log(sigma) + sympy.log(2 * sympy.pi) / 2 + ((x - mu) / sigma) ** 2 / 2
    return Derivation(value=value, steps=(step("negate", -_log_density(x, mu, sigma), value, "definition"),))


@closed_form("gaussian.score", arguments=_LOCATED, source="Hyvärinen 2005, section 2")
def score(x: sympy.Symbol, mu: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The score in x: the derivative of the log-density with respect to the observation.

    ∂/∂x log p(x) = -(x - μ)/σ²

    Shapes: `x`, `mu`, `sigma` broadcast; nats per unit of x.

    Source: Hyvärinen 2005, JMLR 6, section 2 (the score with respect to the data). Its mean is zero.

    >>> score(torch.tensor(3.0), torch.tensor(1.0), torch.tensor(2.0))
    tensor(-0.5000)
    """
    import sympy

    value = -(x - mu) / sigma**2
    mean, moments = _expectation(value, x, mu, sigma)
    steps = (
        step("differentiate", sympy.Derivative(_log_density(x, mu, sigma), x), value, "differentiation by rule"),
        *moments,
        step("the score has mean zero", mean, sympy.S.Zero, "x = μ + σz and the moments of z"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("gaussian.cdf", arguments=_LOCATED, source="Abramowitz & Stegun 1964, 26.2.29")
def cdf(x: sympy.Symbol, mu: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The probability of N(μ, σ²) below x, in the form that keeps its digits in the lower tail.

    P(X <= x) = ½ erfc(-(x - μ)/(σ √2))

    Shapes: `x`, `mu`, `sigma` broadcast.

    Source: Abramowitz & Stegun 1964, 26.2.29 with 7.1.2.

    >>> cdf(0, 0, 1)
    0.5
    """
    import sympy

    value = sympy.erfc(-(x - mu) / (sympy.sqrt(2) * sigma)) / 2
    density = sympy.exp(_log_density(x, mu, sigma))
    steps = (
        step("its slope is the density", sympy.Derivative(value, x), density, "differentiation by rule"),
        step("it starts at zero", sympy.Limit(value, x, -sympy.oo), sympy.S.Zero, "a limit taken by SymPy"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("gaussian.entropy", arguments={"sigma": "positive"}, source="Cover & Thomas 2006, eq. 8.9")
def entropy(sigma: sympy.Symbol) -> Derivation:
    """The differential entropy of N(μ, σ²), whatever μ is.

    H = -E log p(x) = log σ + ½ log(2πe)

    Shapes: that of `sigma`; nats.

    Source: Cover & Thomas, Elements of Information Theory, 2nd ed. 2006, eq. 8.9.

    >>> entropy(torch.tensor([1.0, 2.0]))
    tensor([1.4189, 2.1121])
    """
    import sympy

    x, mu = sympy.symbols("x mu", real=True)
    integrated, moments = _expectation(-_log_density(x, mu, sigma), x, mu, sigma)
    value = sympy.log(sigma) + sympy.log(2 * sympy.pi) / 2 + sympy.Rational(1, 2)
    return Derivation(
        value=value, steps=(*moments, step("collect", integrated, value, "-E log p with x = μ + σz, moment by moment"))
    )


@closed_form(
    "gaussian.kl_divergence",
    arguments={"mu": "real", "sigma": "positive", "nu": "real", "tau": "positive"},
    source="Kullback & Leibler 1951; integrated here",
)
def kl_divergence(mu: sympy.Symbol, sigma: sympy.Symbol, nu: sympy.Symbol, tau: sympy.Symbol) -> Derivation:
    """The Kullback-Leibler divergence of N(ν, τ²) from N(μ, σ²), elementwise: expectation under the first.

    KL(N(μ, σ²) ‖ N(ν, τ²)) = E log p(x)/q(x) = log τ - log σ + ½ (σ/τ)² + ½ ((μ - ν)/τ)² - ½

    Shapes: all four broadcast; nats. Domain: σ, τ > 0, standard deviations.

    Source: Kullback & Leibler 1951, eq. 2.4 (the definition); SymPy integrates it here.

    >>> kl_divergence(torch.tensor(1.0), torch.tensor(1.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(0.5000)
    >>> import mpmath
    >>> with mpmath.workdps(25):
    ...     print(kl_divergence(mpmath.mpf(0), mpmath.mpf(1), mpmath.mpf(0), mpmath.mpf(2)))
    0.3181471805599453094172321
    """
    import sympy

    x = sympy.Symbol("x", real=True)
    ratio = _log_density(x, mu, sigma) - _log_density(x, nu, tau)
    integrated, moments = _expectation(ratio, x, mu, sigma)
    value = sympy.log(tau) - sympy.log(sigma) + (sigma / tau) ** 2 / 2 + ((mu - nu) / tau) ** 2 / 2
    value -= sympy.Rational(1, 2)
    return Derivation(
        value=value, steps=(*moments, step("collect", integrated, value, "E log p/q with x = μ + σz, moment by moment"))
    )


@closed_form(
    "gaussian.kl_diagonal_to_standard",
    arguments={"mu": "real", "sigma": "positive"},
    source="Kingma & Welling 2014, appendix B",
)
def kl_diagonal_to_standard(mu: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """KL(N(μ, σ²) ‖ N(0, 1)) of each coordinate; for diagonal covariances, sum over the latent axis.

    ½ (σ² + μ² - 1) - log σ

    Shapes: `mu`, `sigma` broadcast; nats, one number for each coordinate (the sum is the caller's).

    Source: Kingma & Welling 2014, appendix B (with the opposite sign); here ν = 0, τ = 1 in `kl_divergence`.

    >>> kl_diagonal_to_standard(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]))
    tensor([0.0000, 0.5000])
    """
    import sympy

    general = kl_divergence.derive(mu, sigma, sympy.S.Zero, sympy.S.One)
    assert not isinstance(general.value, tuple)
    half = sympy.Rational(1, 2)
    value = -sympy.log(sigma) + half * sigma**2 + half * mu**2 - half
    collect = step("set ν = 0, τ = 1", general.value, value, "a special case of gaussian.kl_divergence")
    return Derivation(value=value, steps=(*general.steps, collect))


@closed_form(
    "gaussian.reparameterised",
    arguments={"mu": "real", "sigma": "positive", "epsilon": "real"},
    source="Kingma & Welling 2014, section 2.4",
)
def reparameterised(mu: sympy.Symbol, sigma: sympy.Symbol, epsilon: sympy.Symbol) -> Derivation:
    """A draw from N(μ, σ²) as a differentiable function of standard normal noise.

    z = μ + σ ε,  E z = μ,  Var z = σ²,  ∂z/∂μ = 1,  ∂z/∂σ = ε

    Shapes: all three broadcast.

    Source: Kingma & Welling 2014, section 2.4.

    >>> reparameterised(torch.tensor(1.0), torch.tensor(2.0), torch.tensor([-1.0, 0.5]))
    tensor([-1.,  2.])
    """
    import sympy

    z = mu + sigma * epsilon
    mean, _ = _expectation(z, epsilon, sympy.S.Zero, sympy.S.One)
    second, moments = _expectation(z**2, epsilon, sympy.S.Zero, sympy.S.One)
    steps = (
        *moments,
        step("mean", mean, mu, "linearity and the moments of ε"),
        step("variance", second - mean**2, sigma**2, "E z² - (E z)²"),
        step("slope in μ", sympy.Derivative(z, mu), sympy.S.One, "differentiation by rule"),
        step("slope in σ", sympy.Derivative(z, sigma), epsilon, "differentiation by rule"),
    )
    return Derivation(value=z, steps=steps)


@closed_form(
    "gaussian.mle_from_statistics",
    arguments={"n": "positive integer", "total": "real", "squares": "positive"},
    source="Fisher 1922; solved here",
)
def mle_from_statistics(n: sympy.Symbol, total: sympy.Symbol, squares: sympy.Symbol) -> Derivation:
    """Maximum likelihood mean and variance of n observations, from Σx and Σx²: a proof more than a program.

    μ̂ = Σx/n,  σ̂² = Σx²/n - (Σx/n)²

    The likelihood depends on the data through n, Σx, Σx² alone, so n stays a symbol. In floating point the difference
    cancels; `mle` computes the same from the data. Condition: n Σx² > (Σx)², else the data are constant.

    Shapes: all broadcast; a pair (mean, variance).

    Source: Fisher 1922, section 6; solved from ∂L = 0 in SymPy, with the second-order condition.

    >>> mle_from_statistics(2, 4.0, 10.0)
    (2.0, 1.0)
    """
    import sympy

    mu, v = sympy.Symbol("mu", real=True), sympy.Symbol("v", positive=True)
    likelihood = -n * sympy.log(2 * sympy.pi * v) / 2 - (squares - 2 * mu * total + n * mu**2) / (2 * v)
    (mean,) = sympy.solve(sympy.diff(likelihood, mu), mu)
    (variance,) = sympy.solve(sympy.numer(sympy.together(sympy.diff(likelihood, v).subs(mu, mean))), v)
    at: dict[Any, Any] = {mu: mean, v: variance}
    positive = sympy.Symbol("vhat", positive=True)  # σ̂², which the condition makes positive
    curvature = sympy.hessian(likelihood, (mu, v)).subs(mu, mean).subs(squares, n * (positive + mean**2))
    curvature = curvature.subs(v, positive).applyfunc(sympy.simplify)
    if not curvature.is_negative_definite:
        raise ArithmeticError(f"the stationary point is no maximum: Hessian {curvature}")
    steps = (
        step("stationary in μ", sympy.diff(likelihood, mu).subs(at), sympy.S.Zero, "solved from ∂L/∂μ = 0"),
        step("stationary in σ²", sympy.diff(likelihood, v).subs(at), sympy.S.Zero, "solved from ∂L/∂σ² = 0"),
        step("curvature in μ", curvature[0, 0], -n / positive, "negative, since n, σ̂² > 0"),
        step("curvature in σ²", curvature[1, 1], -n / (2 * positive**2), "negative"),
        step("no cross term", curvature[0, 1], sympy.S.Zero, "so the Hessian is negative definite: a maximum"),
    )
    value = (total / n, squares / n - (total / n) ** 2)
    steps += tuple(
        step(f"the {name}", found, shown, "arranged")
        for name, found, shown in zip(("mean", "variance"), (mean, variance), value, strict=True)
    )
    condition = sympy.StrictGreaterThan(n * squares, total**2)
    return Derivation(value=value, steps=steps, conditions=(condition,), outputs=("mean", "variance"))


@closed_form(
    "gaussian.expected_mle_variance",
    arguments={"n": "positive integer", "sigma": "positive"},
    source="Bishop 2006, eq. 1.58",
)
def expected_mle_variance(n: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The expectation of the maximum likelihood variance over n independent draws: it is too small.

    E σ̂² = (n - 1)/n · σ²

    Shapes: `n`, `sigma` broadcast.

    Source: Bishop 2006, eq. 1.58.

    >>> expected_mle_variance(4, 2.0)
    3.0
    """
    import sympy

    x, mu = sympy.symbols("x mu", real=True)
    first, _ = _expectation(x, x, mu, sigma)
    second, moments = _expectation(x**2, x, mu, sigma)
    # E Σx² is n second moments; E (Σx)² has n of them and n(n-1) products of independent draws.
    squares, squared_total = n * second, n * second + n * (n - 1) * first**2
    value = (n - 1) / n * sigma**2
    steps = (
        *moments,
        step("E Σx²", squares, n * (sigma**2 + mu**2), "linearity"),
        step("E (Σx)²", squared_total, n * sigma**2 + n**2 * mu**2, "independence of different draws"),
        step("E σ̂²", squares / n - squared_total / n**2, value, "σ̂² = Σx²/n - (Σx/n)²"),
    )
    return Derivation(value=value, steps=steps)


def mle(x: Tensor, *, dim: int = -1) -> tuple[Tensor, Tensor]:
    """Maximum likelihood mean and variance along an axis: σ̂² divides by n, not by n - 1.

    μ̂ = (1/n) Σ x_i,  σ̂² = (1/n) Σ (x_i - μ̂)²

    Shapes: `x` [..., n] with n along `dim`; a pair (mean, variance) without that axis, in the dtype of `x` (computed
    in float64). The variance is that of `mle_from_statistics`, centred first so that it does not cancel.

    Raises:
        UsageError: there are no observations.

    Source: Fisher 1922, section 6; see `mle_from_statistics` for the derivation.

    >>> mle(torch.tensor([1.0, 3.0]))
    (tensor(2.), tensor(1.))
    """
    if x.shape[dim] == 0:
        raise UsageError(given="no observations", expected="at least one along the axis", do="pass a non-empty tensor")
    wide = x.to(torch.float64)
    count = x.shape[dim]
    mean = wide.sum(dim, keepdim=True) / count
    variance = ((wide - mean) ** 2).sum(dim) / count
    return mean.squeeze(dim).to(x.dtype), variance.to(x.dtype)
