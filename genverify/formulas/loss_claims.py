"""Claims on losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.oracles import gaussian, loss

if TYPE_CHECKING:
    import sympy

__all__ = [
    "AT_LEAST_ENTROPY", "FOCAL", "GAUSSIAN_NLL", "GRADIENT", "HINGE", "HUBER", "LABEL_SMOOTHING", "SPLIT_AT_ZERO",
    "TWO_CLASSES", "WEIGHTED",
]  # fmt: skip

_THREE = ("x, t real; the algebra is executed at three classes, all entries symbols",)


def _gradient() -> sympy.Basic:
    import sympy

    i, j, k = sympy.symbols("i j K", integer=True, positive=True)
    x: Any = sympy.IndexedBase("x", real=True)
    t: Any = sympy.IndexedBase("t", real=True)
    slope = sympy.Derivative(sympy.Symbol("L"), x[i])
    softmax = sympy.exp(x[i]) / sympy.Sum(sympy.exp(x[j]), (j, 1, k))
    return sympy.Eq(slope, softmax - t[i], evaluate=False)


def _gaussian() -> sympy.Basic:
    """−log N(t | f, σ²) for one target."""
    import sympy

    x, mu, sigma = gaussian.nll.symbols
    f, t = loss.mse.symbols
    nll = gaussian.nll.expression.subs({x: t, mu: f}, simultaneous=True)
    half = loss.mse.expression / (2 * sigma**2)
    return sympy.Eq(nll, half + sympy.log(sigma) + sympy.log(2 * sympy.pi) / 2, evaluate=False)


def _entropies() -> sympy.Basic:
    import sympy

    k, n = sympy.symbols("k K", integer=True, positive=True)
    t: Any = sympy.IndexedBase("t", positive=True)
    p: Any = sympy.IndexedBase("p", positive=True)
    cross: Any = sympy.Sum(t[k] * sympy.log(p[k]), (k, 1, n))
    entropy: Any = sympy.Sum(t[k] * sympy.log(t[k]), (k, 1, n))
    divergence = sympy.Sum(t[k] * sympy.log(t[k] / p[k]), (k, 1, n))
    return sympy.Eq(-cross, -entropy + divergence, evaluate=False)


def _mixture() -> sympy.Basic:
    import sympy

    epsilon, n = sympy.Symbol("epsilon", positive=True), sympy.Symbol("K", integer=True, positive=True)
    k = sympy.Symbol("k", integer=True, positive=True)
    p: Any = sympy.IndexedBase("p", positive=True)
    y = sympy.Symbol("y", integer=True, positive=True)
    mixed = -(1 - epsilon) * sympy.log(p[y]) - epsilon / n * sympy.Sum(sympy.log(p[k]), (k, 1, n))
    return sympy.Eq(sympy.Symbol(r"L_\epsilon"), mixed, evaluate=False)


GRADIENT = claim(
    "loss.cross_entropy.gradient", Status.DERIVED,
    statement="the gradient of −Σ t_k log softmax(x)_k in the logits is softmax(x) − t, for targets that sum to 1",
    source="Bridle 1990; Bishop 2006, eq. 4.109", assumptions=(*_THREE, "Σ t = 1"), equation=_gradient,
)  # fmt: skip

AT_LEAST_ENTROPY = claim(
    "loss.cross_entropy.at_least_entropy", Status.DERIVED,
    statement="−Σ t_k log p_k = H(t) + KL(t ‖ p) ≥ H(t), with equality where p = t alone: with soft targets the loss "
    "does not go to 0",
    source="Cover & Thomas 2006, theorem 2.6.3", assumptions=("t, p > 0 sum to 1",), equation=_entropies,
    theorems=("log u ≤ u − 1, with equality at u = 1 alone",),
)  # fmt: skip

GAUSSIAN_NLL = claim(
    "loss.mse.gaussian_nll", Status.DERIVED,
    statement="the squared error is the negative log-likelihood of a Gaussian of fixed variance σ², up to the scale "
    "1/(2σ²) and the constant log σ + ½ log 2π",
    source="Bishop 2006, eq. 1.62", assumptions=("f, t real, σ > 0 fixed",), equation=_gaussian,
)  # fmt: skip

TWO_CLASSES = claim(
    "loss.bce.two_classes", Status.DERIVED,
    statement="binary cross-entropy of a logit x is the cross-entropy of the logits (x, 0); its gradient is σ(x) − y",
    source="Bishop 2006, eq. 4.90 and 4.91", assumptions=("x real, y in {0, 1}",),
)  # fmt: skip

SPLIT_AT_ZERO = claim(
    "loss.bce.split_at_zero", Status.REFUTED,
    statement="max(x, 0) − x y + log(1 + e^(−|x|)) is binary cross-entropy, so automatic differentiation of it gives "
    "σ(x) − y",
    source="the stable form of tf.nn.sigmoid_cross_entropy_with_logits, differentiated as written; "
    "pytorch/pytorch#2195 and #2298",
    counterexample="at x = 0 the parts have kinks: with a rectifier of slope 0 there, |x| of slope 0 and y = 0 the "
    "answer is 0, with a clamp of slope 1 it is 1, and σ(0) − 0 = ½: a head that starts at zero starts wrong",
    corrected="the value is right everywhere and the derivative at every x ≠ 0; log(e⁰ + eˣ) − x y has no kink",
    assumptions=("torch's subgradients at ties",),
)  # fmt: skip

HUBER = claim(
    "loss.huber.one_derivative", Status.DERIVED,
    statement="Huber's two branches meet at |r| = δ with one value and one slope, δ; divided by δ the slope is 1 "
    "(smooth L1), so that the two are equal at δ = 1 alone",
    source="Huber 1964; Girshick 2015, eq. 3", assumptions=("δ > 0",),
)  # fmt: skip

HINGE = claim(
    "loss.hinge.bounds_errors", Status.DERIVED,
    statement="max(0, 1 − t s) ≥ 1 where the sign of s is wrong (t s ≤ 0), and ≥ 0 elsewhere: the mean hinge loss is "
    "at least the error rate",
    source="Rosasco et al. 2004, section 2", assumptions=("t in {−1, 1}",),
)  # fmt: skip

WEIGHTED = claim(
    "loss.cross_entropy_weighted.replicated", Status.DERIVED,
    statement="Σ w_i l_i/Σ w_i is the mean over samples of which the i-th is there w_i times, and does not change when "
    "all weights are multiplied by one number; Σ w_i l_i/N does",
    source="King & Zeng 2001, eq. 13", assumptions=("integer weights for the first part; three samples executed",),
)  # fmt: skip

LABEL_SMOOTHING = claim(
    "loss.label_smoothing.mixture", Status.DERIVED,
    statement="cross-entropy against (1 − ε) t + ε/K is (1 − ε) times that against t plus ε times the mean over the "
    "classes; spreading ε over the K − 1 other classes is the same with ε K/(K − 1) for ε",
    source="Szegedy et al. 2016, section 7", assumptions=("one-hot t; executed at K = 3",),
    equation=_mixture,
)  # fmt: skip

FOCAL = claim(
    "loss.focal.reduces", Status.DERIVED,
    statement="at γ = 0 and α = 1 the focal loss is cross-entropy; for γ > 0 it is smaller by the factor (1 − p_t)^γ",
    source="Lin et al. 2017, section 3", assumptions=("0 < p_t < 1, γ ≥ 0",),
)  # fmt: skip
