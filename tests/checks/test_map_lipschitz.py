"""A claimed Lipschitz constant: certificates hold, witnesses are real, and what has no rule is named."""

from __future__ import annotations

import itertools
import math

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
        (lambda self, x: x + torch.relu(torch.tanh(x).sum(-1, keepdim=True)), "broadcasting"),
        (lambda self, x: x.exp(), "exp"),
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


@pytest.mark.parametrize("claimed", [-1, -0.5, float("nan"), float("inf"), True])
def test_a_constant_that_is_none_is_refused(claimed):
    with pytest.raises(gv.UsageError, match="a constant K ≥ 0") as refused:
        gv.Map(nn.ReLU(), lipschitz=claimed, event_shape=2)
    assert f"lipschitz={claimed!r}" in str(refused.value)
    assert "for example lipschitz=1.0" in str(refused.value)


def test_zero_claims_a_constant_map():
    assert verdict(lambda x: torch.zeros(len(x), 1, dtype=x.dtype), 0, 2).outcome is gv.Outcome.NOT_APPLICABLE
    still = nn.Linear(2, 2)
    nn.init.zeros_(still.weight)
    assert verdict(still, 0, 2).outcome is gv.Outcome.PASS
    assert verdict(nn.Linear(2, 2), 0.0, 2).outcome is gv.Outcome.FAIL


def test_any_number_is_a_constant():
    assert verdict(nn.ReLU(), torch.tensor(1.0).item(), 2).outcome is gv.Outcome.PASS
    assert verdict(nn.ReLU(), 1, 2).outcome is gv.Outcome.PASS


class _Heads(nn.Module):
    """A critic with a score and its features."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(3, 4), nn.Linear(4, 1)

    def forward(self, x):
        features = torch.tanh(self.inner(x))
        return self.outer(features), features


def test_of_several_results_one_is_chosen():
    """Which is not judged, need not have a rule; and none chosen is said to be."""
    seeded()
    net = _Heads()
    for output in (0, 1):
        found = verdict(net, 20.0, 3, output=output)
        assert found.outcome is gv.Outcome.PASS, str(found)
        assert verdict(net, 0.01, 3, output=output).outcome is gv.Outcome.FAIL
    assert "output" in _trouble(net)


def _trouble(net):
    try:
        return str(verdict(net, 20.0, 3))
    except gv.UsageError as error:
        return str(error)


@pytest.mark.parametrize("training", [False, True])
def test_the_statistics_of_a_batch_have_no_certificate(training):
    """In evaluation batch norm is affine; in training it is named, and rows are not apart."""
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    found = verdict(net, 50.0, 3, training=training, batch_independent=not training)
    if not training:
        assert found.outcome is gv.Outcome.PASS
        return
    assert found.outcome in (gv.Outcome.NOT_APPLICABLE, gv.Outcome.FAIL)
    assert "statistics of the batch" in str(found) or found.outcome is gv.Outcome.FAIL


def test_a_critic_of_one_number_a_row_is_refuted_like_others():
    net = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    with torch.no_grad():
        net[0].weight.fill_(2.0)
    assert verdict(net, 1.0, 3).outcome is gv.Outcome.FAIL
    assert longest_chord(net.double(), torch.ones(2, 3, dtype=torch.float64)).slope == pytest.approx(12**0.5)


class _Times(nn.Module):
    """A forward from a function."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


class _Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class _Tripled(nn.Linear):
    def forward(self, x):
        return 3 * super().forward(x)


def _eye(layer: type[nn.Module] = nn.Linear):
    made = layer(3, 3, bias=False)
    nn.init.eye_(made.weight)
    return made


def _written(x):
    y = x.clone()
    y.mul_(3.0)
    y += x
    return y + 1.0


def _data(x):
    y = 1.0 * x
    y.data.mul_(3.0)
    return y


def _assigned(x):
    y = 1.0 * x
    y.data = 3.0 * y.data
    return y


_SHARED, _RELU = _eye(), nn.ReLU()
with torch.no_grad():
    _SHARED.weight.mul_(2.0)
STEEPER = {
    "a residual chain": (_Residual(_eye(), nn.ReLU(), _eye()), 1.5, 2.0),
    "a layer called three times": (nn.Sequential(_SHARED, _RELU, _SHARED, _RELU, _SHARED), 7.0, 8.0),
    "a layer of its own kind": (nn.Sequential(_eye(), nn.ReLU(), _eye(_Tripled)), 2.0, 3.0),
    "written over, and added to": (_Times(_written), 3.5, 4.0),
    "written over through its data": (_Times(_data), 2.0, 3.0),
    "with other data": (_Times(_assigned), 2.0, 3.0),
    "a Gram matrix": (_Times(lambda x: nn.functional.linear(x, x)), 1.0, math.inf),
    "a softplus with a jump": (nn.Softplus(1.0, 1.0), 1.5, math.inf),
    "rectifiers that turn": (nn.RReLU(-5.0, -3.0), 2.0, 4.0),
    "a celu that grows": (nn.CELU(-1.0), 2.0, math.inf),
}


@pytest.mark.parametrize("name", STEEPER)
def test_nothing_is_certified_below_the_truth(name):
    """FAIL or no certificate below the constant; above it nothing fails."""
    module, below, truth = STEEPER[name]
    found = verdict(module, below, 3)
    assert found.outcome in (gv.Outcome.FAIL, gv.Outcome.NOT_APPLICABLE), str(found)
    if math.isfinite(truth):
        above = verdict(module, 1.001 * truth, 3)
        assert above.outcome in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE, gv.Outcome.INCONCLUSIVE), str(above)


def test_a_certificate_that_two_points_refute_is_our_own_fault(monkeypatch):
    """ERROR, never PASS: whatever rule was wrong."""
    from genverify.checks import map_lipschitz

    wrong = map_lipschitz.Certificate(upper=1.0, layers=1)
    monkeypatch.setattr(map_lipschitz, "certificate", lambda *_, **__: wrong)
    found = verdict(_Times(lambda x: 2 * x), 3.0, 3)
    assert found.outcome is gv.Outcome.ERROR
    assert "steeper than the certified 1" in str(found)
