"""Determinants from cuts and sparsity: exact where there is structure, said where there is none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from genverify.numerics.jacobian import dense_logabsdet
from genverify.numerics.structured_logabsdet import structured_logabsdet

D = torch.float64


def _weights(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=D)


class Coupling(nn.Module):
    """The second half is scaled and moved by the first, or the other way round."""

    def __init__(self, count, flip):
        super().__init__()
        self.flip, self.weights = flip, _weights(2, count // 2, count // 2) / count

    def forward(self, x):
        a, b = x.flip(-1).chunk(2, -1) if self.flip else x.chunk(2, -1)
        scale, shift = torch.tanh(a @ self.weights[0]), torch.relu(a @ self.weights[1])
        return torch.cat([a, b * scale.exp() + shift], -1)


class Mixing(nn.Module):
    """A 1×1 convolution."""

    def __init__(self, channels):
        super().__init__()
        self.weights = _weights(channels, channels)

    def forward(self, x):
        return nn.functional.conv2d(x, self.weights[:, :, None, None])


class Multiscale(nn.Module):
    """Half of the channels leave early."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = Mixing(4), Mixing(2), nn.Tanh()

    def forward(self, x):
        kept, left = self.first(x).chunk(2, 1)
        kept = self.second(kept)
        return torch.cat([left.flatten(1) * kept.new_tensor(3.0), self.last(kept).flatten(1)], 1)


class Autoregressive(nn.Module):
    """Triangular in as many blocks as it has numbers."""

    def forward(self, x):
        return x + torch.cumsum(torch.sin(x), -1)


class InPlace(nn.Module):
    """What a module returned is overwritten."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Tanh()

    def forward(self, x):
        y = self.inner(x) * 1.0
        y[:, ::2] *= 2.0
        return y.add_(y.roll(1, -1).detach())


MAPS = {
    "elementwise": (torch.sinh, (60,)),
    "permutation": (lambda x: x[:, torch.randperm(60, generator=torch.Generator().manual_seed(1))] * 0.5, (60,)),
    "coupling": (Coupling(60, flip=False), (60,)),
    "couplings": (nn.Sequential(*[Coupling(60, flip=k % 2 == 1) for k in range(6)]), (60,)),
    "1×1 convolution": (Mixing(5), (5, 4, 4)),
    "channels last": (lambda x: Mixing(5)(x.movedim(-1, 1)).movedim(1, -1), (4, 4, 5)),
    "multiscale": (Multiscale(), (4, 3, 5)),
    "in place": (InPlace(), (40,)),
    "squeeze": (lambda x: nn.functional.pixel_unshuffle(x, 2) * 3.0, (2, 4, 6)),
    "orthogonal wavelet": (lambda x: torch.cat([x[:, ::2] + x[:, 1::2], x[:, ::2] - x[:, 1::2]], 1), (4, 3, 3)),
}


@pytest.mark.parametrize("name", MAPS)
def test_where_it_finds_a_value_it_is_that_of_the_dense_jacobian(name):
    f, shape = MAPS[name]
    x = _weights(1, *shape)
    found, dense = structured_logabsdet(f, x), float(dense_logabsdet(f, x))
    assert not found.problem
    assert found.value == pytest.approx(dense, rel=1e-12, abs=1e-12)
    sign, again = found.again(f, x)
    assert float(again) == pytest.approx(dense, rel=1e-12, abs=1e-12)
    assert abs(float(sign)) == 1.0


def test_what_has_no_structure_is_not_guessed():
    for f in (Autoregressive(), lambda x: x + 0.1 * torch.tanh(x @ _weights(60, 60))):
        found = structured_logabsdet(f, _weights(1, 60))
        assert math.isnan(found.value)
        assert "60 numbers are mixed" in found.problem


def test_two_inputs_that_move_one_output_alone():
    found = structured_logabsdet(
        lambda x: torch.cat([x[:, :1] + x[:, 1:2], x[:, :1] + x[:, 1:2], x[:, 2:]], 1), _weights(1, 9)
    )
    assert not math.isfinite(found.value)


def test_the_sign_is_compared_where_the_structure_is_the_same():
    fold = lambda x: torch.cat([x[:, :1] ** 2, x[:, 1:]], 1)  # noqa: E731
    left, right = (torch.full((1, 8), value, dtype=D) for value in (-1.0, 1.0))
    one, two = structured_logabsdet(fold, left), structured_logabsdet(fold, right)
    assert one.alike(two)
    assert float(one.again(fold, left)[0]) == -float(two.again(fold, right)[0])


def test_the_cost_is_that_of_a_few_dozen_passes_whatever_the_size():
    """Twelve couplings of 256 and of 16,384 numbers."""

    def products(count):
        class Light(nn.Module):
            def __init__(self, flip):
                super().__init__()
                self.flip = flip

            def forward(self, x):
                a, b = x.flip(-1).chunk(2, -1) if self.flip else x.chunk(2, -1)
                return torch.cat([a, b * torch.tanh(a.roll(3, -1)).exp()], -1)

        layers = nn.Sequential(*[Light(flip=k % 2 == 1) for k in range(12)])
        found = structured_logabsdet(layers, _weights(1, count))
        assert not found.problem
        return found.products / found.parts

    assert products(16_384) < 2.0 * products(256)


def test_modules_are_left_without_hooks():
    structured_logabsdet(nn.Tanh(), _weights(1, 300))
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks
