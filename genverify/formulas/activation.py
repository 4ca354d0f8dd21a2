"""Activation functions: elementwise, and along the class axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import activation as oracle
from genverify.oracles.exact_scalar import exact_scalar, exact_softmax
from genverify.reference.layers import activations as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import BATCHED, SINGLE, Argument, Layout, Specification

__all__ = [
    "ELU", "GELU", "GELU_TANH", "LEAKY_RELU", "LOG_SIGMOID", "LOG_SOFTMAX", "RELU", "SELU", "SIGMOID", "SILU",
    "SOFTMAX", "SOFTPLUS", "TANH",
]  # fmt: skip

Terms = torch.Tensor | tuple[torch.Tensor, ...]

_INPUT = (
    "x", "input", "inputs", "z", "t", "u", "v", "a", "h", "hidden", "hidden_states", "features", "tensor", "logits",
    "logit", "value", "values", "scores", "val", "arr", "data", "pre_activation", "preactivation", "xs", "X", "inp",
    "activation", "y", "in_",
)  # fmt: skip
_NUMBER = Layout(name="one number at a time", drop=("batch", "event"))


def _input(axes: str, reach: float) -> Argument:
    """The pre-activation, drawn within ±reach, and up to ±10⁴ where finiteness is claimed."""
    return plain("x", axes, real(low=-reach, high=reach, extreme=1e4), _INPUT)


def _elementwise(
    name: str, statement: str, source: str, terms: Callable[..., Terms], form: Any, derivation: str,  # noqa: ANN401
    *, reach: float = 8.0, kinks: bool = False, extra: tuple[Argument, ...] = (),
) -> Specification:  # fmt: skip
    return formula(
        Specification(
            name=f"activation.{name}", statement=statement, source=source, oracle=terms, output="batch event",
            arguments=(_input("batch event", reach), *extra), layouts=(BATCHED, SINGLE, _NUMBER), kinks=kinks,
            dialects=(reduction("event", ("none",)), reduction("batch", ("none",))), derivation=derivation,
            exact=exact_scalar(form), gradient_at_extremes=True,
        )
    )  # fmt: skip


def _at_one(value: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A value computed as the difference of two numbers near one, or as a logarithm of one: it rounds there."""
    one = torch.ones_like(value)
    return one, value - one


# ½ (1 + tanh x/2) is a sigmoid, too, which rounds at ½; slopes are products with 1 − σ. So no digits of the tails are
# claimed, and the draws keep where a slope has some.
SIGMOID = _elementwise(
    "sigmoid", "σ(x) = 1/(1 + e⁻ˣ)", "Bishop 2006, eq. 4.59", lambda x: _at_one(oracle.sigmoid(x)), oracle.sigmoid,
    "activation.sigmoid.derivative_bound", reach=4.0,
)  # fmt: skip
LOG_SIGMOID = _elementwise(
    "log_sigmoid", "log σ(x) = −log(1 + e⁻ˣ)", "Bishop 2006, eq. 4.59",
    lambda x: _at_one(oracle.log_sigmoid(x)), oracle.log_sigmoid, "activation.softplus.derivative", reach=4.0,
)  # fmt: skip
TANH = _elementwise(
    "tanh", "tanh x = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)", "Abramowitz & Stegun 1964, eq. 4.5.3",
    lambda x: _at_one(oracle.tanh(x)), oracle.tanh, "activation.tanh.scaled_sigmoid", reach=3.0,
)  # fmt: skip
RELU = _elementwise(
    "relu", "relu(x) = max(x, 0)", "Nair & Hinton 2010", lambda x: oracle.relu(x), oracle.relu,
    "activation.relu.subgradient", kinks=True,
)  # fmt: skip
LEAKY_RELU = _elementwise(
    "leaky_relu", "max(x, 0) + a min(x, 0), a = 0.01", "Maas, Hannun & Ng 2013, eq. 3",
    lambda x, slope: oracle.leaky_relu(x, slope), oracle.leaky_relu, "activation.relu.subgradient", kinks=True,
    extra=(
        hyperparameter(
            "slope", "negative_slope", "alpha", "leak", "leakiness", "a", "neg_slope", "leaky_slope", default=0.01,
            low=0.01, high=0.5,
        ),
    ),
)  # fmt: skip
ELU = _elementwise(
    "elu", "max(x, 0) + α (e^min(x, 0) − 1), α = 1", "Clevert, Unterthiner & Hochreiter 2016, eq. 15",
    lambda x, alpha: (*_elu_terms(x, alpha),), oracle.elu, "activation.elu.smooth", kinks=True,
    extra=(hyperparameter("alpha", "a", "scale", default=1.0, low=0.5, high=2.0),),
)  # fmt: skip
SELU = _elementwise(
    "selu", "λ max(x, 0) + λα (e^min(x, 0) − 1)", "Klambauer et al. 2017, eq. 2 and 14",
    lambda x: (*_elu_terms(x, oracle.SELU_ALPHA, oracle.SELU_SCALE),), oracle.selu, "activation.selu.fixed_point",
    kinks=True,
)  # fmt: skip
# ½ x (1 + erf) and ½ x (1 + tanh) round at ½ x, which is where most code computes them.
GELU = _elementwise(
    "gelu", "gelu(x) = x Φ(x) = ½ x (1 + erf(x/√2))", "Hendrycks & Gimpel 2016, section 2",
    lambda x: (0.5 * x, oracle.gelu(x) - 0.5 * x), oracle.gelu, "activation.gelu.expected_gate",
)  # fmt: skip
GELU_TANH = _elementwise(
    "gelu_tanh", "½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))", "Hendrycks & Gimpel 2016, section 2",
    lambda x: (0.5 * x, oracle.gelu_tanh(x) - 0.5 * x), oracle.gelu_tanh, "activation.gelu_tanh.approximates",
)  # fmt: skip
SILU = _elementwise(
    "silu", "silu(x) = x σ(x)", "Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017",
    lambda x: (0.5 * x, oracle.silu(x) - 0.5 * x), oracle.silu, "activation.tanh.scaled_sigmoid",
)  # fmt: skip
SOFTPLUS = _elementwise(
    "softplus", "log(1 + e^(βx))/β, β = 1", "Dugas et al. 2001",
    lambda x, beta: tuple(term / beta for term in _at_one(beta * oracle.softplus(x, beta))), oracle.softplus,
    "activation.softplus.derivative",
    extra=(hyperparameter("beta", "b", "sharpness", "temperature", default=1.0, low=0.5, high=2.0),),
)  # fmt: skip


def _elu_terms(x: torch.Tensor, alpha: float | torch.Tensor, scale: float = 1.0) -> tuple[torch.Tensor, ...]:
    """``max``, and α (e^min − 1) as the difference that most code computes."""
    above = scale * oracle.relu(x)
    one = scale * alpha * torch.ones_like(x)
    return above, scale * oracle.elu(x, alpha) - above + one, -one


def _along_classes(
    name: str, statement: str, terms: Callable[..., Terms], derivation: str, *, log: bool,
    slopes: Callable[..., Terms] | None = None,
) -> Specification:  # fmt: skip
    return formula(
        Specification(
            name=f"activation.{name}", statement=statement, source="Bridle 1990; Bishop 2006, eq. 4.62", oracle=terms,
            arguments=(_input("batch class", 2.0),), output="batch class", derivation=derivation,
            dialects=(reduction("class", ("none",)), reduction("batch", ("none",))),
            sizes={"class": (1, 2, 3, 4)}, exact=exact_softmax(log=log), surrogate=slopes,
            gradient_at_extremes=True,
        )
    )  # fmt: skip


def _softmax_slopes(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Terms whose derivatives are p_i δ_ij and −p_i p_j: the two numbers that a gradient of softmax subtracts."""
    p = oracle.softmax(x)
    diagonal = x * p.detach()
    return diagonal, p - diagonal


SOFTMAX = _along_classes(
    "softmax", "softmax(x)_i = e^(x_i)/Σ_j e^(x_j)", lambda x: oracle.softmax(x), "activation.softmax.shift_invariant",
    log=False, slopes=_softmax_slopes,
)  # fmt: skip
LOG_SOFTMAX = _along_classes(
    "log_softmax", "log softmax(x)_i = x_i − log Σ_j e^(x_j)", lambda x: oracle.log_softmax(x),
    "activation.softmax.shift_invariant", log=True,
)  # fmt: skip


def _declare(name: str) -> None:
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"activation.{name}")

    make.__name__ = name
    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
