"""Linear flows: permutations, reflections, triangular factors, 1 × 1 convolutions, normalisation.

Their log-determinant is one number for all events, and easily forgotten: a convolution has it once for every pixel, and
a normalisation by the moments of the batch is no map of events at all.

Sources: Kingma & Dhariwal 2018, "Glow" (NeurIPS); Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real
NVP" (ICLR); Tomczak & Welling 2016, "Improving variational auto-encoders using Householder flow".
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_claims
from genverify.oracles import flow_jacobians as oracle
from genverify.reference.flows.batch_norm import BatchNormFlow
from genverify.reference.flows.conv1x1 import Conv1x1
from genverify.reference.flows.squeeze import Squeeze
from genverify.subjects.bijection import Bijection

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log|det W|: of a permutation 0, of a diagonal Σ log|s|, at n pixels n times as much.


@proves("flow.linear.logabsdet")
def test_determinants_of_the_simple_matrices():
    """All six permutations of three, a diagonal, and a map applied at two pixels."""
    from sympy.combinatorics import Permutation

    orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    for order in orders:
        matrix = sympy.eye(3).permute_rows(Permutation(order))
        assert sympy.Abs(matrix.det()) == 1
        assert matrix * matrix.T == sympy.eye(3)
    s = sympy.symbols("s1:4", real=True)
    assert sympy.diag(*s).det() == sympy.prod(s)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# H = I − 2 v vᵀ/‖v‖² is its own inverse, and preserves volume.


@proves("flow.householder.orthogonal")
@pytest.mark.parametrize("size", [2, 3])
def test_a_reflection_is_its_own_inverse(size):
    """H = Hᵀ, H² = I, det H = −1: |det| = 1."""
    h = oracle.householder(size)
    assert (h - h.T).applyfunc(sympy.simplify).is_zero_matrix
    assert (h * h - sympy.eye(size)).applyfunc(sympy.simplify).is_zero_matrix
    assert sympy.simplify(h.det() + 1) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log|det P L (U + diag s)| = Σ log|s|.


@proves("flow.lu_linear.logabsdet")
def test_the_determinant_of_triangular_factors():
    """det P = ±1, det L = 1, det(U + diag s) = Π s."""
    low, up, s = (sympy.symbols(f"{name}1:4", real=True) for name in "lus")
    lower = sympy.Matrix([[1, 0, 0], [low[0], 1, 0], [low[1], low[2], 1]])
    upper = sympy.Matrix([[s[0], up[0], up[1]], [0, s[1], up[2]], [0, 0, s[2]]])
    order = sympy.Matrix([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert sympy.expand((order * lower * upper).det() - order.det() * sympy.prod(s)) == 0
    assert sympy.Abs(order.det()) == 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# h·w·log|det K|.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With the pixels in order the Jacobian is block diagonal, and each of its h·w blocks is K.


@proves("flow.conv1x1.logabsdet")
def test_the_jacobian_has_the_matrix_once_for_every_pixel():
    """Two channels, two pixels: det J = (det K)²."""
    k = sympy.Matrix(2, 2, sympy.symbols("k1:5", real=True))
    x = sympy.Matrix(2, 2, sympy.symbols("x1:5", real=True))  # [channel, pixel]
    image = k * x
    jacobian = sympy.Matrix([image[c, p] for p in range(2) for c in range(2)]).jacobian(
        [x[c, p] for p in range(2) for c in range(2)]
    )
    assert jacobian == sympy.diag(k, k)
    assert sympy.expand(jacobian.det() - k.det() ** 2) == 0


@proves("flow.conv1x1.logabsdet")
def test_the_factor_of_the_pixels_is_missed_when_it_is_left_out():
    """The usual start, a rotation, hides it: log|det K| = 0 (jaywalnut310/glow-tts#17)."""

    class NoPixels(Conv1x1):
        def forward(self, x):
            y, logabsdet = super().forward(x)
            return y, logabsdet / (x.shape[2] * x.shape[3])

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        flow = NoPixels(2)
    subject = Bijection(flow, event_shape=(2, 2, 2), vary_parameters=True)
    (verdict,) = gv.verify(subject, checks=["bijection.logabsdet"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "factor 4 of the remaining axes is missing" in verdict.evidence.message


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Squeezing permutes numbers.


@proves("flow.squeeze.permutes")
@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 2, 4), (3, 4, 2)])
def test_squeezing_permutes_the_numbers(shape):
    """Every number is there once, and blocks of 2 × 2 stay together."""
    numbers = torch.arange(float(torch.Size(shape).numel())).reshape(1, *shape)
    y, logabsdet = Squeeze()(numbers)
    assert torch.equal(y.flatten().sort().values, numbers.flatten())
    assert torch.equal(y[0, :4, 0, 0], numbers[0, 0, :2, :2].flatten())
    assert float(logabsdet) == 0


# ── Claim (refuted) ──────────────────────────────────────────────────────────────────────────────────────────────────
# "Batch normalisation is a bijection with log|det| = −½ Σ log(σ̃² + ε)."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Two rows of one feature, with their own moments: the image depends on x₁ − x₂ alone.


@proves("flow.batch_norm.train_mode")
def test_a_batch_normalised_by_its_own_moments_is_not_mapped_one_to_one():
    """The Jacobian of the batch is singular, and a shift of both rows changes nothing."""
    image, determinant = oracle.batch_of_two()
    assert determinant == 0
    assert flow_claims.BATCH_NORM.equation().rhs == determinant
    shift = sympy.Symbol("c", real=True)
    x1, x2 = sympy.symbols("x1 x2", real=True)
    assert sympy.simplify(image.subs({x1: x1 + shift, x2: x2 + shift}, simultaneous=True) - image) == 0


@proves("flow.batch_norm.train_mode")
def test_with_moments_that_are_kept_it_is_an_affine_map_of_each_row():
    """The slope of γ (x − μ)/√(v + ε) + β is γ/√(v + ε), at every x."""
    x, mean, beta = sympy.symbols("x mu beta", real=True)
    gamma, variance, eps = sympy.symbols("gamma v epsilon", positive=True)
    y = gamma * (x - mean) / sympy.sqrt(variance + eps) + beta
    claimed = sympy.log(gamma) - sympy.log(variance + eps) / 2
    assert sympy.simplify(sympy.diff(y, x) - sympy.exp(claimed)) == 0


@proves("flow.batch_norm.train_mode")
def test_the_reference_is_a_flow_in_eval_mode_and_says_so_in_train_mode():
    """In eval mode every check passes; as the map of a batch in train mode its rows depend on each other."""
    flow = BatchNormFlow(2)
    gv.verify(Bijection(flow.eval(), event_shape=2), budget="quick").raise_for_failures()

    def by_its_own_moments(x):
        variance, mean = torch.var_mean(x, dim=0, correction=0)
        return (x - mean) / torch.sqrt(variance + 0.5), (-0.5 * torch.log(variance + 0.5)).sum().expand(len(x))

    (verdict,) = gv.verify(Bijection(by_its_own_moments, event_shape=2), checks=["bijection.batch_independence"])
    assert verdict.outcome is gv.Outcome.FAIL
    with pytest.raises(ValueError, match="one has no variance"):
        flow.train()(torch.zeros(1, 2))
