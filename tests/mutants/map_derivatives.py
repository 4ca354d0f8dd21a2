"""Hand-written derivatives with one bug each, as `torch.autograd.gradcheck` would catch, and correct ones as twins."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from genverify.subjects.map import Map
from tests.mutants.flow import seeded
from tests.mutants.mutant import Mutant, Twin


class Softplus(torch.autograd.Function):
    """log(1 + eˣ) with its derivative, correct, and differentiable twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return nn.functional.softplus(x, threshold=50.0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return grad * torch.sigmoid(x)


class WrongSign(Softplus):
    """σ(−x): the sign of the argument."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad * torch.sigmoid(-ctx.saved_tensors[0])


class NegatedGradient(Softplus):
    """The sign of the result: a gradient reversal that nobody declared."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return -grad * torch.sigmoid(ctx.saved_tensors[0])


class Square(torch.autograd.Function):
    """x² whose backward forgets the factor 2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad * ctx.saved_tensors[0]


class Tanh(torch.autograd.Function):
    """Tanh that saves its input where its backward reads the output: 1 − x² for 1 − y²."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad * (1.0 - ctx.saved_tensors[0] ** 2)


class AddBias(torch.autograd.Function):
    """x + b whose backward takes the mean of the gradient of b over the batch instead of its sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        return x + bias

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad, grad[:1].sum(0)


class Lost(Softplus):
    """Returns None for the input: everything upstream stops learning, without a word."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None


class WrongForwardMode(Softplus):
    """A correct backward, and a forward-mode rule that forgets the derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return nn.functional.softplus(x, threshold=50.0)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Any:
        return tangent.clone()


class Biased(nn.Module):
    """A layer whose bias is added by a given function."""

    def __init__(self, add: Any) -> None:
        super().__init__()
        self.bias, self.add = nn.Parameter(torch.tensor([0.5, -1.0])), add

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.add(x, self.bias))


class DetachedWeight(nn.Module):
    """A weight that is normalised through `.data`: the norm's own gradient is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, -0.5], [0.3, 2.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight / self.weight.data.norm()).mT


class Between(nn.Module):
    """A given activation between two layers."""

    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.first, self.second, self.activation = nn.Linear(3, 4), nn.Linear(4, 2), activation

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.activation(self.first(x)))


def _elementwise(function: Any) -> Map:
    return Map(function.apply, event_shape=2, name=function.__name__)


MUTANTS = [
    *(
        Mutant(name=one.__name__, killed_by="map.gradient", make=lambda one=one: _elementwise(one))
        for one in (WrongSign, NegatedGradient, Square, Tanh, Lost, WrongForwardMode)
    ),
    Mutant(
        name="WrongSign between layers", killed_by="map.parameter_gradient",
        make=lambda: Map(seeded(lambda: Between(WrongSign.apply)), event_shape=3),
    ),
    Mutant(
        name="missing_sum_over_the_batch", killed_by="map.parameter_gradient",
        make=lambda: Map(Biased(AddBias.apply), event_shape=2, name="missing_sum_over_the_batch"),
    ),
    Mutant(
        name="DetachedWeight", killed_by="map.parameter_gradient", make=lambda: Map(DetachedWeight(), event_shape=2)
    ),
    Mutant(
        name="undeclared_straight_through", killed_by="map.gradient",
        make=lambda: Map(lambda x: x + (x.round() - x).detach(), event_shape=2, name="undeclared_straight_through"),
    ),
]  # fmt: skip

TWINS = [
    Twin(name="Softplus, by hand", make=lambda: _elementwise(Softplus)),
    Twin(
        name="Softplus between layers, by hand",
        make=lambda: Map(seeded(lambda: Between(Softplus.apply)), event_shape=3),
    ),
    Twin(name="bias added by torch", make=lambda: Map(Biased(torch.add), event_shape=2)),
    Twin(
        name="declared straight-through",
        make=lambda: Map(lambda x: x + (x.round() - x).detach(), event_shape=2, gradient=False),
    ),
]  # fmt: skip


class _ScaledRelu(torch.autograd.Function):
    """ReLU whose backward is larger by one in a hundred."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 1.01 * grad * (x > 0)


class _RectifiedNetwork(nn.Module):
    """Convolutions and residual sums with some ten thousand rectifiers, so that kinks are everywhere."""

    def __init__(self, rectifier=torch.relu):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.last = nn.Linear(8, 4)
        self.rectifier = rectifier

    def forward(self, x):
        x = self.rectifier(self.stem(x))
        return self.last(self.rectifier(x + self.branch(x)).mean((2, 3)))


def _rectified(rectifier=torch.relu) -> Map:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Map(_RectifiedNetwork(rectifier), event_shape=(3, 32, 32))


MUTANTS += [
    Mutant(
        name=f"a rectifier's backward wrong by 1 %: {check}",
        make=lambda: _rectified(_ScaledRelu.apply),
        killed_by=check,
    )
    for check in ("map.gradient", "map.parameter_gradient")
]
TWINS += [
    Twin(name="a network of rectifiers on images", make=_rectified),
    Twin(name="a steep sine", make=lambda: Map(lambda x: torch.sin(300 * x), event_shape=4)),
]
