"""The multivariate normal distribution: matrix formulas in float64, and their SymPy derivation at k = 2."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genverify.errors import UsageError

from .closed_form import ClosedForm, Derivation, Step, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["MatrixForm", "mvn_kl", "mvn_kl_2d", "mvn_log_prob", "mvn_log_prob_2d", "mvn_mle"]


@dataclass(frozen=True, kw_only=True)
class MatrixForm:
    """A formula of vectors and matrices of any size: computed by torch in float64, derived by SymPy at a small size.

    Call it with tensors; `terms` gives the additive terms, whose sum it is; `small` is the closed form at k = 2, in
    which the derivation was executed. The result has the arguments' dtype.
    """

    name: str
    source: str
    compute: Callable[..., tuple[Tensor, ...]] = field(repr=False, compare=False)
    small: ClosedForm = field(repr=False, compare=False)
    statement: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look like the function that this is, to help() and to doctest."""
        self.__dict__.update(
            __doc__=self.statement,
            __name__=self.name.rpartition(".")[2],
            __module__=self.compute.__module__,
            __wrapped__=self.compute,
        )

    def terms(self, *args: Tensor) -> tuple[Tensor, ...]:
        """The additive terms of the formula, in the dtype of the arguments."""
        dtype = functools.reduce(torch.promote_types, [a.dtype for a in args])
        terms = self.compute(*(a.to(torch.float64) for a in args))
        return tuple(term.to(dtype) for term in terms)

    def __call__(self, *args: Tensor) -> Tensor:
        """The value: the sum of the terms, summed in float64."""
        dtype = functools.reduce(torch.promote_types, [a.dtype for a in args])
        terms = self.compute(*(a.to(torch.float64) for a in args))
        return functools.reduce(torch.add, terms).to(dtype)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The derivation, at k = 2."""
        return self.small.steps


def _matrix_form(
    name: str, *, source: str, small: ClosedForm
) -> Callable[[Callable[..., tuple[Tensor, ...]]], MatrixForm]:
    def decorate(compute: Callable[..., tuple[Tensor, ...]]) -> MatrixForm:
        statement = inspect.getdoc(compute) or ""
        return MatrixForm(name=name, source=source, compute=compute, small=small, statement=statement)

    return decorate


def _factor(covariance: Tensor, size: int) -> Tensor:
    """The Cholesky factor L of a covariance LLᵀ; NaN where it is not positive definite."""
    if covariance.ndim < 2 or covariance.shape[-2:] != (size, size):
        raise UsageError(
            given=f"a covariance of shape {tuple(covariance.shape)}",
            expected=f"[..., {size}, {size}], to go with a mean of {size} numbers",
            do="pass the whole covariance matrix, not its diagonal",
        )
    # Both triangles count, so that a derivative with respect to the matrix is a derivative with respect to all of it.
    factor, failed = torch.linalg.cholesky_ex(0.5 * (covariance + covariance.mT))
    return torch.where((failed > 0)[..., None, None], torch.full_like(factor, math.nan), factor)


def _half_logabsdet(factor: Tensor) -> Tensor:
    return torch.log(torch.diagonal(factor, dim1=-2, dim2=-1)).sum(-1)


def _whitened(factor: Tensor, vector: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(factor, vector[..., None], upper=False)[..., 0]


def _standard_log_density(z: list[sympy.Expr]) -> sympy.Expr:
    import sympy

    return -sympy.Rational(1, 2) * sum((v**2 for v in z), sympy.S.Zero) - len(z) * sympy.log(2 * sympy.pi) / 2


def _lower(a: sympy.Expr, b: sympy.Expr, c: sympy.Expr) -> sympy.Matrix:
    import sympy

    return sympy.Matrix([[a, 0], [b, c]])


def _by_matrices(z: sympy.Matrix, mean: sympy.Matrix, covariance: sympy.Matrix) -> sympy.Expr:
    """The textbook form of the log-density, with the inverse and the determinant of the covariance."""
    import sympy

    gap = z - mean
    quadratic = (gap.T * covariance.inv() * gap)[0, 0]
    return -(2 * sympy.log(2 * sympy.pi) + sympy.log(sympy.factor(covariance.det())) + quadratic) / 2


_FACTOR = {"a": "positive", "b": "real", "c": "positive"}


@closed_form(
    "gaussian.mvn_log_prob_2d",
    arguments={"x1": "real", "x2": "real", "m1": "real", "m2": "real", **_FACTOR},
    source="Bishop 2006, eq. 2.43",
)
def mvn_log_prob_2d(
    x1: sympy.Symbol,
    x2: sympy.Symbol,
    m1: sympy.Symbol,
    m2: sympy.Symbol,
    a: sympy.Symbol,
    b: sympy.Symbol,
    c: sympy.Symbol,
) -> Derivation:
    """The log-density of N(m, LLᵀ) at k = 2, by change of variables from two standard normals; L = [[a, 0], [b, c]].

    x = m + Lε,  log p(x) = log φ(ε₁) + log φ(ε₂) - log|det L|

    Shapes: all broadcast; nats.

    Source: Bishop 2006, eq. 2.43, to which SymPy proves it equal.

    >>> mvn_log_prob_2d(0, 0, 0, 0, 1, 0, 1)
    -1.8378770664093456
    """
    import sympy

    first = (x1 - m1) / a
    second = (x2 - m2 - b * first) / c
    value = _standard_log_density([first, second]) - sympy.log(a) - sympy.log(c)
    lower = _lower(a, b, c)
    textbook = _by_matrices(sympy.Matrix([x1, x2]), sympy.Matrix([m1, m2]), lower * lower.T)
    steps = (
        step("x₁ = m₁ + (Lε)₁", m1 + a * first, x1, "forward substitution"),
        step("x₂ = m₂ + (Lε)₂", m2 + b * first + c * second, x2, "forward substitution"),
        step("the determinant of L", lower.det(), a * c, "triangular"),
        step("the matrix form", textbook, value, "Σ = LLᵀ, with Σ⁻¹ and det Σ written out"),
    )
    return Derivation(value=value, steps=steps)


@closed_form(
    "gaussian.mvn_kl_2d",
    arguments={
        "m1": "real", "m2": "real", **_FACTOR,
        "n1": "real", "n2": "real", "p": "positive", "q": "real", "r": "positive",
    },
    source="Kullback & Leibler 1951; by moments, here",
)  # fmt: skip
def mvn_kl_2d(
    m1: sympy.Symbol,
    m2: sympy.Symbol,
    a: sympy.Symbol,
    b: sympy.Symbol,
    c: sympy.Symbol,
    n1: sympy.Symbol,
    n2: sympy.Symbol,
    p: sympy.Symbol,
    q: sympy.Symbol,
    r: sympy.Symbol,
) -> Derivation:
    """KL(N(m, LLᵀ) ‖ N(n, RRᵀ)) at k = 2, through z = m + Lε and moments; L = [[a, 0], [b, c]], R = [[p, 0], [q, r]].

    E over ε of log p(z) - log q(z), a polynomial in ε: E ε₁^i ε₂^j = E ε₁^i E ε₂^j.

    Shapes: all broadcast; nats.

    Source: Kullback & Leibler 1951, eq. 2.4 (the definition); derived here, and proved equal to the matrix form.

    >>> mvn_kl_2d(1, 0, 1, 0, 1, 0, 0, 1, 0, 1)
    0.5
    """
    import sympy

    e1, e2 = sympy.symbols("epsilon_1 epsilon_2", real=True)
    lower, other = _lower(a, b, c), _lower(p, q, r)
    z = sympy.Matrix([m1, m2]) + lower * sympy.Matrix([e1, e2])
    log_p = _standard_log_density([e1, e2]) - sympy.log(a) - sympy.log(c)
    log_q = mvn_log_prob_2d.derive(z[0], z[1], n1, n2, p, q, r)
    assert not isinstance(log_q.value, tuple)
    polynomial = sympy.Poly(sympy.expand(log_p - log_q.value), e1, e2)
    moments: dict[int, Step] = {}
    for k in range(3):
        integral = sympy.Integral(e1**k * sympy.exp(-(e1**2) / 2) / sympy.sqrt(2 * sympy.pi), (e1, -sympy.oo, sympy.oo))
        equation = sympy.Eq(integral, integral.doit(), evaluate=False)
        moments[k] = Step(title=f"moment {k} of ε", equation=equation, because="integrated by SymPy")
    expected = sum(
        (coefficient * moments[i].equation.args[1] * moments[j].equation.args[1]
         for (i, j), coefficient in polynomial.terms()),
        sympy.S.Zero,
    )  # fmt: skip
    whitened = [(m1 - n1) / p]
    whitened.append((m2 - n2 - q * whitened[0]) / r)
    cross = (b - q * a / p) / r
    half = sympy.Rational(1, 2)
    squares = [a / p, c / r, cross, *whitened]
    value = sum((half * s**2 for s in squares), sympy.log(p) + sympy.log(r) - sympy.log(a) - sympy.log(c) - 1)
    gap = sympy.Matrix([n1 - m1, n2 - m2])
    inverse = (other * other.T).inv()
    matrix = (inverse * lower * lower.T).trace() + (gap.T * inverse * gap)[0, 0] - 2
    matrix = half * (matrix + 2 * sympy.log(p * r) - 2 * sympy.log(a * c))
    steps = (
        *log_q.steps,
        *moments.values(),
        step("arrange as squares", expected, value, "expectation moment by moment, ε₁ and ε₂ independent"),
        step("the matrix form", matrix, value, "½[tr Σ₁⁻¹Σ₀ + dᵀΣ₁⁻¹d - k + log det Σ₁/det Σ₀], det LLᵀ = (det L)²"),
    )
    return Derivation(value=value, steps=steps)


@_matrix_form("gaussian.mvn_log_prob", source="Bishop 2006, eq. 2.43", small=mvn_log_prob_2d)
def mvn_log_prob(x: Tensor, mean: Tensor, cov: Tensor) -> tuple[Tensor, ...]:
    """The log-density of N(m, Σ).

    log p(x) = -½ k log 2π - ½ log det Σ - ½ (x - m)ᵀ Σ⁻¹ (x - m)

    Shapes: `x` [..., k], `mean` [..., k], `cov` [..., k, k], batch axes broadcast; the result [...], nats. NaN where Σ
    is not numerically positive definite.

    Raises:
        UsageError: the covariance is no k × k matrix.

    Source: Bishop 2006, eq. 2.43; derived at k = 2 in `mvn_log_prob_2d`.

    >>> mvn_log_prob(torch.zeros(2), torch.zeros(2), torch.eye(2))
    tensor(-1.8379)
    """
    k = x.shape[-1]
    factor = _factor(cov, k)
    gap = x - mean
    shape = torch.broadcast_shapes(gap.shape[:-1], factor.shape[:-2])
    whitened = _whitened(factor.expand(*shape, k, k), gap.expand(*shape, k))
    constant = torch.full_like(whitened[..., 0], -0.5 * k * math.log(2.0 * math.pi))
    return constant, -_half_logabsdet(factor).expand(shape), -0.5 * (whitened**2).sum(-1)


@_matrix_form("gaussian.mvn_kl", source="Kullback & Leibler 1951", small=mvn_kl_2d)
def mvn_kl(mean0: Tensor, cov0: Tensor, mean1: Tensor, cov1: Tensor) -> tuple[Tensor, ...]:
    """KL(N(m₀, Σ₀) ‖ N(m₁, Σ₁)), full covariances.

    ½ [tr Σ₁⁻¹Σ₀ + (m₁ - m₀)ᵀ Σ₁⁻¹ (m₁ - m₀) - k + log det Σ₁ - log det Σ₀]

    Shapes: means [..., k], covariances [..., k, k], batch axes broadcast; the result [...], nats. NaN where a
    covariance is not numerically positive definite.

    Raises:
        UsageError: a covariance is no k × k matrix.

    Source: Kullback & Leibler 1951; Rasmussen & Williams 2006, eq. A.23; derived at k = 2 in `mvn_kl_2d`.

    >>> mvn_kl(torch.ones(2), torch.eye(2), torch.zeros(2), torch.eye(2))
    tensor(1.)
    """
    k = mean0.shape[-1]
    lower, other = _factor(cov0, k), _factor(cov1, k)
    gap = mean1 - mean0
    shape = torch.broadcast_shapes(gap.shape[:-1], lower.shape[:-2], other.shape[:-2])
    wide = other.expand(*shape, k, k)
    ratio = torch.linalg.solve_triangular(wide, lower.expand(*shape, k, k), upper=False)
    whitened = _whitened(wide, gap.expand(*shape, k))
    return (
        0.5 * (ratio**2).sum((-2, -1)),
        0.5 * (whitened**2).sum(-1),
        torch.full_like(whitened[..., 0], -0.5 * k),
        _half_logabsdet(other).expand(shape),
        -_half_logabsdet(lower).expand(shape),
    )


def mvn_mle(x: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum likelihood mean and covariance of n observations of a vector: divided by n, not by n - 1.

    μ̂ = (1/n) Σ x_i,  Σ̂ = (1/n) Σ (x_i - μ̂)(x_i - μ̂)ᵀ

    Shapes: `x` [n, k]; a pair (mean [k], covariance [k, k]) in the dtype of `x`, computed in float64. Σ̂ is singular
    for n <= k, and the likelihood is then unbounded.

    Raises:
        UsageError: `x` is not [n, k] with n >= 1.

    Source: Bishop 2006, eqs. 2.121 and 2.122: cited, not derived here (`gaussian.mle_from_statistics` derives k = 1).

    >>> mvn_mle(torch.tensor([[1.0, 0.0], [3.0, 0.0]]))[1]
    tensor([[1., 0.],
            [0., 0.]])
    """
    if x.ndim != 2 or x.shape[0] == 0:
        raise UsageError(
            given=f"data of shape {tuple(x.shape)}", expected="[n, k], n >= 1", do="one row for each observation"
        )
    wide = x.to(torch.float64)
    mean = wide.sum(0) / x.shape[0]
    centred = wide - mean
    covariance = centred[:, :, None] * centred[:, None, :]
    return mean.to(x.dtype), (covariance.sum(0) / x.shape[0]).to(x.dtype)
