"""Flows in the forms that people write them: each convention, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import constraints, transforms

import genverify as gv
from genverify.subjects.bijection import Bijection
from genverify.subjects.region import region
from genverify.verify import prepare


class Scaled(nn.Module):
    """y = e^w x."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.5, -0.25]))

    def forward(self, x):
        return x * self.w.exp(), self.w.sum().expand(len(x))


class WithInverse(Scaled):
    def inverse(self, y):
        return y * (-self.w).exp(), -self.w.sum().expand(len(y))


class Karpathy(Scaled):
    def backward(self, y):
        return y * (-self.w).exp(), -self.w.sum().expand(len(y))


class FreiaLike(Scaled):
    def forward(self, x, rev=False, jac=True):
        sign = -1 if rev else 1
        return (x * (sign * self.w).exp(),), sign * self.w.sum().expand(len(x))


class RealNvpLike(Scaled):
    def forward(self, x, cond_inputs=None, mode="direct"):
        sign = -1 if mode == "inverse" else 1
        return x * (sign * self.w).exp(), (sign * self.w).sum().expand(len(x), 1)


class Object:
    """No module: two methods."""

    def forward(self, x):
        return 2 * x, x.new_full((len(x),), 2 * math.log(2.0))

    def inverse(self, y):
        return y / 2, y.new_full((len(y),), -2 * math.log(2.0))


def flagged(x, inverse=False):
    """A function with a flag, as the splines of nflows are."""
    sign = -1 if inverse else 1
    return x * math.exp(sign * 0.5), x.new_full((len(x),), sign * 0.5 * x.shape[1])


@pytest.mark.parametrize("thing", [WithInverse(), Karpathy(), FreiaLike(), RealNvpLike(), Object(), flagged])
def test_both_directions_are_found(thing):
    report = gv.verify(Bijection(thing, event_shape=2), budget="quick")
    assert not report.failures, str(report)
    passed = {v.check for v in report if v.outcome is gv.Outcome.PASS}
    assert {"bijection.logabsdet", "bijection.inverse_logabsdet", "bijection.round_trip_inverse"} <= passed


def test_the_event_shape_is_found_when_it_is_not_given():
    assert prepare(Bijection(WithInverse())).event == (2,)
    assert prepare(Bijection(transforms.ExpTransform())).event == (2,)
    with pytest.raises(gv.UsageError, match="event_shape"):
        prepare(Bijection(lambda x: x.reshape(-1, 7, 7).flatten(1)))


def test_a_module_is_moved_to_float64_in_a_copy():
    module = WithInverse()
    prepared = prepare(Bijection(module, event_shape=2))
    assert prepared.calls.dtype == torch.float64
    assert module.w.dtype == torch.float32
    assert prepared.calls.own_dtypes == (torch.float32,)


def test_an_inverse_that_says_it_is_missing_is_missing():
    class Planar(Scaled):
        def inverse(self, y):
            raise NotImplementedError("no algebraic inverse")

    prepared = prepare(Bijection(Planar(), event_shape=2))
    assert prepared.calls.inverse is None
    assert any("NotImplementedError" in note for note in prepared.calls.notes)


def test_what_is_refused():
    with pytest.raises(gv.UsageError, match="bijective=False"):
        prepare(Bijection(transforms.AbsTransform()))
    with pytest.raises(gv.UsageError, match="class"):
        prepare(Bijection(Object, event_shape=2))
    with pytest.raises(gv.UsageError, match="event_shape"):
        Bijection(flagged, event_shape=(2, 0))
    with pytest.raises(gv.UsageError, match="accuracy"):
        Bijection(flagged, event_shape=2, accuracy=2.0)
    with pytest.raises(gv.UsageError, match="region"):
        Bijection(flagged, event_shape=2, domain="everywhere")
    with pytest.raises(gv.UsageError, match="dict"):
        prepare(Bijection(lambda x: {"y": x}, event_shape=2))


def test_regions():
    assert region(constraints.interval(-1.0, 2.0)).high == 2.0
    assert region(constraints.independent(constraints.positive, 1)).low == 0.0
    assert region(constraints.simplex).simplex
    with pytest.raises(gv.UsageError):
        region((1.0, 1.0))


def test_a_transform_is_judged_on_its_own_domain():
    inverse = prepare(Bijection(transforms.SigmoidTransform().inv))
    assert (inverse.where.low, inverse.where.high) == (0.0, 1.0)


def test_a_wrong_event_shape_is_refused_with_the_one_that_is_taken():
    words = r"event_shape=\(5,\), on which WithInverse raises .*event_shape=\(2,\) is taken"
    with pytest.raises(gv.UsageError, match=words):
        gv.verify(Bijection(WithInverse(), event_shape=(5,)))


def test_trying_shapes_leaves_no_trace_on_the_subject():
    class Initialises(nn.Module):
        """Takes its scale from the first batch that it sees, as ActNorm does."""

        def __init__(self):
            super().__init__()
            self.scale = None

        def forward(self, x):
            if self.scale is None:
                self.scale = x.detach().std() + 1.0
            return x * self.scale, x.shape[1] * torch.log(self.scale).expand(len(x))

    flow = Initialises()
    prepare(Bijection(flow))
    assert flow.scale is None


def test_parameters_that_are_not_finite_are_refused():
    flow = WithInverse()
    with torch.no_grad():
        flow.w[0] = math.nan
    with pytest.raises(gv.UsageError, match="parameter 'w' has NaN or infinite values"):
        gv.verify(Bijection(flow, event_shape=2))
