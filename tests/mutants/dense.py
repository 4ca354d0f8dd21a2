"""Mutants of dense layers, each with one named bug, and correct layers in unusual styles."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

AFFINE, MLP, SOFTMAX = "dense.affine", "dense.mlp", "dense.softmax_classifier"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **fields: Any) -> Callable[[Any], Any]:
    """Declares the decorated implementation, as a stranger would, as a wrong one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like, **fields)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **fields: Any) -> Callable[[Any], Any]:
    """Declares the decorated implementation as a correct one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **fields)))
        return f

    return declare


@mutant(AFFINE)
class TransposedWeight(nn.Module):
    """The weight is made as [out, in] and multiplied as [in, out]: right for square layers only. Met in ports."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = nn.Parameter(torch.randn(n_out, n_in))
        self.b = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.W + self.b


@mutant(AFFINE, layout="weight as [out, in]")
def transposed_where_torchs_is_declared(x, weight, bias):
    """x @ weight with torch's weights: agrees with nn.Linear for symmetric matrices alone."""
    return x @ weight + bias


@mutant(AFFINE)
def bias_along_the_batch(x, W, b):
    """The bias is broadcast on the batch axis: it fits when batch and features have one size."""
    return x @ W.mT + b[:, None]


@mutant(AFFINE)
def bias_forgotten(x, W, b):
    """The bias is a parameter that nothing uses."""
    return x @ W.mT + 0 * b


@mutant(AFFINE)
def bias_added_to_the_input(x, W, b):
    """W(x + b): only layers with as many inputs as outputs run at all, and their bias passes through W."""
    return (x + b) @ W.mT


@mutant(AFFINE, "gradient")
def frozen_by_accident(x, W, b):
    """`.data` in the forward pass: right values, and weights that learn nothing. Met in weight-noise layers."""
    return x @ W.data.mT + b


class _HandWritten(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.mT + bias

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        return g @ weight, g.mT @ x / x.shape[0], g.mean(0)


@mutant(AFFINE, "gradient")
def averaged_backward(x, weight, bias):
    """A backward pass of its own that averages over the batch, which the loss has done already. Met in course work."""
    return _HandWritten.apply(x, weight, bias)


@mutant(AFFINE)
class ScaledAtInit(nn.Linear):
    """The gain of the initialisation is applied in the forward pass, too. Met in equalised-rate layers."""

    def forward(self, input):
        return functional.linear(input, self.weight / self.in_features**0.5, self.bias)


@mutant(AFFINE)
def running_state(x, weight, bias, seen=[]):  # noqa: B006 - the bug
    """A mutable default remembers the first bias that it saw."""
    seen.append(bias)
    return x @ weight.mT + (seen[0] if seen[0].shape == bias.shape else bias)


@mutant(MLP)
def linear_network(x, W1, b1, W2, b2):
    """The activation is missing: two layers that are one."""
    return (x @ W1.mT + b1) @ W2.mT + b2


@mutant(MLP)
def activated_output(x, W1, b1, W2, b2):
    """ReLU after the last layer as well: a regression that cannot be negative."""
    return torch.relu(torch.relu(x @ W1.mT + b1) @ W2.mT + b2)


@mutant(MLP)
class SharedBias(nn.Module):
    """The first bias after the activation: the units can no longer be shifted."""

    def __init__(self, in_dim, hidden, out_dim):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(in_dim, hidden), nn.Linear(hidden, out_dim)

    def forward(self, x):
        return self.fc2(torch.relu(x @ self.fc1.weight.mT) + self.fc1.bias)


@mutant(SOFTMAX)
def softmax_over_the_batch(x, W, b):
    """Normalised over the batch axis: dim=0 for dim=1. Met where dim was left to torch's old default."""
    return torch.softmax(x @ W.mT + b, 0)


@mutant(SOFTMAX)
def normalised_scores(x, W, b):
    """Scores divided by their sum, without the exponential."""
    z = x @ W.mT + b
    return z / z.sum(-1, keepdim=True)


@mutant(SOFTMAX)
def logits_for_probabilities(x, W, b):
    """The scores themselves: the softmax is left to a loss that is not there."""
    return functional.linear(x, W, b)


@twin(AFFINE)
def einstein(x, W, b):
    """By einsum."""
    return torch.einsum("ni,oi->no", x, W) + b


@twin(AFFINE)
def textbook(X, W, b):
    """X W + b with weights as [in, out]: the textbook's order, named in the verdict."""
    return X @ W + b


@twin(AFFINE)
def homogeneous(x, weight, bias):
    """A one is put beside the input, and the bias beside the weight."""
    one = torch.ones_like(x[..., :1])
    return torch.cat((x, one), -1) @ torch.cat((weight, bias[:, None]), -1).mT


@twin(AFFINE, dtype=torch.float32)
def in_loops(x, weight, bias=None):
    """Row by row, unit by unit, in float32 only."""
    rows = [torch.stack([(row * unit).sum() for unit in weight]) for row in x]
    y = torch.stack(rows)
    return y if bias is None else y + bias


@twin(AFFINE)
class KeptInOut(nn.Module):
    """Weights as [in, out], square or not."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, x):
        return torch.addmm(self.bias, x, self.kernel)


@twin(MLP)
class Deepest(nn.Module):
    """An MLP of its own kind: a list of layers, GELU between, made by its constructor."""

    def __init__(self, in_dim, hidden_dim, out_dim):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(in_dim, hidden_dim), nn.Linear(hidden_dim, out_dim)])

    def forward(self, x):
        return self.layers[1](functional.gelu(self.layers[0](x)))


def scripted(module: nn.Module) -> Any:
    """A ScriptModule: no Python code left to look into."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and still met
        return torch.jit.script(module)


TWINS += [
    Twin(name="square weight as [in, out]", make=lambda: Formula(KeptInOut(3, 3), like=AFFINE)),
    Twin(name="no bias", make=lambda: Formula(nn.Linear(3, 2, bias=False), like=AFFINE)),
    Twin(name="dense.affine: scripted", make=lambda: Formula(scripted(nn.Linear(3, 2)), like=AFFINE)),
    Twin(
        name="weight_norm",
        make=lambda: Formula(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), like=AFFINE),
    ),
    Twin(
        name="frozen weights", make=lambda: Formula(nn.Linear(2, 3).requires_grad_(False), like=AFFINE),
    ),
    Twin(
        name="log-probabilities",
        make=lambda: Formula(lambda x, W, b: functional.linear(x, W, b).log_softmax(-1), like=SOFTMAX),
    ),
    Twin(
        name="a sequence of layers",
        make=lambda: Formula(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)), like=MLP),
    ),
]  # fmt: skip


@twin(AFFINE, shapes={"x": "batch time in"})
def of_sequences(x, weight, bias):
    """[batch, time, in], declared with the formula's own word for the batch."""
    return functional.linear(x, weight, bias)


@mutant(AFFINE, shapes={"x": "batch time in", "return": "batch time out"})
def leaks_over_time(x, weight, bias):
    """The mean over time is taken off first, as if each sequence were normalised."""
    return functional.linear(x - x.mean(1, keepdim=True), weight, bias)


class Deep(nn.Module):
    """Three hidden layers in a Sequential, with tanh."""

    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        widths = (input_dim, hidden_dim, hidden_dim, hidden_dim, output_dim)
        layers: list[nn.Module] = []
        for enters, leaves in itertools.pairwise(widths):
            layers += [nn.Linear(enters, leaves), nn.Tanh()]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.net(x)


class DeepActivatedAtTheEnd(Deep):
    """The loop that makes the layers leaves an activation after the last one."""

    def forward(self, x):
        return torch.tanh(self.net(x))


class DeepWithoutOneActivation(Deep):
    """Two affine maps follow each other: one layer less than it seems."""

    def forward(self, x):
        for place, layer in enumerate(self.net):
            x = x if place == 3 else layer(x)
        return x


def deep(x, weights, biases):
    """Lists of weights and biases."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = torch.relu(x @ weight.T + bias)
    return x @ weights[-1].T + biases[-1]


def deep_with_one_bias(x, weights, biases):
    """The first bias in every layer: the index is lost."""
    for weight in weights[:-1]:
        x = torch.relu(x @ weight.T + biases[0])
    return x @ weights[-1].T + biases[0]


MUTANTS += [
    Mutant(name=f"{like}: {f.__name__}", make=lambda f=f, like=like: Formula(f, like=like), killed_by="formula.dialect")
    for f, like in (
        (DeepActivatedAtTheEnd, MLP), (DeepWithoutOneActivation, MLP), (deep_with_one_bias, "dense.deep_mlp"),
    )
]  # fmt: skip
_UNEVEN = (nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
TWINS += [
    Twin(name="three hidden layers", make=lambda: Formula(Deep, like=MLP)),
    Twin(name="hidden layers of several widths", make=lambda: Formula(nn.Sequential(*_UNEVEN), like=MLP)),
    Twin(name="lists of weights", make=lambda: Formula(deep, like="dense.deep_mlp")),
]
