"""The likelihood references by themselves: shapes, dtypes, broadcasting, and identities between them."""

from __future__ import annotations

import math

import pytest
import torch

from genverify.reference.likelihood import gaussian_fit, kl, mvn, normal

EPS = torch.finfo(torch.float64).eps


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def factors(*batch: int, k: int, seed: int = 0) -> torch.Tensor:
    lower = torch.tril(draws(*batch, k, k, seed=seed), -1)
    return lower + torch.diag_embed(0.5 + draws(*batch, k, seed=seed + 1).abs())


def close(found: torch.Tensor, want: torch.Tensor | float, size: float = 1.0) -> bool:
    """Equal to some roundings of numbers of this size."""
    return bool((found - want).abs().max() <= 256 * EPS * max(1.0, size))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes_are_kept(dtype):
    x, std = torch.ones(3, 2, dtype=dtype), torch.full((3, 2), 2.0, dtype=dtype)
    covariance = torch.eye(2, dtype=dtype)
    outputs = [
        normal.log_prob(x, x, std), normal.nll(x, x, std), normal.score(x, x, std), normal.cdf(x, x, std),
        normal.entropy(std), normal.standard_log_prob(x), mvn.entropy(covariance),
        mvn.log_prob_covariance(x, x, covariance), mvn.log_prob_precision(x, x, covariance),
        kl.diagonal_to_standard_normal(x, std), kl.diagonal_normals(x, std, x, std),
        kl.mvn_covariance(x, covariance, x, covariance), *gaussian_fit.mle(x), *gaussian_fit.mle_covariance(x),
    ]  # fmt: skip
    assert {one.dtype for one in outputs} == {dtype}


def test_means_and_scales_broadcast():
    x = draws(4, 3)
    assert normal.log_prob(x, torch.zeros(3, dtype=x.dtype), torch.tensor(2.0, dtype=x.dtype)).shape == (4, 3)
    covariance = torch.eye(3, dtype=x.dtype)
    assert mvn.log_prob_covariance(x, torch.zeros(3, dtype=x.dtype), covariance.expand(4, 3, 3)).shape == (4,)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_three_parametrisations_agree(k):
    x, mean, factor = draws(4, k), draws(4, k, seed=1), factors(4, k=k, seed=2)
    covariance = factor @ factor.mT
    by_factor = mvn.log_prob_cholesky(x, mean, factor)
    size = float(by_factor.abs().max()) * float(torch.linalg.cond(covariance).max())
    assert close(mvn.log_prob_covariance(x, mean, covariance), by_factor, size)
    assert close(mvn.log_prob_precision(x, mean, torch.linalg.inv(covariance)), by_factor, size)


@pytest.mark.parametrize("k", [1, 3])
def test_a_diagonal_covariance_is_the_sum_over_coordinates(k):
    x, mean, std = draws(4, k), draws(4, k, seed=1), 0.5 + draws(4, k, seed=2).abs()
    other, wide = draws(4, k, seed=3), 0.5 + draws(4, k, seed=4).abs()
    alone = normal.log_prob(x, mean, std).sum(-1)
    assert close(mvn.log_prob_cholesky(x, mean, torch.diag_embed(std)), alone, float(alone.abs().max()))
    assert close(mvn.entropy(torch.diag_embed(std**2)), normal.entropy(std).sum(-1), k)
    diagonal = kl.diagonal_normals(mean, std, other, wide)
    matrices = kl.mvn_cholesky(mean, torch.diag_embed(std), other, torch.diag_embed(wide))
    assert close(matrices, diagonal, float(diagonal.max()))


def test_the_standard_normal_is_a_special_case():
    x, log_variance = draws(4, 3), draws(4, 3, seed=1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    assert close(normal.standard_log_prob(x), normal.log_prob(x, zero, one).sum(-1), 8)
    general = kl.diagonal_normals(x, torch.exp(log_variance / 2), zero, one)
    assert close(kl.diagonal_to_standard_normal(x, log_variance), general, float(general.max()))


def test_a_divergence_is_zero_from_itself_and_positive_otherwise():
    mean, factor = draws(5, 3), factors(5, k=3)
    assert close(kl.mvn_cholesky(mean, factor, mean, factor), 0.0, 3)
    assert bool((kl.mvn_cholesky(mean, factor, mean + 1, factor) > 0).all())
    assert bool((kl.mvn_cholesky(mean, factor, mean, 2 * factor) > 0).all())


def test_the_score_and_the_density_are_derivatives():
    x = draws(6).requires_grad_()
    mean, std = torch.tensor(0.3, dtype=torch.float64), torch.tensor(1.7, dtype=torch.float64)
    (slope,) = torch.autograd.grad(normal.log_prob(x, mean, std).sum(), x)
    assert close(slope, normal.score(x.detach(), mean, std))
    (density,) = torch.autograd.grad(normal.cdf(x, mean, std).sum(), x)
    assert close(density, normal.log_prob(x.detach(), mean, std).exp())


def test_the_entropy_is_minus_the_mean_log_density_at_one_standard_deviation():
    mean, std = torch.tensor(1.0, dtype=torch.float64), torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)
    assert close(normal.entropy(std), -normal.log_prob(mean + std, mean, std))  # z² = 1 is its mean


def test_the_lower_tail_keeps_its_digits():
    x, mean, std = torch.tensor([-30.0, 0.0, 1.0], dtype=torch.float64)
    found = normal.cdf(x, mean, std).item()
    # Mills' ratio: Φ(−t) lies between φ(t)/t · (1 − 1/t²) and φ(t)/t.
    upper = math.exp(-450) / math.sqrt(2 * math.pi) / 30
    assert upper * (1 - 1 / 900) < found < upper


def test_what_is_not_positive_definite_is_refused():
    bad = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(torch.linalg.LinAlgError):
        mvn.log_prob_covariance(torch.zeros(2), torch.zeros(2), bad)
    with pytest.raises(torch.linalg.LinAlgError):
        mvn.entropy(bad)


def test_the_fit_of_one_observation_and_of_constant_data():
    mean, variance = gaussian_fit.mle(torch.tensor([3.0]))
    assert (mean.item(), variance.item()) == (3.0, 0.0)
    assert gaussian_fit.mle(torch.full((4, 2), 5.0))[1].tolist() == [0.0, 0.0]


def test_the_covariance_is_symmetric_with_the_variances_on_its_diagonal():
    x = draws(7, 3)
    mean, covariance = gaussian_fit.mle_covariance(x)
    assert close(covariance, covariance.T)
    assert close(torch.diagonal(covariance), gaussian_fit.mle(x)[1])
    assert torch.equal(mean, gaussian_fit.mle(x)[0])


def test_gradient_descent_with_too_few_steps_is_not_there_yet():
    x = torch.tensor([1.0, 3.0], dtype=torch.float64)
    near, far = gaussian_fit.fit_by_gradient_descent(x), gaussian_fit.fit_by_gradient_descent(x, steps=5)
    assert abs(near[0] - 2.0) < abs(far[0] - 2.0)
