"""Initial weights: which variance keeps signals alive, and how to draw an orthogonal matrix.

Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; He, Zhang,
Ren & Sun 2015, "Delving deep into rectifiers"; Mezzadri 2007, "How to generate random matrices from the classical
compact groups".
"""

from __future__ import annotations

import math

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import initialization
from genverify.numerics.rounding import gamma
from genverify.oracles import initialization as oracle
from genverify.reference.layers import initialization as reference

# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# Xavier: Var W = 2/(n_in + n_out), the harmonic mean of 1/n_in and 1/n_out. Kaiming: Var W = 2/n_in, as
# E relu(z)² = ½ E z² for symmetric z. QR of a normal matrix with a positive diagonal of R gives the Haar measure;
# whatever a library's QR gives does not.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# For z = Σ W_i x_i with independent W_i of mean 0, E z² = n_in Var W E x². Backwards the same sum has n_out terms.
# relu(z)² + relu(−z)² = z², and for symmetric z both terms on the left have one mean: each is ½ E z².
# Haar: let A be normal and A = QR with diag R > 0. For orthogonal U, UA is normal, too, and UA = (UQ)R is its
# factorisation, the only one with diag R > 0. So UQ has the law of Q, for each U: Q is Haar, which is unique.

_IN, _OUT = sympy.symbols("n_in n_out", positive=True)


@proves("initialization.xavier_variance")
def test_the_variance_is_the_harmonic_mean():
    """Of 1/n_in and 1/n_out; the oracle's standard deviation is its root, for a dense layer and for a convolution."""
    harmonic = 2 / (1 / (1 / _IN) + 1 / (1 / _OUT))
    assert sympy.simplify(harmonic - 2 / (_IN + _OUT)) == 0
    for shape in ((6, 2), (5, 3, 2, 2)):
        fan_in, fan_out = reference.fans(shape)
        wanted = float(sympy.sqrt(harmonic.subs({_IN: fan_in, _OUT: fan_out})))
        assert abs(oracle.xavier(shape) - wanted) <= 4 * math.ulp(wanted)


@proves("initialization.xavier_variance")
def test_a_linear_layer_multiplies_the_second_moment_by_n_in_times_the_variance():
    """E (Σ W_i x_i)² with symbols for the moments of W: the cross terms have E W_i W_j = 0."""
    x = sympy.symbols("x1:4", real=True)
    variance = sympy.Symbol("v", positive=True)
    moments = {(i, j): variance if i == j else 0 for i in range(3) for j in range(3)}
    found = sum(moments[i, j] * x[i] * x[j] for i in range(3) for j in range(3))
    assert sympy.expand(found - variance * sum(one**2 for one in x)) == 0


@proves("initialization.kaiming_variance")
def test_relu_halves_the_second_moment_of_what_is_symmetric():
    """The identity relu(z)² + relu(−z)² = z², and the integral for a normal z; then n_in (2/n_in) ½ = 1."""
    z = sympy.Symbol("z", real=True)
    for sign in (sympy.Symbol("z", positive=True), sympy.Symbol("z", negative=True)):
        relu = lambda u: sympy.Max(u, 0)  # noqa: E731
        assert sympy.simplify(relu(sign) ** 2 + relu(-sign) ** 2 - sign**2) == 0
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    assert sympy.integrate(z**2 * density, (z, 0, sympy.oo)) == sympy.Rational(1, 2)
    assert sympy.simplify(_IN * (2 / _IN) * sympy.Rational(1, 2)) == 1


@proves("initialization.haar_invariance")
def test_the_factorisation_of_a_turned_matrix_is_the_turned_factorisation():
    """UA = (UQ)R for a Cayley rotation U with a symbol in it and an A = QR with symbols in R: UQ is orthogonal."""
    t, a, b, c = sympy.symbols("t a b c", positive=True)
    turn = sympy.Matrix([[1 - t**2, -2 * t], [2 * t, 1 - t**2]]) / (1 + t**2)
    q = sympy.Matrix([[3, 4], [4, -3]]) / 5
    upper = sympy.Matrix([[a, b], [0, c]])
    matrix = turn * (q * upper)
    assert (matrix - (turn * q) * upper).applyfunc(sympy.simplify).is_zero_matrix
    assert ((turn * q).T * (turn * q) - sympy.eye(2)).applyfunc(sympy.simplify).is_zero_matrix


@proves("initialization.haar_invariance")
def test_the_characteristic_function_is_invariant_under_rotations():
    """φ(UᵀW) = φ(W) and φ(WVᵀ) = φ(W) for a rotation and a reflection of two rows, to the rounding of J₀."""
    w = torch.tensor([[0.3, -1.1], [0.7, 0.4]], dtype=torch.float64)
    cos, sin = 0.6, 0.8
    for turn in ([[cos, -sin], [sin, cos]], [[cos, sin], [sin, -cos]]):
        u = torch.tensor(turn, dtype=torch.float64)
        values = [oracle.haar_characteristic(m.reshape(1, 4), 2).real for m in (w, u.T @ w, w @ u.T)]
        assert all(abs(float(one - values[0])) <= gamma(64, torch.float64) for one in values)


@proves("initialization.haar_invariance")
def test_three_rows_have_the_characteristic_function_of_the_sphere_and_of_the_trace():
    """One entry is uniform on (−1, 1) (Archimedes), and the trace has that of the angle with density (1 − cos φ)/π."""
    size = torch.linspace(0.1, 6.0, 7, dtype=torch.float64)
    entry = torch.zeros(7, 9, dtype=torch.float64)
    entry[:, 5] = size
    found = oracle.haar_characteristic(entry, 3).real
    assert float((found - torch.sin(size) / size).abs().max()) <= gamma(64, torch.float64)
    trace = size[:, None] * torch.eye(3, dtype=torch.float64).reshape(1, 9)
    angle = torch.pi * (torch.arange(200, dtype=torch.float64) + 0.5) / 200  # midpoints of a period: exact to rounding
    wave = torch.cos(size[:, None] * (1.0 + 2.0 * torch.cos(angle))) * (1.0 - torch.cos(angle))
    found = oracle.haar_characteristic(trace, 3).real
    assert float((found - wave.mean(1)).abs().max()) <= gamma(256, torch.float64)


@proves("initialization.haar_invariance")
def test_so_has_the_one_of_three_rows_and_its_moments_are_those_of_the_group():
    """Invariance under a rotation of three rows; and E q₁₁⁴ = 3/(n (n + 2)), E q₁₁² q₂₂² = (n + 1)/((n − 1) n (n + 2)).

    The fourth moments from fourth differences of φ (Collins & Śniady 2006 for their values).
    """
    w = torch.tensor([[0.3, -1.1, 0.2], [0.7, 0.4, -0.5], [0.1, 0.9, 0.6]], dtype=torch.float64)
    u = torch.tensor([[2.0, -2.0, 1.0], [1.0, 2.0, 2.0], [2.0, 1.0, -2.0]], dtype=torch.float64) / 3.0
    values = [float(oracle.haar_characteristic(m.reshape(1, 9), 3).real) for m in (w, u @ w, w @ u, -w)]
    assert max(values) - min(values) <= gamma(256, torch.float64)

    def phi(a, b):
        point = torch.zeros(1, 9, dtype=torch.float64)
        point[0, 0], point[0, 4] = a, b
        return float(oracle.haar_characteristic(point, 3).real)

    step, n = 0.02, 3
    fourth = (2 * phi(2 * step, 0) - 8 * phi(step, 0) + 6 * phi(0, 0)) / step**4
    corners = 4 * phi(step, step) - 4 * phi(step, 0) - 4 * phi(0, step) + 4 * phi(0, 0)
    # Differences are off by the sixth derivative, at most 1, times step²/6, and by rounding over step⁴.
    allowed = step**2 / 6 + 32 * torch.finfo(torch.float64).eps / step**4
    assert abs(fourth - 3 / (n * (n + 2))) <= allowed
    assert abs(corners / step**4 - (n + 1) / ((n - 1) * n * (n + 2))) <= allowed


@proves("initialization.uncorrected_qr")
def test_lapacks_q_of_one_number_is_a_constant():
    """The counterexample: Q does not depend on the sign of the number, and Haar's does."""
    plain = [torch.linalg.qr(torch.tensor([[x]], dtype=torch.float64))[0].item() for x in (-2.0, -0.5, 0.5, 2.0)]
    assert plain == [1.0, 1.0, 1.0, 1.0]

    def uncorrected(n):
        return torch.linalg.qr(torch.randn(n, n))[0]

    subject = gv.Sampler(uncorrected, law="initialization.haar_orthogonal")
    (verdict,) = gv.verify(subject, budget="quick", checks=["sampler.law"])
    assert verdict.outcome is gv.Outcome.FAIL


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.layers.initialization`. A number that is a monotone function of one draw is compared with its law
# at quantiles; up to three rows of an orthogonal matrix by the characteristic function.


@proves("initialization.haar_invariance")
def test_the_reference_is_orthogonal_to_rounding():
    """Columns of length one, at right angles, within the backward error of n² roundings."""
    q = reference.haar_orthogonal(6)
    assert float((q.T @ q - torch.eye(6)).abs().max()) <= gamma(36, torch.float32)


@proves("initialization.kaiming_variance")
def test_the_references_follow_their_laws():
    """All four, and torch's own in place."""
    torchs = gv.Sampler(torch.nn.init.xavier_uniform_, law="initialization.xavier_uniform")
    made = (initialization.xavier_uniform(), initialization.xavier_normal(), initialization.kaiming_uniform(),
            initialization.kaiming_normal(), torchs)  # fmt: skip
    for subject in made:
        gv.verify(subject, budget="quick").raise_for_failures()
