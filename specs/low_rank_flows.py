"""Planar, radial and Sylvester flows: the identity plus a map of low rank.

The determinant of I + u vᵀ is one plus an inner product, which makes these flows cheap. Whether they are invertible is
another question, and the answer is a bound on their parameters.

Sources: Rezende & Mohamed 2015, "Variational inference with normalizing flows" (ICML), section 4 and appendix A; van
den Berg, Hasenclever, Tomczak & Welling 2018, "Sylvester normalizing flows for variational inference" (UAI).
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_claims, flow_low_rank
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles import flow_jacobians as oracle
from genverify.oracles import flow_low_rank as computed
from genverify.reference.flows.planar import planar
from genverify.subjects.bijection import Bijection

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# det ∂(x + u h(wᵀx + b))/∂x = 1 + h′ wᵀu.


@proves("flow.planar.logabsdet")
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_determinant_of_a_planar_flow(size):
    """With an applied function h: the matrix determinant lemma, executed."""
    jacobian, value = oracle.planar(size)
    assert sympy.simplify((jacobian.det() - value).doit()) == 0
    if size == 2:
        equation = flow_claims.PLANAR.equation()
        assert sympy.simplify((equation.lhs.doit() - equation.rhs).doit()) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With h = tanh: invertible if and only if wᵀu ≥ −1.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Let a = wᵀx + b and k = wᵀu. Then wᵀy + b = a + k tanh a =: g(a), and x = y − u tanh a. So the flow is invertible if
# and only if g is: g′ = 1 + k (1 − tanh² a), and 0 < 1 − tanh² a ≤ 1 with equality at a = 0 alone.
# k > −1: g′ > 0 everywhere. k = −1: g′ = tanh² a > 0 except at a = 0, so that g rises strictly still; g is unbounded,
# hence a homeomorphism; det J = g′ = 0 where a = 0. k < −1: g′(0) < 0 while g → ±∞ with a, so that some value is taken
# three times.


@proves("flow.planar.invertible")
def test_the_scalar_map_behind_a_planar_flow():
    """g′ and its values; each of the three cases."""
    a, k = sympy.symbols("a k", real=True)
    g = a + k * sympy.tanh(a)
    slope = sympy.diff(g, a)
    assert sympy.simplify(slope - (1 + k * (1 - sympy.tanh(a) ** 2))) == 0
    assert sympy.simplify(slope.subs(k, -1) - sympy.tanh(a) ** 2) == 0
    assert sympy.simplify(slope.subs(a, 0) - (1 + k)) == 0
    assert sympy.limit(g.subs(k, -1), a, sympy.oo) == sympy.oo
    # The slope rises from 1 + k at a = 0 towards 1: for k < 0 its least value is 1 + k.
    p, n = sympy.symbols("p n", positive=True)
    derivative = sympy.simplify(sympy.diff(slope, a).subs({a: p, k: -n}))
    assert sympy.simplify(derivative - 2 * n * sympy.tanh(p) * (1 - sympy.tanh(p) ** 2)) == 0


@proves("flow.planar.invertible")
def test_below_the_bound_two_points_have_one_image():
    """wᵀu = −2: a and −a with a = 2 tanh a are both mapped to 0, as 0 is; the check says that the map folds."""
    w, u, b = torch.tensor([1.0, 0.0]).double(), torch.tensor([-2.0, 0.0]).double(), torch.tensor(0.0).double()
    root = float(sympy.nsolve(sympy.Symbol("a") - 2 * sympy.tanh(sympy.Symbol("a")), 2, prec=30))
    x = torch.tensor([[root, 0.0], [0.0, 0.0], [-root, 0.0]], dtype=torch.float64)
    y, _ = planar(x, w, u, b)
    assert float(y.abs().max()) < 16 * unit_roundoff(torch.float64)
    subject = Bijection(lambda x: planar(x, w.to(x), u.to(x), b.to(x)), event_shape=2)
    (verdict,) = gv.verify(subject, checks=["bijection.invertible"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "folds" in verdict.evidence.message


@proves("flow.planar.invertible")
def test_at_the_bound_the_logabsdet_is_minus_infinity_on_a_hyperplane():
    """wᵀu = −1: −∞ at a = 0, finite elsewhere, and the map is strictly monotone along w."""
    w, u, b = torch.tensor([1.0, 0.0]).double(), torch.tensor([-1.0, 3.0]).double(), torch.tensor(0.0).double()
    x = torch.stack([torch.linspace(-2, 2, 9, dtype=torch.float64), torch.zeros(9, dtype=torch.float64)], 1)
    y, logabsdet = planar(x, w, u, b)
    assert torch.isneginf(logabsdet[4])
    assert int(torch.isfinite(logabsdet).sum()) == 8
    assert bool((torch.diff(y[:, 0]) > 0).all())


@proves("flow.planar.constrained")
def test_the_constrained_vector_obeys_the_bound():
    """wᵀû = m(wᵀu) > −1; divided by ‖w‖ it is not, and the bound may be broken (tonyduan/normalizing-flows#2)."""
    w, u = (sympy.Matrix(sympy.symbols(f"{name}1:3", positive=True)) for name in "wu")
    inner = (w.T * u)[0]
    m = -1 + sympy.log(1 + sympy.exp(inner))
    constrained = u + (m - inner) * w / (w.T * w)[0]
    assert sympy.simplify((w.T * constrained)[0] - m) == 0
    assert sympy.log(1 + sympy.exp(sympy.Symbol("a", real=True))).is_positive or bool(m.subs(
        {s: 1 for s in m.free_symbols}) > -1)  # fmt: skip
    long = torch.tensor([4.0, 0.0]), torch.tensor([-1.0, 0.0])
    assert float(long[0] @ computed.constrained(long[1], long[0])) > -1
    assert float(long[0] @ computed.constrained(long[1], long[0], norm=True)) > -1
    short = torch.tensor([-6.0, 0.0]), torch.tensor([0.5, 0.0])
    assert float(short[0] @ computed.constrained(short[1], short[0])) > -1
    assert abs(float(short[0] @ computed.constrained(short[1], short[0], norm=True)) + 1) > 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# det = (1 + β h)^(D−1) (1 + β h − β r h²).


@proves("flow.radial.logabsdet")
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_determinant_of_a_radial_flow(size):
    """The exponent is D − 1: one direction is radial."""
    jacobian, value = oracle.radial(size)
    symbols = sorted(jacobian.free_symbols, key=str)
    gap = sympy.simplify(jacobian.det() - value) if size < 3 else None
    if gap is None:  # at three rational points that leave no square root: Pythagorean quadruples
        alpha, beta, *d = symbols
        for numbers in ((1, 2, 2), (2, 3, 6), (4, 4, 7)):
            at = {**dict(zip(d, numbers, strict=True)), alpha: sympy.Rational(3, 2), beta: sympy.Rational(-4, 3)}
            assert sympy.simplify(jacobian.subs(at).det() - value.subs(at)) == 0
    else:
        assert gap == 0


@proves("flow.radial.invertible")
def test_the_radius_rises_where_the_bound_holds():
    """ρ(r) = r (1 + β/(α + r)): ρ′ = 1 + αβ/(α + r)², least at r = 0, where it is 1 + β/α."""
    r, alpha = sympy.symbols("r alpha", positive=True)
    beta = sympy.Symbol("beta", real=True)
    radius = r * (1 + beta / (alpha + r))
    slope = sympy.diff(radius, r)
    assert sympy.simplify(slope - (1 + alpha * beta / (alpha + r) ** 2)) == 0
    assert sympy.simplify(slope.subs(r, 0) - (1 + beta / alpha)) == 0
    n = sympy.Symbol("n", positive=True)
    assert sympy.simplify(sympy.diff(slope, r).subs(beta, -n)).is_positive


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# det(I + A B) = det(I + B A), which is triangular for a Sylvester flow.


@proves("flow.sylvester.logabsdet")
@pytest.mark.parametrize(("size", "rank"), [(2, 1), (3, 1), (3, 2)])
def test_sylvesters_identity(size, rank):
    """Both determinants, expanded."""
    large, small = oracle.sylvester(size, rank)
    assert sympy.expand(large - small) == 0


@proves("flow.sylvester.logabsdet")
def test_the_small_matrix_is_triangular():
    """QᵀQ = I leaves I + R₂ R₁ diag(h′), a product of triangular matrices."""
    h = sympy.symbols("h1:3", real=True)
    one, two = (
        sympy.Matrix([[a, b], [0, c]]) for a, b, c in (sympy.symbols("r11 r12 r22"), sympy.symbols("q11 q12 q22"))
    )
    matrix = sympy.eye(2) + two * one * sympy.diag(*h)
    assert matrix.is_upper
    diagonal = sympy.prod([1 + h[i] * one[i, i] * two[i, i] for i in range(2)])
    assert sympy.expand(matrix.det() - diagonal) == 0


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("flow.planar.logabsdet")
@proves("flow.radial.logabsdet")
@proves("flow.sylvester.logabsdet")
@pytest.mark.parametrize("make", [flow_low_rank.planar, flow_low_rank.radial, flow_low_rank.sylvester])
def test_the_references_have_the_logabsdet_of_their_jacobian(make):
    """At varied parameters, too."""
    gv.verify(make(), budget="quick").raise_for_failures()
