import math

import mpmath
import pytest
import scipy.integrate
import sympy
import torch

from genverify.errors import UsageError
from genverify.numerics import conditioned_allowance
from genverify.oracles import gaussian
from genverify.oracles.multivariate_gaussian import mvn_kl_2d, mvn_log_prob_2d

ELEMENTWISE = {
    "log_prob": (gaussian.log_prob, 3),
    "nll": (gaussian.nll, 3),
    "score": (gaussian.score, 3),
    "cdf": (gaussian.cdf, 3),
    "entropy": (gaussian.entropy, 1),
    "kl_divergence": (gaussian.kl_divergence, 4),
    "kl_diagonal_to_standard": (gaussian.kl_diagonal_to_standard, 2),
    "reparameterised": (gaussian.reparameterised, 3),
}
# erfc's own relative error grows with its argument in any library; 200 half-ulps is torch's over the whole range.
OPERATIONS = {"cdf": 200}


def _cases(form, dtype, count=90):
    """Arguments spread over the exponents of a type, ordinary ones first."""
    info = torch.finfo(dtype)
    top, bottom = math.log2(info.max), math.log2(info.tiny * info.eps)
    generator = torch.Generator().manual_seed(7)
    columns = []
    for words in form.arguments.values():
        spread = torch.rand(count, generator=generator, dtype=torch.float64)
        exponent = torch.where(torch.arange(count) < 30, 4 * spread - 2, bottom + (top - bottom) * spread)
        sign = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0).double()
        value = torch.exp2(exponent) * (1.0 if "positive" in words else sign)
        columns.append(value.to(dtype))
    return columns


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_torch_agrees_with_mpmath_over_the_whole_range(name, dtype):
    form, _ = ELEMENTWISE[name]
    args = _cases(form, dtype)
    inside = form.domain(*args)
    found = form.torch(*args)
    allowed = conditioned_allowance(form.terms, args, dtype=dtype, operations=OPERATIONS.get(name, 24), flushed=True)
    inside, allowed, examined, ordinary = inside & allowed.examined, allowed.allowed, 0, 0
    for i in range(len(found)):
        if not inside[i]:
            continue
        true = form.mpmath(*(a[i].item() for a in args), dps=20)
        examined, ordinary = examined + 1, ordinary + (i < 30)
        assert abs(mpmath.mpf(found[i].item()) - true) <= allowed[i].item(), [a[i] for a in args]
    assert ordinary == 30
    assert examined >= 40


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivations_display_steps_that_were_checked(name):
    form, arity = ELEMENTWISE[name]
    assert len(form.symbols) == arity
    assert form.steps
    for s in form.steps:
        assert s.latex()
        assert s.because
    assert form.source
    assert "Shapes:" in form.__doc__


def _quadrature(integrand, mean, scale):
    return scipy.integrate.quad(integrand, mean - 30 * scale, mean + 30 * scale, epsabs=1e-13, limit=200)[0]


def test_kl_divergence_is_the_integral_it_stands_for():
    for mu, sigma, nu, tau in [(0.3, 0.7, -1.0, 2.0), (0.0, 1.0, 0.0, 1.0), (2.0, 0.1, 1.0, 0.2)]:
        value = _quadrature(
            lambda x, m=mu, s=sigma, n=nu, t=tau: (
                math.exp(gaussian_log(x, m, s)) * (gaussian_log(x, m, s) - gaussian_log(x, n, t))
            ),
            mu,
            sigma,
        )
        assert gaussian.kl_divergence(mu, sigma, nu, tau) == pytest.approx(value, abs=1e-10)


def gaussian_log(x, mu, sigma):
    return -0.5 * math.log(2 * math.pi * sigma**2) - (x - mu) ** 2 / (2 * sigma**2)


def test_torch_distributions_agrees():
    generator = torch.Generator().manual_seed(3)
    x, mu, nu = torch.randn(3, 50, generator=generator, dtype=torch.float64)
    sigma, tau = 0.1 + torch.rand(2, 50, generator=generator, dtype=torch.float64)
    p, q = torch.distributions.Normal(mu, sigma), torch.distributions.Normal(nu, tau)
    close = dict(rtol=1e-11, atol=1e-13)
    assert torch.allclose(gaussian.log_prob(x, mu, sigma), p.log_prob(x), **close)
    assert torch.allclose(gaussian.cdf(x, mu, sigma), p.cdf(x), **close)
    assert torch.allclose(gaussian.entropy(sigma), p.entropy(), **close)
    assert torch.allclose(gaussian.kl_divergence(mu, sigma, nu, tau), torch.distributions.kl_divergence(p, q), **close)
    assert torch.equal(gaussian.nll(x, mu, sigma), -gaussian.log_prob(x, mu, sigma))


def test_direction_matters_and_a_distribution_is_no_distance_from_itself():
    assert gaussian.kl_divergence(0, 1, 0, 2) != gaussian.kl_divergence(0, 2, 0, 1)
    assert gaussian.kl_divergence(3, 2, 3, 2) == 0


def test_score_is_the_gradient_of_the_log_density():
    x = torch.linspace(-2, 2, 5, dtype=torch.float64, requires_grad=True)
    mu, sigma = torch.tensor(0.5).double(), torch.tensor(1.5).double()
    gaussian.log_prob(x, mu, sigma).sum().backward()
    assert torch.allclose(x.grad, gaussian.score(x.detach(), mu, sigma), rtol=1e-14)


def test_the_fit_is_the_maximum_and_matches_its_sufficient_statistics():
    x = torch.tensor([1.0, 2.5, -0.5, 4.0], dtype=torch.float64)
    mean, variance = gaussian.mle(x)
    by_statistics = gaussian.mle_from_statistics(4, x.sum().item(), (x**2).sum().item())
    assert (mean.item(), variance.item()) == pytest.approx(by_statistics, rel=1e-14)
    best = gaussian.log_prob(x, mean, variance.sqrt()).sum()
    for shift, scale in [(1e-3, 1.0), (-1e-3, 1.0), (0.0, 1.001), (0.0, 0.999)]:
        assert gaussian.log_prob(x, mean + shift, variance.sqrt() * scale).sum() < best


def test_the_fit_does_not_cancel_far_from_the_origin():
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) + 1e8
    assert gaussian.mle(x)[1] == pytest.approx(2 / 3, rel=1e-12)


def test_the_fitted_variance_is_too_small_by_one_part_in_n():
    draws = torch.tensor([[a, b, c] for a in (-1.0, 1.0) for b in (-1.0, 1.0) for c in (-1.0, 1.0)])
    exact = gaussian.mle(draws)[1].mean()  # every outcome of three fair signs, whose variance is 1
    assert exact.item() == pytest.approx(gaussian.expected_mle_variance(3, 1.0), rel=1e-6)


def test_fits_of_vectors_divide_by_n():
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, cov = gaussian.mvn_mle(x)
    assert torch.allclose(cov, torch.cov(x.T, correction=0), rtol=1e-12)
    assert torch.allclose(mean, x.mean(0), rtol=1e-12)
    with pytest.raises(UsageError, match="one row"):
        gaussian.mvn_mle(x[0])


def _spd(k, seed):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(k, k, generator=generator, dtype=torch.float64)
    return a @ a.T + 0.1 * torch.eye(k, dtype=torch.float64), torch.randn(k, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_matrix_forms_agree_with_torch_distributions(k):
    (s0, m0), (s1, m1) = _spd(k, 0), _spd(k, 1)
    p = torch.distributions.MultivariateNormal(m0, s0)
    q = torch.distributions.MultivariateNormal(m1, s1)
    assert gaussian.mvn_kl(m0, s0, m1, s1) == pytest.approx(torch.distributions.kl_divergence(p, q).item(), rel=1e-10)
    assert gaussian.mvn_log_prob(m1, m0, s0) == pytest.approx(p.log_prob(m1).item(), rel=1e-10)
    assert gaussian.mvn_kl(m0, s0, m0, s0) == pytest.approx(0.0, abs=1e-12)


def _of_factor(a, b, c):
    lower = torch.zeros(2, 2, dtype=torch.float64)
    lower[0, 0], lower[1, 0], lower[1, 1] = a, b, c
    return lower @ lower.T


def test_matrix_forms_agree_with_their_derivation_at_two_dimensions():
    m, n = (0.3, -1.2), (1.0, 0.4)
    first, second = (0.8, -0.5, 1.7), (1.1, 0.9, 0.6)
    tensors = [torch.tensor(v, dtype=torch.float64) for v in (m, n)]
    matrix = gaussian.mvn_kl(tensors[0], _of_factor(*first), tensors[1], _of_factor(*second))
    assert matrix.item() == pytest.approx(mvn_kl_2d(*m, *first, *n, *second), rel=1e-13)
    density = gaussian.mvn_log_prob(tensors[1], tensors[0], _of_factor(*first))
    assert density.item() == pytest.approx(mvn_log_prob_2d(*n, *m, *first), rel=1e-13)
    assert len(gaussian.mvn_kl.steps) >= 8


def test_at_one_dimension_the_matrix_form_is_the_scalar_one():
    mu, sigma, nu, tau = 0.3, 0.7, -1.0, 2.0
    column = [torch.tensor([v], dtype=torch.float64) for v in (mu, nu)]
    square = [torch.tensor([[v**2]], dtype=torch.float64) for v in (sigma, tau)]
    found = gaussian.mvn_kl(column[0], square[0], column[1], square[1])
    assert found.item() == pytest.approx(gaussian.kl_divergence(mu, sigma, nu, tau), rel=1e-14)


def test_matrix_forms_batch_keep_their_dtype_and_have_terms():
    s, m = _spd(3, 0)
    batch = m.expand(4, 3).float()
    value = gaussian.mvn_log_prob(batch, m.float(), s.float())
    assert value.shape == (4,)
    assert value.dtype == torch.float32
    terms = gaussian.mvn_kl.terms(m, s, m, s)
    assert sum(terms).item() == pytest.approx(0.0, abs=1e-12)
    assert torch.func.jacrev(gaussian.mvn_kl)(m, s, m + 1, s).shape == (3,)


def test_an_indefinite_covariance_is_nan_and_a_diagonal_is_refused():
    m = torch.zeros(2, dtype=torch.float64)
    bad = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    assert torch.isnan(gaussian.mvn_log_prob(m, m, bad))
    with pytest.raises(UsageError, match="diagonal"):
        gaussian.mvn_log_prob(m, m, torch.ones(2, dtype=torch.float64))


def test_a_matrix_algorithm_of_another_kind_stays_within_the_allowance():
    (s0, m0), (s1, m1) = _spd(3, 2), _spd(3, 3)
    args = [t.float() for t in (m0, s0, m1, s1)]
    found = conditioned_allowance(gaussian.mvn_kl.terms, args, dtype=torch.float32, operations=40, normwise=[1, 3])
    a, s, b, t = args
    inverse = torch.linalg.inv(t)
    naive = 0.5 * (torch.trace(inverse @ s) + (b - a) @ inverse @ (b - a) - 3 + torch.logdet(t) - torch.logdet(s))
    assert found.examined
    assert found.excess(naive) <= 1
    assert found.excess(naive + 0.5) > 1


def test_reparameterised_draws_have_the_moments_and_slopes_claimed():
    mu, sigma, epsilon = gaussian.reparameterised.symbols
    z = gaussian.reparameterised.expression
    assert sympy.diff(z, epsilon) == sigma
    assert z.subs(epsilon, 0) == mu
    titles = [s.title for s in gaussian.reparameterised.steps]
    assert {"mean", "variance", "slope in μ", "slope in σ"} <= set(titles)


def test_mpmath_in_mpmath_out():
    with mpmath.workdps(40):
        value = gaussian.kl_divergence(mpmath.mpf(1), mpmath.mpf(2), mpmath.mpf(3), mpmath.mpf(4))
        assert abs(value - (mpmath.log(2) + mpmath.mpf(1) / 8 + mpmath.mpf(1) / 8 - mpmath.mpf(1) / 2)) < 1e-39
