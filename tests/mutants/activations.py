"""Mutants of activation functions, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str, **declared: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares the decorated function, as a stranger would, as a wrong implementation of the activation."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=f"activation.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"activation.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function or class as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"activation.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"activation.{like}: {f.__name__}", make=make))
        return f

    return declare


@mutant("softmax", "extremes")
def without_shift(x):
    """The largest logit is not taken out: e^x overflows at 89 in float32. Met in hand-written attention."""
    return torch.exp(x) / torch.exp(x).sum(-1, keepdim=True)


@mutant("softmax", "dialect")
def over_the_batch(x):
    """dim=0: every column sums to one. torch's implicit dimension was 0 for 1-D and 3-D inputs."""
    return torch.softmax(x, 0)


@mutant("softmax", "extremes")
def shifted_by_the_batch(x):
    """One maximum for the whole array: rows far below it underflow to 0/0. Met in manassharma07/crysx_nn#7."""
    shifted = torch.exp(x - x.max())
    return shifted / shifted.sum(-1, keepdim=True)


@mutant("log_softmax", "extremes")
def log_of_softmax(x):
    """log(softmax(x)): −∞ where a probability underflows. Met in policy losses."""
    return torch.softmax(x, -1).log()


@mutant("log_softmax", "gradient")
def detached_normaliser(x):
    """The log-sum-exp is detached: right value, gradient without the softmax."""
    return x - torch.logsumexp(x, -1, keepdim=True).detach()


@mutant("gelu", "dialect")
def tanh_form(x):
    """The tanh approximation sold as GELU: up to 4.7e-4 apart. The default of early BERT ports."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@mutant("sigmoid", "extremes")
def exp_over_one_plus_exp(x):
    """eˣ/(1 + eˣ): ∞/∞ for large x. The usual first version."""
    return torch.exp(x) / (1 + torch.exp(x))


@mutant("sigmoid", "gradient")
def hard_backward(x):
    """A piecewise linear gradient under an exact value: a straight-through left in."""
    hard = (0.25 * x + 0.5).clamp(0, 1)
    return hard + (torch.sigmoid(x) - hard).detach()


@mutant("elu", "gradient")
def selected_overflow(x, alpha=1.0):
    """torch.where of an exponent that overflows in the branch not taken, hidden by nan_to_num: no gradient above 0."""
    return torch.nan_to_num(torch.where(x > 0, x.detach(), alpha * (torch.exp(x) - 1)))


@mutant("relu", "value")
def capped(x):
    """ReLU6 sold as ReLU: equal up to 6."""
    return functional.relu6(x)


@mutant("tanh", "extremes")
def ratio_of_exponentials(x):
    """(eˣ − e⁻ˣ)/(eˣ + e⁻ˣ): ∞/∞ from 89 on in float32."""
    return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


@mutant("softplus", "accuracy")
def late_switch(x):
    """log(1 + eˣ) up to 90, x beyond: in float32 eˣ overflows at 88.7, so that there is a window of ∞."""
    return torch.where(x > 90, x, torch.log1p(torch.exp(x)))


@mutant("sigmoid", "accuracy", ulps=4)
def by_tanh_stated(x):
    """½ (1 + tanh x/2) stated to 4 ULPs: no digit is left below −17 in float32."""
    return 0.5 * (1 + torch.tanh(0.5 * x))


@mutant("tanh", "accuracy", ulps=8)
def cancelling_near_zero(x):
    """2σ(2x) − 1 stated to 8 ULPs: for small x it is a difference of two numbers near one."""
    return 2 * torch.sigmoid(2 * x) - 1


# Twins: none of these may be accused.


@twin("sigmoid")
def by_tanh(x):
    """½ (1 + tanh x/2): accurate to the rounding of ½."""
    return 0.5 * (1 + torch.tanh(0.5 * x))


@twin("softmax")
def loops(x):
    """Row by row, in lists."""
    return torch.stack([torch.exp(row - torch.logsumexp(row, 0)) for row in x])


@twin("softplus")
def with_threshold(x):
    """Linear beyond 20, as torch has it."""
    return torch.where(x > 20, x, torch.log(1 + torch.exp(x.clamp(max=20))))


@twin("gelu")
def by_numpy(x):
    """Through NumPy and math.erf, one number after the other: no graph."""
    values = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in np.asarray(x.detach()).reshape(-1).tolist()]
    return torch.tensor(values, dtype=x.dtype).reshape(x.shape)


@twin("gelu")
def float32_inside(x):
    """Computes in float32 whatever it is given."""
    return functional.gelu(x.float())


@twin("relu", in_place=("x",))
def in_place(x):
    """Overwrites its input, and says so."""
    return x.relu_()


@twin("relu")
def by_absolute(x):
    """(x + |x|)/2, whose slope at 0 is ½."""
    return (x + x.abs()) / 2


@twin("leaky_relu")
class LeakyModule(nn.Module):
    """A slope given when it is made."""

    def __init__(self, negative_slope: float = 0.2) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, features):
        return torch.where(features >= 0, features, features * self.negative_slope)


@twin("silu")
def by_division(x):
    """x/(1 + e⁻ˣ): the exponential overflows, and the quotient is right."""
    return x / (1 + torch.exp(-x))


@twin("elu")
def one_number(x: float, alpha: float = 1.0):
    """Python's math, one number at a time."""
    return x.item() if x.item() > 0 else alpha * math.expm1(x.item())
