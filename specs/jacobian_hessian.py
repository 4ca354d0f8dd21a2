"""Jacobians, Hessians and their products with vectors: what they are, and cheaper ways to the same numbers.

Everything that a network's derivative is used for is on this page: the Jacobian with outputs along rows, the Hessian as
the Jacobian of the gradient, Jv and uᵀJ without J, Hv without H, traces by probes, derivatives by differences. Each is
derived on functions whose derivatives SymPy takes, and those functions are what a stranger's code is then given.

Sources: Griewank & Walther 2008, "Evaluating Derivatives", chapter 3; Pearlmutter 1994, "Fast exact multiplication by
the Hessian" (Neural Computation 6); Hutchinson 1989, "A stochastic estimator of the trace of the influence matrix"
(Communications in Statistics 18); Avron & Toledo 2011, "Randomized algorithms for estimating the trace of an implicit
symmetric positive semi-definite matrix" (J. ACM 58); LeVeque 2007, "Finite Difference Methods", section 1.1.
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import calculus_curvature, calculus_derivatives, kernel
from genverify.noise import expectation
from genverify.oracles import calculus as oracle
from genverify.oracles import kernel as kernel_oracle
from genverify.reference.calculus import curvature, first

X = sympy.Matrix(sympy.symbols("x1 x2", real=True))
W = sympy.Matrix(2, 2, sympy.symbols("w11 w12 w21 w22", real=True))
V = sympy.Matrix(sympy.symbols("v1 v2", real=True))
(U,) = oracle.wave.symbols


def ridge(closed_form, h):
    """φ, φ′ or φ″ at w_h · x."""
    return closed_form.expression.subs(U, (W[h, :] * X)[0])


F = sum(ridge(oracle.wave, h) for h in range(2))


def zero(expression):
    """Whether a matrix or a number is zero, after expansion."""
    return sympy.Matrix([expression]).applyfunc(lambda one: sympy.simplify(sympy.expand(one))).is_zero_matrix


def at_numbers(expression, weight, x):
    """A SymPy matrix at rational numbers, as a tensor."""
    values = dict(zip([*W, *X], [*map(sympy.Rational, weight.reshape(-1).tolist()), *map(sympy.Rational, x.tolist())],
                      strict=True))  # fmt: skip
    found = sympy.Matrix(expression).subs(values).evalf(25)
    return torch.tensor([float(one) for one in found], dtype=torch.float64).reshape(found.shape)


def rounding(weight):
    """A few roundings of the largest entry that a Jacobian of ridges can have, and of the phase before them."""
    size = float(weight.abs().sum())
    return float(gv.numerics.gamma(16, torch.float64)) * 2 * size * (1 + size)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# f_k(x) = φ(w_k · x) has the Jacobian φ′(w_k · x) w_kj; f = Σ_k φ(w_k · x) has the gradient Σ_k φ′(w_k · x) w_k.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The chain rule. φ = sin + cos: φ, φ′, φ″, … are never zero together, so no term of any derivative is absent.


@proves("calculus.wave.derivatives")
def test_the_chain_rule_on_ridges():
    """SymPy's Jacobian and gradient at n = 2, and the same numbers from the oracle."""
    image = sympy.Matrix([ridge(oracle.wave, k) for k in range(2)])
    by_rule = sympy.Matrix(2, 2, lambda k, j: ridge(oracle.wave_slope, k) * W[k, j])
    assert zero(image.jacobian(X) - by_rule)
    slope = sympy.Matrix([sympy.diff(F, one) for one in X])
    assert zero(slope - sum((by_rule[k, :].T for k in range(2)), sympy.zeros(2, 1)))
    weight, x = torch.tensor([[0.5, -1.0], [2.0, 0.25]]).double(), torch.tensor([0.75, -0.5]).double()
    wanted = at_numbers(by_rule, weight, x)
    assert float((sum(oracle.jacobian(weight, x)) - wanted).abs().max()) <= rounding(weight)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The Hessian is the Jacobian of the gradient, symmetric for a C² function; Hv is the derivative of ∇f along v, vᵀHv
# that of f twice along v, Δf its trace.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂(∂f/∂x_i)/∂x_j = ∂²f/∂x_i∂x_j, and Schwarz's theorem exchanges the two. d/dt ∇f(x + tv) at t = 0 is Hv by the chain
# rule; the product with v is the second derivative of f(x + tv). For ridges, H = Σ_h φ″(w_h · x) w_h w_hᵀ.


@proves("calculus.hessian.jacobian_of_gradient")
def test_the_hessian_and_its_products():
    """Executed on two ridges: H, its symmetry, Hv, vᵀHv and Δf."""
    slope = sympy.Matrix([sympy.diff(F, one) for one in X])
    hessian = sympy.hessian(F, list(X))
    assert zero(hessian - slope.jacobian(X))
    assert zero(hessian - hessian.T)
    by_rule = sum((ridge(oracle.wave_curvature, h) * W[h, :].T * W[h, :] for h in range(2)), sympy.zeros(2, 2))
    assert zero(hessian - by_rule)
    t = sympy.Symbol("t", real=True)
    moved = dict(zip(X, X + t * V, strict=True))
    assert zero(slope.subs(moved, simultaneous=True).diff(t).subs(t, 0) - hessian * V)
    assert zero(F.subs(moved, simultaneous=True).diff(t, 2).subs(t, 0) - (V.T * hessian * V)[0])
    lengths = [(W[h, :] * W[h, :].T)[0] for h in range(2)]
    assert zero(hessian.trace() - sum(ridge(oracle.wave_curvature, h) * lengths[h] for h in range(2)))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Jv is the derivative of uᵀJ with respect to u along v.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂/∂u_k Σ_j (Σ_i u_i J_ij) v_j = Σ_j J_kj v_j, at any u, since uᵀJ is linear in u. So two backward passes make a
# forward one; the reference does that.


@proves("calculus.products.by_two_passes")
def test_a_forward_product_by_two_backward_passes():
    """For all entries symbols, 3 outputs and 2 inputs."""
    jacobian = sympy.Matrix(3, 2, sympy.symbols("j1:7", real=True))
    u = sympy.Matrix(sympy.symbols("u1:4", real=True))
    pulled = (u.T * jacobian).T
    assert zero((pulled.jacobian(u)).T * V - jacobian * V)


# ── Claim, as it is usually used (REFUTED) ───────────────────────────────────────────────────────────────────────────
# "The gradient of Σ_b y_bk with respect to x_b is the Jacobian of row b."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# y_b = x_b − x̄ for two rows. Σ_b y_b = 0, but ∂y_b/∂x_b = 1/2.
#
# ── Corrected statement ──────────────────────────────────────────────────────────────────────────────────────────────
# The gradient is Σ_b′ ∂y_b′k/∂x_b, by linearity: the Jacobian of row b and what the others owe to x_b.


@proves("calculus.batch_jacobian.summed")
def test_the_sum_over_the_batch_is_not_the_row():
    """The counterexample in SymPy and in the reference, and the corrected statement for any coupling of two rows."""
    x = sympy.Matrix(sympy.symbols("x1 x2", real=True))
    y = x - sympy.ones(2, 1) * (x[0] + x[1]) / 2
    assert sympy.diff(y[0] + y[1], x[0]) == 0
    assert sympy.diff(y[0], x[0]) == sympy.Rational(1, 2)
    own = first.batch_jacobian(lambda rows: rows - rows.mean(0), torch.tensor([[3.0], [5.0]]))
    assert torch.equal(own, torch.full((2, 1, 1), 0.5))
    g, h = (sympy.Function(name)(*x) for name in "gh")
    assert sympy.diff(g + h, x[0]) == sympy.diff(g, x[0]) + sympy.diff(h, x[0])


@proves("calculus.batch_jacobian.summed")
def test_genverify_sees_it_where_rows_interact_only():
    """FAIL under the formula's full claim, with the reason; PASS for maps of single rows."""

    def summed(f, x):
        x = x.detach().requires_grad_()
        y = f(x)
        rows = [torch.autograd.grad(y[:, k].sum(), x, retain_graph=True)[0] for k in range(y.shape[1])]
        return torch.stack(rows, 1)

    subject = gv.Formula(summed, like="calculus.batch_jacobian")
    (verdict,) = gv.verify(subject, checks=["formula.dialect"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL
    assert "summed over all output rows" in verdict.evidence.message
    narrow = gv.Formula(summed, like="calculus.batch_jacobian", layout="rows that do not interact")
    gv.verify(narrow, checks=["formula.dialect", "formula.value"], budget="quick").raise_for_failures()


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log|det J| of x ↦ R(u + ½ sin u), u = Lx, is Σ log(1 + ½ cos u_k) + Σ log L_kk, where |det R| = 1.


@proves("calculus.logabsdet.factors")
def test_the_log_determinant_of_the_factors():
    """The determinant of SymPy's Jacobian at n = 2; the logarithm of a positive product is the sum."""
    a, c = sympy.symbols("a c", positive=True)
    b, r = sympy.symbols("b r", real=True)
    lower, upper = sympy.Matrix([[a, 0], [b, c]]), sympy.Matrix([[1, r], [0, 1]])
    u = lower * X
    image = upper * u.applyfunc(lambda one: one + sympy.sin(one) / 2)
    product = (1 + sympy.cos(u[0]) / 2) * (1 + sympy.cos(u[1]) / 2) * a * c
    assert zero(image.jacobian(X).det() - product)
    sign = sympy.diag(-1, 1)
    assert zero((sign * image).jacobian(X).det() + product)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# One-sided differences are off by h f″/2, central ones by h² f‴/6.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Taylor's theorem around x: even powers of h cancel in f(x + h) − f(x − h).


@proves("calculus.finite_difference.order")
def test_the_error_of_differences():
    """The first term of the error and the order of the rest, for f unspecified."""
    h = sympy.Symbol("h", real=True)
    derivatives = sympy.symbols("f0:6", real=True)

    def f(step):
        return sum(d * step**k / sympy.factorial(k) for k, d in enumerate(derivatives))

    one_sided = sympy.expand((f(h) - f(0)) / h - derivatives[1])
    central = sympy.expand((f(h) - f(-h)) / (2 * h) - derivatives[1])
    assert sympy.simplify(sympy.limit(one_sided / h, h, 0) - derivatives[2] / 2) == 0
    assert sympy.simplify(sympy.limit(central / h**2, h, 0) - derivatives[3] / 6) == 0
    assert (one_sided.coeff(h, 0), *(central.coeff(h, k) for k in (0, 1, 3))) == (0, 0, 0, 0)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E vᵀAv = tr A for uncorrelated v of mean 0 and variance 1. With S = (A + Aᵀ)/2 the variance is 2‖S‖²_F for normal
# entries and 2 Σ_{i≠j} S_ij² for signs, which is smaller by the diagonal.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E v_i v_j = δ_ij, term by term; A may be anything. For the variance, fourth moments: 3 for a normal entry, 1 for a
# sign.

A = sympy.Matrix(3, 3, sympy.symbols("a11 a12 a13 a21 a22 a23 a31 a32 a33", real=True))
MOMENTS = {"normal": (1, 0, 1, 0, 3), "sign": (1, 0, 1, 0, 1)}


def expected(polynomial, law):
    """E of a polynomial in three independent entries, by their moments."""
    v = sympy.symbols("v1:4", real=True)
    terms = sympy.Poly(sympy.expand(polynomial), *v).terms()
    moments = MOMENTS[law]
    return sum(c * moments[p[0]] * moments[p[1]] * moments[p[2]] for p, c in terms)


@proves("calculus.hutchinson.unbiased")
@pytest.mark.parametrize("law", MOMENTS)
def test_the_estimate_is_unbiased_and_its_variance(law):
    """For every A of size 3, all entries symbols."""
    v = sympy.Matrix(sympy.symbols("v1:4", real=True))
    estimate = sympy.expand((v.T * A * v)[0])
    assert sympy.expand(expected(estimate, law) - A.trace()) == 0
    symmetric = (A + A.T) / 2
    variance = expected(sympy.expand(estimate**2), law) - A.trace() ** 2
    squares = sum(symmetric[i, j] ** 2 for i in range(3) for j in range(3) if law == "normal" or i != j)
    assert sympy.expand(variance - 2 * squares) == 0


@proves("calculus.hutchinson.unbiased")
@pytest.mark.parametrize("law", MOMENTS)
def test_so_it_is_in_the_reference_code(law):
    """The exact expectation over the code's own draws, two probes of two entries; the matrix is not symmetric."""
    matrix = torch.tensor([[1.0, 2.0], [-0.5, 3.0]], dtype=torch.float64)

    def estimate():
        draw = torch.randn if law == "normal" else lambda *shape, dtype: torch.randint(0, 2, shape).to(dtype) * 2 - 1
        return curvature.hutchinson_trace(lambda v: v @ matrix.mT, draw(2, 2, dtype=torch.float64))

    found = expectation(estimate)
    assert found.converged, found.reason
    rounding = 64 * torch.finfo(torch.float64).eps * float(matrix.abs().sum())
    assert abs(found.mean.item() - 4.0) <= found.error.item() + rounding


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂²k/∂x∂yᵀ = k (I − ddᵀ/σ²)/σ² for the Gaussian kernel: positive at d = 0, where ∂²k/∂x∂xᵀ is negative.


@proves("kernel.rbf.derivatives")
def test_the_mixed_derivative_of_the_gaussian_kernel():
    """Differentiated by SymPy at n = 2; both signs at d = 0; and the closed form that runs against its matrix form."""
    xs, ys = (sympy.Matrix(sympy.symbols(f"{name}1 {name}2", real=True)) for name in "xy")
    width, d = sympy.Symbol("sigma", positive=True), xs - ys
    value = sympy.exp(-(d.T * d)[0] / (2 * width**2))
    mixed = sympy.Matrix([value]).jacobian(xs).T.jacobian(ys)
    assert zero(mixed - value * (sympy.eye(2) - d * d.T / width**2) / width**2)
    at_zero = dict(zip(xs, ys, strict=True))
    assert mixed.subs(at_zero) == sympy.eye(2) / width**2 == -sympy.hessian(value, list(xs)).subs(at_zero)
    x, y = torch.tensor([0.5, -1.0]).double(), torch.tensor([1.25, 0.5]).double()
    sigma = torch.tensor(0.75).double()
    small = torch.stack(kernel_oracle.mixed_in_two(*x, *y, sigma)).reshape(2, 2)
    matrix = sum(kernel_oracle.rbf_mixed_hessian(x, y, sigma))
    assert float((small - matrix).abs().max()) <= 64 * torch.finfo(torch.float64).eps * float(small.abs().max())


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.calculus`: reverse mode only; loops where a loop says what is meant.

_REFERENCES = [
    calculus_derivatives.gradient, calculus_derivatives.jacobian, calculus_derivatives.batch_jacobian,
    calculus_derivatives.jvp, calculus_derivatives.vjp, calculus_derivatives.hessian, calculus_derivatives.hvp,
    calculus_derivatives.laplacian, calculus_derivatives.hessian_diagonal, calculus_derivatives.logabsdet,
    calculus_derivatives.directional_second_derivative, calculus_curvature.finite_difference_gradient,
    calculus_curvature.hutchinson_trace, kernel.rbf, kernel.rbf_mixed_hessian,
]  # fmt: skip


@proves("calculus.wave.derivatives")
@pytest.mark.parametrize("make", _REFERENCES, ids=lambda make: make.__name__)
def test_the_references_pass(make):
    """Value, or order where that is what is claimed."""
    report = gv.verify(make(), budget="quick", checks=["formula.dialect", "formula.value", "formula.order"])
    outcomes = {verdict.outcome for verdict in report}
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}
