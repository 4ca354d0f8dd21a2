"""Claims on the maximum likelihood fit of a normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.oracles import gaussian

if TYPE_CHECKING:
    import sympy

__all__ = [
    "CLOSED_FORM", "COVARIANCE", "DESCENT_RATE", "DESCENT_REACHES", "EQUIVARIANCE", "EXPECTED_VARIANCE", "MAXIMUM",
    "SINGULAR", "Sample", "sample",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The log-likelihood of n observations, n a symbol, and what it is made of."""

    n: sympy.Symbol
    index: sympy.Symbol
    x: Any  # an IndexedBase: SymPy's own types are loose
    mean: sympy.Symbol
    variance: sympy.Symbol
    log_likelihood: sympy.Expr

    def total(self, term: Any) -> Any:  # noqa: ANN401 - SymPy's own types are loose
        """The sum of a term over the observations, unevaluated."""
        import sympy

        return sympy.Sum(term, (self.index, 1, self.n))


def sample() -> Sample:
    """x_1 … x_n with log-likelihood −(n/2) log 2πv − Σ (x_i − μ)²/(2v), v the variance."""
    import sympy

    n = sympy.Symbol("n", integer=True, positive=True)
    i = sympy.Symbol("i", integer=True, positive=True)
    x: Any = sympy.IndexedBase("x", real=True)
    mean, variance = sympy.Symbol("mu", real=True), sympy.Symbol("v", positive=True)
    squares = sympy.Sum((x[i] - mean) ** 2, (i, 1, n))
    log_likelihood = -n * sympy.log(2 * sympy.pi * variance) / 2 - squares / (2 * variance)
    return Sample(n=n, index=i, x=x, mean=mean, variance=variance, log_likelihood=log_likelihood)


def _fit() -> sympy.Basic:
    import sympy

    one = sample()
    j = sympy.Symbol("j", integer=True, positive=True)
    mean = sympy.Sum(one.x[j], (j, 1, one.n)) / one.n
    variance = one.total((one.x[one.index] - mean) ** 2) / one.n
    names = sympy.Tuple(sympy.Symbol(r"\hat{\mu}"), sympy.Symbol(r"\hat{\sigma}^2"))
    return sympy.Eq(names, sympy.Tuple(one.total(one.x[one.index]) / one.n, variance), evaluate=False)


def _gap() -> sympy.Basic:
    import sympy

    one = sample()
    best = (sympy.Symbol(r"\hat{\mu}", real=True), sympy.Symbol(r"\hat{\sigma}^2", positive=True))
    ratio = best[1] / one.variance
    value = one.n * (ratio - 1 - sympy.log(ratio)) / 2 + one.n * (best[0] - one.mean) ** 2 / (2 * one.variance)
    likelihood = sympy.Function(r"\ell")
    left = likelihood(*best) - likelihood(one.mean, one.variance)
    return sympy.Eq(left, value, evaluate=False)


def _shrunken() -> sympy.Basic:
    import sympy

    return sympy.Eq(
        sympy.Symbol(r"\mathbb{E}\,\hat{\sigma}^2"), gaussian.expected_mle_variance.expression, evaluate=False
    )


def _matrix_gap() -> sympy.Basic:
    import sympy

    n, k = sympy.symbols("n k", integer=True, positive=True)
    best, other = sympy.MatrixSymbol(r"\hat{\Sigma}", k, k), sympy.MatrixSymbol("Sigma", k, k)
    gap: Any = sympy.MatrixSymbol(r"\hat{\mu}", k, 1) - sympy.MatrixSymbol("mu", k, 1)
    logs = sympy.log(sympy.Determinant(other) / sympy.Determinant(best))
    value = n * (sympy.Trace(other.I * best) - k + logs + sympy.Trace(gap.T * other.I * gap)) / 2
    left = sympy.Symbol(r"\ell(\hat{\mu}, \hat{\Sigma}) - \ell(\mu, \Sigma)")
    return sympy.Eq(left, value, evaluate=False)


def _contraction() -> sympy.Basic:
    import sympy

    rate, variance = sympy.Symbol("eta", positive=True), sympy.Symbol(r"\hat{\sigma}^2", positive=True)
    left = sympy.Symbol(r"\frac{\partial (\mu', \log\sigma')}{\partial (\mu, \log\sigma)}")
    return sympy.Eq(left, sympy.diag(1 - rate / variance, 1 - 2 * rate), evaluate=False)


CLOSED_FORM = claim(
    "gaussian.mle.closed_form", Status.DERIVED,
    statement="the likelihood of x_1 … x_n under N(μ, σ²) has one stationary point, μ̂ = (1/n) Σ x_i and "
    "σ̂² = (1/n) Σ (x_i − μ̂)², and its Hessian there is negative definite",
    source="Fisher 1922, section 6; Bishop 2006, eqs. 1.55 and 1.56",
    assumptions=("n ≥ 1 observations, not all equal",), equation=_fit,
)  # fmt: skip

MAXIMUM = claim(
    "gaussian.mle.maximum", Status.DERIVED,
    statement="every other (μ, σ²) has a likelihood that is smaller by n·KL(N(μ̂, σ̂²) ‖ N(μ, σ²)): the fit is the one "
    "global maximum, and beats every perturbation",
    source="Bishop 2006, section 1.2.4; Cover & Thomas 2006, theorem 8.6.1",
    assumptions=("n ≥ 1 observations, not all equal",), equation=_gap,
)  # fmt: skip

EXPECTED_VARIANCE = claim(
    "gaussian.mle.expected_variance", Status.DERIVED,
    statement="E σ̂² = (n − 1)/n · σ² over independent draws of N(μ, σ²): the fitted variance is too small",
    source="Bishop 2006, eq. 1.58", assumptions=("n independent draws; μ real, σ > 0",), equation=_shrunken,
)  # fmt: skip

COVARIANCE = claim(
    "gaussian.mle.covariance", Status.DERIVED,
    statement="the likelihood of n vectors under N(μ, Σ) is greatest at the mean and at "
    "Σ̂ = (1/n) Σ (x_i − μ̂)(x_i − μ̂)ᵀ, by n·KL(N(μ̂, Σ̂) ‖ N(μ, Σ)) over any other",
    source="Bishop 2006, eqs. 2.121 and 2.122; Anderson & Olkin 1985",
    assumptions=(
        "Σ̂ positive definite (n > k vectors in general position)", "the algebra is executed at k = 2, n a symbol",
    ),
    equation=_matrix_gap, theorems=("KL ≥ 0, with equality between equal distributions only: kl.mvn.nonnegative",),
)  # fmt: skip

SINGULAR = claim(
    "gaussian.mle.singular", Status.DERIVED,
    statement="Σ̂ of n ≤ k vectors is singular, and the likelihood is then unbounded: there is no fit",
    source="Anderson & Olkin 1985", assumptions=("executed at n = k = 2 and at n = 2, k = 3",),
    theorems=("the centred vectors sum to zero, so their rank is at most n − 1",),
)  # fmt: skip

EQUIVARIANCE = claim(
    "gaussian.mle.affine_equivariance", Status.DERIVED,
    statement="the fit of Ax_i + b has mean Aμ̂ + b and covariance AΣ̂Aᵀ, for every matrix A and vector b",
    source="Bishop 2006, eqs. 2.121 and 2.122, by linearity",
    assumptions=("the algebra is executed for k = 1 and n a symbol, and for k = 2 and n = 3",),
)  # fmt: skip

DESCENT_RATE = claim(
    "gaussian.mle.descent_rate", Status.DERIVED,
    statement="gradient descent on the mean negative log-likelihood in (μ, log σ) contracts near the fit by 1 − η/σ̂² "
    "in μ and by 1 − 2η in log σ: it converges there iff 0 < η < min(1, 2σ̂²)",
    source="the Blog, on the fit as an optimisation; Polyak 1964",
    assumptions=("exact arithmetic, starts close to the fit",),
    equation=_contraction, theorems=("Ostrowski's theorem: the spectral radius of the Jacobian decides",),
)  # fmt: skip

DESCENT_REACHES = claim(
    "gaussian.mle.by_gradient_descent", Status.SUPPORTED,
    statement="the fit by 2,000 steps of gradient descent at η = 0.1 from μ = 0, σ = 1 reaches the closed form to "
    "rounding on data of variance about 1, and does not settle where σ̂² < η/2",
    source="the Blog, on the fit as an optimisation", assumptions=("the data of the spec",),
)  # fmt: skip
