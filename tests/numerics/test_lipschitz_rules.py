"""Rules of operations and layers: no chord beats them, many are exact, and what they do not see they do not guess."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from genverify.numerics import lipschitz_rules, residual_slope
from genverify.numerics.linear_operator import dense_matrix
from genverify.numerics.lipschitz_certificate import certificate
from genverify.numerics.lipschitz_witness import longest_chord
from genverify.numerics.operator_norm import convolution_norm, largest_singular_value


def network(forward, **parts):
    made = type("Net", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(made, name, part)
    return made.double().eval()


def seeded(make, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def steepest(f, shape, rows=8):
    starts = seeded(lambda: torch.randn(rows, *shape, dtype=torch.float64), 1)
    return longest_chord(f, torch.cat([starts, 0.05 * starts, 10 * starts])).slope


class Tripled(nn.Linear):
    """A layer of torch's in name alone."""

    def forward(self, x):
        return 3 * super().forward(x)


def _hooked(layer, register, hook):
    getattr(layer, register)(hook)
    return layer


@pytest.mark.parametrize(
    "layer",
    [
        parametrizations.orthogonal(Tripled(3, 3)),
        _hooked(nn.Linear(3, 3), "register_forward_hook", lambda layer, given, out: 5 * out),
        _hooked(nn.Linear(3, 3), "register_forward_pre_hook", lambda layer, given: (5 * given[0],)),
    ],
    ids=["a forward of its own", "forward hook", "forward pre-hook"],
)
def test_a_layer_that_computes_something_else_is_not_taken_for_torchs(layer):
    layer = layer.double().eval()
    found = certificate(layer, (3,))
    assert found.upper >= steepest(layer, (3,)) * (1 - 1e-9)


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: _changed(x * 1.0),
        lambda self, x: _changed(x * 1.0, view=True),
        lambda self, x: nn.functional.relu(h := x * 1.0, inplace=True) + h,
    ],
    ids=["value", "view", "activation"],
)
def test_a_value_that_is_changed_in_place_is_not_used_as_it_was(forward):
    found = certificate(network(forward), (3,))
    assert math.isinf(found.upper)
    assert "in place" in found.unknown


def _changed(x, view=False):
    (x[:, :2] if view else x).mul_(3)
    return x + 0


def test_what_is_written_into_a_buffer_is_seen():
    buffer = torch.zeros(2, 3, dtype=torch.float64)
    found = certificate(network(lambda self, x: buffer + 0 * buffer.copy_(x).detach().shape[0]), (3,))
    assert math.isinf(found.upper)


@pytest.mark.parametrize(
    ("forward", "named"),
    [
        (lambda self, x: x.sort(-1)[1].double(), "step function"), (lambda self, x: (x > 0).double(), "step function"),
        (lambda self, x: x.floor(), "floor"), (lambda self, x: torch.ones(2, 3) * x.sum().item(), "over the batch"),
        (lambda self, x: torch.ones(2, 3) * x.max(-1)[0][0].item(), "item"),
        (lambda self, x: x * (x > 0), "step function"),  # relu, but written as a gate of what jumps nowhere else
        (lambda self, x: torch.where(x > 0, 2 * x, x + 1), "where"),  # jumps
        (lambda self, x: x - x.mean(0), "over the batch"), (lambda self, x: x + x.flip(0).sum(0), "over the batch"),
        (lambda self, x: nn.functional.normalize(x), "clamp_min"), (lambda self, x: torch.sqrt(x.abs()), "sqrt"),
        (lambda self, x: x ** 2, "pow"), (lambda self, x: torch.linalg.vector_norm(x, ord=1, dim=1), "p = 1"),
    ],
)  # fmt: skip
def test_what_has_no_bound_gets_none(forward, named):
    found = certificate(network(forward), (3,))
    assert math.isinf(found.upper), found
    assert found.unknown


def test_a_branch_that_the_output_does_not_follow_from_needs_no_rule():
    def forward(self, x):
        x.exp().sum()
        return 2 * x

    assert certificate(network(forward), (3,)).upper == pytest.approx(2.0)


def _householder(self, z):
    x, y = z.chunk(2, 1)
    theta = torch.tensor([0.3, 1.9], dtype=torch.float64)[None, :, None]
    side = x * torch.sin(theta / 2) - y * torch.cos(theta / 2)
    a, b = x * torch.cos(theta) + y * torch.sin(theta), x * torch.sin(theta) - y * torch.cos(theta)
    return torch.cat([x * (side <= 0) + a * (side > 0), y * (side <= 0) + b * (side > 0)], 1)


def _pairs(self, z):
    halves = z.view(z.shape[0], 2, 2, *z.shape[2:])
    return torch.cat([halves.min(2, keepdim=True)[0], halves.max(2, keepdim=True)[0]], 2).view(z.shape)


FOUR = (4, 3)
EXACT = {
    "max, min": (lambda self, z: torch.cat([torch.max(*z.chunk(2, 1)), torch.min(*z.chunk(2, 1))], 1), FOUR, 1.0),
    "relu(x), relu(-x)": (lambda self, z: torch.cat([z.relu(), (-z).relu()], 1), FOUR, 1.0),
    "relu(x), relu(x)": (lambda self, z: torch.cat([z.relu(), z.relu()], 1), FOUR, math.sqrt(2)),
    "sorted pairs": (_pairs, FOUR, 1.0),
    "reflections": (_householder, FOUR, 1.0),
    "relu(x) − ½ x": (lambda self, z: torch.relu(z) - 0.5 * z, FOUR, 0.5),
    "|x| as a choice": (lambda self, z: torch.where(z > 0, z, -z), FOUR, 1.0),
    "x, swapped": (lambda self, z: torch.cat([z[:, 2:], z[:, :2]], 1), FOUR, 1.0),
    "every other": (lambda self, z: torch.cat([z[:, ::2], z[:, 1::2]], 1), FOUR, 1.0),
    "overlapping parts": (lambda self, z: torch.cat([z[:, :3], z[:, 1:]], 1), FOUR, math.sqrt(2)),
    "parts apart": (lambda self, z: torch.cat([z[:, :2], 3 * torch.sin(z[:, 2:])], 1), FOUR, 3.0),
    "x − mean": (lambda self, z: z - z.mean((1, 2), keepdim=True), FOUR, 1.0),
    "x + 2 flip(x)": (lambda self, z: z + 2 * z.flip(1), FOUR, 3.0),
    "√(¼ x² + ε)": (lambda self, z: (0.25 * z**2 + 1e-9).sqrt(), FOUR, 0.5),
    "√(½ x² + ½ tanh²)": (lambda self, z: torch.sqrt(0.5 * z**2 + 0.5 * torch.tanh(z) ** 2), FOUR, 1.0),
    "norm": (lambda self, z: torch.linalg.vector_norm(z, dim=(1, 2)), FOUR, 1.0),
    "norm of pairs": (lambda self, z: z.square().view(z.shape[0], 2, 2, 3).sum(2).sqrt(), FOUR, 1.0),
    "largest": (lambda self, z: z.amax((1, 2)), FOUR, 1.0),
    "sorted, attribute": (lambda self, z: z.sort(dim=1).values, FOUR, 1.0),
    "fft": (lambda self, z: torch.fft.ifft2(torch.fft.fft2(z) * 2.0).real, FOUR, 2.0),
    "fft, orthonormal": (lambda self, z: torch.fft.fft(z, norm="ortho").real, FOUR, 1.0),
    "windows": (lambda self, z: z.unfold(1, 2, 1), FOUR, math.sqrt(2)),
    "l2 pool": (lambda self, z: nn.functional.lp_pool2d(z, 2, 2), (2, 4, 4), 1.0),
    "scaled average": (lambda self, z: 2 * nn.functional.avg_pool2d(z, 2), (2, 4, 4), 1.0),
    "global average, by size": (
        lambda self, z: nn.functional.adaptive_avg_pool2d(z, 1) * math.sqrt(z.shape[-1] * z.shape[-2]), (2, 4, 4), 1.0),
    "maxima with overlap": (lambda self, z: nn.functional.max_pool2d(z, 3, 2), (1, 7, 7), 2.0),
    "mirrored": (lambda self, z: nn.functional.pad(z, (1, 1, 1, 1), mode="reflect"), (1, 4, 4), 2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_operations_together_are_as_steep_as_they_are(name):
    forward, shape, exact = EXACT[name]
    net = network(forward)
    upper = certificate(net, shape).upper
    assert upper == pytest.approx(exact, rel=1e-9)
    assert exact * 0.98 < steepest(net, shape) <= upper * (1 + 1e-9)


def _one_hidden(act, weight, scale):
    return lambda self, x: x - scale * nn.functional.linear(act(nn.functional.linear(x, weight)), weight.mT)


@pytest.mark.parametrize("act", [torch.relu, torch.tanh, nn.functional.softplus])
def test_a_residual_with_its_own_transpose(act):
    weight = seeded(lambda: torch.linalg.qr(torch.randn(6, 4, dtype=torch.float64))[0])
    for scale, bound in ((2.0, 1.0), (1.0, 1.0), (3.0, 2.0)):
        net = network(_one_hidden(act, weight, scale))
        assert certificate(net, (4,)).upper == pytest.approx(bound, rel=1e-9)
        assert steepest(net, (4,)) <= bound * (1 + 1e-9)


def test_a_residual_with_nearly_its_own_transpose_is_bounded_too():
    weight, other = (seeded(lambda: torch.randn(6, 4, dtype=torch.float64), seed) / 4 for seed in (0, 1))

    def forward(self, x):
        return x - nn.functional.linear(torch.relu(x @ weight.mT), (weight + 0.1 * other).mT)

    net = network(forward)
    assert steepest(net, (4,)) <= certificate(net, (4,)).upper < 1.5


def test_a_convolutional_residual_is_bounded_by_its_structure_as_by_its_matrices(monkeypatch):
    kernel = seeded(lambda: torch.randn(6, 2, 3, 3, dtype=torch.float64)) / 8

    def forward(self, x):
        hidden = torch.relu(nn.functional.conv2d(x, kernel, padding=1) + 0.1)
        return x - 2 * nn.functional.conv_transpose2d(hidden, kernel, padding=1)

    net = network(forward)
    dense = certificate(net, (2, 6, 6)).upper
    monkeypatch.setattr(residual_slope, "_MOST_INPUTS", 0)
    structural = certificate(net, (2, 6, 6)).upper
    assert steepest(net, (2, 6, 6)) <= dense * (1 + 1e-9)
    assert dense <= structural * (1 + 1e-9) <= max(1.0, dense) * 1.1


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_strided_convolutions_are_bounded_by_their_phases(stride, groups):
    for size in ((6, 5), (9, 6)):
        for reach, padding, dilation in ((3, 1, 1), (2, 0, 2), (1, 2, 1), (4, 3, 1)):
            layer = seeded(lambda: nn.Conv2d(2, 4, reach, stride, padding, dilation, groups, bias=False)).double()  # noqa: B023
            exact = float(torch.linalg.svdvals(dense_matrix(layer, (2, *size)))[0])
            how = {"dilation": (dilation,) * 2, "groups": groups, "stride": (stride,) * 2}
            bound = convolution_norm(layer.weight, size, around=False, padding=(2 * padding,) * 2, **how)
            assert exact * (1 - 1e-13) <= bound <= 2.0 * exact


def test_the_longest_of_many_matrices_is_found_by_comparing():
    plain = seeded(lambda: torch.randn(100, 16, 20, dtype=torch.complex128))
    assert largest_singular_value(plain) == pytest.approx(float(torch.linalg.svdvals(plain).max()), rel=1e-13)
    # The longest has the smallest Frobenius norm; and all are equally long.
    flat = torch.linalg.qr(plain)[0]
    assert largest_singular_value(flat) == pytest.approx(1.0, rel=1e-13)
    spike = torch.zeros(100, 16, 20, dtype=torch.complex128)
    spike[:, :16, :16] = torch.eye(16)
    spike[70] = 0.0
    spike[70, 3, 3] = 1.5
    assert largest_singular_value(spike) == pytest.approx(1.5, rel=1e-13)


def _random_network(seed):
    """Some layers and operations one after the other, of those that have rules."""
    choice = torch.Generator().manual_seed(seed)

    def pick(options):
        return options[int(torch.randint(len(options), (), generator=choice))]

    width, steps = 6, []
    for _ in range(5):
        kind = pick(["linear", "relu", "maxmin", "sort", "residual", "sin", "gate", "norm", "parts", "cat"])
        if kind == "linear":
            steps.append(nn.Linear(width, width))
        else:
            steps.append(network(_STEPS[kind], inner=nn.Linear(width, width)))
    return nn.Sequential(*steps, nn.Linear(width, 3)).double().eval()


_STEPS = {
    "relu": lambda self, x: torch.relu(x) - 0.3 * x,
    "maxmin": EXACT["max, min"][0],
    "sort": lambda self, x: x.view(x.shape[0], 2, 3).sort(-1)[0].flatten(1),
    "residual": lambda self, x: x - 0.5 * torch.tanh(self.inner(x)) @ self.inner.weight,
    "sin": lambda self, x: torch.sin(2 * x) + x.flip(1),
    "gate": lambda self, x: torch.where(x > 0.5, 2 * x - 0.5, x),
    "norm": lambda self, x: torch.sqrt(0.5 * x**2 + 0.5 * self.inner(x) ** 2 + 1e-3),
    "parts": lambda self, x: torch.cat([x[:, :3], 2 * torch.sin(x[:, 3:])], 1),
    "cat": lambda self, x: torch.cat([x.relu(), (-x).relu()], 1)[:, 3:9],
}


@pytest.mark.parametrize("seed", range(24))
def test_no_chord_of_a_random_network_is_longer(seed):
    net = seeded(lambda: _random_network(seed), seed)
    upper = certificate(net, (6,)).upper
    assert math.isfinite(upper)
    assert steepest(net, (6,)) <= upper * (1 + 1e-9)


def test_weights_are_looked_at_once():
    """A normalisation that moves on at each look, also in evaluation, is one matrix in the walk."""

    class Moving(nn.Module):
        def __init__(self):
            super().__init__()
            self.looks = 0

        def forward(self, w):
            self.looks += 1
            return w / self.looks

    layer = nn.Linear(2, 2, bias=False).double()
    nn.init.eye_(layer.weight)
    nn.utils.parametrize.register_parametrization(layer, "weight", Moving())
    layer.parametrizations.weight[0].looks = 0
    assert certificate(layer, (2,)).upper == pytest.approx(1.0)


def test_both_ways_of_a_transposed_convolution_agree(monkeypatch):
    layer = seeded(lambda: nn.ConvTranspose2d(4, 2, 3, 2, padding=1, output_padding=1, groups=2)).double()
    x = torch.zeros(1, 4, 5, 4, dtype=torch.float64)
    dense = lipschitz_rules.factor_of_layer(layer, x)
    monkeypatch.setattr(lipschitz_rules, "_DENSE", 0)
    assert dense <= lipschitz_rules.factor_of_layer(layer, x) <= 1.5 * dense
