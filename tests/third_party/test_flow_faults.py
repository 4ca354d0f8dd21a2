"""What the libraries of flows get wrong, each by its witness: no line of it is ours."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import Gumbel, transforms

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    nflows = pytest.importorskip("nflows.transforms")
    normflows = pytest.importorskip("normflows")
    zuko = pytest.importorskip("zuko")

pytestmark = pytest.mark.filterwarnings("ignore")

D = torch.float64


def test_torch_softplus_is_the_identity_from_twenty_on():
    """Softplus(20.5) = 20.5 + 1.25e-9; the inverse and logabsdet are those of softplus, and miss."""
    soft, x = transforms.SoftplusTransform(), torch.tensor(20.5, dtype=D)
    assert float(soft(x)) == 20.5
    assert abs(float(soft.inv(soft(x)) - x)) > 1e-9
    assert float(jacobian(soft, x)) == 1.0
    assert float(soft.log_abs_det_jacobian(x, soft(x))) < -1e-9


def test_torch_sigmoid_is_constant_where_its_logabsdet_is_not():
    sigmoid, x = transforms.SigmoidTransform(), torch.tensor(30.0)
    assert float(sigmoid(x)) == float(sigmoid(x + 1))
    assert float(jacobian(sigmoid, x)) == 0.0
    assert float(sigmoid.log_abs_det_jacobian(x, sigmoid(x))) == -30.0


def test_torch_gumbel_has_no_cdf_in_its_tails():
    """It is 0 to within 1e-700000 at −30, and 1 to within 1e-217 at 1000."""
    law = Gumbel(0.5, 2.0, validate_args=True)
    for far in (-30.0, 1000.0):
        with pytest.raises(ValueError, match="within the support"):
            law.cdf(torch.tensor(far))


def test_torch_stack_has_a_logabsdet_for_each_coordinate_of_its_event():
    stack = transforms.StackTransform([transforms.AffineTransform(0.0, 2.0), transforms.SigmoidTransform()], dim=-1)
    x = torch.zeros(5, 2)
    assert stack.domain.event_dim == 1
    assert stack.log_abs_det_jacobian(x, stack(x)).shape == (5, 2)


def test_nflows_linear_maps_cannot_be_undone():
    with pytest.raises(RuntimeError, match="deprecated"):
        nflows.NaiveLinear(3).inverse(torch.zeros(1, 3))
    with pytest.raises(RuntimeError, match="dtype"):
        nflows.LULinear(3, using_cache=True).eval().double().inverse(torch.zeros(1, 3, dtype=D))


def test_nflows_squeeze_by_three_refuses_its_own_image():
    squeeze = nflows.SqueezeTransform(3)
    with pytest.raises(ValueError, match="channel dimensions"):
        squeeze.inverse(squeeze(torch.zeros(1, 1, 3, 3))[0])


def test_nflows_gated_linear_unit_mixes_rows_and_features():
    assert nflows.GatedLinearUnit()(torch.zeros(5, 2), torch.zeros(5, 2))[1].shape == (10,)


def test_nflows_sigmoid_and_logit_are_clamped():
    """σ(−30) = 9.4e-14 is no trouble to float64, and comes back as logit(1e-6) = −13.8."""
    sigmoid, x = nflows.Sigmoid(), torch.tensor([[-30.0]], dtype=D)
    assert abs(float(sigmoid.inverse(sigmoid(x)[0])[0]) + 13.8155) < 1e-4
    logit, near = nflows.Logit(), torch.tensor([[2.0**-20]], dtype=D)
    assert float(jacobian(lambda p: logit(p)[0], near)) == 0.0
    assert float(logit(near)[1]) > 13.0


def test_nflows_tanh_refuses_its_own_image():
    tanh = nflows.Tanh()
    with pytest.raises(nflows.InputOutsideDomain):
        tanh.inverse(tanh(torch.tensor([[30.0]], dtype=D))[0])


@pytest.mark.parametrize("kind", ["leaky planar", "composite", "normalizing flow"])
def test_normflows_returns_a_logabsdet_in_float32_for_float64(kind):
    steps = [normflows.flows.Planar(2, act="leaky_relu")]
    made = {
        "leaky planar": lambda: steps[0],
        "composite": lambda: normflows.flows.Composite(steps),
        "normalizing flow": lambda: normflows.NormalizingFlow(normflows.distributions.DiagGaussian(2), steps),
    }[kind]().double()
    call = made.forward_and_log_det if kind == "normalizing flow" else made
    y, log = call(torch.zeros(1, 2, dtype=D))
    assert (y.dtype, log.dtype) == (D, torch.float32)


def test_normflows_batch_norm_is_no_map_of_a_row():
    norm = normflows.flows.BatchNorm().eval()
    x = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    assert bool(norm(x[:1])[0].isnan().all())
    assert not torch.equal(norm(x)[0][0], norm(torch.cat([x, 3 * x]))[0][0])


def test_normflows_residual_stops_early():
    """Against its own inverse x + g(x), which is exact."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = normflows.nets.LipschitzMLP([2, 4, 2], init_zeros=False, lipschitz_const=0.9)
    block = normflows.flows.Residual(net, reduce_memory=False).eval().double()
    x = torch.tensor([[1.0, -2.0]], dtype=D)
    assert float((block.inverse(block(x)[0])[0] - x).detach().abs().max()) > 1e-7


def test_zuko_signed_power_is_not_a_number_at_zero():
    power = zuko.transforms.SignedPowerTransform(torch.tensor(-0.5))
    assert bool(power(torch.tensor(0.0)).isnan())


def test_zuko_bisects_to_a_millionth():
    soft = zuko.transforms.MonotonicTransform(lambda x: x + 0.5 * x.sin())
    assert abs(float(soft.inv(torch.tensor(0.0, dtype=D)))) > 1e-7
