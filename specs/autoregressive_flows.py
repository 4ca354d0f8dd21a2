"""Autoregressive flows and their masks: triangular Jacobians, in one pass or in order.

If output i depends on the inputs up to i alone the Jacobian is triangular. A masked network computes all outputs at
once; that it sees what it may, and no more, is a matter of ≥ and >.

Sources: Germain, Gregor, Murray & Larochelle 2015, "MADE" (ICML); Kingma et al. 2016, "Improved variational inference
with inverse autoregressive flow" (NIPS); Papamakarios, Pavlakou & Murray 2017, "Masked autoregressive flow for density
estimation" (NIPS); van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel recurrent neural networks" (ICML).
"""

from __future__ import annotations

import itertools

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_claims
from genverify.oracles import flow_jacobians as oracle
from genverify.oracles import masks
from genverify.reference.flows.masked_autoregressive import MaskedAutoregressive
from genverify.subjects.bijection import Bijection

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# u_i = (x_i − μ_i) e^(−α_i) has the logabsdet −Σ α_i.


@proves("flow.autoregressive.logabsdet")
@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_jacobian_is_triangular(size):
    """With applied functions of the features before; the diagonal is e^(−α_i)."""
    jacobian, total = oracle.autoregressive(size)
    assert jacobian.is_lower
    assert sympy.simplify(jacobian.det() - sympy.exp(total)) == 0
    equation = flow_claims.AUTOREGRESSIVE.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0


@proves("flow.autoregressive.logabsdet")
def test_the_inverse_is_found_in_order():
    """x_i = u_i e^(α_i) + μ_i, and μ_i and α_i are known once x_1 … x_(i−1) are."""
    x, mean, log = sympy.symbols("x mu alpha", real=True)
    assert sympy.simplify((x - mean) * sympy.exp(-log) * sympy.exp(log) + mean - x) == 0


@proves("flow.additive_coupling.logabsdet")
def test_an_additive_coupling_preserves_volume():
    """y = (a, b + t(a)) with an applied function t of two kept numbers."""
    a1, a2, b = sympy.symbols("a1 a2 b", real=True)
    image = sympy.Matrix([a1, a2, b + sympy.Function("t")(a1, a2)])
    assert image.jacobian([a1, a2, b]).det() == 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Products of MADE's masks are strictly triangular in the degrees.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A path from input j to output i is a chain of units. Where every mask lets it through, m_j ≤ m_1 ≤ … ≤ m_L < i. So no
# path leads from j to i ≤ j, and the entry is an empty sum. With ≥ at the end m_j ≤ … ≤ i allows i = j.


@proves("mask.made.autoregressive")
@pytest.mark.parametrize("size", [2, 3])
def test_paths_lead_forward_alone(size):
    """For all degrees of two hidden layers of two units each."""
    inputs = torch.arange(1, size + 1)
    for first, second in itertools.product(itertools.product(range(1, size + 1), repeat=2), repeat=2):
        m1, m2 = torch.tensor(first), torch.tensor(second)
        hidden = masks.degrees(m1, m2, strict=False) @ masks.degrees(inputs, m1, strict=False)
        paths = masks.degrees(m2, inputs, strict=True) @ hidden
        assert bool((torch.triu(paths) == 0).all())
    loose = masks.degrees(inputs, inputs, strict=False) @ masks.degrees(inputs, inputs, strict=False)
    assert bool((torch.diagonal(loose) > 0).all())


@proves("mask.made.autoregressive")
def test_the_loose_mask_at_the_output_is_seen():
    """With ≥ for > in the output layer −Σ α is not the logabsdet; the Jacobian is triangular still."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        flow = MaskedAutoregressive(3)
    right = gv.verify(Bijection(flow, event_shape=3, autoregressive=True), budget="quick")
    right.raise_for_failures()
    units = torch.arange(12) % 2 + 1
    flow.made.mask_out = (torch.arange(1, 4).repeat(2)[:, None] >= units).float()
    wrong = gv.verify(Bijection(flow, event_shape=3, autoregressive=True), budget="quick")
    failed = {verdict.check for verdict in wrong.failures}
    assert "bijection.logabsdet" in failed
    assert "bijection.autoregressive" not in failed


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# PixelCNN's masks keep raster order.


@proves("mask.pixelcnn.raster_order")
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("first", ["A", "B"])
def test_masked_convolutions_keep_raster_order(size, first):
    """Through a mask of type A (or B) and two of type B, on an image of 6 × 6: which pixels the one at (3, 3) sees."""
    image = torch.zeros(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    out = image
    for kind in (first, "B", "B"):
        kernel = masks.pixelcnn(size, sees_itself=kind == "B")
        out = torch.nn.functional.conv2d(out, kernel[None, None], padding=size // 2)
    (seen,) = torch.autograd.grad(out[0, 0, 3, 3], image)
    places = {(int(i), int(j)) for i, j in seen[0, 0].nonzero()}
    assert places
    assert all(place < (3, 3) or (first == "B" and place == (3, 3)) for place in places)
    assert ((3, 3) in places) == (first == "B")


@proves("mask.checkerboard.neighbours")
def test_neighbours_are_on_different_sides():
    """(i + 1 + j) mod 2 = 1 − (i + j) mod 2."""
    n = sympy.Symbol("n", integer=True)
    assert sympy.Mod(n + 1, 2).subs(n, 2 * n) == 1
    assert sympy.simplify(sympy.Mod(2 * n, 2)) == 0
    board = masks.checkerboard(4, 5)
    assert bool((torch.diff(board, dim=0).abs() == 1).all())
    assert bool((torch.diff(board, dim=1).abs() == 1).all())
