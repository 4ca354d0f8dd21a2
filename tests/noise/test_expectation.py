"""Expectations over a program's own draws, against values known by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genverify.errors import UsageError
from genverify.noise import expectation

D = torch.float64


def scalar(x: float) -> Tensor:
    return torch.tensor(x, dtype=D)


def close(observed: Tensor, expected: Tensor | float | list[float], error: Tensor) -> bool:
    """Within the error that the expectation itself states, and some rounding of the hand value."""
    value = torch.as_tensor(expected, dtype=D)
    return bool(((observed - value).abs() <= error + 8 * torch.finfo(D).eps * value.abs()).all())


QUADRATURE: list[tuple[str, Callable[[], Tensor], float]] = [
    ("E eps^2", lambda: torch.randn((), dtype=D) ** 2, 1.0),
    ("E exp eps", lambda: torch.randn((), dtype=D).exp(), math.exp(0.5)),
    ("shifted normal", lambda: torch.normal(scalar(2.0), scalar(3.0)) ** 2, 13.0),
    ("in place", lambda: torch.empty((), dtype=D).normal_(1.0, 2.0) ** 3, 1.0 + 3 * 4.0),
    ("log-normal", lambda: torch.empty((), dtype=D).log_normal_(0.0, 0.5), math.exp(0.125)),
    ("E u^2", lambda: torch.rand((), dtype=D) ** 2, 1 / 3),
    ("stretched", lambda: torch.empty((), dtype=D).uniform_(1, 3).exp(), (math.exp(3) - math.exp(1)) / 2),
    ("exponential", lambda: torch.empty((), dtype=D).exponential_(2.0) ** 2, 0.5),
    ("a logarithm at the end", lambda: -torch.log(torch.rand((), dtype=D)), 1.0),
    ("product of three", lambda: (1 + torch.randn(3, dtype=D)).prod() ** 2, 8.0),
    ("product of three without mean", lambda: torch.randn(3, dtype=D).prod() ** 2, 1.0),
    ("nested parameters", lambda: torch.normal(torch.randn((), dtype=D), 1.0) ** 2, 2.0),
    ("rsample", lambda: torch.distributions.Normal(scalar(1.0), scalar(2.0)).rsample() ** 2, 5.0),
]


@pytest.mark.parametrize(("name", "f", "value"), QUADRATURE, ids=[row[0] for row in QUADRATURE])
def test_smooth_integrals_converge_to_their_closed_form(name, f, value):
    result = expectation(f)
    assert result.converged, result.reason
    assert "quadrature" in result.method
    assert close(result.mean, value, result.error)
    assert float(result.error) <= 1e-6 * math.sqrt(float(result.variance) + value**2) * (1 + 1e-9)


def test_variance_of_a_squared_normal_is_two():
    result = expectation(lambda: torch.randn(2, dtype=D) ** 2)
    assert close(result.variance, [2.0, 2.0], result.variance_error)
    assert torch.allclose(result.covariance(), 2 * torch.eye(2, dtype=D), rtol=1e-12, atol=1e-12)


def test_bernoulli_is_enumerated_with_its_own_probabilities():
    p = torch.tensor([0.2, 0.7, 0.0, 1.0], dtype=D)
    result = expectation(lambda: torch.bernoulli(p))
    assert result.method == "enumeration"
    assert result.converged
    assert close(result.mean, p, result.error)
    assert close(result.variance, p * (1 - p), result.variance_error)


def test_dropout_mean_and_variance():
    x = torch.tensor([1.0, -2.0, 3.0], dtype=D)
    result = expectation(lambda: F.dropout(x, 0.3))
    assert result.method == "enumeration"
    assert close(result.mean, x, result.error)
    assert torch.allclose(result.variance, x**2 * 0.3 / 0.7, rtol=1e-14)


def test_categorical_with_replacement():
    p = torch.tensor([0.5, 0.3, 0.2], dtype=D)
    result = expectation(lambda: F.one_hot(torch.multinomial(p, 2, replacement=True), 3).sum(0))
    assert result.method == "enumeration"
    assert close(result.mean, 2 * p, result.error)
    expected = 2 * (torch.diag(p) - torch.outer(p, p))
    assert torch.allclose(result.covariance(), expected, atol=1e-14)


def test_sampling_without_replacement_is_by_ordered_outcomes():
    p = torch.tensor([0.5, 0.3, 0.2], dtype=D)
    result = expectation(lambda: F.one_hot(torch.multinomial(p, 2), 3))
    second = [sum(p[i] * p[j] / (1 - p[i]) for i in range(3) if i != j) for j in range(3)]
    assert result.method == "enumeration"
    assert close(result.mean, torch.stack([p, torch.stack(second)]), result.error)


def test_permutations_integers_and_binomial():
    perm = expectation(lambda: torch.randperm(4)[:2])
    assert close(perm.mean, [1.5, 1.5], perm.error)
    covariance = perm.covariance()
    assert math.isclose(float(covariance[0, 1]), -1.25 / 3, rel_tol=1e-13)
    integers = expectation(lambda: torch.randint(2, 6, (2,)) ** 2)
    assert close(integers.mean, [13.5, 13.5], integers.error)
    binomial = expectation(lambda: torch.binomial(torch.full((2,), 5.0, dtype=D), torch.tensor([0.2, 0.6], dtype=D)))
    assert close(binomial.mean, [1.0, 3.0], binomial.error)


def test_gumbel_softmax_argmax_has_softmax_law_and_soft_sums_to_one():
    logits = torch.tensor([0.1, 0.5], dtype=D)
    result = expectation(lambda: F.gumbel_softmax(logits, tau=1.0))
    assert result.converged, result.reason
    # The soft sample is sigmoid(l + logistic noise): E = integral of the odds, t/(t-1) - t log t/(t-1)^2 with t = e^l.
    t = math.exp(0.4)
    expected = t / (t - 1) - t * math.log(t) / (t - 1) ** 2
    assert abs(float(result.mean[1]) - expected) <= float(result.error[1])


def test_mixed_discrete_and_continuous():
    def f() -> Tensor:
        b = torch.bernoulli(scalar(0.25))
        return torch.normal(3 * b, 1 + b) ** 2

    result = expectation(f)
    assert result.method == "enumeration and quadrature"
    assert close(result.mean, 0.75 * 1.0 + 0.25 * (9 + 4), result.error)


def test_a_discrete_law_that_depends_on_a_continuous_draw():
    result = expectation(lambda: torch.bernoulli(torch.sigmoid(torch.randn((), dtype=D))))
    assert result.converged, result.reason
    assert close(result.mean, 0.5, result.error)


def test_a_tree_of_discrete_draws_is_enumerated_path_by_path():
    def f() -> Tensor:
        first = torch.bernoulli(scalar(0.3))
        return first + torch.randint(0, 3, (2,)).sum() if first else first

    result = expectation(f)
    assert result.method == "enumeration"
    assert result.evaluations == 2 + 1 + 9
    assert close(result.mean, 0.3 * (1 + 2), result.error)


def test_continuous_draws_behind_a_discrete_one():
    result = expectation(lambda: torch.randn((), dtype=D) ** 2 if torch.bernoulli(scalar(0.01)) else scalar(0.0))
    assert result.converged, result.reason
    assert close(result.mean, 0.01, result.error)


def test_a_continuous_draw_that_decides_what_is_drawn_is_named():
    def f() -> Tensor:
        return torch.randn((), dtype=D).cos() if torch.rand(()) < 0.3 else scalar(0.0)

    result = expectation(f, max_evaluations=600)
    assert not result.converged
    assert "decide what is drawn next" in result.reason
    assert "aten::randn" in result.reason
    assert close(result.mean, 0.3 * math.exp(-0.5), result.error)


def test_a_rejection_loop_ends_and_is_reported():
    def f() -> Tensor:
        n = 0
        while torch.rand(()) < 0.5:
            n += 1
        return scalar(n)

    result = expectation(f, max_evaluations=600)
    assert not result.converged
    assert result.reason
    assert close(result.mean, 1.0, result.error)


def vae_gradient(activation: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(2)
    encode, decode, out = (torch.randn(s, generator=generator, dtype=D) / 2 for s in ((2, 4), (5, 2), (4, 5)))
    x = torch.randn(4, generator=generator, dtype=D)
    encode.requires_grad_()

    def gradient() -> Tensor:
        mu = encode @ x
        z = mu + 0.5 * torch.randn_like(mu)
        return torch.autograd.grad(((out @ activation(decode @ z) - x) ** 2).sum(), encode)[0]

    return gradient


def test_a_smooth_vae_converges():
    result = expectation(vae_gradient(torch.tanh), max_evaluations=3000, rtol=1e-5)
    assert result.method == "quadrature"
    assert result.converged, result.reason


def test_a_kinked_vae_does_not_converge_and_says_so():
    result = expectation(vae_gradient(torch.relu), max_evaluations=1500, rtol=1e-5)
    assert result.method == "qmc"
    assert not result.converged
    assert "quadrature has not converged" in result.reason
    assert result.confidence == 0.999


def test_twelve_normals_go_to_quasi_monte_carlo_and_the_interval_covers():
    result = expectation(lambda: torch.randn(12, dtype=D).relu().sum(), max_evaluations=1100)
    assert result.method == "qmc"
    assert close(result.mean, 12 / math.sqrt(2 * math.pi), result.error)
    assert close(result.variance, 12 * (0.5 - 1 / (2 * math.pi)), result.variance_error)
    assert float(result.error) < 0.1 * float(result.variance) ** 0.5


def test_a_sparse_grid_takes_six_smooth_normals():
    result = expectation(lambda: (torch.randn(6, dtype=D).sum() + 1) ** 4)
    assert result.method == "sparse grid"
    assert close(result.mean, 1 + 6 * 6 + 3 * 36, result.error)


def test_a_sparse_grid_blind_to_a_product_is_not_believed():
    result = expectation(lambda: (torch.randn(8, dtype=D) ** 2).prod(), max_evaluations=600)
    assert not (result.converged and abs(float(result.mean) - 1) > float(result.error))


def test_no_draws_is_deterministic_and_attention_without_dropout_draws_nothing():
    q = torch.randn(1, 1, 3, 4, generator=torch.Generator().manual_seed(0))
    result = expectation(lambda: F.scaled_dot_product_attention(q, q, q))
    assert result.method == "deterministic"
    assert result.draws == ()
    assert not result.variance.any()


def test_pytrees_keep_their_structure():
    result = expectation(lambda: {"a": torch.randn(1, dtype=D), "b": (torch.rand((), dtype=D),)}, max_evaluations=3000)
    assert result.mean["a"].shape == (1,)
    assert close(result.mean["b"][0], 0.5, result.error["b"][0])


def test_backward_inside_is_allowed():
    w = torch.ones(2, dtype=D, requires_grad=True)

    def f() -> Tensor:
        w.grad = None
        ((w * torch.randn(2, dtype=D)).sum() ** 2).backward()
        return w.grad

    result = expectation(f)
    assert close(result.mean, [2.0, 2.0], result.error)


def test_the_law_that_cannot_be_integrated_is_named():
    result = expectation(lambda: torch.poisson(torch.full((2,), 3.0)), max_evaluations=600)
    assert not result.converged
    assert "poisson" in result.reason
    assert close(result.mean, [3.0, 3.0], result.error)


def test_draws_of_numpy_are_named():
    import numpy as np

    state = np.random.get_state()  # noqa: NPY002
    try:
        result = expectation(lambda: torch.randn((), dtype=D) + np.random.rand(), max_evaluations=600)  # noqa: NPY002
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert not result.converged
    assert any("NumPy" in name for name in result.uncontrolled)


def test_a_generator_that_nobody_sees_is_noticed_by_its_effect():
    import numpy as np

    hidden = np.random.default_rng(0)
    result = expectation(lambda: torch.randn((), dtype=D) + hidden.random(), max_evaluations=600)
    assert not result.converged
    assert result.uncontrolled


def test_generators_stay_where_they_were_even_when_the_program_raises():
    own = torch.Generator().manual_seed(5)
    before, before_own = torch.get_rng_state(), own.get_state()

    def f() -> Tensor:
        torch.poisson(torch.ones(2), generator=own)
        torch.randn(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        expectation(f)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(before_own, own.get_state())


def test_outputs_that_are_not_tensors_are_refused():
    with pytest.raises(UsageError, match="real tensor"):
        expectation(lambda: 3.0)


def test_float32_programs_settle_at_their_own_rounding():
    result = expectation(lambda: torch.randn(2).exp().sum())
    assert result.converged, result.reason
    assert abs(float(result.mean) - 2 * math.exp(0.5)) <= 1e-5
