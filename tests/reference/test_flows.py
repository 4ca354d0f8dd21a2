"""Flows at the edge: one feature, odd numbers of them, empty batches, the ends of domains, train mode, bad shapes."""

from __future__ import annotations

import math

import pytest
import torch

import genverify as gv
from genverify.reference.flows.actnorm import ActNorm
from genverify.reference.flows.additive_coupling import AdditiveCoupling
from genverify.reference.flows.affine_coupling import AffineCoupling
from genverify.reference.flows.batch_norm import BatchNormFlow
from genverify.reference.flows.composition import Composition
from genverify.reference.flows.conv1x1 import Conv1x1
from genverify.reference.flows.densities import log_prob_after_flows, multiscale_log_prob, standard_normal
from genverify.reference.flows.dequantization import uniform_dequantization
from genverify.reference.flows.elementwise import Logit, Sigmoid, Tanh
from genverify.reference.flows.householder import Householder
from genverify.reference.flows.inverse_autoregressive import GatedAutoregressive, InverseAutoregressive
from genverify.reference.flows.lu_linear import LuLinear
from genverify.reference.flows.masked_autoregressive import MaskedAutoregressive
from genverify.reference.flows.mixture_cdf import MixtureCdf
from genverify.reference.flows.multiscale import Multiscale
from genverify.reference.flows.planar import Planar
from genverify.reference.flows.radial import Radial
from genverify.reference.flows.rational_quadratic_spline import RationalQuadraticSpline
from genverify.reference.flows.squeeze import Squeeze
from genverify.subjects.bijection import Bijection

ON_ROWS = [
    AffineCoupling, AdditiveCoupling, LuLinear, MaskedAutoregressive, InverseAutoregressive, GatedAutoregressive,
    Planar, Radial, RationalQuadraticSpline,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


@pytest.mark.parametrize("make", [AffineCoupling, AdditiveCoupling])
def test_one_feature_cannot_be_split(make):
    with pytest.raises(ValueError, match="got 1 feature; expected two or more"):
        make(1)


@pytest.mark.parametrize("features", [2, 3, 5])
@pytest.mark.parametrize("make", [AffineCoupling, AdditiveCoupling])
def test_odd_numbers_of_features_are_split_unevenly(make, features):
    gv.verify(Bijection(make(features), event_shape=features), budget="quick").raise_for_failures()


@pytest.mark.parametrize(
    "make", [MaskedAutoregressive, InverseAutoregressive, LuLinear, Planar, Radial, RationalQuadraticSpline, MixtureCdf]
)
def test_one_feature_is_enough_for_the_others(make):
    image = (0, 1) if make is MixtureCdf else None
    gv.verify(Bijection(make(1), event_shape=1, image=image), budget="quick").raise_for_failures()


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("make", ON_ROWS)
def test_a_batch_of_none_and_of_one(make, rows):
    flow = make(2)
    x = torch.randn(rows, 2)
    y, logabsdet = flow(x)
    assert (y.shape, logabsdet.shape) == ((rows, 2), (rows,))
    back, negated = flow.inverse(y)
    assert (back.shape, negated.shape) == ((rows, 2), (rows,))


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("flow", [Conv1x1(2), ActNorm(2), Squeeze()], ids=lambda flow: type(flow).__name__)
def test_a_batch_of_none_and_of_one_image(flow, rows):
    y, logabsdet = flow(torch.randn(rows, 2, 4, 2))
    assert logabsdet.shape == (rows,)
    assert flow.inverse(y)[0].shape == (rows, 2, 4, 2)


def test_images_of_odd_sizes_are_not_squeezed():
    with pytest.raises(ValueError, match="got images of 3 × 2; expected even sizes"):
        Squeeze()(torch.zeros(1, 1, 3, 2))


def test_outside_the_domain_a_logit_is_no_number_and_a_sigmoid_has_no_preimage():
    assert bool(torch.isnan(Logit()(torch.tensor([[1.5]]))[0]).all())
    assert bool(torch.isnan(Sigmoid().inverse(torch.tensor([[-0.5]]))[0]).all())
    # The squeeze keeps the ends of the domain finite.
    y, logabsdet = Logit(0.05)(torch.tensor([[0.0, 1.0]]))
    assert bool(torch.isfinite(y).all() & torch.isfinite(logabsdet).all())


def test_a_flow_called_outside_its_domain_is_asked_for_it():
    """Declared without its domain a logit fails at a point where it is no number; declared with it, it passes."""
    wrong = gv.verify(Bijection(Logit(), event_shape=1), checks=["bijection.finite"])
    assert [verdict.outcome for verdict in wrong] == [gv.Outcome.FAIL]
    assert wrong.failures[0].evidence.witness
    gv.verify(Bijection(Logit(), event_shape=1, domain=(0, 1)), budget="quick").raise_for_failures()


def test_batch_normalisation_says_what_it_is_in_either_mode():
    flow = BatchNormFlow(2)
    with pytest.raises(ValueError, match="one has no variance"):
        flow(torch.zeros(1, 2))
    with pytest.raises(RuntimeError, match="expected eval mode"):
        flow.inverse(torch.zeros(2, 2))
    y, _ = flow(torch.randn(64, 2) * 3 + 1)
    assert bool((y.mean(0).abs() < 1e-5).all())
    gv.verify(Bijection(flow.eval(), event_shape=2), budget="quick").raise_for_failures()


def test_rows_of_a_normalised_batch_are_reported_as_dependent():
    """A flow that normalises by its batch whatever the mode is: the verdict names the rows."""

    class InEitherMode(BatchNormFlow):
        def forward(self, x):
            variance, mean = torch.var_mean(x, dim=0, correction=0)
            scale = torch.rsqrt(variance + 0.1)
            return (x - mean) * scale, torch.log(scale).sum().expand(len(x))

    (verdict,) = gv.verify(Bijection(InEitherMode(2), event_shape=2), checks=["bijection.batch_independence"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "depends on row" in verdict.evidence.message


def test_actnorm_is_set_by_a_batch_once():
    flow, x = ActNorm(2), 3 * torch.randn(16, 2, 4, 4) - 1
    flow.initialise(x)
    y, _ = flow(x)
    std, mean = torch.std_mean(y, dim=(0, 2, 3), correction=0)
    assert bool((mean.abs() < 1e-5).all() & ((std - 1).abs() < 1e-5).all())


def test_composition_and_scales_add_up():
    x = torch.randn(3, 4)
    flows = [AffineCoupling(4), Householder(4, 2), AffineCoupling(4)]
    parts, at = [], x
    for flow in flows:
        at, one = flow(at)
        parts.append(one)
    y, total = Composition(flows)(x)
    assert torch.equal(y, at)
    assert torch.allclose(total, sum(parts))
    start = standard_normal(x)
    assert torch.allclose(log_prob_after_flows(start, parts), start - total)
    scales = Multiscale([AffineCoupling(4), Tanh()])
    z, logabsdet = scales(x)
    assert torch.allclose(multiscale_log_prob([z[:, :2], z[:, 2:]], logabsdet), standard_normal(z) + logabsdet)


def test_dequantised_numbers_stay_in_their_cells():
    x = torch.randint(0, 256, (32, 3)).float()
    y, logabsdet = uniform_dequantization(x)
    assert torch.equal((256 * y).floor(), x)
    assert torch.allclose(logabsdet, torch.full((32,), -3 * math.log(256)))
