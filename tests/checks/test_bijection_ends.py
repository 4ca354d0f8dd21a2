"""At the ends of a domain: what rounding hides is not examined, and what it does not hide is still refuted."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import constraints, transforms

from genverify.checks.check import find_check
from genverify.preparation import prepare
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.region import region
from genverify.verdict import Outcome


def _at(subject, *points, check="logabsdet"):
    x = torch.tensor([points], dtype=torch.float64)
    judge = find_check(f"bijection.{check}").judge
    return judge(prepare(subject), Case(values={"x": x}), Run())


def _tanh(wrong=0.0):
    def f(x):
        log = 2.0 * (0.6931471805599453 - x - torch.nn.functional.softplus(-2.0 * x))
        return torch.tanh(x), log.sum(-1) + wrong

    return Bijection(f, inverse=torch.atanh, event_shape=2)


def test_a_saturated_derivative_refutes_no_logabsdet():
    assert _at(_tanh(), 30.0, 30.0).outcome is Outcome.INCONCLUSIVE
    assert _at(_tanh(), 30.0, 0.5).outcome is Outcome.INCONCLUSIVE
    assert _at(_tanh(), 0.5, -2.0).outcome is Outcome.PASS


def test_a_claim_above_what_rounding_hides_is_refuted():
    """The derivative is 0 as computed, e^-58.6 in truth: rounding may hide e^-33, and not 1."""
    assert _at(_tanh(wrong=60.0), 30.0, 0.5).outcome is Outcome.FAIL
    assert _at(_tanh(wrong=0.1), 0.5, -2.0).outcome is Outcome.FAIL


@pytest.mark.parametrize("log", [0.0, -50.0, 300.0])
def test_a_map_that_is_constant_is_refuted(log):
    def constant(x):
        return x * torch.tensor([1.0, 0.0]).to(x), x.new_full((len(x),), log)

    assert _at(Bijection(constant, event_shape=2), 1.0, 2.0).outcome is Outcome.FAIL


def test_a_determinant_that_is_lost_among_long_rows_refutes_no_logabsdet():
    """Rows of length e^190 that differ by 1: of the determinant e^190 nothing is left."""
    turned = torch.linalg.qr(torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.float64)).Q

    def f(x):
        a, b = x[:, :1], x[:, 1:]
        y = torch.cat([a, b * torch.exp(95.0 * a) + torch.exp(95.0 * a)], 1)
        return y @ turned.mT.to(x), 95.0 * x[:, 0]

    assert _at(Bijection(f, event_shape=2), 2.0, 3.0).outcome is Outcome.INCONCLUSIVE
    assert _at(Bijection(f, event_shape=2), 0.01, 3.0).outcome is Outcome.PASS


def test_a_point_that_its_image_does_not_tell_is_not_examined():
    """A flat map sends half of its domain to one number."""
    flat = Bijection(lambda x: 3.0 + torch.exp(-(x**2)) * x, inverse=lambda y: y - 3.0, event_shape=2)
    assert _at(flat, 9.0, 9.0, check="round_trip_forward").outcome is Outcome.INCONCLUSIVE
    assert _at(flat, 1.0, 1.0, check="round_trip_forward").outcome is Outcome.FAIL


def test_an_inverse_that_clamps_is_refuted_where_floats_tell_the_points():
    clamped = Bijection(torch.sigmoid, inverse=lambda y: torch.logit(y, eps=1e-6), event_shape=2)
    assert _at(clamped, -30.0, 0.0, check="round_trip_forward").outcome is Outcome.FAIL
    whole = Bijection(torch.sigmoid, inverse=torch.logit, event_shape=2)
    assert _at(whole, -30.0, 0.0, check="round_trip_forward").outcome is Outcome.PASS
    assert _at(whole, 38.0, 40.0, check="round_trip_forward").outcome is Outcome.INCONCLUSIVE


def test_a_map_that_refuses_points_beside_its_domain_is_judged_nevertheless():
    class OutsideError(Exception):
        pass

    def f(x):
        if bool((x.abs() > 1.0).any()):
            raise OutsideError
        return 2.0 * x, x.new_zeros(len(x))

    assert _at(Bijection(f, event_shape=2, domain=(-1, 1)), 1.0 - 2.0**-30, 0.0).outcome is Outcome.FAIL


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_transform_has_the_dtype_of_its_tensors(dtype):
    made = transforms.AffineTransform(torch.zeros(2, dtype=dtype), torch.ones(2, dtype=dtype), event_dim=1)
    assert prepare(Bijection(made, event_shape=2)).calls.own_dtypes == (dtype,)


def test_parts_of_a_constraint_share_an_interval():
    stacked = constraints.stack([constraints.positive, constraints.less_than(2.0)], -1)
    assert str(region(stacked)) == "(0, 2)"
