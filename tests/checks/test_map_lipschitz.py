"""A claimed Lipschitz constant: certificates hold, witnesses are real, and what has no rule is named."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

import genverify as gv
from genverify.numerics import lipschitz_rules
from genverify.numerics.linear_operator import dense_matrix
from genverify.numerics.lipschitz_certificate import certificate
from genverify.numerics.lipschitz_witness import longest_chord
from genverify.numerics.relu_regions import one_hidden_relu_constant


def verdict(f, claimed, shape, **claims):
    (found,) = gv.verify(
        gv.Map(f, lipschitz=claimed, event_shape=shape, **claims), checks=["map.lipschitz"], budget="quick"
    )
    return found


def seeded(seed=0):
    torch.manual_seed(seed)


def norm_of(layer, shape):
    return float(torch.linalg.svdvals(dense_matrix(layer, shape)).max())


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
def test_the_bound_of_a_convolution_on_a_torus_is_above_that_of_its_matrix(mode, monkeypatch):
    seeded()
    x = torch.zeros(1, 2, 6, 5, dtype=torch.float64)
    for stride, dilation, groups, kernel, padding in itertools.product((1, 2), (1, 2), (1, 2), (2, 3), (0, 2)):
        layer = nn.Conv2d(
            2, 4, kernel, stride, padding=padding, dilation=dilation, groups=groups, padding_mode=mode
        ).double()
        exact = norm_of(layer, (2, 6, 5))
        monkeypatch.setattr(lipschitz_rules, "_DENSE", 512)
        small = lipschitz_rules.factor_of_layer(layer, x)
        monkeypatch.setattr(lipschitz_rules, "_DENSE", 0)
        assert exact <= small <= exact * (1 + 1e-12)
        assert lipschitz_rules.factor_of_layer(layer, x) >= exact * (1 - 1e-14)


def test_the_bound_of_a_circular_convolution_of_stride_one_is_exact(monkeypatch):
    seeded()
    monkeypatch.setattr(lipschitz_rules, "_DENSE", 0)
    layer = nn.Conv2d(3, 2, 3, padding=1, padding_mode="circular").double()
    bound = lipschitz_rules.factor_of_layer(layer, torch.zeros(1, 3, 7, 6, dtype=torch.float64))
    assert bound == pytest.approx(norm_of(layer, (3, 7, 6)), rel=1e-12)


def test_the_bound_of_a_transposed_convolution(monkeypatch):
    seeded()
    monkeypatch.setattr(lipschitz_rules, "_DENSE", 0)
    for stride, dilation, groups, kernel in itertools.product((1, 2, 3), (1, 2), (1, 2), (2, 3)):
        layer = nn.ConvTranspose2d(4, 2, kernel, stride, groups=groups, dilation=dilation).double()
        bound = lipschitz_rules.factor_of_layer(layer, torch.zeros(1, 4, 4, 3, dtype=torch.float64))
        assert bound >= norm_of(layer, (4, 4, 3)) * (1 - 1e-14)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.MaxPool2d(3, 2), (2, 7, 7)), (nn.AvgPool2d(3, 2, 1), (2, 7, 7)), (nn.AdaptiveAvgPool2d(1), (2, 6, 6)),
        (nn.Upsample(scale_factor=2), (2, 4, 4)), (nn.ReflectionPad2d(2), (2, 5, 5)), (nn.LayerNorm((2, 3)), (2, 3)),
        (nn.GroupNorm(2, 4), (4, 3, 3)), (nn.GELU(), (3,)), (nn.SiLU(), (3,)), (nn.Mish(), (3,)), (nn.SELU(), (3,)),
        (nn.Softmax(-1), (4,)), (nn.Hardswish(), (3,)), (nn.GELU(approximate="tanh"), (3,)), (nn.Sigmoid(), (2,)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)  # fmt: skip
def test_no_chord_is_longer_than_the_certificate(layer, shape):
    seeded()
    starts = torch.randn(12, *shape, dtype=torch.float64) * torch.logspace(-5, 1, 12).reshape(-1, *[1] * len(shape))
    found = longest_chord(layer.double(), torch.cat([starts, starts + 1.0]))
    upper = certificate(layer, shape).upper
    assert 0.5 * upper < found.slope <= upper * (1 + 1e-10)  # a chord of 1/1000 has lost three digits


def test_sums_products_and_parts_of_a_traced_network():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            h = x + 0.5 * torch.tanh(self.b(torch.relu(self.a(x))))
            left, right = h.chunk(2, dim=-1)
            return torch.cat([torch.maximum(left, right), h[:, :1] / 2], dim=-1)

    seeded()
    net = Net().double()
    first = 1 + 0.5 * norm_of(nn.Sequential(net.a), (4,)) * norm_of(nn.Sequential(net.b), (4,))
    assert certificate(net, (4,)).upper == pytest.approx(first * (2 + 0.25) ** 0.5, rel=1e-9)
    chord = longest_chord(net, torch.randn(6, 4, dtype=torch.float64))
    assert chord.slope <= certificate(net, (4,)).upper


@pytest.mark.parametrize(
    ("forward", "named"),
    [
        (lambda self, x: x * x, "product of two results"), (lambda self, x: 1 / x, "division"),
        (lambda self, x: x[:, [0, 0]], "repeat places"), (lambda self, x: x.sum(0), "over the batch"),
        (lambda self, x: nn.functional.dropout(x), "never switched off"), (lambda self, x: x.expand(5, 2), "expand"),
        (lambda self, x: x + x.sum(-1, keepdim=True), "broadcasting"), (lambda self, x: x.exp(), "exp"),
        (lambda self, x: x if x.sum() > 0 else -x, "cannot be traced"),
    ],
)  # fmt: skip
def test_what_has_no_rule_is_named_and_never_guessed(forward, named):
    made = type("Net", (nn.Module,), {"forward": forward})()
    found = certificate(made, (2,))
    assert found.upper == float("inf")
    assert named in found.unknown


def test_one_hidden_layer_is_exact_where_the_product_is_not():
    seeded(3)
    inner, bias, outer = torch.randn(8, 2).double(), torch.randn(8).double(), torch.randn(3, 8).double()
    found = one_hidden_relu_constant(inner, bias, outer)
    grid = torch.cartesian_prod(*[torch.linspace(-30, 30, 401, dtype=torch.float64)] * 2)
    active = (grid @ inner.T + bias > 0).double().unique(dim=0)
    seen = max(float(torch.linalg.matrix_norm(outer @ (row[:, None] * inner), 2)) for row in active)
    assert found.constant == pytest.approx(seen, rel=1e-12)
    pattern = (found.point @ inner.T + bias > 0).double()
    assert float(torch.linalg.matrix_norm(outer @ (pattern[:, None] * inner), 2)) == pytest.approx(found.constant)


def test_three_verdicts_and_what_they_say():
    seeded()
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))
    assert verdict(net, 2.0, 3).outcome is gv.Outcome.PASS
    between = verdict(net, 0.5, 3)
    assert between.outcome is gv.Outcome.INCONCLUSIVE
    assert "≤ L ≤" in between.evidence.message
    below = verdict(net, 0.01, 3)
    assert below.outcome is gv.Outcome.FAIL
    assert {"x", "y"} <= set(below.evidence.witness)


def test_a_witness_is_a_pair_that_anybody_can_check():
    found = verdict(nn.LeakyReLU(2.0), 1.0, 3)
    x, y = (torch.tensor(eval(found.evidence.witness[name]), dtype=torch.float64) for name in ("x", "y"))
    layer = nn.LeakyReLU(2.0)
    assert float((layer(x) - layer(y)).norm() / (x - y).norm()) == pytest.approx(found.evidence.observed, rel=1e-12)
    assert found.evidence.observed > 1.0


def test_a_function_without_a_graph_is_refuted_or_left_open():
    assert verdict(lambda x: torch.sin(3 * x), 2.9, 2).outcome is gv.Outcome.FAIL
    left = verdict(lambda x: torch.sin(3 * x), 3.0, 2)
    assert left.outcome is gv.Outcome.NOT_APPLICABLE
    assert "no module" in left.evidence.message


def test_a_stated_accuracy_widens_the_claim():
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(1.01 * torch.eye(2))
    assert verdict(layer, 1.0, 2).outcome is gv.Outcome.FAIL
    assert verdict(layer, 1.0, 2, accuracy=0.02).outcome is gv.Outcome.PASS
