"""Claims on Lipschitz constants of networks, of their layers, and of convolutions."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["CLIPPED", "COMPRESSION", "CONVOLUTION", "ISOMETRY", "LARGEST_NORM", "MEAN_VALUE", "PRODUCT"]

PRODUCT = claim(
    "lipschitz.product", Status.DERIVED,
    statement="a composition of maps with constants L₁ … L_k has the constant L₁⋯L_k; that of x ↦ Wx + b is ‖W‖, the "
    "largest singular value",
    source="Szegedy et al. 2014, section 4.3",
    assumptions=("Euclidean norms; ‖W‖ executed for two by two matrices, by its symmetric part WᵀW",),
    theorems=("the spectral theorem, for matrices of any size",),
)  # fmt: skip

LARGEST_NORM = claim(
    "lipschitz.largest_norm", Status.REFUTED,
    statement="a network is as steep as its steepest layer",
    source="implementations of Lipschitz bounds (max for a product)",
    counterexample="x ↦ 2 · (2x): each layer has the norm 2, and the slope is 4",
    corrected="the slopes of layers multiply; their maximum is a bound where all the others are at most one",
    assumptions=("executed for linear layers on the line",),
)  # fmt: skip

MEAN_VALUE = claim(
    "lipschitz.mean_value", Status.DERIVED,
    statement="on a convex domain |f(x) − f(y)| ≤ L|x − y| for all x, y if and only if ‖J(x)‖ ≤ L for all x",
    source="Rockafellar & Wets 1998, theorem 9.7",
    assumptions=("f continuously differentiable", "executed for f(x, y) = (sin x, xy) along a segment of symbols"),
    theorems=("|∫ g| ≤ ∫ |g|", "the fundamental theorem of calculus along a segment"),
)  # fmt: skip

ISOMETRY = claim(
    "lipschitz.isometry", Status.DERIVED,
    statement="WᵀW = I makes x ↦ Wx an isometry; WWᵀ = I of a wide W makes it 1-Lipschitz and no more: it has a kernel",
    source="Horn & Johnson 2013, theorem 2.1.4",
    assumptions=("executed for a 3 × 2 matrix of symbolic angles, and for its transpose",),
)  # fmt: skip

COMPRESSION = claim(
    "lipschitz.zero_padding", Status.DERIVED,
    statement="a convolution with zeros around is y = P C E x: E puts the image on a longer torus, C is circular, P "
    "keeps some places; so its norm is at most that of C, and circular padding on the image's own torus need not be",
    source="Araujo, Negrevergne, Chevaleyre & Atif 2021, lemma 1",
    assumptions=("executed for a symbolic kernel of three places on a signal of three", "the torus longer by k − 1"),
    theorems=("‖P‖ = ‖E‖ = 1",),
)  # fmt: skip

CONVOLUTION = claim(
    "lipschitz.spectral_norm_of_a_kernel", Status.REFUTED,
    statement="spectral_norm on a Conv2d makes it 1-Lipschitz",
    source="as read into Miyato et al. 2018, section 2.1, and torch.nn.utils.spectral_norm",
    counterexample="a kernel of ones, 3 × 3: divided by the norm 3 of its matrix [out, in·9] it has the norm 9/3 = 3 "
    "on a torus, and with zeros around n × n pixels (1 + 2 cos(π/(n + 1)))²/3, which goes to 3",
    corrected="the norm of the convolution is at most √(kh·kw) times that of the reshaped kernel (stride 1), and equal "
    "to it for 1 × 1 kernels",
    assumptions=("executed for the kernel of ones, and for symbolic kernels of three places",),
    theorems=("the eigenvalues of a tridiagonal Toeplitz matrix",),
)  # fmt: skip

CLIPPED = claim(
    "lipschitz.clipping", Status.REFUTED,
    statement="clipping the weights makes the critic 1-Lipschitz",
    source="as read into Arjovsky et al. 2017, algorithm 1",
    counterexample="one layer of 200 weights, all clipped to 0.1: the slope is 0.1 √200 = √2",
    corrected="it makes it K-Lipschitz, K = Π c √(n_l n_{l−1}) from the architecture: widths n_l and the clip c",
    assumptions=("dense layers, activations of slope at most one", "reached by weights that all are c, executed"),
    theorems=("‖W‖ ≤ ‖W‖_F",),
)  # fmt: skip
