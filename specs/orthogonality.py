"""Orthogonal weights: how far rows are from it, and steps towards it.

A regulariser of ‖W Wᵀ − I‖² asks for rows that are orthogonal and of length one; without its diagonal for rows that
are orthogonal. Björck's step brings singular values to one.

Sources: Brock et al. 2017, "Neural photo editing with introspective adversarial networks"; Brock, Donahue & Simonyan
2019, "Large scale GAN training for high fidelity natural image synthesis"; Björck & Bowie 1971, "An iterative algorithm
for computing the best estimate of an orthogonal matrix"; Anil, Lucas & Grosse 2019, "Sorting out Lipschitz function
approximation".
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.reference.layers import orthogonality as reference


def passes(name: str) -> bool:
    """Whether the reference's values are those of the formula."""
    made = gv.Formula(getattr(reference, name), like=f"orthogonality.{name}")
    report = gv.verify(made, budget="quick", checks=["formula.dialect", "formula.value"])
    return report.count(gv.Outcome.PASS) == 2


def _rows() -> sympy.Matrix:
    return sympy.Matrix(2, 2, sympy.symbols("a b c d", real=True))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ‖W Wᵀ − I‖² = Σ (s_i² − 1)².


@proves("orthogonality.defect_of_singular_values")
def test_the_defect_in_singular_values():
    """W = R diag(s, t) Q with rotations R and Q; WᵀW differs by rows less columns; the reference agrees."""
    s, t, p, q = sympy.symbols("s t p q", real=True)

    def turn(half):
        """The rotation whose half-angle has that tangent."""
        return sympy.Matrix([[1 - half**2, -2 * half], [2 * half, 1 - half**2]]) / (1 + half**2)

    weight = turn(p) * sympy.diag(s, t) * turn(q)
    gap = weight * weight.T - sympy.eye(2)
    assert sympy.cancel(sum(x**2 for x in gap) - (s**2 - 1) ** 2 - (t**2 - 1) ** 2) == 0
    tall = sympy.Matrix([s, t])
    rows = sum(x**2 for x in tall * tall.T - sympy.eye(2))
    columns = sum(x**2 for x in tall.T * tall - sympy.eye(1))
    assert sympy.expand(rows - columns) == 1
    assert passes("frobenius_defect")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The gradient of ½ ‖W Wᵀ ∘ (1 − I)‖² is 2 (W Wᵀ ∘ (1 − I)) W.


@proves("orthogonality.offdiagonal_gradient")
def test_the_gradient_without_the_diagonal():
    """Differentiated at symbols; the references of the regulariser and of its step."""
    weight = _rows()
    gram = weight * weight.T
    off = gram - sympy.diag(*gram.diagonal())
    loss = sum(x**2 for x in off) / 2
    gradient = sympy.Matrix(2, 2, lambda i, j: sympy.diff(loss, weight[i, j]))
    assert (gradient - 2 * off * weight).applyfunc(sympy.expand) == sympy.zeros(2, 2)
    assert passes("offdiagonal_frobenius")
    assert passes("offdiagonal_step")


# ── Claim, as it is coded ────────────────────────────────────────────────────────────────────────────────────────────
# The step does the same without its mask.
#
# ── Counterexample, and what holds ───────────────────────────────────────────────────────────────────────────────────


@proves("orthogonality.without_the_mask")
def test_without_the_mask_rows_shrink():
    """I becomes (1 − 2η) I; with the mask orthogonal rows of any length stay; FAIL."""
    rate, length, other = sympy.symbols("eta l m", positive=True)
    one = sympy.eye(2)
    assert one - 2 * rate * one * one.T * one == (1 - 2 * rate) * one
    rows = sympy.diag(length, other)
    gram = rows * rows.T
    assert rows - 2 * rate * (gram - sympy.diag(*gram.diagonal())) * rows == rows

    def unmasked(w, lr):
        return w - lr * 2 * (w @ w.T) @ w

    report = gv.verify(
        gv.Formula(unmasked, like="orthogonality.offdiagonal_step"), budget="quick", checks=["formula.dialect"]
    )
    assert report.count(gv.Outcome.FAIL) == 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ |cos| does not see lengths.


@proves("orthogonality.cosines")
def test_cosines_do_not_see_lengths():
    """Scaled rows have the same cosine, and the gradient in a row is orthogonal to it; the reference agrees."""
    a, b, c, d = sympy.symbols("a b c d", real=True)
    k = sympy.Symbol("k", positive=True)
    cosine = (a * c + b * d) / sympy.sqrt((a**2 + b**2) * (c**2 + d**2))
    scaled = cosine.subs({a: k * a, b: k * b}, simultaneous=True)
    assert sympy.simplify(scaled - cosine) == 0
    assert sympy.simplify(a * sympy.diff(cosine, a) + b * sympy.diff(cosine, b)) == 0
    assert passes("cosine_l1")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Björck's step moves singular values by s + β s (1 − s²), for β = ½ quadratically to one.


@proves("orthogonality.bjorck.singular_values")
def test_bjorck_moves_singular_values_to_one():
    """The polynomial of a diagonal matrix; 1 − s′ by factors; the reference agrees, and converges."""
    s, t, beta = sympy.symbols("s t beta", positive=True)
    weight = sympy.diag(s, t)
    moved = (1 + beta) * weight - beta * weight * weight.T * weight
    assert (
        (moved - sympy.diag(s + beta * s * (1 - s**2), t + beta * t * (1 - t**2)))
        .applyfunc(sympy.expand)
        .is_zero_matrix
    )
    half = (s + s * (1 - s**2) / 2).expand()
    assert sympy.expand(1 - half - (1 - s) ** 2 * (1 + s / 2)) == 0
    assert sympy.solve(half, s) == [sympy.sqrt(3)]  # positive below it
    assert passes("bjorck_step")
    found = reference.bjorck_step(torch.diag(torch.tensor([0.3, 1.6], dtype=torch.float64)), iters=12)
    assert float(reference.frobenius_defect(found)) < 1e-20
