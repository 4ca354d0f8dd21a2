"""Exact expectations that gradient estimators estimate, and exact variances of the simplest estimators.

For finite laws the expectation is a sum over outcomes; for z ~ N(μ, σ²) and a quadratic or a sine SymPy integrates it
with z = μ + σε. All are differentiable, so the exact gradient is autodiff of an exact value; where the gradient has a
closed form of its own it stands beside it, as a second witness.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .closed_form import Derivation, Step, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "bernoulli_expectation",
    "categorical_expectation",
    "categorical_gradient",
    "normal_quadratic",
    "normal_sine",
    "quadratic_variances",
    "sine_variances",
    "standard_expectation",
]


def standard_expectation(of: sympy.Expr, epsilon: sympy.Symbol) -> sympy.Expr:
    """E of an expression in ε ~ N(0, 1), integrated by SymPy.

    >>> import sympy
    >>> e = sympy.Symbol("e", real=True)
    >>> standard_expectation(e**4, e)
    3
    """
    import sympy

    density = sympy.exp(-(epsilon**2) / 2) / sympy.sqrt(2 * sympy.pi)
    terms = sympy.expand(sympy.expand_trig(sympy.expand(of)))
    total = sympy.S.Zero
    for term in sympy.Add.make_args(terms):
        constant, moving = term.as_independent(epsilon)
        total += constant * _integral(moving * density, epsilon)
    return total


@functools.lru_cache(maxsize=512)
def _integral(integrand: Any, epsilon: Any) -> Any:  # noqa: ANN401 - SymPy expressions
    import sympy

    return sympy.simplify(sympy.integrate(integrand, (epsilon, -sympy.oo, sympy.oo)))


def categorical_expectation(logits: Tensor, rewards: Tensor) -> Tensor:
    """E f(k) = Σ_k softmax(θ)_k f_k, every outcome counted.

    Shapes: both [outcomes]; a number, in the units of the reward.

    Source: Williams 1992, section 3 (the objective); a finite sum.

    >>> categorical_expectation(torch.zeros(2), torch.tensor([1.0, 3.0]))
    tensor(2.)
    """
    return (torch.softmax(logits, -1) * rewards).sum(-1)


def categorical_gradient(logits: Tensor, rewards: Tensor) -> Tensor:
    """∂/∂θ_j E f = p_j (f_j - E f).

    Shapes: both [outcomes]; [outcomes].

    Source: Williams 1992, eq. 6, summed over outcomes.

    >>> categorical_gradient(torch.zeros(2), torch.tensor([1.0, 3.0]))
    tensor([-0.5000,  0.5000])
    """
    p = torch.softmax(logits, -1)
    return p * (rewards - (p * rewards).sum(-1, keepdim=True))


def bernoulli_expectation(probs: Tensor, outcomes: Tensor, rewards: Tensor) -> Tensor:
    """E f(b) = Σ_b f(b) ∏_j p_j^{b_j} (1 - p_j)^{1 - b_j}, every vector b counted.

    Shapes: probs [d], outcomes [2^d, d], rewards [2^d]; a number.

    Source: Johnson, Kemp & Kotz 2005, section 3.1; a finite sum.

    >>> bernoulli_expectation(torch.tensor([0.25]), torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, 4.0]))
    tensor(1.)
    """
    weights = torch.where(outcomes > 0, probs, 1 - probs).prod(-1)
    return (weights * rewards).sum()


@closed_form(
    "estimators.normal_quadratic",
    arguments={"a": "real", "b": "real", "c": "real", "mu": "real", "sigma": "positive"},
    source="integrated here",
)
def normal_quadratic(
    a: sympy.Symbol, b: sympy.Symbol, c: sympy.Symbol, mu: sympy.Symbol, sigma: sympy.Symbol
) -> Derivation:
    """The mean of a quadratic under a normal law: E[a z² + b z + c] = a (μ² + σ²) + b μ + c, z ~ N(μ, σ²).

    Shapes: all broadcast.

    >>> normal_quadratic(1, 0, 0, 3, 2)
    13.0
    """
    import sympy

    epsilon = sympy.Symbol("epsilon", real=True)
    z = mu + sigma * epsilon
    value = a * (mu**2 + sigma**2) + b * mu + c
    integrated = standard_expectation(a * z**2 + b * z + c, epsilon)
    return Derivation(value=value, steps=(step("integrate with z = μ + σε", integrated, value, "moments of ε"),))


@closed_form(
    "estimators.normal_sine",
    arguments={"omega": "real", "phase": "real", "mu": "real", "sigma": "positive"},
    source="integrated here",
)
def normal_sine(omega: sympy.Symbol, phase: sympy.Symbol, mu: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """The mean of a sine under a normal law: E sin(ω z + φ) = exp(-ω²σ²/2) sin(ω μ + φ), z ~ N(μ, σ²).

    Shapes: all broadcast.

    >>> normal_sine(0.0, 0.0, 1.0, 1.0)
    0.0
    """
    import sympy

    epsilon, theta = sympy.symbols("epsilon theta", real=True)
    value = sympy.exp(-((omega * sigma) ** 2) / 2) * sympy.sin(omega * mu + phase)
    integrated = standard_expectation(sympy.sin(theta + omega * sigma * epsilon), epsilon)
    shown = integrated.subs(theta, omega * mu + phase)
    return Derivation(value=value, steps=(step("the odd part vanishes", shown, value, "E cos(ωσε) = exp(-ω²σ²/2)"),))


def _variances(f: Any, slope: Any, mu: Any, sigma: Any, epsilon: Any) -> tuple[Any, Any]:  # noqa: ANN401 - SymPy
    """Variances of the two estimators of ∂/∂μ E f(z): f(z) ε/σ by the score, f'(z) along the path."""
    score = f * epsilon / sigma
    gradient = standard_expectation(slope, epsilon)
    return (
        standard_expectation(score**2, epsilon) - standard_expectation(score, epsilon) ** 2,
        standard_expectation(slope**2, epsilon) - gradient**2,
    )


@closed_form(
    "estimators.quadratic_variances",
    arguments={"a": "real", "b": "real", "c": "real", "mu": "real", "sigma": "positive"},
    source="integrated here",
)
def quadratic_variances(
    a: sympy.Symbol, b: sympy.Symbol, c: sympy.Symbol, mu: sympy.Symbol, sigma: sympy.Symbol
) -> Derivation:
    """Variances of the score-function and the pathwise estimate of ∂/∂μ E f(z), f quadratic, z ~ N(μ, σ²).

    score: (f(μ)/σ + 3aσ)² + 6a²σ² + 2f'(μ)²,  path: 4a²σ²

    Shapes: all broadcast; a pair (score, path).

    >>> quadratic_variances(0, 1, 0, 0, 1)
    (2.0, 0.0)
    """
    import sympy

    epsilon = sympy.Symbol("epsilon", real=True)
    z = mu + sigma * epsilon
    value, slope = a * mu**2 + b * mu + c, 2 * a * mu + b
    score = (value / sigma + 3 * a * sigma) ** 2 + 6 * a**2 * sigma**2 + 2 * slope**2
    path = 4 * a**2 * sigma**2
    found = _variances(a * z**2 + b * z + c, 2 * a * z + b, mu, sigma, epsilon)
    steps: tuple[Step, ...] = (
        step("Var of f(z) ε/σ", found[0], score, "moments of ε up to the sixth"),
        step("Var of f'(z)", found[1], path, "moments of ε up to the second"),
    )
    return Derivation(value=(score, path), steps=steps, outputs=("score", "path"))


@closed_form("estimators.sine_variances", arguments={"omega": "real", "sigma": "positive"}, source="integrated here")
def sine_variances(omega: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """Variances of the score-function and the pathwise estimate of ∂/∂μ E sin(ωz) at μ = 0, z ~ N(μ, σ²).

    score: E[sin²(ωσε) ε²]/σ² - g²,  path: ω² E cos²(ωσε) - g²,  with g = ω exp(-ω²σ²/2)

    Shapes: all broadcast; a pair (score, path).

    >>> score, path = sine_variances(10.0, 1.0)
    >>> round(score, 6), round(path, 6)
    (0.5, 50.0)
    """
    import sympy

    epsilon = sympy.Symbol("epsilon", real=True)
    k = omega * sigma
    gradient = omega * sympy.exp(-(k**2) / 2)
    # sin² and cos² in the double angle, since these integrate term by term.
    score = (1 - (1 - 4 * k**2) * sympy.exp(-2 * k**2)) / (2 * sigma**2) - gradient**2
    path = omega**2 * (1 + sympy.exp(-2 * k**2)) / 2 - gradient**2
    doubled = standard_expectation(epsilon**2 / 2 - epsilon**2 * sympy.cos(2 * k * epsilon) / 2, epsilon) / sigma**2
    halved = standard_expectation(omega**2 / 2 + omega**2 * sympy.cos(2 * k * epsilon) / 2, epsilon)
    mean = standard_expectation(omega * sympy.cos(k * epsilon), epsilon)
    by_score = standard_expectation(sympy.sin(k * epsilon) * epsilon / sigma, epsilon)
    steps = (
        step("the gradient, along the path", mean, gradient, "E cos(kε) = exp(-k²/2)"),
        step("the gradient, by the score", by_score, gradient, "E ε sin(kε) = k exp(-k²/2)"),
        step("Var of sin(ωz) ε/σ", doubled - mean**2, score, "sin² x = (1 - cos 2x)/2"),
        step("Var of ω cos(ωz)", halved - mean**2, path, "cos² x = (1 + cos 2x)/2"),
    )
    return Derivation(value=(score, path), steps=steps, outputs=("score", "path"))
