"""Lipschitz constants: what bounds the slope of a network, and what does not.

A critic of slope one bounds a Wasserstein distance from below, a residual branch of slope below one can be inverted.
Both rest on constants that are easily claimed too small: of a convolution by the norm of its kernel, of a clipped
network by habit, of a wide orthogonal matrix by its name. What torch's, our and other libraries' layers reach, from
below and from above, stands in [lipschitz_table.md](lipschitz_table.md).

Sources: Rockafellar & Wets 1998, "Variational analysis"; Szegedy et al. 2014, "Intriguing properties of neural
networks"; Miyato et al. 2018, "Spectral normalization for generative adversarial networks"; Sedghi, Gupta & Long 2019,
"The singular values of convolutional layers"; Araujo et al. 2021, "On Lipschitz regularization of convolutional
layers using Toeplitz matrix theory".
"""

from __future__ import annotations

import pytest
import sympy
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import genverify as gv
from genverify.claims import proves
from genverify.numerics.operator_norm import convolution_norm, dense_norm
from genverify.oracles import operator_norm as oracle
from genverify.reference.layers import lipschitz as reference


def passes(f, like: str) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(f, like=like), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def judged(f: nn.Module, shape, constant: float) -> gv.Verdict:
    """The verdict on a claimed constant."""
    (verdict,) = gv.verify(gv.Map(f, event_shape=shape, lipschitz=constant), checks=["map.lipschitz"], budget="quick")
    return verdict


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# On a convex domain |f(x) − f(y)| ≤ L|x − y| for all x, y ⇔ ‖J(x)‖ ≤ L for all x.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# (⇐) f(y) − f(x) = ∫₀¹ J(x + s(y − x)) (y − x) ds along the segment, which is inside: at most ∫ ‖J‖ ds |y − x|.
# (⇒) J(x) v = lim (f(x + tv) − f(x))/t, whose length is at most L|v|.


@proves("lipschitz.mean_value")
def test_the_slope_along_a_segment():
    """Both directions for f(x, y) = (sin x, xy); the reference norm of a Jacobian passes."""
    x, y, u, v, s, t = sympy.symbols("x y u v s t", real=True)
    f = sympy.Matrix([sympy.sin(x), x * y])
    jacobian = f.jacobian([x, y])
    start, end = {x: x, y: y}, {x: x + u, y: y + v}
    along = (jacobian * sympy.Matrix([u, v])).subs({x: x + s * u, y: y + s * v}, simultaneous=True)
    walked = along.applyfunc(lambda g: sympy.integrate(sympy.expand(g), s))
    whole = walked.subs(s, 1) - walked.subs(s, 0)
    # sin is integrated for u ≠ 0; at u = 0 both sides vanish.
    gap = whole - (f.subs(end, simultaneous=True) - f.subs(start, simultaneous=True))
    assert gap.subs(u, sympy.Symbol("w", positive=True)).applyfunc(sympy.simplify) == sympy.zeros(2, 1)
    step = f.subs({x: x + t * u, y: y + t * v}, simultaneous=True) - f
    limit = step.applyfunc(lambda g: sympy.limit(g / t, t, 0))
    assert (limit - jacobian * sympy.Matrix([u, v])).applyfunc(sympy.simplify) == sympy.zeros(2, 1)
    assert passes(reference.jacobian_norm, "lipschitz.jacobian_norm")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Constants of maps one after the other multiply; that of x ↦ Wx + b is the largest singular value of W.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# |f(g(x)) − f(g(y))| ≤ L_f |g(x) − g(y)| ≤ L_f L_g |x − y|. And |Wv|² = vᵀWᵀWv, greatest at λ_max for |v| = 1.


@proves("lipschitz.product")
def test_slopes_multiply():
    """Of a 2 × 2 matrix: det(WᵀW − σ²I) = 0 at the closed form; its terms are SymPy's; the reference passes."""
    a, b, c, d = sympy.symbols("a b c d", real=True)
    matrix = sympy.Matrix([[a, b], [c, d]])
    found = (sympy.sqrt((a + d) ** 2 + (b - c) ** 2) + sympy.sqrt((a - d) ** 2 + (b + c) ** 2)) / 2
    assert sympy.simplify(sympy.expand((matrix.T * matrix - found**2 * sympy.eye(2)).det())) == 0
    assert [one.title for one in oracle.two_by_two.derivation.steps] == ["σ₁² + σ₂²", "σ₁σ₂"]
    entries = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    assert float(oracle.two_by_two(*entries)) == pytest.approx(float(oracle.spectral(entries.reshape(2, 2))), rel=1e-14)
    assert passes(reference.product_bound, "lipschitz.product_bound")


@proves("lipschitz.largest_norm")
def test_the_largest_norm_is_no_bound():
    """2 · (2x) has the slope 4: FAIL for the constant 2, PASS for the product; and a bound where the others are ≤ 1."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        for layer in net:
            layer.weight.fill_(2.0)
    weights = [layer.weight.detach() for layer in net]
    assert float(reference.product_bound(weights)) == 4.0
    assert judged(net, 1, max(float(reference.product_bound([w])) for w in weights)).outcome is gv.Outcome.FAIL
    assert judged(net, 1, 4.0).outcome is gv.Outcome.PASS
    one, other = sympy.symbols("p q", nonnegative=True)
    assert sympy.simplify((1 + one) - (1 + one) / (1 + other)).is_nonnegative


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# WᵀW = I makes x ↦ Wx an isometry; WWᵀ = I of a wide W makes it 1-Lipschitz only.


@proves("lipschitz.isometry")
def test_which_side_is_orthogonal():
    """A 3 × 2 matrix of two angles keeps lengths; its transpose shortens e.g. what it sends to zero."""
    p, q, x, y, z = sympy.symbols("p q x y z", real=True)
    tall = sympy.Matrix([[sympy.cos(p), -sympy.sin(p) * sympy.cos(q)],
                         [sympy.sin(p), sympy.cos(p) * sympy.cos(q)], [0, sympy.sin(q)]])  # fmt: skip
    assert (tall.T * tall).applyfunc(sympy.simplify) == sympy.eye(2)
    v = sympy.Matrix([x, y])
    assert sympy.simplify((tall * v).dot(tall * v) - v.dot(v)) == 0
    wide, kernel = tall.T, tall[:, 0].cross(tall[:, 1])
    assert (wide * kernel).applyfunc(sympy.simplify) == sympy.zeros(2, 1)
    assert sympy.simplify(kernel.dot(kernel)) == 1
    w = sympy.Matrix([x, y, z])
    lost = w.dot(w) - (wide * w).dot(wide * w)
    assert sympy.simplify(lost - kernel.dot(w) ** 2) == 0  # a square: never longer


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With zeros around, a convolution is a compression P C E of the circular one on a longer torus.


def _with_zeros(kernel, n: int) -> sympy.Matrix:
    """The matrix of a cross-correlation with a kernel of three, one zero on either side."""
    return sympy.Matrix(n, n, lambda i, j: kernel[j - i + 1] if 0 <= j - i + 1 < 3 else 0)


def _around(kernel, n: int) -> sympy.Matrix:
    """The same on a torus of n places."""
    return sympy.Matrix(n, n, lambda i, j: sum(kernel[k] for k in range(3) if (i + k - 1 - j) % n == 0))


@proves("lipschitz.zero_padding")
def test_zero_padding_is_a_piece_of_a_longer_torus():
    """P C E at symbolic size; the bound of `numerics` holds against the written-out matrix, and is not the norm."""
    kernel, n = sympy.symbols("a b c", real=True), 3
    keep = sympy.Matrix(n, n + 2, lambda i, j: int(i == j))
    assert keep * _around(kernel, n + 2) * keep.T == _with_zeros(kernel, n)
    assert keep * keep.T == sympy.eye(n)  # ‖P‖ = ‖E‖ = 1
    weights = torch.tensor([[[[1.0, -2.0, 0.5], [0.3, 1.0, -1.0], [2.0, 0.1, 0.7]]]], dtype=torch.float64)
    exact = float(oracle.spectral(oracle.zero_padded(weights, 5, 4, (1, 1))))
    above = convolution_norm(weights, (5, 4), dilation=(1, 1), groups=1, around=False)
    assert exact < above < 1.2 * exact
    # An alternating kernel on three places: around its own torus it is shorter than with zeros.
    ends = torch.tensor([[[[1.0, 0.0, -1.0]]]], dtype=torch.float64)
    around = float(oracle.spectral(oracle.circular(ends, 1, 2)).max())
    assert around < float(oracle.spectral(oracle.zero_padded(ends, 1, 2, (0, 1))))


# ── Claim, as it is read ─────────────────────────────────────────────────────────────────────────────────────────────
# spectral_norm on a Conv2d makes it 1-Lipschitz.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# A kernel of ones, 3 × 3: its matrix [1, 9] has the norm 3, the convolution up to 9.


def normalised(size: int) -> nn.Module:
    """torch's spectral_norm on that kernel, after its power iteration has converged."""
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    layer = spectral_norm(layer)
    layer(torch.zeros(1, 1, size, size))
    return layer.eval()


@proves("lipschitz.spectral_norm_of_a_kernel")
def test_a_normalised_kernel_has_slope_three():
    """(1 + 2 cos π/(n + 1))²/3 for n × n pixels, up to 3; FAIL with two images; the corrected bound √9 PASSes."""
    assert dense_norm(torch.ones(1, 9)) == pytest.approx(3.0)
    n = sympy.Symbol("n", positive=True)
    formula = (1 + 2 * sympy.cos(sympy.pi / (n + 1))) ** 2 / 3
    assert sympy.limit(formula, n, sympy.oo) == 3
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    for size in (4, 9):
        exact = float(oracle.spectral(oracle.zero_padded(ones, size, size, (1, 1)))) / 3
        assert exact == pytest.approx(float(formula.subs(n, size)), rel=1e-12)
    assert float(oracle.spectral(oracle.circular(ones, 8, 8)).max()) == pytest.approx(9.0)
    verdict = judged(normalised(8), (1, 8, 8), 1.0)
    assert verdict.outcome is gv.Outcome.FAIL
    assert 2.5 < verdict.evidence.observed < 3.0
    assert judged(normalised(8), (1, 8, 8), 3.0).outcome is gv.Outcome.PASS


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# At each frequency the matrix is Σ_k e^{iωk} W_k, whose norm is at most √(number of places) ‖[W_1 … W_k]‖ by Cauchy's
# inequality; the kernel of ones attains it.


@proves("lipschitz.spectral_norm_of_a_kernel")
def test_at_most_the_root_of_the_places():
    """3 (a² + b² + c²) − |a + b e^{iω} + c e^{2iω}|² is a sum of squares for a kernel of three places."""
    a, b, c, w = sympy.symbols("a b c w", real=True)
    value = a + b * sympy.exp(sympy.I * w) + c * sympy.exp(2 * sympy.I * w)
    size = sympy.expand(value * sympy.conjugate(value), complex=True)
    turned = [a - b * sympy.exp(sympy.I * w), b - c * sympy.exp(sympy.I * w), a - c * sympy.exp(2 * sympy.I * w)]
    squares = sum(sympy.expand(one * sympy.conjugate(one), complex=True) for one in turned)
    assert sympy.simplify(3 * (a**2 + b**2 + c**2) - size - squares) == 0


# ── Claim, as it is read ─────────────────────────────────────────────────────────────────────────────────────────────
# Clipping the weights makes the critic 1-Lipschitz.


@proves("lipschitz.clipping")
def test_a_clipped_critic_is_as_steep_as_it_is_wide():
    """200 weights of 0.1 have the slope √2: FAIL; K = Π c √(n_l n_{l−1}) PASSes, and is attained."""
    layer = nn.Linear(200, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0).clamp_(-0.1, 0.1)
    assert judged(layer, 200, 1.0).outcome is gv.Outcome.FAIL
    assert judged(layer, 200, 0.1 * 200**0.5 * (1 + 1e-6)).outcome is gv.Outcome.PASS
    c, n, m = sympy.symbols("c n m", positive=True)
    ones = sympy.Matrix(2, 3, lambda i, j: c)
    norms = (ones.T * ones).eigenvals()
    assert max(norms, key=lambda one: one.subs(c, 1)) == 6 * c**2
    assert (c * sympy.sqrt(n * m)).subs({n: 2, m: 3}) ** 2 == 6 * c**2
