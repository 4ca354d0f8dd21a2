"""Exact expectations and variances against autodiff, enumeration and an independent quadrature."""

from __future__ import annotations

import itertools

import pytest
import torch

from genverify.noise import expectation
from genverify.oracles import estimators

DOUBLE = torch.float64


def test_the_categorical_gradient_is_the_derivative_of_the_expectation():
    logits = torch.tensor([0.3, -1.0, 2.0], dtype=DOUBLE, requires_grad=True)
    rewards = torch.tensor([1.0, 4.0, -2.0], dtype=DOUBLE)
    (autodiff,) = torch.autograd.grad(estimators.categorical_expectation(logits, rewards), logits)
    assert torch.allclose(autodiff, estimators.categorical_gradient(logits, rewards).detach(), rtol=1e-14, atol=1e-15)


def test_the_bernoulli_expectation_counts_every_vector():
    p = torch.tensor([0.2, 0.7], dtype=DOUBLE)
    outcomes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2)), dtype=DOUBLE)
    # E[b₁ + 3 b₁ b₂] = p₁ + 3 p₁ p₂
    rewards = outcomes[:, 0] + 3 * outcomes[:, 0] * outcomes[:, 1]
    found = estimators.bernoulli_expectation(p, outcomes, rewards)
    assert torch.allclose(found, p[0] + 3 * p[0] * p[1], rtol=1e-15)


@pytest.mark.parametrize("mu", [-0.7, 0.0, 1.3])
def test_normal_expectations_against_quadrature(mu):
    sigma = 0.8

    def both():
        z = mu + sigma * torch.randn(1, dtype=DOUBLE)
        return torch.cat([1.5 * z**2 - 0.5 * z + 2, torch.sin(1.7 * z + 0.3)])

    found = expectation(both)
    exact = torch.tensor(
        [estimators.normal_quadratic(1.5, -0.5, 2.0, mu, sigma), estimators.normal_sine(1.7, 0.3, mu, sigma)],
        dtype=DOUBLE,
    )
    assert ((found.mean - exact).abs() <= found.error + 1e-12).all()


def test_variances_against_quadrature():
    a, b, c, mu, sigma = 0.5, -1.0, 2.0, 0.4, 0.9

    def estimates():
        epsilon = torch.randn(1, dtype=DOUBLE)
        z = mu + sigma * epsilon
        return torch.cat([(a * z**2 + b * z + c) * epsilon / sigma, 2 * a * z + b])

    found = expectation(estimates).variance
    exact = torch.tensor(estimators.quadratic_variances(a, b, c, mu, sigma), dtype=DOUBLE)
    assert torch.allclose(found, exact, rtol=1e-10)
    omega, sigma = 1.3, 0.7

    def waves():
        epsilon = torch.randn(1, dtype=DOUBLE)
        return torch.cat(
            [torch.sin(omega * sigma * epsilon) * epsilon / sigma, omega * torch.cos(omega * sigma * epsilon)]
        )

    found = expectation(waves, nodes=(21, 36, 63)).variance
    assert torch.allclose(found, torch.tensor(estimators.sine_variances(omega, sigma), dtype=DOUBLE), rtol=1e-10)
