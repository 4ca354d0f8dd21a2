"""What is claimed of autoencoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["AGAINST_THE_DATA", "BEST_SUBSPACE", "PROJECTION", "SIGMOID", "SPANS_PCA", "STATIONARY_POINTS"]

_BALDI = "Baldi & Hornik 1989"


def _error_of_a_direction() -> sympy.Basic:
    """For one datum in two dimensions, along the direction at the angle θ."""
    import sympy

    theta = sympy.Symbol("theta", real=True)
    x = sympy.Matrix(sympy.symbols("x_1 x_2", real=True))
    v = sympy.Matrix([sympy.cos(theta), sympy.sin(theta)])
    rest = x - v * v.dot(x)
    return sympy.Eq(rest.dot(rest), x.dot(x) - v.dot(x) ** 2, evaluate=False)


BEST_SUBSPACE = claim(
    "autoencoder.pca.best_subspace", Status.DERIVED,
    statement="of all projections on k directions the one on the k first principal directions has the least squared "
    "error, which is the sum of the other eigenvalues of the covariance times n",
    source="Pearson 1901; Eckart & Young 1936", theorems=("Eckart & Young 1936, for more than one direction",),
    equation=_error_of_a_direction,
)  # fmt: skip


def _scalar_loss() -> sympy.Basic:
    """E ‖x − b a·x‖² for two uncorrelated features of variances λ₁ and λ₂, as a sum over the features."""
    import sympy

    a1, a2, b1, b2 = sympy.symbols("a_1 a_2 b_1 b_2", real=True)
    l1, l2 = sympy.symbols("lambda_1 lambda_2", positive=True)
    residual = sympy.eye(2) - sympy.Matrix([b1, b2]) * sympy.Matrix([[a1, a2]])
    written = l1 * ((1 - a1 * b1) ** 2 + (a1 * b2) ** 2) + l2 * ((a2 * b1) ** 2 + (1 - a2 * b2) ** 2)
    return sympy.Eq(sympy.Trace(residual * sympy.diag(l1, l2) * residual.T), written, evaluate=False)


STATIONARY_POINTS = claim(
    "autoencoder.linear.stationary_points", Status.DERIVED,
    statement="the squared error of x̂ = B A x is stationary exactly where BA projects orthogonally on the span of some "
    "eigenvectors of the covariance; of these only the k largest give a minimum, and all others are saddles or, of "
    "lower rank, flat: there is no other local minimum",
    source=f"{_BALDI}, facts 2–4",
    assumptions=("the eigenvalues of the covariance are positive and different", "executed for 2 features and 1 unit"),
    theorems=(f"{_BALDI}, for more features and units",), equation=_scalar_loss,
)  # fmt: skip

SPANS_PCA = claim(
    "autoencoder.linear.spans_pca", Status.SUPPORTED,
    statement="a linear autoencoder trained by gradient descent on centred data reaches the span of the principal "
    "directions to rounding, though its rows are not these directions",
    source=_BALDI, assumptions=("float64", "a start off the saddles", "a rate below the inverse of the curvature"),
)  # fmt: skip


def _tied() -> sympy.Basic:
    """‖x − w w·x‖² in one dimension of hidden units, for w of length r along v, averaged over the data."""
    import sympy

    r, along, total = sympy.symbols("r lambda tau", positive=True)
    return sympy.Eq(
        sympy.Derivative(total - 2 * r**2 * along + r**4 * along, r), 4 * along * r * (r**2 - 1), evaluate=False
    )


PROJECTION = claim(
    "autoencoder.tied_linear.projection", Status.DERIVED,
    statement="x̂ = Wᵀ W x with orthonormal rows is the orthogonal projection on their span; along any direction the "
    "squared error of x̂ = w (w·x) is least at ‖w‖ = 1, so that tied weights settle on orthonormal rows",
    source=_BALDI, assumptions=("executed for one hidden unit",), equation=_tied,
)  # fmt: skip


def _shrinks() -> sympy.Basic:
    """The slope of E (a (x + σ ε) − x)² in a, for x of variance s²."""
    import sympy

    a = sympy.Symbol("a", real=True)
    s, sigma = sympy.symbols("s sigma", positive=True)
    loss = (a - 1) ** 2 * s**2 + a**2 * sigma**2
    return sympy.Eq(sympy.Derivative(loss, a), 2 * (s**2 + sigma**2) * (a - s**2 / (s**2 + sigma**2)), evaluate=False)


AGAINST_THE_DATA = claim(
    "autoencoder.denoising_loss.against_the_data", Status.DERIVED,
    statement="measured against the data, the best linear f(x̃) = a x̃ shrinks by s²/(s² + σ²), the posterior mean of "
    "Gaussian data; measured against the corrupted data it is the identity, which removes nothing",
    source="Vincent et al. 2008; Alain & Bengio 2014", assumptions=("x of mean 0 and variance s², independent of ε",),
    equation=_shrinks,
)  # fmt: skip


def _slope() -> sympy.Basic:
    import sympy

    x, w, b = sympy.symbols("x w b", real=True)
    h = 1 / (1 + sympy.exp(-w * x - b))
    return sympy.Eq(sympy.Derivative(h, x) ** 2, (h * (1 - h)) ** 2 * w**2, evaluate=False)


SIGMOID = claim(
    "autoencoder.contractive_penalty.sigmoid", Status.DERIVED,
    statement="for h = sigmoid(W x + b), ‖∂h/∂x‖_F² = Σ_k (h_k (1 − h_k))² Σ_i W_ki²",
    source="Rifai, Vincent, Muller, Glorot & Bengio 2011, section 2", equation=_slope,
)  # fmt: skip
