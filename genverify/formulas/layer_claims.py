"""Claims on dense layers, convolutions and pooling, residual blocks and the U-Net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ADJOINT_SIZE", "FLIPPED", "IDENTITY_PATH", "MATRIX", "MAX_POOL", "OUTPUT_SIZE", "RECEPTIVE_FIELD", "SAME_SIZE",
    "SKIP_AFTER", "WEIGHT_GRADIENT",
]  # fmt: skip


def _chain_rule() -> sympy.Basic:
    import sympy

    n, o, i = sympy.symbols("n o i", integer=True, positive=True)
    batch = sympy.Symbol("N", integer=True, positive=True)
    delta: Any = sympy.IndexedBase("delta")
    x: Any = sympy.IndexedBase("x")
    left = sympy.Symbol(r"\frac{\partial L}{\partial W_{oi}}")
    return sympy.Eq(left, sympy.Sum(delta[n, o] * x[n, i], (n, 1, batch)), evaluate=False)


def _flip() -> sympy.Basic:
    import sympy

    i, m = sympy.symbols("i m", integer=True)
    width = sympy.Symbol("M", integer=True, positive=True)
    kernel: Any = sympy.IndexedBase("K")
    x: Any = sympy.IndexedBase("X")
    proper = sympy.Sum(kernel[m] * x[i - m], (m, 0, width - 1))
    flipped = sympy.Sum(kernel[width - 1 - m] * x[i - (width - 1) + m], (m, 0, width - 1))
    return sympy.Eq(proper, flipped, evaluate=False)


def _windows() -> sympy.Basic:
    import sympy

    n, p, d, k, s = sympy.symbols("n p d k s", integer=True, positive=True)
    return sympy.Eq(sympy.Symbol("n'"), sympy.floor((n + 2 * p - d * (k - 1) - 1) / s) + 1, evaluate=False)


def _path() -> sympy.Basic:
    import sympy

    n = sympy.Symbol("n", integer=True, positive=True)
    first, second = sympy.MatrixSymbol("J_1", n, n), sympy.MatrixSymbol("J_2", n, n)
    one = sympy.Identity(n)
    return sympy.Eq(sympy.MatMul(one + second, one + first), one + first + second + second * first, evaluate=False)


WEIGHT_GRADIENT = claim(
    "dense_layer.weight_gradient", Status.DERIVED,
    statement="for y = σ(W x + b) and a loss L(y), ∂L/∂W_oi = Σ_n δ_no x_ni and ∂L/∂b_o = Σ_n δ_no with "
    "δ_no = σ'(z_no) ∂L/∂y_no; and δ passes to the layer before as Wᵀ δ",
    source="Rumelhart, Hinton & Williams 1986; Goodfellow, Bengio & Courville 2016, section 6.5",
    assumptions=("σ differentiable; the algebra is executed for two layers of two units each and two samples",),
    equation=_chain_rule, theorems=("chain rule",),
)  # fmt: skip

FLIPPED = claim(
    "convolution.torch_flips_the_kernel", Status.REFUTED,
    statement="torch's conv2d computes Σ_m Σ_n K(m, n) X(i − m, j − n)",
    source="the Blog, on convolution layers; Goodfellow, Bengio & Courville 2016, eq. 9.4 (the convolution proper)",
    counterexample="X = (1, 0, 0) and K = (1, 2): conv1d gives (1, 0), the convolution proper (2, 0) there",
    corrected="torch computes the cross-correlation Σ_m Σ_n K(m, n) X(i + m, j + n); it is the convolution proper with "
    "the kernel turned by 180 degrees, on the same windows",
    assumptions=("kernels of finite size; windows inside the image; any stride",), equation=_flip,
)  # fmt: skip

MATRIX = claim(
    "convolution.matrix", Status.DERIVED,
    statement="a convolution of one channel is the matrix M[(i, j), (k, l)] = K(k + p − s i, l + p − s j): constant "
    "along diagonals (block Toeplitz with Toeplitz blocks) for s = 1, and its transpose is the transposed convolution",
    source="Goodfellow, Bengio & Courville 2016, section 9.1; Dumoulin & Visin 2016, section 4.1",
    assumptions=("all entries of a 2×2 kernel and of a 3×3 image symbols; strides 1 and 2, padding 0 and 1",),
)  # fmt: skip

OUTPUT_SIZE = claim(
    "convolution.output_size", Status.DERIVED,
    statement="n' = ⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1 windows fit into an axis, and (n' − 1)s − 2p + d(k − 1) + 1 is the "
    "smallest n that has n' of them",
    source="Dumoulin & Visin 2016, relationships 6, 13, 14 and 15",
    assumptions=("n, k, s, d ≥ 1, p ≥ 0 integers; the window fits at least once",), equation=_windows,
)  # fmt: skip

ADJOINT_SIZE = claim(
    "convolution.transposed_size", Status.DERIVED,
    statement="a transposed convolution gives back the size n of a convolution exactly when its output padding is "
    "a = (n + 2p − d(k − 1) − 1) mod s",
    source="Dumoulin & Visin 2016, relationship 14",
    assumptions=("as for the number of windows",),
)  # fmt: skip

MAX_POOL = claim(
    "convolution.max_pool_gradient", Status.SUPPORTED,
    statement="the gradient of max pooling goes to the largest entry of each window, and to nothing else; where "
    "entries tie, any shares that sum to one are a subgradient",
    source="Goodfellow, Bengio & Courville 2016, section 9.3; Rockafellar 1970, theorem 23.8 with corollary 23.5.3",
    assumptions=("the inputs of the spec",),
)  # fmt: skip

IDENTITY_PATH = claim(
    "residual_block.identity_path", Status.DERIVED,
    statement="∂/∂x of a chain of blocks x ↦ x + F_l(x) is Π (I + J_l) = I + Σ_l J_l + … + J_L ⋯ J_1: one term has no "
    "factor at all, whatever the depth",
    source="He, Zhang, Ren & Sun 2016, Identity mappings, eq. 5; Veit, Wilber & Belongie 2016, eq. 6",
    assumptions=("F_l differentiable; no activation after the sum; executed for 1 to 4 blocks of 2×2 Jacobians",),
    equation=_path, theorems=("chain rule",),
)  # fmt: skip

SKIP_AFTER = claim(
    "residual_block.placement", Status.SUPPORTED,
    statement="σ(x + F), x + σ(F) and σ(x + σ(F)) are three different functions: with ReLU the last two are nowhere "
    "below x (for x ≥ 0), so that a chain of these can only grow",
    source="He, Zhang, Ren & Sun 2016, Identity mappings, section 4.1 (ReLU before addition)",
    assumptions=("the blocks and inputs of the spec",),
)  # fmt: skip

SAME_SIZE = claim(
    "unet.same_size", Status.SUPPORTED,
    statement="a U-Net with padded convolutions gives an output of the size of its input for every multiple of "
    "2^depth, and refuses every other size; without padding 572 becomes 388",
    source="Ronneberger, Fischer & Brox 2015, section 2 and figure 1",
    assumptions=("the reference of the spec; sizes up to 16, and the arithmetic for sizes up to 700",),
)  # fmt: skip

RECEPTIVE_FIELD = claim(
    "unet.receptive_field", Status.SUPPORTED,
    statement="an output of a U-Net sees the union of the intervals of its paths and no more (18 places at one level); "
    "through the first skip alone a pixel reaches its own place, and none further away than four",
    source="Ronneberger, Fischer & Brox 2015, figure 1; Araujo, Norris & Sim 2019, on receptive field arithmetic",
    assumptions=("two 3×3 convolutions a stage, 2×2 pooling, 2×2 transposed convolutions of stride 2",),
)  # fmt: skip
