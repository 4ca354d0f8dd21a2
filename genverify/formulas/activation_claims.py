"""Claims on activation functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.oracles import activation

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ACCURACY", "DERIVATIVE_BOUND", "ELU_SMOOTH", "GELU_GATE", "GELU_TANH", "RELU_SUBGRADIENT", "SCALED_SIGMOID",
    "SELU_FIXED_POINT", "SHIFT_INVARIANT", "SOFTPLUS_DERIVATIVE", "TWO_LOGITS", "VANISHING_GRADIENT",
]  # fmt: skip

_REAL = ("x real",)


def _square() -> sympy.Basic:
    """¼ − σ′ is a square."""
    import sympy

    (x,) = activation.sigmoid.symbols
    value = activation.sigmoid.expression
    gap = sympy.Rational(1, 4) - sympy.Derivative(value, x)
    return sympy.Eq(gap, (value - sympy.Rational(1, 2)) ** 2, evaluate=False)


def _product() -> sympy.Basic:
    """s_i is the norm of W_i."""
    import sympy

    n, i = sympy.symbols("n i", integer=True, positive=True)
    norm: Any = sympy.IndexedBase("s", positive=True)
    jacobian = sympy.Symbol(r"\left\Vert \partial x_{n} / \partial x_{0} \right\Vert", nonnegative=True)
    return sympy.LessThan(jacobian, sympy.Rational(1, 4) ** n * sympy.Product(norm[i], (i, 1, n)), evaluate=False)


def _two_logits() -> sympy.Basic:
    import sympy

    a, b = sympy.symbols("a b", real=True)
    softmax = sympy.exp(a) / (sympy.exp(a) + sympy.exp(b))
    (x,) = activation.sigmoid.symbols
    return sympy.Eq(softmax, activation.sigmoid.expression.subs(x, a - b), evaluate=False)


def _shifted() -> sympy.Basic:
    import sympy

    c = sympy.Symbol("c", real=True)
    i, j, k = sympy.symbols("i j K", integer=True, positive=True)
    x: Any = sympy.IndexedBase("x", real=True)
    plain = sympy.exp(x[i]) / sympy.Sum(sympy.exp(x[j]), (j, 1, k))
    moved = sympy.exp(x[i] + c) / sympy.Sum(sympy.exp(x[j] + c), (j, 1, k))
    return sympy.Eq(moved, plain, evaluate=False)


def _softplus() -> sympy.Basic:
    import sympy

    (x,) = activation.sigmoid.symbols
    return sympy.Eq(sympy.Derivative(sympy.log(1 + sympy.exp(x)), x), activation.sigmoid.expression, evaluate=False)


def _tanh() -> sympy.Basic:
    import sympy

    (x,) = activation.tanh.symbols
    (s,) = activation.sigmoid.symbols
    return sympy.Eq(activation.tanh.expression, 2 * activation.sigmoid.expression.subs(s, 2 * x) - 1, evaluate=False)


def _gate() -> sympy.Basic:
    import sympy

    x, z = sympy.symbols("x z", real=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    mean = sympy.Integral(x * density, (z, -sympy.oo, x))
    return sympy.Eq(mean, x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2, evaluate=False)


DERIVATIVE_BOUND = claim(
    "activation.sigmoid.derivative_bound", Status.DERIVED,
    statement="0 < σ′(x) ≤ ¼ for all x, with equality at 0 alone, since ¼ − σ′ = (σ − ½)²",
    source="LeCun, Bottou, Orr & Müller 1998, section 4.4 (on saturation); elementary", assumptions=_REAL,
    equation=_square,
)  # fmt: skip

VANISHING_GRADIENT = claim(
    "activation.sigmoid.vanishing_gradient", Status.DERIVED,
    statement="the Jacobian of n layers x_i = σ(W_i x_{i−1} + b_i) has norm at most 4^(−n) ∏‖W_i‖: it vanishes with "
    "depth where every ‖W_i‖ ≤ c < 4, and can explode only where some ‖W_i‖ exceed 4",
    source="Hochreiter 1991; Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, section 2.1",
    assumptions=("spectral norms s_i = ‖W_i‖; any sizes and biases",), equation=_product,
    theorems=("the spectral norm is submultiplicative; that of a diagonal matrix is its largest entry in modulus",),
)  # fmt: skip

TWO_LOGITS = claim(
    "activation.softmax.two_logits_sigmoid", Status.DERIVED,
    statement="softmax of two logits is the sigmoid of their difference: softmax(a, b)₁ = σ(a − b)",
    source="Bishop 2006, section 4.2, eq. 4.57 to 4.62", assumptions=("a, b real",), equation=_two_logits,
)  # fmt: skip

SHIFT_INVARIANT = claim(
    "activation.softmax.shift_invariant", Status.DERIVED,
    statement="softmax(x + c) = softmax(x) for every number c, and its entries are positive and sum to 1",
    source="Goodfellow, Bengio & Courville 2016, eq. 6.29 to 6.33",
    assumptions=("x real; the sums are executed at three classes, all symbols",), equation=_shifted,
)  # fmt: skip

SOFTPLUS_DERIVATIVE = claim(
    "activation.softplus.derivative", Status.DERIVED,
    statement="the derivative of log(1 + eˣ) is σ(x), and log σ(x) = −log(1 + e⁻ˣ)",
    source="Dugas et al. 2001", assumptions=_REAL, equation=_softplus,
)  # fmt: skip

SCALED_SIGMOID = claim(
    "activation.tanh.scaled_sigmoid", Status.DERIVED,
    statement="tanh x = 2 σ(2x) − 1; hence x σ(x) = ½ x (1 + tanh x/2)",
    source="Bishop 2006, exercise 3.1", assumptions=_REAL, equation=_tanh,
)  # fmt: skip

RELU_SUBGRADIENT = claim(
    "activation.relu.subgradient", Status.DERIVED,
    statement="every slope s in [a, 1] is a subgradient of max(x, 0) + a min(x, 0) at 0, and no other, for 0 ≤ a ≤ 1",
    source="Rockafellar 1970, section 23 (subgradients)", assumptions=("0 ≤ a ≤ 1; a = 0 is ReLU",),
)  # fmt: skip

ELU_SMOOTH = claim(
    "activation.elu.smooth", Status.DERIVED,
    statement="ELU is continuous for every α, and its derivative is continuous at 0 where α = 1 and there alone",
    source="Clevert, Unterthiner & Hochreiter 2016, section 3", assumptions=("α real",),
)  # fmt: skip

SELU_FIXED_POINT = claim(
    "activation.selu.fixed_point", Status.DERIVED,
    statement="for one positive pair alone, α = 1.6733… and λ = 1.0507…, a standard normal input leaves SELU with mean "
    "0 and variance 1",
    source="Klambauer et al. 2017, eq. 14", assumptions=("α, λ > 0",),
)  # fmt: skip

GELU_GATE = claim(
    "activation.gelu.expected_gate", Status.DERIVED,
    statement="x Φ(x) is the mean of x·1(Z ≤ x) for Z ~ N(0, 1)",
    source="Hendrycks & Gimpel 2016, section 2", assumptions=_REAL, equation=_gate,
)  # fmt: skip

GELU_TANH = claim(
    "activation.gelu_tanh.approximates", Status.SUPPORTED,
    statement="the tanh form of GELU is not GELU: they differ by up to 4.7e-4, near |x| = 2.7",
    source="Hendrycks & Gimpel 2016, section 2 (which calls it an approximation)",
    assumptions=("searched on a grid of step 1/4096 over [−8, 8]; beyond it both agree to 1e-14",),
)  # fmt: skip

ACCURACY = claim(
    "activation.accuracy.worst_inputs", Status.SUPPORTED,
    statement="at the inputs on record in accuracy.md torch's activations and losses, and the references, are off by "
    "the ULPs on record there; the worst inputs of a search over every dtype's whole range",
    source="measured; Muller et al. 2018, section 2.3.2, for the unit",
    assumptions=("one library and processor; a search proves no maximum",),
)  # fmt: skip
