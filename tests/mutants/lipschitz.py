"""Mutants of maps that are said to be Lipschitz with a constant, and twins whose constant is what they say."""

from __future__ import annotations

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


MUTANTS = [
    Mutant(name=make.__name__, make=make, killed_by="map.lipschitz")
    for make in (
        normalised_kernel, power_iteration_too_short, largest_entry_for_the_norm, gelu_taken_for_one,
        residual_of_a_contraction, overlapping_maximum, layer_norm_without_its_epsilon, steep_between_samples,
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


TWINS = [
    Twin(name=make.__name__, make=make)
    for make in (normalised_dense, orthogonal_network, mixed_residual, convolutional, small_hidden_layer)
]
