"""The linear autoencoder: what it learns are principal components, and it cannot fail to.

Two matrices and nothing between them make the simplest autoencoder. Its loss is no convex function, yet it has no local
minimum but the global ones: all of these span the directions of largest variance. Noise and penalties on the slope
change what is best, and each does so in a way that a line of algebra shows.

Source: Baldi & Hornik 1989, "Neural networks and principal component analysis: learning from examples without local
minima".
"""

from __future__ import annotations

import math

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import autoencoder, autoencoder_claims, autoencoder_pca
from genverify.numerics.rounding import gamma, unit_roundoff
from genverify.oracles import linear_autoencoder as oracle
from genverify.reference.autoencoders import linear_autoencoder as reference
from genverify.reference.autoencoders import regularised_autoencoder as regularised

_DEVIATIONS = torch.tensor([2.0, 1.5, 1.0, 0.75], dtype=torch.float64)


def _data() -> torch.Tensor:
    """Sixty centred points in four dimensions, whose covariance has exactly these deviations along turned axes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        left = torch.linalg.qr(torch.cat([torch.ones(60, 1), torch.randn(60, 4)], 1).double()).Q[:, 1:]
        turn = torch.linalg.qr(torch.randn(4, 4).double()).Q
    return math.sqrt(60) * left * _DEVIATIONS @ turn


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The best projection on k directions is on the k first principal ones, and loses the other eigenvalues.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# For a unit vector v, ‖x − v (v·x)‖² = ‖x‖² − (v·x)² (Pythagoras). Summed over the data the second term is n vᵀCv; it
# is largest at the first eigenvector. For more directions at once it is the theorem of Eckart and Young.


@proves("autoencoder.pca.best_subspace")
def test_one_direction():
    """Pythagoras as displayed; vᵀCv on the circle has its extremes at the eigenvectors of a covariance in symbols."""
    shown = autoencoder_claims.BEST_SUBSPACE.equation()
    assert sympy.simplify(shown.lhs - shown.rhs) == 0
    theta, l1, l2 = sympy.symbols("theta lambda_1 lambda_2", positive=True)
    spread = l1 * sympy.cos(theta) ** 2 + l2 * sympy.sin(theta) ** 2  # the axes turned onto the eigenvectors
    slope = sympy.factor(sympy.trigsimp(sympy.diff(spread, theta)))
    assert sympy.simplify(slope - (l2 - l1) * sympy.sin(2 * theta)) == 0
    assert [spread.subs(theta, at) for at in (0, sympy.pi / 2)] == [l1, l2]


@proves("autoencoder.pca.best_subspace")
def test_the_references_lose_the_other_eigenvalues():
    """On data with known deviations: by eigenvectors (reference) and by singular values (oracle)."""
    x = _data()
    v = reference.principal_directions(x, 2)
    lost = ((x - x.mean(0)) @ (torch.eye(4, dtype=torch.float64) - v.T @ v)).square().sum() / len(x)
    total = _DEVIATIONS.square().sum()
    assert abs(float(lost - _DEVIATIONS[2:].square().sum())) <= gamma(512, torch.float64) * float(total)
    gap = oracle.principal(x, 2, yields="projector") - v.T @ v
    assert float(gap.abs().max()) <= gamma(512, torch.float64) * float(total)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The error of x̂ = B A x is stationary only at projections on eigenvectors, of which the first alone is a minimum.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# For two uncorrelated features of variances λ₁ > λ₂ and one unit the error is a polynomial in a and b; its gradient
# vanishes at a = b = 0 and where b aᵀ projects on an axis. A scaling (c a, b/c) changes nothing, so one of four
# directions is flat; the Hessian has that zero, and otherwise the signs of a minimum at the first axis, and of a saddle
# at the second and at zero.

_A1, _A2, _B1, _B2 = sympy.symbols("a_1 a_2 b_1 b_2", real=True)
_L1, _L2 = sympy.symbols("lambda_1 lambda_2", positive=True)


@proves("autoencoder.linear.stationary_points")
def test_the_stationary_points_of_one_unit():
    """All roots of the gradient for the variances 2 and 1; BA is zero or an axis' projector at each of them."""
    shown = autoencoder_claims.STATIONARY_POINTS.equation()
    assert sympy.expand(shown.lhs.doit() - shown.rhs) == 0
    # The scale c of the flat direction is fixed by ‖b‖ = ‖a‖ or, equivalently here, by b = P a.
    loss = shown.rhs.subs({_L1: 2, _L2: 1})
    gradient = [sympy.diff(loss, one) for one in (_A1, _A2, _B1, _B2)]
    basis = sympy.groebner(gradient, _B1, _B2, _A1, _A2, order="lex")
    products = {(0, 0), (1, 0), (0, 1)}
    # On every solution the products a_i b_i are zero or one and the mixed ones vanish: the ideal says so.
    for mixed in (
        _A1 * _B2,
        _A2 * _B1,
        _A1 * _B1 * (_A1 * _B1 - 1),
        _A2 * _B2 * (_A2 * _B2 - 1),
        _A1 * _B1 * _A2 * _B2,
    ):
        assert basis.contains(sympy.expand(mixed)) or basis.contains(sympy.expand(mixed**2))
    for p, q in products:
        at = {_A1: p, _B1: p, _A2: q, _B2: q}
        assert all(one.subs(at) == 0 for one in gradient)


@proves("autoencoder.linear.stationary_points")
def test_one_minimum_and_saddles():
    """The eigenvalues of the Hessian at the three kinds of points, in symbols, with λ₁ = λ₂ + d and d > 0."""
    d = sympy.Symbol("d", positive=True)
    loss = autoencoder_claims.STATIONARY_POINTS.equation().rhs.subs(_L1, _L2 + d)
    hessian = sympy.hessian(loss, (_A1, _A2, _B1, _B2))
    first = hessian.subs({_A1: 1, _B1: 1, _A2: 0, _B2: 0})
    second = hessian.subs({_A1: 0, _B1: 0, _A2: 1, _B2: 1})
    nowhere = hessian.subs({_A1: 0, _B1: 0, _A2: 0, _B2: 0})
    # Each splits into the pairs (a₁, b₁) and (a₂, b₂); a pair's determinant and trace say its signs.
    pairs = [[[0, 2], [1, 3]], [[0, 2], [1, 3]], [[0, 2], [1, 3]]]
    signs = []
    for matrix, blocks in zip((first, second, nowhere), pairs, strict=True):
        assert all(matrix[i, j] == 0 for i in blocks[0] for j in blocks[1])
        parts = [matrix.extract(rows, rows) for rows in blocks]
        signs.append([(sympy.factor(part.det()), sympy.factor(part.trace())) for part in parts])
    (flat, up), (down, also_flat), zero = signs
    assert flat[0] == also_flat[0] == 0  # the scaling
    assert all(one.is_positive for one in (flat[1], also_flat[1], *up))  # a minimum, but for the scaling
    assert down[0].is_negative  # a saddle
    assert all(determinant.is_negative for determinant, _ in zero)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Trained by gradient descent it spans the principal subspace, with rows that are not its directions.
#
# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# Four features, two units, float64, plain gradient descent until rounding stops it: the sine of the largest angle
# between the decoder's columns and the principal plane. Descent is linear, so that it stalls where its steps are lost
# in rounding, at about the unit roundoff over the gap of the eigenvalues.


@proves("autoencoder.linear.spans_pca")
def test_it_spans_the_principal_plane():
    """The sine of the largest angle is at most 2⁸ units of rounding over the gap; single directions are not found."""
    x = _data()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = reference.LinearAutoencoder(4, 2).double()
    for _ in range(1500):
        loss = (model(x) - x).square().sum(1).mean()
        grads = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, g in zip(model.parameters(), grads, strict=True):
                p -= 0.05 * g
    v = reference.principal_directions(x, 2)
    span = torch.linalg.qr(model.decoder.weight.detach()).Q
    sine = torch.linalg.matrix_norm(span - v.T @ (v @ span), 2)
    gap = float(_DEVIATIONS[1] ** 2 - _DEVIATIONS[2] ** 2)
    assert float(sine) <= 2**8 * unit_roundoff(torch.float64) / gap
    least = float(_DEVIATIONS[2:].square().sum())
    assert abs(float(loss.detach()) - least) <= gamma(2**12, torch.float64) * float(_DEVIATIONS.square().sum())
    rows = torch.nn.functional.normalize(model.decoder.weight.detach().T, dim=1)
    assert float((rows @ v.T).abs().max()) < 0.999


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Wᵀ W x with orthonormal rows is a projection, and w (w·x) is best at ‖w‖ = 1.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With WWᵀ = I, (WᵀW)² = Wᵀ(WWᵀ)W = WᵀW, which is symmetric. For w = r v the mean error is τ − 2r²λ + r⁴λ with
# λ = vᵀCv and τ = tr C: its slope 4λr(r² − 1) has the positive root 1.


@proves("autoencoder.tied_linear.projection")
def test_tied_weights_project():
    """The displayed slope and its root; the reference twice is the reference once, for rows at any angle."""
    shown = autoencoder_claims.PROJECTION.equation()
    assert sympy.expand(shown.lhs.doit() - shown.rhs) == 0
    assert sympy.solve(shown.rhs, sympy.Symbol("r", positive=True)) == [1]
    theta = sympy.Symbol("theta", real=True)
    w = sympy.Matrix([[sympy.cos(theta), sympy.sin(theta)]])
    gram = w.T * w
    assert sympy.simplify(gram * gram - gram).is_zero_matrix
    rows, x = torch.linalg.qr(_data()[:4, :2]).Q.T, _data()[:5]
    once = reference.tied_linear(x, rows)
    assert float((reference.tied_linear(once, rows) - once).abs().max()) <= gamma(64, torch.float64) * float(
        x.abs().max()
    )


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Against the data a x̃ is best at a = s²/(s² + σ²); against the corrupted data at one.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E (a(x + σε) − x)² = (a − 1)² s² + a² σ², since x and ε are uncorrelated; E (a x̃ − x̃)² = (a − 1)² E x̃².


@proves("autoencoder.denoising_loss.against_the_data")
def test_what_the_target_changes():
    """The displayed slope, its root, and the minimum against x̃; moments are put in for x², xε and ε²."""
    shown = autoencoder_claims.AGAINST_THE_DATA.equation()
    assert sympy.simplify(shown.lhs.doit() - shown.rhs) == 0
    a, x, eps = sympy.symbols("a x epsilon", real=True)
    s, sigma = sympy.symbols("s sigma", positive=True)
    moments = {x**2: s**2, eps**2: 1, x * eps: 0}
    expected = sympy.expand((a * (x + sigma * eps) - x) ** 2).subs(moments)
    assert sympy.simplify(sympy.diff(expected, a) - shown.rhs) == 0
    corrupted = sympy.expand(((a - 1) * (x + sigma * eps)) ** 2).subs(moments)
    assert sympy.solve(sympy.diff(corrupted, a), a) == [1]


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# For sigmoid units the contractive penalty is Σ_k (h_k (1 − h_k))² Σ_i W_ki².
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# h' = h (1 − h) for the sigmoid, and ∂h_k/∂x_i = h_k (1 − h_k) W_ki by the chain rule; squares are summed.


@proves("autoencoder.contractive_penalty.sigmoid")
def test_the_slope_of_a_sigmoid():
    """The displayed square; the penalty by derivatives and in closed form, for one layer."""
    shown = autoencoder_claims.SIGMOID.equation()
    assert sympy.simplify(shown.lhs.doit() - shown.rhs) == 0
    x = _data()[:5]
    weight, bias = _data()[5:8], _data()[8, :3]

    def encoder(x):
        return torch.sigmoid(x @ weight.T + bias)

    by_derivatives = regularised.contractive_penalty(encoder, x)
    in_closed_form = regularised.sigmoid_contractive_penalty(encoder(x), weight)
    assert bool(((by_derivatives - in_closed_form).abs() <= gamma(128, torch.float64) * in_closed_form).all())


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.autoencoders.linear_autoencoder` and `regularised_autoencoder`.


@proves("autoencoder.pca.best_subspace")
def test_the_references_pass():
    """Each under its name; and principal components that are not centred do not."""
    for subject in (
        autoencoder.tied_linear(), autoencoder.denoising_loss(), autoencoder.contractive_penalty(),
        autoencoder_pca.pca(), autoencoder_pca.principal_directions(),
    ):  # fmt: skip
        gv.verify(subject, budget="quick", checks=["formula.dialect", "formula.value"]).raise_for_failures()

    def never_centred(x, k):
        return x @ torch.linalg.svd(x, full_matrices=False).Vh[:k].T

    report = gv.verify(gv.Formula(never_centred, like="autoencoder.pca"), budget="quick", checks=["formula.dialect"])
    assert "not centred" in report.failures[0].evidence.message
