"""Convolution, what torch makes of it, its matrix and its sizes; and where the gradient of max pooling goes.

A convolution slides a kernel over an image. Whether the kernel is turned around first, what happens at the border and
how many windows there are is where implementations part. Equivariance to translations has a page of its own.

Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", chapter 9; Dumoulin & Visin 2016, "A guide to convolution
arithmetic for deep learning".
"""

from __future__ import annotations

from itertools import product

import pytest
import sympy
import torch
from torch.nn import functional

import genverify as gv
from genverify.claims import proves
from genverify.formulas import convolution, layer_claims, pooling
from genverify.numerics.rounding import gamma
from genverify.oracles import convolution as oracle

# ── Claim, as its source states it (REFUTED) ─────────────────────────────────────────────────────────────────────────
# torch's conv2d computes Σ_m Σ_n K(m, n) X(i − m, j − n).
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# X = (1, 0, 0), K = (1, 2). On the windows {0, 1} and {1, 2} torch gives 1·1 + 2·0 = 1 and 0; the convolution proper
# pairs K(0) with the right end of the window: 1·0 + 2·1 = 2 and 0.


@proves("convolution.torch_flips_the_kernel")
def test_the_counterexample():
    """conv1d gives (1, 0); Σ_m K(m) X(i − m) at i = 1, 2 is (2, 0)."""
    x, kernel = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 2.0])
    assert functional.conv1d(x[None, None], kernel[None, None]).flatten().tolist() == [1.0, 0.0]
    assert [float(sum(kernel[m] * x[i - m] for m in range(2))) for i in (1, 2)] == [2.0, 0.0]


@proves("convolution.torch_flips_the_kernel")
def test_genverify_refutes_conv2d_as_a_convolution_proper():
    """torch's own function: FAIL under one name, naming the kernel that is not turned, and PASS under the other."""
    names = ("x", "weight", "bias", "stride", "padding", "dilation", "groups")

    def judge(name: str) -> gv.Verdict:
        subject = gv.Formula(functional.conv2d, like=name, arguments=names)
        (verdict,) = gv.verify(subject, checks=["formula.dialect"]).verdicts
        return verdict

    refuted = judge("convolution.true_convolution_2d")
    assert refuted.outcome is gv.Outcome.FAIL
    assert "kernel not turned" in refuted.evidence.message
    assert judge("convolution.cross_correlation_2d").outcome is gv.Outcome.PASS


# ── Corrected statement ──────────────────────────────────────────────────────────────────────────────────────────────
# torch computes Σ_m Σ_n K(m, n) X(i + m, j + n). The convolution proper is the same with K(M − 1 − m, N − 1 − n).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# In Σ_{m=0}^{M−1} K(m) X(i − m) put m' = M − 1 − m, which runs over the same numbers:
# Σ_{m'} K(M − 1 − m') X(i − (M − 1) + m'), a cross-correlation with the turned kernel on the window that begins at
# i − (M − 1). In two dimensions the step is taken for each axis.


@proves("convolution.torch_flips_the_kernel")
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_the_turned_kernel(width):
    """Both sides of the displayed equation, term by term, for kernels of up to four entries."""
    assert layer_claims.FLIPPED.equation is not None
    equation = layer_claims.FLIPPED.equation()
    (size,) = (s for s in equation.free_symbols if s.name == "M")
    assert sympy.expand(equation.lhs.subs(size, width).doit() - equation.rhs.subs(size, width).doit()) == 0


@proves("convolution.torch_flips_the_kernel")
def test_the_references_are_what_they_are_called():
    """Both references against sums over indices, with strides, padding, dilation and groups."""
    for subject in (convolution.cross_correlation_2d(), convolution.true_convolution_2d()):
        gv.verify(subject, budget="quick", checks=["formula.value", "formula.gradient"]).raise_for_failures()


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A convolution of one channel is a matrix, M[(i, j), (k, l)] = K(k + p − s i, l + p − s j), and its transpose is the
# transposed convolution.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# In y(i, j) = Σ_mn K(m, n) X(s i + m − p, s j + n − p) the pixel X(k, l) stands beside the entry with m = k + p − s i
# and n = l + p − s j, if that is an entry. For s = 1 it depends on k − i and l − j alone: Toeplitz. Mᵀ sends y to
# x(k, l) = Σ_ij K(k + p − s i, l + p − s j) y(i, j): every y(i, j) is spread by the kernel to where it came from.


def _slide(image: sympy.Matrix, kernel: sympy.Matrix, stride: int, padding: int) -> list[sympy.Expr]:
    """The definition: pad with zeros, then a sum for each window, row by row."""
    rows, columns = image.shape

    def pixel(k: int, j: int) -> sympy.Expr:
        return image[k, j] if 0 <= k < rows and 0 <= j < columns else sympy.Integer(0)

    windows = [oracle.output_size(n, k, stride, padding) for n, k in zip(image.shape, kernel.shape, strict=True)]
    return [
        sum(
            kernel[m, n] * pixel(stride * i + m - padding, stride * j + n - padding)
            for m, n in product(*map(range, kernel.shape))
        )
        for i, j in product(*map(range, windows))
    ]


@proves("convolution.matrix")
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 0), (2, 1)])
def test_the_matrix_of_symbols(stride, padding):
    """For a kernel and an image of symbols, M vec(X) is the list of the windows' sums."""
    kernel = sympy.Matrix(2, 2, sympy.symbols("k0:4", real=True))
    image = sympy.Matrix(3, 3, sympy.symbols("x0:9", real=True))
    outputs = _slide(image, kernel, stride, padding)
    matrix = sympy.Matrix(outputs).jacobian(image.reshape(9, 1))
    assert (matrix * image.reshape(9, 1) - sympy.Matrix(outputs)).expand().is_zero_matrix
    # The oracle's matrix at integers is this one with the integers put in.
    numbers = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.float64)
    found = oracle.as_matrix(numbers, 3, 3, stride=stride, padding=padding)
    wanted = matrix.subs(dict(zip(kernel, (1, 2, 3, 5), strict=True))).tolist()
    assert found.tolist() == [[float(entry) for entry in row] for row in wanted]
    # Its transpose is the transposed convolution, which is written as a scatter of its own.
    sizes = [oracle.output_size(3, 2, stride, padding)] * 2
    units = torch.eye(len(outputs), dtype=torch.float64).reshape(-1, 1, *sizes)
    extra = 3 - oracle.transposed_output_size(sizes[0], 2, stride, padding)
    scattered = sum(oracle.transposed(units, numbers[None, None], stride=stride, padding=padding, output_padding=extra))
    assert isinstance(scattered, torch.Tensor)
    assert torch.equal(scattered.flatten(1), found)


@proves("convolution.matrix")
def test_the_circular_matrix_is_diagonal_under_fourier():
    """On a torus the convolution theorem gives the same numbers to rounding: a third witness, from another theorem."""
    torch.manual_seed(0)
    x, kernel = torch.randn(6, 5, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    wide = oracle.padded(oracle.padded(x, 0, 0, 2, "circular"), 1, 0, 1, "circular")
    direct = torch.stack(oracle.cross_correlation(wide, kernel)).sum(0)
    allowed = gamma(8 * 30, torch.float64) * float(x.abs().sum() * kernel.abs().sum())
    assert float((oracle.by_fourier(x, kernel) - direct).abs().max()) <= allowed


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# n' = ⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1 windows fit, and a transposed convolution gives n back exactly when its output
# padding is a = (n + 2p − d(k − 1) − 1) mod s.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A window that begins at s i in the padded axis ends at s i + d(k − 1), which must be at most n + 2p − 1. So i runs
# over 0 … ⌊r/s⌋ with r = n + 2p − 1 − d(k − 1). Write r = s q + a with 0 ≤ a < s: then n' = q + 1, and
# (n' − 1)s − 2p + d(k − 1) + 1 = s q − 2p + d(k − 1) + 1 = n − a.


@proves("convolution.output_size")
def test_the_number_of_windows_is_the_count():
    """The windows counted one by one, for every n ≤ 9, k ≤ 4, s ≤ 3, d ≤ 3 and p ≤ 2 where one fits at all."""
    for n, k, s, d, p in product(range(1, 10), range(1, 5), range(1, 4), range(1, 4), range(3)):
        if d * (k - 1) >= n + 2 * p:
            continue
        counted = sum(1 for i in range(0, n + 2 * p, s) if i + d * (k - 1) <= n + 2 * p - 1)
        assert oracle.output_size(n, k, s, p, d) == counted


@proves("convolution.output_size")
def test_the_displayed_equation_is_the_last_window():
    """With r = s q + a the floor is q; the last window ends inside, and one more would not."""
    assert layer_claims.OUTPUT_SIZE.equation is not None
    shown = layer_claims.OUTPUT_SIZE.equation()
    n, p, d, k, s = (next(x for x in shown.free_symbols if x.name == name) for name in "npdks")
    q, a = sympy.symbols("q a", integer=True, nonnegative=True)
    room = {n: s * q + a + 1 + d * (k - 1) - 2 * p}
    assert sympy.simplify(shown.rhs.subs(room) - (q + 1 + sympy.floor(a / s))) == 0  # and ⌊a/s⌋ = 0 as a < s
    last = s * q + d * (k - 1)
    assert sympy.expand((n + 2 * p - 1).subs(room) - last) == a
    for subject in (convolution.output_size(), convolution.as_matrix()):
        gv.verify(subject, budget="quick").raise_for_failures()


@proves("convolution.transposed_size")
def test_the_transposed_size_gives_the_size_back():
    """(n' − 1)s − 2p + d(k − 1) + 1 = n − a in symbols; and for every size counted above."""
    p, d, k, s, q, a = sympy.symbols("p d k s q a", integer=True, nonnegative=True)
    size = s * q + a + 1 + d * (k - 1) - 2 * p
    back = ((q + 1) - 1) * s - 2 * p + d * (k - 1) + 1
    assert sympy.expand(back - (size - a)) == 0
    for n_, k_, s_, d_, p_ in product(range(1, 10), range(1, 5), range(1, 4), range(1, 4), range(3)):
        room = n_ + 2 * p_ - d_ * (k_ - 1) - 1
        if room >= 0:
            windows = oracle.output_size(n_, k_, s_, p_, d_)
            assert oracle.transposed_output_size(windows, k_, s_, p_, d_, room % s_) == n_


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The gradient of max pooling goes to the largest entry of each window; where entries tie, shares that sum to one.


@proves("convolution.max_pool_gradient")
def test_the_gradient_goes_to_the_largest_entry():
    """Windows without ties: the gradient is one at the argmax, and overlapping windows add up."""
    x = torch.tensor([[[[3.0, 1.0, 2.0], [0.0, 5.0, 4.0], [1.0, 2.0, 6.0]]]], dtype=torch.float64, requires_grad=True)
    functional.max_pool2d(x, 2, stride=1).sum().backward()
    # The four windows have their largest entries at 5, 5, 5 and 6.
    assert x.grad is not None
    assert x.grad[0, 0].tolist() == [[0, 0, 0], [0, 3, 0], [0, 0, 1]]


@proves("convolution.max_pool_gradient")
def test_ties_share_one():
    """Equal entries: torch's max_pool2d gives all to one of them, amax shares; both sum to one and both pass."""
    for f in (functional.max_pool2d, lambda x, k: x.unfold(-2, k, k).unfold(-2, k, k).amax((-1, -2))):
        x = torch.ones(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
        f(x, 2).sum().backward()
        assert x.grad is not None
        assert float(x.grad.sum()) == 1.0
        assert bool((x.grad >= 0).all())


@proves("convolution.max_pool_gradient")
def test_the_references_pool():
    """Max, average and global average, values and gradients."""
    for subject in (pooling.largest(), pooling.average(), pooling.global_average()):
        gv.verify(subject, budget="quick").raise_for_failures()
