"""Densities of scalar images against torch's own distributions, and the Jacobian of coupling against autodiff."""

from __future__ import annotations

import pytest
import sympy
import torch
from torch.distributions import LogNormal, Normal, TransformedDistribution
from torch.distributions.transforms import SigmoidTransform

import genverify as gv
from genverify.oracles import flow
from genverify.reference.flows.affine_coupling import AffineCoupling

ONE = torch.tensor(1.0, dtype=torch.float64)


def test_images_of_a_normal_variable():
    x = torch.linspace(0.01, 0.99, 33, dtype=torch.float64)
    base = Normal(0 * ONE, ONE)
    torch.testing.assert_close(flow.exponential_image(x), LogNormal(0 * ONE, ONE).log_prob(x))
    torch.testing.assert_close(flow.logistic_image(x), TransformedDistribution(base, [SigmoidTransform()]).log_prob(x))
    torch.testing.assert_close(flow.sinh_image(x), base.log_prob(torch.asinh(x)) - 0.5 * torch.log1p(x**2))


def test_a_map_with_two_preimages_is_refused():
    z, x = sympy.symbols("z x", real=True)
    with pytest.raises(gv.UsageError, match="one real inverse"):
        flow.pushforward(z**2, z, -(z**2) / 2, x)


def test_the_symbolic_jacobian_is_that_of_the_reference():
    jacobian, total = flow.coupling_jacobian(1, 1)
    with torch.random.fork_rng(devices=[]):
        layer = AffineCoupling(2).double()
    x = torch.tensor([[0.5, -1.5]], dtype=torch.float64)
    dense = torch.autograd.functional.jacobian(lambda v: layer(v)[0], x)[0, :, 0]
    log = layer(x)[1]
    torch.testing.assert_close(torch.linalg.slogdet(dense).logabsdet, log[0])
    assert dense[0, 1] == 0
    assert jacobian[0, 1] == 0
    assert sympy.simplify(jacobian.det() - sympy.exp(total)) == 0
