"""Layers of critics and discriminators: sorting in groups, one hidden ReLU layer, the deviation over a minibatch.

ReLU loses lengths of gradients where units are off; sorting loses none. The slope of one hidden ReLU layer is known
exactly, cell by cell. And a discriminator that sees how much samples differ sees a collapse.

Sources: Anil, Lucas & Grosse 2019, "Sorting out Lipschitz function approximation"; Montúfar, Pascanu, Cho & Bengio
2014, "On the number of linear regions of deep neural networks"; Karras et al. 2018, "Progressive growing of GANs for
improved quality, stability, and variation".
"""

from __future__ import annotations

import pytest
import sympy
import torch
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.numerics.relu_regions import one_hidden_relu_constant
from genverify.oracles.critic_layers import steepest_cell
from genverify.reference.layers import critic_layers as reference


def passes(f, like: str) -> bool:
    """Whether its values are those of the formula."""
    report = gv.verify(gv.Formula(f, like=like), budget="quick", checks=["formula.dialect", "formula.value"])
    return report.count(gv.Outcome.PASS) == 2


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Sorting in groups is a permutation at every point: its Jacobian is orthogonal.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# For a pair: (min, max) is (x, y) for x < y and (y, x) for x > y. Its squared length is x² + y² in both.


@proves("lipschitz.group_sort.permutation")
def test_sorting_keeps_lengths():
    """Of a pair, min² + max² = x² + y², and the Jacobian on either side; the reference passes."""
    x, y = sympy.symbols("x y", real=True)
    gap = sympy.Symbol("d", positive=True)
    for point, order in (({x: y - gap}, sympy.eye(2)), ({x: y + gap}, sympy.Matrix([[0, 1], [1, 0]]))):
        least, most = ((x + y - abs(x - y)) / 2, (x + y + abs(x - y)) / 2)
        assert sympy.expand((least**2 + most**2 - x**2 - y**2).subs(point)) == 0
        jacobian = sympy.Matrix([least, most]).jacobian([x, y]).subs(point)
        assert jacobian == order
        assert order.T * order == sympy.eye(2)
    assert passes(reference.group_sort, "lipschitz.group_sort")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The constant of one hidden ReLU layer is the largest norm over the patterns that occur.


@proves("lipschitz.one_hidden_relu.cells")
def test_only_patterns_that_occur_count():
    """p relu(x) + q relu(−x): slopes p and −q, never p − q; the certificate of such a network is exact."""
    p, q = sympy.symbols("p q", real=True)
    x = sympy.Symbol("x", positive=True)
    outer, inner = sympy.Matrix([[p, q]]), sympy.Matrix([1, -1])
    for sign, pattern in ((1, (1, 0)), (-1, (0, 1))):
        value = p * sympy.Max(0, sign * x) + q * sympy.Max(0, -sign * x)
        assert sympy.diff(value, x) * sign == (outer * sympy.diag(*pattern) * inner)[0]
    first, second = torch.tensor([[1.0], [-1.0]], dtype=torch.float64), torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    found = one_hidden_relu_constant(first, torch.zeros(2), second)
    assert found is not None
    assert found.constant == pytest.approx(1.0)
    shifted = torch.tensor([0.0, 0.5], dtype=torch.float64)  # between 0 and ½ both units are active
    for bias, slope in ((torch.tensor([0.0, -0.5], dtype=torch.float64), 1.0), (shifted, 2.0)):
        cell = one_hidden_relu_constant(first, bias, second)
        assert cell is not None
        assert cell.constant == pytest.approx(slope)
        assert float(steepest_cell(first, bias, second)) == pytest.approx(slope)
    net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        net[0].weight.copy_(first)
        net[2].weight.copy_(second)
    (verdict,) = gv.verify(gv.Map(net, event_shape=1, lipschitz=1.0), checks=["map.lipschitz"], budget="quick")
    assert verdict.outcome is gv.Outcome.PASS


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The appended channel is √ε where all samples are equal.


@proves("gan.minibatch_standard_deviation.collapse")
def test_a_collapsed_batch_shows():
    """Of two samples ±d about any number the channel is √(d² + ε); the reference, on a batch that has collapsed."""
    a, d = sympy.symbols("a d", real=True)
    eps = sympy.Symbol("epsilon", positive=True)
    samples = [a - d, a + d]
    mean = sum(samples) / 2
    deviation = sympy.sqrt(sympy.expand(sum((one - mean) ** 2 for one in samples) / 2) + eps)
    assert sympy.simplify(deviation - sympy.sqrt(d**2 + eps)) == 0
    assert deviation.subs(d, 0) == sympy.sqrt(eps)
    assert not deviation.has(a)
    one = torch.arange(8.0, dtype=torch.float64).reshape(1, 2, 2, 2)
    collapsed = reference.minibatch_standard_deviation(one.expand(4, 2, 2, 2))
    assert bool((collapsed[:, 2] == collapsed[0, 2, 0, 0]).all())
    assert float(collapsed[0, 2, 0, 0]) == pytest.approx(float(sympy.sqrt(eps).subs(eps, sympy.Rational(1, 10**8))))
    assert passes(reference.minibatch_standard_deviation, "gan.minibatch_standard_deviation")
