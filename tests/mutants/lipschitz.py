"""Mutants of maps that are said to be Lipschitz with a constant, and twins whose constant is what they say."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal, spectral_norm

from genverify.subjects.map import Map
from tests.mutants.mutant import Mutant, Twin


def settled(layer, shape):
    """After enough power iterations in training for σ to have converged."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(60):
            layer(torch.randn(2, *shape))
    return layer.eval()


def dense(inputs, outputs, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(inputs, outputs)


def normalised_kernel():
    """The kernel as a matrix [out, in·3·3] has norm one; the convolution with it has up to 3. Met as spectral_norm."""
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    return Map(settled(spectral_norm(layer), (1, 8, 8)), event_shape=(1, 8, 8), lipschitz=1.0)


def power_iteration_too_short():
    """One step of a power iteration from a random vector under-estimates σ, so that W/σ is longer than one."""
    layer = dense(6, 6)
    with torch.no_grad():
        v = torch.nn.functional.normalize(layer.weight.T @ torch.ones(6), dim=0)
        layer.weight /= (layer.weight @ v).norm()
    return Map(layer, event_shape=6, lipschitz=1.0)


def largest_entry_for_the_norm():
    """Weights divided by their largest entry."""
    layer = dense(4, 4)
    with torch.no_grad():
        layer.weight /= layer.weight.abs().max()
    return Map(layer, event_shape=4, lipschitz=1.0)


def gelu_taken_for_one():
    """GELU's slope is up to 1.1289."""
    return Map(nn.GELU(), event_shape=3, lipschitz=1.0)


class Residual(nn.Module):
    """x + F(x), with a contraction F."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.inner, self.weight = orthogonal(dense(4, 4)), weight

    def forward(self, x):
        return (1 - self.weight) * x + self.weight * torch.tanh(self.inner(x)) if self.weight < 1 else x + torch.tanh(
            self.inner(x)
        )  # fmt: skip


def residual_of_a_contraction():
    """A sum of two maps with constant one has constant two."""
    block = Residual()
    with torch.no_grad():
        block.inner.parametrizations.weight.original.copy_(torch.eye(4))
    return Map(block, event_shape=4, lipschitz=1.0)


def overlapping_maximum():
    """A place that four windows read counts four times: √4."""
    return Map(nn.MaxPool2d(3, 2), event_shape=(1, 7, 7), lipschitz=1.0)


def layer_norm_without_its_epsilon():
    """Beside a constant row a layer norm has slope 1/√ε."""
    return Map(nn.LayerNorm(4), event_shape=4, lipschitz=1.0)


def steep_between_samples():
    """No module: a slope of three in one place."""
    return Map(lambda x: torch.where(x > 0, 3 * x, 0.5 * x), event_shape=2, lipschitz=1.0)


class Scaled(nn.Linear):
    """A layer whose gain stands in its forward, past the weight that is normalised."""

    def forward(self, x):
        return 2 * super().forward(x)


def gain_past_the_normalised_weight():
    """spectral_norm around a subclass of Linear: the weight is normalised, and what its forward does to it is not."""
    layer = Scaled(4, 4)
    return Map(settled(spectral_norm(layer, n_power_iterations=20), (4,)), event_shape=4, lipschitz=1.0)


class InPlace(nn.Module):
    """x + σ(x), where σ has been written over x."""

    def forward(self, x):
        kept = x * 1.0
        return torch.relu_(kept) + kept


def shortcut_that_was_overwritten():
    """An activation in place is undone by no shortcut: relu(x) + relu(x). Met as ReLU(inplace=True) before a sum."""
    return Map(InPlace(), event_shape=3, lipschitz=1.0)


def reflecting_border():
    """A mean of neighbours on a mirrored border: what is copied there counts twice. Met in deel-torchlip."""
    layer = nn.Conv2d(1, 1, 5, padding=2, padding_mode="reflect", bias=False)
    nn.init.constant_(layer.weight, 1 / 25)
    return Map(layer, event_shape=(1, 8, 8), lipschitz=1.0)


def ragged_average():
    """Averages times the root of a whole window, at a border where windows are cut. Met in deel-torchlip."""
    return Map(nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), Gain(2.0)), event_shape=(1, 5, 5), lipschitz=1.0)


class Gain(nn.Module):
    """c x."""

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        return self.gain * x


MUTANTS = [
    Mutant(name=make.__name__, make=make, killed_by="map.lipschitz")
    for make in (
        normalised_kernel, power_iteration_too_short, largest_entry_for_the_norm, gelu_taken_for_one,
        residual_of_a_contraction, overlapping_maximum, layer_norm_without_its_epsilon, steep_between_samples,
        gain_past_the_normalised_weight, shortcut_that_was_overwritten, reflecting_border, ragged_average,
    )
]  # fmt: skip


def normalised_dense():
    return Map(settled(spectral_norm(dense(5, 4), n_power_iterations=30), (5,)), event_shape=5, lipschitz=1.0)


def orthogonal_network():
    layers = [orthogonal(dense(4, 4, seed)) for seed in (1, 2, 3)]
    return Map(
        nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.Tanh(), layers[2]), event_shape=4, lipschitz=1.0
    )  # fmt: skip


def mixed_residual():
    return Map(Residual(0.3), event_shape=4, lipschitz=1.0)


def convolutional():
    """Divided by a norm that is that of the whole operator, on zero-padded images."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layer = nn.Conv2d(2, 3, 3, padding=1, stride=2)
    with torch.no_grad():
        layer.weight /= (
            torch.fft.fft2(layer.weight, s=(64, 64)).permute(2, 3, 0, 1).abs().square().sum((-1, -2)).max().sqrt()
        )
    return Map(nn.Sequential(layer, nn.LeakyReLU(0.2), nn.Flatten()), event_shape=(2, 9, 9), lipschitz=1.0)


def small_hidden_layer():
    """The product of the norms is twice the constant, which is that of |x|."""
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        net[2].weight.copy_(torch.tensor([[1.0, 1.0]]))
        net[0].bias.zero_()
    return Map(net, event_shape=1, lipschitz=1.0)


class MaxMin(nn.Module):
    """(max(a, b), min(a, b)): a permutation at every point, though each half alone is as steep as both."""

    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat([torch.max(a, b), torch.min(a, b)], 1)


def sorted_halves():
    return Map(MaxMin(), event_shape=(4, 3), lipschitz=1.0)


class Reflection(nn.Module):
    """x on one side of a line and its mirror image on the other, as gates (Singla, Singla & Feizi 2022)."""

    def forward(self, z):
        x, y = z.chunk(2, 1)
        side = x * math.sin(0.4) - y * math.cos(0.4)
        here, there = side <= 0, side > 0
        a, b = x * math.cos(0.8) + y * math.sin(0.8), x * math.sin(0.8) - y * math.cos(0.8)
        return torch.cat([x * here + a * there, y * here + b * there], 1)


def reflected_pairs():
    return Map(Reflection(), event_shape=4, lipschitz=1.0)


class Cocoercive(nn.Module):
    """x − 2 Wᵀ relu(W x) with |W| = 1: the sum of the norms is three, and the slope is one."""

    def __init__(self):
        super().__init__()
        self.inner = orthogonal(dense(4, 6))

    def forward(self, x):
        return x - 2 * torch.relu(self.inner(x)) @ self.inner.weight


def residual_with_its_transpose():
    return Map(Cocoercive(), event_shape=4, lipschitz=1.0)


class Root(nn.Module):
    """√(½ x² + ½ f(x)² + ε)."""

    def __init__(self):
        super().__init__()
        self.inner = orthogonal(dense(4, 4))

    def forward(self, x):
        return torch.sqrt(0.5 * x**2 + 0.5 * self.inner(x) ** 2 + 1e-6)


def root_of_squares():
    return Map(Root(), event_shape=4, lipschitz=1.0)


TWINS = [
    Twin(name=make.__name__, make=make)
    for make in (
        normalised_dense,
        orthogonal_network,
        mixed_residual,
        convolutional,
        small_hidden_layer,
        sorted_halves,
        reflected_pairs,
        residual_with_its_transpose,
        root_of_squares,
    )
]
