"""Claims on normalisation, dropout and initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["ALPHA_MOMENTS", "BATCH_GRADIENT", "BATCH_INVARIANCE", "BERNOULLI_MOMENTS", "HAAR", "KAIMING",
           "LAYER_GRADIENT", "RMS_SCALE", "ROWS_APART", "RUNNING_VARIANCE", "UNCORRECTED_QR", "WEIGHT_GRADIENT",
           "XAVIER"]  # fmt: skip


def _variance() -> sympy.Basic:
    import sympy

    x, p = sympy.Symbol("x", real=True), sympy.Symbol("p", positive=True)
    return sympy.Eq((1 - p) * (x / (1 - p)) ** 2 - x**2, p * x**2 / (1 - p), evaluate=False)


BATCH_INVARIANCE = claim(
    "normalization.batch_norm_invariance", Status.DERIVED,
    statement="for ε = 0 and a > 0, the normalised batch is that of a x + c; so neither the scale nor the bias of the "
    "layer before matters",
    source="Ioffe & Szegedy 2015, sections 3.2 and 3.3",
    assumptions=("training; a variance that is not zero; executed for a batch of three",),
)  # fmt: skip
BATCH_GRADIENT = claim(
    "normalization.batch_norm_gradient", Status.DERIVED,
    statement="the gradient with respect to the batch sums to zero, for every ε, and is orthogonal to the normalised "
    "batch for ε = 0",
    source="Ioffe & Szegedy 2015, section 3 (the gradients); Ba, Kiros & Hinton 2016",
    assumptions=("training; a variance that is not zero; executed for a batch of three",),
)  # fmt: skip
LAYER_GRADIENT = claim(
    "normalization.layer_norm_gradient", Status.DERIVED,
    statement="∂L/∂x = (I − 1 1ᵀ/n − x̂ x̂ᵀ/n) g / σ for ε = 0: what is left of g after its projections on 1 and on x̂",
    source="Ba, Kiros & Hinton 2016; Xu et al. 2019, Understanding and improving layer normalization",
    assumptions=("a variance that is not zero; executed for three features",),
)  # fmt: skip
RMS_SCALE = claim(
    "normalization.rms_norm_scale", Status.DERIVED,
    statement="for ε = 0 RMS normalisation of a x is that of x for a > 0, and that of x + c is another in general",
    source="Zhang & Sennrich 2019, section 3",
    assumptions=("x not zero; executed for two features",),
)  # fmt: skip
WEIGHT_GRADIENT = claim(
    "normalization.weight_norm_gradient", Status.DERIVED,
    statement="∂L/∂v = (g/‖v‖)(I − v vᵀ/‖v‖²) ∇_w L, which is orthogonal to v",
    source="Salimans & Kingma 2016, eq. 3 and 4",
    assumptions=("v not zero; executed for two inputs",),
)  # fmt: skip
RUNNING_VARIANCE = claim(
    "normalization.running_variance", Status.DERIVED,
    statement="E of the biased variance of n independent numbers is (n − 1)/n σ², so that the running variance is "
    "right on average when it follows n/(n − 1) times that",
    source="Ioffe & Szegedy 2015, section 3.1",
    assumptions=("independent numbers of one variance; executed for n from 2 to 4",),
)  # fmt: skip
ROWS_APART = claim(
    "normalization.rows_apart", Status.REFUTED,
    statement="batch normalisation in training treats the rows of a batch apart",
    source="a common assumption of per-sample losses and of gradient penalties; Gulrajani et al. 2017, section 4, warn",
    counterexample="of the batch (0, 2) the first row becomes −1, of (0, −2) it becomes 1",
    corrected="layer normalisation does: the result of a row is a function of that row",
)  # fmt: skip
BERNOULLI_MOMENTS = claim(
    "dropout.bernoulli_moments", Status.DERIVED,
    statement="y = x m / (1 − p) has E y = x and Var y = p x² / (1 − p)",
    source="Srivastava et al. 2014, section 10",
    assumptions=("0 ≤ p < 1; m is 0 with probability p",), equation=_variance,
)  # fmt: skip
ALPHA_MOMENTS = claim(
    "dropout.alpha_moments", Status.DERIVED,
    statement="for x of mean 0 and variance 1, a (x m + α'(1 − m)) + b has mean 0 and variance 1 exactly when "
    "a = ±((1 − p)(1 + p α'²))^(−½) and b = −a p α'",
    source="Klambauer, Unterthiner, Mayr & Hochreiter 2017",
    assumptions=("m independent of x; 0 ≤ p < 1",),
)  # fmt: skip
XAVIER = claim(
    "initialization.xavier_variance", Status.DERIVED,
    statement="2/(n_in + n_out) is the harmonic mean of the variances 1/n_in, which keeps the variance of signals "
    "through a linear layer, and 1/n_out, which keeps that of gradients",
    source="Glorot & Bengio 2010, eq. 10 to 12",
    assumptions=("weights of mean 0, independent of each other and of the input",),
)  # fmt: skip
KAIMING = claim(
    "initialization.kaiming_variance", Status.DERIVED,
    statement="E relu(z)² = ½ E z² for every symmetric z, so that Var W = 2/n_in keeps the second moment through a "
    "layer and its ReLU",
    source="He, Zhang, Ren & Sun 2015, eq. 6 to 10",
    assumptions=("weights independent of the input, of mean 0 and symmetric",),
)  # fmt: skip
HAAR = claim(
    "initialization.haar_invariance", Status.DERIVED,
    statement="Q of the QR factorisation of a square normal matrix with a positive diagonal of R is Haar distributed",
    source="Mezzadri 2007, theorem 1 and section 5; Stewart 1980",
    assumptions=("independent standard normal entries; exact arithmetic",),
    theorems=("the normal law of a matrix is invariant under orthogonal maps of its columns",
              "the QR factorisation with a positive diagonal is unique", "uniqueness of the Haar measure"),
)  # fmt: skip
UNCORRECTED_QR = claim(
    "initialization.uncorrected_qr", Status.REFUTED,
    statement="the Q that a library's QR gives of a square normal matrix is Haar distributed",
    source="a common way to draw orthogonal matrices; Mezzadri 2007, section 5, shows why not",
    counterexample="for n = 1, LAPACK gives the same Q = 1 whatever the number is; Haar is 1 or −1 with probability ½",
    corrected="Q times the signs of the diagonal of R is",
)  # fmt: skip
