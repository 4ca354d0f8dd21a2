"""Activation functions, derived in SymPy; those along a class axis for any number of classes in torch.

Every elementwise one is a `ClosedForm`: tensors in, tensors out; mpmath in, mpmath out. What is written here is what is
computed, so each is arranged to have no needless cancellation: ELU is one sum without branches, the tanh form of GELU
is computed as the sigmoid that it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "SELU_ALPHA", "SELU_SCALE", "elu", "gelu", "gelu_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "relu", "selu",
    "selu_constants", "sigmoid", "silu", "softmax", "softplus", "tanh",
]  # fmt: skip

_ONE = {"x": "real"}
# The published constants; `selu_constants` derives them, and the page on activations compares.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@closed_form("activation.sigmoid", arguments=_ONE, source="Bishop 2006, eq. 4.59")
def sigmoid(x: sympy.Symbol) -> Derivation:
    """The logistic sigmoid.

    σ(x) = 1/(1 + e^(−x)),  σ′ = σ (1 − σ)

    Shapes: elementwise.

    Source: Bishop 2006, eq. 4.59 and 4.88.

    >>> sigmoid(torch.tensor(0.0))
    tensor(0.5000)
    """
    import sympy

    value = 1 / (1 + sympy.exp(-x))
    return Derivation(
        value=value, steps=(step("derivative", sympy.Derivative(value, x), value * (1 - value), "quotient rule"),)
    )


@closed_form("activation.log_sigmoid", arguments=_ONE, source="Bishop 2006, eq. 4.59")
def log_sigmoid(x: sympy.Symbol) -> Derivation:
    """The logarithm of the logistic sigmoid.

    log σ(x) = −log(1 + e^(−x))

    Shapes: elementwise; nats.

    Source: Bishop 2006, eq. 4.59.

    >>> log_sigmoid(torch.tensor(-100.0))
    tensor(-100.)
    """
    import sympy

    value = -sympy.log(1 + sympy.exp(-x))
    return Derivation(
        value=value, steps=(step("definition", sympy.log(1 / (1 + sympy.exp(-x))), value, "log 1/u = −log u"),)
    )


@closed_form("activation.tanh", arguments=_ONE, source="Abramowitz & Stegun 1964, eq. 4.5.3")
def tanh(x: sympy.Symbol) -> Derivation:
    """The hyperbolic tangent.

    tanh x = (eˣ − e^(−x))/(eˣ + e^(−x)) = 2σ(2x) − 1,  tanh′ = 1 − tanh²

    Shapes: elementwise.

    Source: Abramowitz & Stegun 1964, eq. 4.5.3.

    >>> tanh(torch.tensor(0.0))
    tensor(0.)
    """
    import sympy

    ratio = (sympy.exp(x) - sympy.exp(-x)) / (sympy.exp(x) + sympy.exp(-x))
    steps = (
        step("by exponentials", sympy.tanh(x).rewrite(sympy.exp), ratio, "definition"),
        step("by the sigmoid", 2 / (1 + sympy.exp(-2 * x)) - 1, ratio, "multiply by eˣ above and below"),
    )
    return Derivation(value=sympy.tanh(x), steps=steps)


@closed_form("activation.relu", arguments=_ONE, source="Nair & Hinton 2010")
def relu(x: sympy.Symbol) -> Derivation:
    """The rectifier.

    relu(x) = max(x, 0); at the kink any slope in [0, 1] is a subgradient

    Shapes: elementwise.

    Source: Nair & Hinton 2010.

    >>> relu(torch.tensor([-2.0, 3.0]))
    tensor([0., 3.])
    """
    import sympy

    value = sympy.Max(x, 0)
    return Derivation(value=value, steps=(step("by |x|", (x + sympy.Abs(x)) / 2 - value.rewrite(sympy.Abs),
                                               sympy.S.Zero, "max(a, b) = (a + b + |a − b|)/2"),))  # fmt: skip


@closed_form("activation.leaky_relu", arguments={"x": "real", "slope": "real"}, source="Maas, Hannun & Ng 2013, eq. 3")
def leaky_relu(x: sympy.Symbol, slope: sympy.Symbol) -> Derivation:
    """The leaky rectifier.

    f(x) = max(x, 0) + a min(x, 0)

    Shapes: `x` and `slope` a broadcast.

    Source: Maas, Hannun & Ng 2013, eq. 3 (a = 0.01).

    >>> leaky_relu(torch.tensor([-2.0, 3.0]), 0.5)
    tensor([-1.,  3.])
    """
    import sympy

    value = sympy.Max(x, 0) + slope * sympy.Min(x, 0)
    p = sympy.Symbol("p", positive=True)
    steps = (
        step("above", value.subs(x, p), p, "max(p, 0) = p, min(p, 0) = 0"),
        step("below", value.subs(x, -p), -slope * p, "max(−p, 0) = 0, min(−p, 0) = −p"),
    )
    return Derivation(value=value, steps=steps)


@closed_form(
    "activation.elu", arguments={"x": "real", "alpha": "real"}, source="Clevert, Unterthiner & Hochreiter 2016, eq. 15"
)
def elu(x: sympy.Symbol, alpha: sympy.Symbol) -> Derivation:
    """The exponential linear unit.

    f(x) = max(x, 0) + α (e^min(x, 0) − 1)

    Shapes: `x` and `alpha` broadcast.

    Source: Clevert, Unterthiner & Hochreiter 2016, eq. 15. Without branches, so that no exponential overflows.

    >>> elu(torch.tensor([-1e4, 3.0]), 1.0)
    tensor([-1.,  3.])
    """
    import sympy

    value = sympy.Max(x, 0) + alpha * (sympy.exp(sympy.Min(x, 0)) - 1)
    p = sympy.Symbol("p", positive=True)
    steps = (
        step("above", value.subs(x, p), p, "min(p, 0) = 0"),
        step("below", value.subs(x, -p), alpha * (sympy.exp(-p) - 1), "max(−p, 0) = 0"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("activation.selu_constants", arguments={}, source="Klambauer et al. 2017, eq. 14")
def selu_constants() -> Derivation:
    """The two constants of SELU, for which a standard normal input leaves with mean 0 and variance 1.

    E f(Z) = 0 and E f(Z)² = 1 for f(z) = λ max(z, 0) + λ α (e^min(z, 0) − 1), Z ~ N(0, 1)

    Shapes: none; the pair (α, λ).

    Source: Klambauer et al. 2017, eq. 14 (fixed point at mean 0, variance 1); integrated and solved here.

    >>> round(selu_constants()[1], 4)
    1.0507
    """
    import sympy

    z = sympy.Symbol("z", real=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)

    def below(function: sympy.Expr) -> sympy.Expr:
        return sympy.simplify(sympy.integrate(sympy.expand(function * density), (z, -sympy.oo, 0)))

    first, second = below(sympy.exp(z) - 1), below((sympy.exp(z) - 1) ** 2)
    alpha = -1 / (sympy.sqrt(2 * sympy.pi) * first)
    scale = 1 / sympy.sqrt(sympy.Rational(1, 2) + alpha**2 * second)
    steps = (
        step("mean", 1 / sympy.sqrt(2 * sympy.pi) + alpha * first, sympy.S.Zero, "E max(Z, 0) = 1/√(2π)"),
        step("second moment", scale**2 * (sympy.Rational(1, 2) + alpha**2 * second), sympy.S.One, "E max(Z, 0)² = ½"),
    )
    return Derivation(value=(alpha, scale), steps=steps, outputs=("alpha", "scale"))


@closed_form("activation.selu", arguments=_ONE, source="Klambauer et al. 2017, eq. 2")
def selu(x: sympy.Symbol) -> Derivation:
    """The scaled exponential linear unit.

    f(x) = λ max(x, 0) + λ α (e^min(x, 0) − 1)

    Shapes: elementwise.

    Source: Klambauer et al. 2017, eq. 2, with the constants of eq. 14 (see `selu_constants`).

    >>> selu(torch.tensor(1.0))
    tensor(1.0507)
    """
    import sympy

    alpha, scale = (sympy.Float(str(number), 32) for number in ("1.6732632423543772848170429916717",
                                                               "1.0507009873554804934193349852946"))  # fmt: skip
    value = scale * sympy.Max(x, 0) + scale * alpha * (sympy.exp(sympy.Min(x, 0)) - 1)
    p = sympy.Symbol("p", positive=True)
    return Derivation(value=value, steps=(step("above", value.subs(x, p), scale * p, "min(p, 0) = 0"),))


@closed_form("activation.gelu", arguments=_ONE, source="Hendrycks & Gimpel 2016, section 2")
def gelu(x: sympy.Symbol) -> Derivation:
    """The Gaussian error linear unit.

    gelu(x) = x Φ(x) = max(x, 0) − |x| erfc(|x|/√2)/2

    Shapes: elementwise. In the second form neither tail cancels.

    Source: Hendrycks & Gimpel 2016, section 2: the mean of x·m with m ~ Bernoulli(Φ(x)).

    >>> gelu(torch.tensor(1.0))
    tensor(0.8413)
    """
    import sympy

    z = sympy.Symbol("z", real=True)
    mass = sympy.Integral(sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi), (z, -sympy.oo, x)).doit()
    tail = sympy.erfc(sympy.Abs(x) / sympy.sqrt(2)) / 2
    p = sympy.Symbol("p", positive=True)
    value = sympy.Max(x, 0) - sympy.Abs(x) * tail
    by_mass = (x * mass).rewrite(sympy.erf)
    steps = (
        step("x Φ(x), above", by_mass.subs(x, p), value.subs(x, p).rewrite(sympy.erf), "Φ(p) = 1 − Φ(−p)"),
        step("x Φ(x), below", by_mass.subs(x, -p), value.subs(x, -p).rewrite(sympy.erf), "Φ(−p) = erfc(p/√2)/2"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("activation.gelu_tanh", arguments=_ONE, source="Hendrycks & Gimpel 2016, section 2")
def gelu_tanh(x: sympy.Symbol) -> Derivation:
    """The tanh approximation of GELU.

    ½ x (1 + tanh u) = x σ(2u),  u = √(2/π) (x + 0.044715 x³)

    Shapes: elementwise.

    Source: Hendrycks & Gimpel 2016, section 2.

    >>> gelu_tanh(torch.tensor(1.0))
    tensor(0.8412)
    """
    import sympy

    u = sympy.sqrt(2 / sympy.pi) * (x + sympy.Rational(44715, 10**6) * x**3)
    value = x / (1 + sympy.exp(-2 * u))
    w = sympy.Symbol("u", real=True)
    half = (1 + sympy.tanh(w)).rewrite(sympy.exp) / 2
    return Derivation(
        value=value, steps=(step("½ (1 + tanh u) = σ(2u)", half, 1 / (1 + sympy.exp(-2 * w)), "see tanh"),)
    )


@closed_form("activation.silu", arguments=_ONE, source="Elfwing, Uchibe & Doya 2018, eq. 8")
def silu(x: sympy.Symbol) -> Derivation:
    """The sigmoid linear unit, also called swish.

    silu(x) = x σ(x)

    Shapes: elementwise.

    Source: Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017.

    >>> silu(torch.tensor(1.0))
    tensor(0.7311)
    """
    import sympy

    value = x / (1 + sympy.exp(-x))
    return Derivation(value=value, steps=(step("x σ(x)", x * sigmoid.derive(x).value, value, "definition"),))


@closed_form("activation.softplus", arguments={"x": "real", "beta": "positive"}, source="Dugas et al. 2001")
def softplus(x: sympy.Symbol, beta: sympy.Symbol) -> Derivation:
    """The softplus: a smooth rectifier whose derivative is the sigmoid.

    log(1 + e^(βx))/β,  with derivative σ(βx)

    Shapes: `x` and `beta` broadcast.

    Source: Dugas et al. 2001 (β = 1); torch.nn.Softplus (β).

    >>> softplus(torch.tensor(1e4), 1.0)
    tensor(10000.)
    """
    import sympy

    value = sympy.log(1 + sympy.exp(beta * x)) / beta
    return Derivation(value=value, steps=(
        step("derivative", sympy.Derivative(value, x), 1 / (1 + sympy.exp(-beta * x)), "chain rule"),
    ))  # fmt: skip


def softmax(x: Tensor) -> Tensor:
    """Probabilities from logits along the last axis: ``e^(x_i) / Σ_j e^(x_j)``, for any number of classes.

    Shapes: [..., classes]; the result has the same.

    Source: Bridle 1990; Bishop 2006, eq. 4.62.

    >>> softmax(torch.tensor([1e4, 1e4]))
    tensor([0.5000, 0.5000])
    """
    shifted = torch.exp(x - x.amax(-1, keepdim=True).detach())
    return shifted / shifted.sum(-1, keepdim=True)


def log_softmax(x: Tensor) -> tuple[Tensor, ...]:
    """Log-probabilities as additive terms: ``x_i``, ``−log Σ_j e^(x_j)`` in two parts.

    The logarithm is that of a sum which begins with e⁰ = 1 once the largest logit is taken out, and rounds there.

    Shapes: [..., classes]; each term has the same.

    Source: Bishop 2006, eq. 4.62.

    >>> sum(log_softmax(torch.tensor([0.0, 0.0])))
    tensor([-0.6931, -0.6931])
    """
    total = torch.logsumexp(x, -1, keepdim=True)
    one = torch.ones_like(x)
    return x, -total - one, one
