"""Normalisation layers: what they ignore, and what their gradients are orthogonal to.

Every normalisation layer subtracts a mean and divides by a spread, and differs from the others in the axes over which
these are taken. This page derives what follows from that for values and gradients, and holds code against it.

Source: Ioffe & Szegedy 2015, "Batch normalization"; Ba, Kiros & Hinton 2016, "Layer normalization"; Zhang & Sennrich
2019, "Root mean square layer normalization"; Salimans & Kingma 2016, "Weight normalization".
"""

from __future__ import annotations

import itertools

import sympy
import torch
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.formulas import normalization, normalization_batch
from genverify.numerics.rounding import gamma
from genverify.reference.layers import normalization as reference

# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# With x̂ = (x − μ)/√(v + ε), μ and v the mean and the mean squared deviation of the same n numbers:
# invariance x̂(a x + c) = x̂(x) for a > 0, ε = 0; gradient (I − 1 1ᵀ/n − x̂ x̂ᵀ/n) g/σ for ε = 0, so that it is orthogonal
# to 1 and to x̂. For a batch the n numbers are those of a channel over the batch; for a layer those of one row.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# μ(a x + c) = a μ + c and v(a x + c) = a² v, so x̂ does not change. Of a function with f(x + c 1) = f(x) the derivative
# along 1 is zero, and of one with f(a x) = f(x) that along x is; x̂ σ = x − μ 1 lies in the span of x and 1.

_X = sympy.symbols("x1:4", real=True)
_G = sympy.symbols("g1:4", real=True)
_A, _C = sympy.Symbol("a", positive=True), sympy.Symbol("c", real=True)
_EPS = sympy.Symbol("epsilon", nonnegative=True)


def _normalised(x: list[sympy.Expr], eps: sympy.Expr | int = 0) -> sympy.Matrix:
    mean = sum(x) / sympy.Integer(len(x))
    variance = sum((one - mean) ** 2 for one in x) / sympy.Integer(len(x))
    return sympy.Matrix([(one - mean) / sympy.sqrt(variance + eps) for one in x])


def _gradient(eps: sympy.Expr | int = 0) -> sympy.Matrix:
    """∂⟨g, x̂⟩/∂x."""
    y = _normalised(list(_X), eps)
    loss = sum(g * one for g, one in zip(_G, y, strict=True))
    return sympy.Matrix([sympy.diff(loss, one) for one in _X])


@proves("normalization.batch_norm_invariance")
def test_scale_and_shift_of_the_layer_before_do_not_matter():
    """For symbols: the normalised a x + c is the normalised x."""
    moved = _normalised([_A * one + _C for one in _X])
    assert (moved - _normalised(list(_X))).applyfunc(sympy.simplify).is_zero_matrix


@proves("normalization.batch_norm_gradient")
def test_the_gradient_sums_to_zero_and_is_orthogonal_to_the_normalised_batch():
    """The sum for every ε; the product with x − μ for ε = 0."""
    assert sympy.simplify(sum(_gradient(_EPS))) == 0
    assert sympy.simplify(_gradient().dot(_normalised(list(_X)))) == 0


@proves("normalization.layer_norm_gradient")
def test_the_gradient_is_what_two_projections_leave():
    """(I − 1 1ᵀ/n − x̂ x̂ᵀ/n) g / σ is the derivative, for symbols."""
    hat, g = _normalised(list(_X)), sympy.Matrix(_G)
    sigma = (_X[0] - sum(_X) / 3) / hat[0]
    ones = sympy.ones(3, 1)
    claimed = (g - ones * (ones.T * g)[0] / 3 - hat * (hat.T * g)[0] / 3) / sigma
    assert (claimed - _gradient()).applyfunc(sympy.simplify).is_zero_matrix


@proves("normalization.rms_norm_scale")
def test_rms_normalisation_ignores_the_scale_and_not_the_shift():
    """For two symbols, and the counterexample (1, 7) shifted by −1."""
    x = sympy.Matrix(_X[:2])
    y = lambda v: v / sympy.sqrt(v.dot(v) / 2)  # noqa: E731
    assert (y(_A * x) - y(x)).applyfunc(sympy.simplify).is_zero_matrix
    assert y(sympy.Matrix([1, 7])) != y(sympy.Matrix([0, 6]))


@proves("normalization.weight_norm_gradient")
def test_the_gradient_of_a_normalised_weight_is_orthogonal_to_it():
    """∂⟨h, g v/‖v‖⟩/∂v for two symbols."""
    v, h, length = sympy.Matrix(_X[:2]), sympy.Matrix(_G[:2]), sympy.Symbol("g", real=True)
    norm = sympy.sqrt(v.dot(v))
    found = sympy.Matrix([sympy.diff(length * h.dot(v) / norm, one) for one in v])
    claimed = length / norm * (h - v * v.dot(h) / v.dot(v))
    assert (found - claimed).applyfunc(sympy.simplify).is_zero_matrix
    assert sympy.simplify(found.dot(v)) == 0


@proves("normalization.running_variance")
def test_the_biased_variance_of_a_batch_is_too_small_on_average():
    """E over independent ±σ, by every outcome: (n − 1)/n σ². It is quadratic, so that the variance alone matters."""
    sigma = sympy.Symbol("sigma", positive=True)
    for n in (2, 3, 4):
        outcomes = list(itertools.product((-sigma, sigma), repeat=n))
        mean = sum(sum(x**2 for x in one) / sympy.Integer(n) - (sum(one) / sympy.Integer(n)) ** 2 for one in outcomes)
        assert sympy.simplify(mean / len(outcomes) - sympy.Rational(n - 1, n) * sigma**2) == 0


@proves("normalization.rows_apart")
def test_a_row_depends_on_the_rest_of_its_batch_in_training():
    """The counterexample, through torch's layer, with an ε that rounds away; layer normalisation keeps rows apart."""
    layer = nn.BatchNorm1d(1, eps=2.0**-60, affine=False).double()
    rows = [layer(torch.tensor([[0.0], [other]], dtype=torch.float64))[0].item() for other in (2.0, -2.0)]
    assert rows == [-1.0, 1.0]
    x = torch.arange(6, dtype=torch.float64).reshape(2, 3) ** 2
    layer = nn.LayerNorm(3).double()
    assert torch.equal(layer(x)[0], layer(x[:1])[0])


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.layers.normalization`.


@proves("normalization.batch_norm_gradient")
def test_automatic_differentiation_of_the_reference_agrees():
    """The gradient of a batch of 8 sums to zero, within the rounding of 8 terms."""
    torch.manual_seed(0)
    x = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    reference.BatchNorm(3).double()(x).mul(torch.randn(8, 3)).sum().backward()
    assert x.grad is not None
    assert bool((x.grad.sum(0).abs() <= gamma(64, torch.float64) * x.grad.abs().sum(0)).all())


@proves("normalization.layer_norm_gradient")
def test_the_references_pass():
    """Batch normalisation through training and evaluation; RMS and weight normalisation with their gradients."""
    gv.verify(normalization_batch.batch_norm(), budget="quick", checks=["formula.value"]).raise_for_failures()
    for subject in (normalization.rms_norm(), normalization.weight_norm()):
        gv.verify(subject, budget="quick", checks=["formula.value", "formula.gradient"]).raise_for_failures()


@proves("normalization.rows_apart")
def test_batch_moments_in_evaluation_are_refuted():
    """Without running moments a prediction depends on the rest of the batch: FAIL, and the slip is named."""

    class Forgets(nn.Module):
        def forward(self, x):
            return nn.functional.batch_norm(x, None, None, None, None, True)

    (verdict,) = gv.verify(
        gv.Formula(Forgets(), like="normalization.batch_norm", layout="batch, channel"),
        budget="quick",
        checks=["formula.dialect"],
    )
    assert verdict.outcome is gv.Outcome.FAIL
    assert "in evaluation" in str(verdict)
