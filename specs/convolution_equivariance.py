"""Convolution layers are equivariant to shifts, not invariant; their adjoint is the transposed convolution.

A shifted input has a shifted image where the kernel is applied alike at every place. That is equivariance. Invariance,
which is often claimed, comes only with pooling over all places; and zero padding breaks even the equivariance, at the
border. The adjoint of the layer, which is what the backward pass applies, is the transposed convolution with the same
kernel: no flip is added to the one that it has.

Sources: the Blog (the claim that is refuted); Goodfellow, Bengio & Courville 2016, "Deep learning" (MIT Press),
sections 9.2 and 9.3; Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
"""

from __future__ import annotations

import pytest
import sympy
import torch
import torch.nn.functional as F
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.formulas import map_claims
from genverify.subjects.map import Map

# What torch computes: y_i = Σ_a w_a x_{s i + a − p}, a cross-correlation, here along one axis and with symbols.


def correlated(x, w, *, stride=1, padding=0, circular=False):
    """y_i = Σ_a w_a x_{s i + a − p}, indices modulo n with circular padding, zeros beyond the ends without it."""
    n, k = len(x), len(w)
    count = n // stride if circular else (n + 2 * padding - k) // stride + 1

    def at(j):
        return x[j % n] if circular else x[j] if 0 <= j < n else sympy.Integer(0)

    return [sum(w[a] * at(stride * i + a - padding) for a in range(k)) for i in range(count)]


def shifted(x, t):
    """The cyclic shift: entry i of the result is entry i − t of x."""
    return [x[(i - t) % len(x)] for i in range(len(x))]


SIX, THREE = sympy.symbols("x:6", real=True), sympy.symbols("w:3", real=True)

# ── Claim, as its source states it (REFUTED) ─────────────────────────────────────────────────────────────────────────
# "Convolution layers are invariant to location."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# x = (1, 0, 0, 0), w = (1, 2, 3), circular: y = (1, 0, 3, 2) and, for x shifted by one, (2, 1, 0, 3).


@proves("convolution_equivariance.invariance")
def test_the_response_to_a_shifted_impulse_is_another_one():
    """The impulse moves, and so does the response: it is the shifted one."""
    impulse, kernel = [1, 0, 0, 0], [1, 2, 3]
    response = correlated(impulse, kernel, circular=True)
    moved = correlated(shifted(impulse, 1), kernel, circular=True)
    assert response == [1, 0, 3, 2]
    assert moved == [2, 1, 0, 3]
    assert moved != response
    assert moved == shifted(response, 1)  # as displayed, which is proved below
    assert map_claims.INVARIANCE.equation() == map_claims.EQUIVARIANT.equation()


@proves("convolution_equivariance.invariance")
def test_genverify_refutes_invariance_and_equivariance_with_zero_padding():
    """A layer of torch, declared invariant; and one with zero padding, declared equivariant to cyclic shifts."""
    circular, zeros = (nn.Conv1d(1, 1, 3, padding=1, padding_mode=mode) for mode in ("circular", "zeros"))
    for layer, claims in [(circular, {"invariant": "translation"}), (zeros, {"equivariant": "translation"})]:
        (check,) = (f"map.{claim}" for claim in claims)
        (verdict,) = gv.verify(Map(layer, event_shape=(1, 4), **claims), checks=[check], budget="quick")
        assert verdict.outcome is gv.Outcome.FAIL


# ── Corrected statement ──────────────────────────────────────────────────────────────────────────────────────────────
# Σ_a w_a x_{s i + a − p − s t} = y_{i − t}: f(shift_{s t} x) = shift_t f(x), with circular padding and stride s.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Entry i of the left side is Σ_a w_a x_{s i + a − p − s t} = Σ_a w_a x_{s (i − t) + a − p}, which is entry i − t of
# f(x). With zero padding the same holds as long as no index on either side leaves 0, …, n − 1.


@proves("convolution_equivariance.equivariant")
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_circular_correlation_commutes_with_shifts(stride):
    """Both displayed sides at every entry, for every shift by a multiple of the stride, all symbols."""
    w, x, y = (sympy.IndexedBase(name) for name in "wxy")
    inputs, kernel = [x[j] for j in range(6)], [w[a] for a in range(3)]
    image = correlated(inputs, kernel, stride=stride, padding=1, circular=True)
    around = {x[j]: x[j % 6] for j in range(-12, 12)} | {y[j]: image[j % len(image)] for j in range(-6, 6)}
    equation, (i, t, k, s, p) = map_claims.EQUIVARIANT.equation(), sympy.symbols("i t k s p", integer=True)
    for shift in range(6 // stride):
        moved = correlated(shifted(inputs, stride * shift), kernel, stride=stride, padding=1, circular=True)
        for place, entry in enumerate(moved):
            at = {i: place, t: shift, k: 3, s: stride, p: 1}
            left, right = (side.subs(at).doit().xreplace(around) for side in equation.args)
            assert sympy.expand(left - entry) == sympy.expand(right - entry) == 0


@proves("convolution_equivariance.equivariant")
def test_zero_padding_breaks_it_at_the_border_alone():
    """A shift by one: equal at the outputs 2, 3 and 4, whose windows see inputs alone; other numbers at both ends."""
    image = correlated(SIX, THREE, padding=1)
    moved = correlated(shifted(SIX, 1), THREE, padding=1)
    equal = [i for i in range(6) if sympy.expand(moved[i] - image[(i - 1) % 6]) == 0]
    assert equal == [2, 3, 4]


@proves("convolution_equivariance.equivariant")
def test_layers_of_torch_are_equivariant():
    """Two axes, circular, stride 2; and zero padding away from the border."""
    strided = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular", stride=2)
    for subject in (
        Map(strided, event_shape=(1, 4, 4), equivariant="translation", shift=(2, 1)),
        Map(nn.Conv1d(1, 2, 3, padding=1), event_shape=(1, 7), equivariant="translation", margin=1),
    ):
        (verdict,) = gv.verify(subject, checks=["map.equivariant"], budget="quick")
        assert verdict.outcome is gv.Outcome.PASS


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A sum over all positions after an equivariant map is invariant: a shift only permutes its terms.


@proves("convolution_equivariance.invariant")
def test_a_sum_over_all_positions_does_not_see_a_shift():
    """The displayed equation for six positions and every shift; and the sum after a correlation."""
    equation = map_claims.INVARIANT.equation()
    i, t, n = sympy.symbols("i t n", integer=True)
    for shift in range(6):
        left, right = (side.subs({t: shift, n: 6}).doit() for side in equation.args)
        assert left == right
        moved = correlated(shifted(SIX, shift), THREE, circular=True)
        assert sympy.expand(sum(moved) - sum(correlated(SIX, THREE, circular=True))) == 0
    assert i in equation.lhs.variables


@proves("convolution_equivariance.invariant")
def test_global_pooling_of_a_layer_of_torch_is_invariant():
    """Circular convolution, ReLU, and the mean over all positions."""
    net = nn.Sequential(nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.AdaptiveAvgPool1d(1))
    (verdict,) = gv.verify(
        Map(net, event_shape=(1, 6), invariant="translation"), checks=["map.invariant"], budget="quick"
    )
    assert verdict.outcome is gv.Outcome.PASS


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ⟨w ⋆ x, y⟩ = ⟨x, z⟩ with z_j = Σ_i w_{j + p − s i} y_i.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ_i y_i Σ_a w_a x_{s i + a − p}: substitute j = s i + a − p, so that a = j + p − s i, and sum over j first. Terms with
# an index outside are zero on both sides.


def transposed(y, w, n, *, stride, padding):
    """z_j = Σ_i w_{j + p − s i} y_i."""
    found = []
    for j in range(n):
        terms = [(j + padding - stride * i, i) for i in range(len(y))]
        found.append(sum((w[a] * y[i] for a, i in terms if 0 <= a < len(w)), sympy.Integer(0)))
    return found


@proves("convolution_equivariance.adjoint")
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_the_adjoint_is_the_transposed_convolution(stride, padding):
    """Both displayed inner products, with symbols for input, kernel and cotangent."""
    x, w, y, z = (sympy.IndexedBase(name) for name in "xwyz")
    inputs, kernel = [x[j] for j in range(7)], [w[a] for a in range(3)]
    image = correlated(inputs, kernel, stride=stride, padding=padding)
    cotangent = [y[i] for i in range(len(image))]
    equation = map_claims.ADJOINT.equation()
    numbers = dict(zip(sympy.symbols("s p k m n", integer=True), (stride, padding, 3, len(image), 7), strict=True))
    outside = {x[j]: 0 for j in (*range(-padding, 0), *range(7, 7 + padding))}
    there, back = (sympy.expand(side.subs(numbers).doit().subs(outside)) for side in equation.args)
    assert sympy.expand(there - sum(a * b for a, b in zip(image, cotangent, strict=True))) == 0
    pulled = transposed(cotangent, kernel, 7, stride=stride, padding=padding)
    assert sympy.expand(there - back.subs({z[j]: pulled[j] for j in range(7)})) == 0


@proves("convolution_equivariance.adjoint")
def test_torch_agrees_and_a_flipped_kernel_does_not():
    """`conv_transpose1d` is the adjoint of `conv1d`; with the kernel flipped it is not."""
    layer = nn.Conv1d(1, 2, 3, padding=1)
    weight, event = layer.weight.detach(), (1, 3)
    right = Map(layer, event_shape=event, adjoint=lambda y: F.conv_transpose1d(y, weight.to(y), padding=1))
    wrong = Map(layer, event_shape=event, adjoint=lambda y: F.conv_transpose1d(y, weight.to(y).flip(-1), padding=1))
    outcomes = [next(iter(gv.verify(one, checks=["map.adjoint"], budget="quick"))).outcome for one in (right, wrong)]
    assert outcomes == [gv.Outcome.PASS, gv.Outcome.FAIL]
    with torch.no_grad():
        impulse = torch.zeros(1, 1, 3, 3)
        impulse[..., 1, 1] = 1.0
        kernel = torch.arange(9.0).reshape(1, 1, 3, 3)
        # An impulse answers with the flipped kernel: what torch calls a convolution is a cross-correlation.
        assert torch.equal(F.conv2d(impulse, kernel, padding=1), kernel.flip(-1, -2))
