"""Spectral normalisation: a weight over its norm, and how the norm is estimated.

Dividing W by its largest singular value makes x ↦ Wx 1-Lipschitz. The value comes from a power iteration of one step a
call, whose vectors are kept; so three things can be wrong that no loss shows: the step, what is kept, and the gradient,
which goes through σ.

Sources: Miyato et al. 2018, "Spectral normalization for generative adversarial networks"; Golub & Van Loan 2013,
"Matrix computations"; Behrmann et al. 2019, "Invertible residual networks".
"""

from __future__ import annotations

from dataclasses import replace

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.reference.layers import spectral_norm as reference
from genverify.subjects.budget import BUDGETS

_LARGE = replace(BUDGETS["quick"], shrinks=0)  # a witness need not be small


def passes(f, like: str) -> bool:
    """Whether its values are those of the formula."""
    report = gv.verify(gv.Formula(f, like=like), budget="quick", checks=["formula.dialect", "formula.value"])
    return report.count(gv.Outcome.PASS) == 2


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# In the basis of singular vectors a step multiplies the components of u by σ_i²; uᵀWv is never above σ₁.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# u ← WWᵀu/‖·‖ and WWᵀ = U diag(σ²) Uᵀ. For unit vectors uᵀWv = Σ σ_i u_i v_i ≤ σ₁ Σ |u_i v_i| ≤ σ₁.


@proves("spectral_norm.power_iteration.step")
def test_a_step_of_the_power_iteration():
    """The ratio after k steps; the bound as a square; the reference passes, and its σ rises to the norm."""
    p, q = sympy.symbols("sigma1 sigma2", positive=True)
    a, b, t, r = sympy.symbols("a b t r", real=True)
    matrix, u = sympy.diag(p, q), sympy.Matrix([a, b])
    after = (matrix * matrix.T) ** 3 * u
    assert sympy.simplify(after[1] / after[0] - (b / a) * (q / p) ** 6) == 0
    value = p * sympy.cos(t) * sympy.cos(r) + q * sympy.sin(t) * sympy.sin(r)
    half = (p + q) / 2 * sympy.cos(t - r) + (p - q) / 2 * sympy.cos(t + r)  # at most (p + q)/2 + |p − q|/2
    assert sympy.simplify(sympy.expand_trig(half) - value) == 0
    assert passes(reference.power_iteration, "spectral_norm.power_iteration")
    weight = torch.diag(torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64))
    u, found = torch.ones(3, dtype=torch.float64) / 3**0.5, []
    for _ in range(30):
        u, v = reference.power_iteration(weight, u)
        found.append(float(u @ weight @ v))
    assert sorted(found) == found or max(found) - found[-1] < 1e-12
    assert abs(found[-1] - float(reference.dense_norm(weight))) < 1e-9


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The gradient of a loss in W is (G − ⟨G, W/σ⟩ uvᵀ)/σ, which is orthogonal to W.


@proves("spectral_norm.gradient")
def test_the_gradient_goes_through_sigma():
    """By differentiating Σ G∘W/σ at symbols; references pass; with σ detached FAIL, in the gradient alone."""
    w = sympy.Matrix(2, 2, sympy.symbols("w11 w12 w21 w22", real=True))
    g = sympy.Matrix(2, 2, sympy.symbols("g11 g12 g21 g22", real=True))
    u, v = (sympy.Matrix(2, 1, sympy.symbols(f"{name}1 {name}2", real=True)) for name in "uv")
    sigma = (u.T * w * v)[0]
    loss = sum(g.multiply_elementwise(w)) / sigma
    gradient = sympy.Matrix(2, 2, lambda i, j: sympy.diff(loss, w[i, j]))
    claimed = (g - sum(g.multiply_elementwise(w / sigma)) * u * v.T) / sigma
    assert (gradient - claimed).applyfunc(sympy.simplify) == sympy.zeros(2, 2)
    assert sympy.simplify(sum(gradient.multiply_elementwise(w))) == 0
    assert passes(reference.normalize, "spectral_norm.normalize")

    def detached(W, u, v):
        return W / (u @ W @ v).detach()

    report = gv.verify(gv.Formula(detached, like="spectral_norm.normalize"), budget=_LARGE)
    assert [one.check for one in report.failures] == ["formula.gradient"]


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The order of the columns of a kernel's matrix does not change its norm.


@proves("lipschitz.spectral_norm_of_a_kernel.places")
def test_the_order_of_the_places():
    """M Mᵀ of a matrix and of its columns exchanged; a transposed kernel's matrix has the outputs first."""
    matrix = sympy.Matrix(2, 2, sympy.symbols("a b c d", real=True))
    turned = matrix[:, ::-1]
    assert (matrix * matrix.T - turned * turned.T).applyfunc(sympy.expand) == sympy.zeros(2, 2)
    assert matrix * matrix.T != matrix.T * matrix
    for name in ("conv_matrix", "conv_transpose_matrix"):
        assert passes(getattr(reference, name), f"spectral_norm.{name}")


# ── Claim, as it is read ─────────────────────────────────────────────────────────────────────────────────────────────
# After one step W/σ has norm one.
#
# ── Counterexample, and what holds ───────────────────────────────────────────────────────────────────────────────────
# diag(2, 1) from u = (1, 2)/√5: σ = √(5/2), so that ‖W/σ‖ = 2/√(5/2) > 1.


@proves("spectral_norm.one_step_suffices")
def test_one_step_under_estimates():
    """By SymPy and by the reference; σ ≤ σ₁ whatever u, so that ‖W/σ‖ ≥ 1; and 1 in the limit of kept vectors."""
    matrix, u = sympy.diag(2, 1), sympy.Matrix([1, 2]) / sympy.sqrt(5)
    v = (matrix.T * u) / (matrix.T * u).norm()
    u = (matrix * v) / (matrix * v).norm()
    sigma = sympy.simplify((u.T * matrix * v)[0])
    assert sigma == sympy.sqrt(sympy.Rational(5, 2))
    assert 2 / sigma > 1
    p, x = sympy.symbols("p x", positive=True)  # squares of σ₁/σ₂, and of the ratio of the components of v
    rayleigh = (p + x) / (1 + x)  # |Wv|²/σ₂², and σ = |Wv|
    assert sympy.simplify(p - rayleigh - x * (p - 1) / (1 + x)) == 0  # ≥ 0 for p ≥ 1
    assert sympy.limit(rayleigh, x, 0) == p
    start = torch.tensor([1.0, 2.0], dtype=torch.float64) / 5**0.5
    weight = torch.diag(torch.tensor([2.0, 1.0], dtype=torch.float64))
    left, right = reference.power_iteration(weight, start)
    assert abs(float(left @ weight @ right) - float(sigma)) < 1e-12
