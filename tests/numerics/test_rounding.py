import math

import pytest
import torch

from genverify.errors import UsageError
from genverify.numerics import allowance, conditioned_allowance, gamma, gradient_allowance, unit_roundoff
from genverify.numerics.rounding import subnormal_spacing

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def _double(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unit_roundoff_is_where_one_stops_growing(dtype):
    u = unit_roundoff(dtype)
    one = torch.tensor(1.0, dtype=torch.float64)
    assert (one + u).to(dtype) == 1.0  # a tie goes to the even neighbour
    assert (one + 2 * u).to(dtype) > 1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_underflow_unit_is_the_smallest_positive_float(dtype):
    smallest = torch.nextafter(torch.zeros((), dtype=dtype), torch.ones((), dtype=dtype))
    assert subnormal_spacing(dtype) == smallest.item()


def test_gamma_bounds_the_product_of_n_roundings_and_gives_up_where_the_bound_does():
    u = unit_roundoff(torch.float16)
    for n in (1, 10, 1000):
        assert (1 + u) ** n - 1 <= gamma(n, torch.float16)
        assert (1 - u) ** -n - 1 <= gamma(n, torch.float16)
    assert gamma(2048, torch.float16) == math.inf
    with pytest.raises(UsageError, match="count"):
        gamma(-1, torch.float64)
    with pytest.raises(UsageError, match="floating"):
        unit_roundoff(torch.int64)


def test_a_sum_in_float32_stays_within_its_allowance_and_a_lost_term_does_not():
    terms = torch.sin(torch.arange(100.0, dtype=torch.float64)).float()
    found = allowance(tuple(terms.double()), 100, torch.float32)
    total = torch.zeros(())
    for term in terms:
        total = total + term
    assert found.excess(total) <= 1
    assert found.excess(total - terms[3]) > 1


# Each: an oracle, a second algorithm for the same function that a sensible person could write, the growth count of it.
ALGORITHMS = {
    "nll": (
        lambda x, mu, s: (torch.log(s), 0.5 * ((x - mu) / s) ** 2, torch.full_like(s, 0.5 * math.log(2 * math.pi))),
        lambda x, mu, s: 0.5 * torch.log(2 * math.pi * s * s) + (x - mu) * (x - mu) / (2 * s * s),
        20,
    ),
    "squared difference": (lambda x, mu, s: (x / s - mu / s) ** 2, lambda x, mu, s: ((x - mu) / s) ** 2, 6),
    "log density of logvar": (
        lambda x, mu, s: (-0.5 * s, -0.5 * x**2 * torch.exp(-s)),
        lambda x, mu, s: -0.5 * (s + x**2 / torch.exp(s)),
        20,
    ),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_another_sensible_algorithm_stays_within_the_allowance(name, dtype):
    oracle, other, operations = ALGORITHMS[name]
    worst = 0.0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        x, mu, s = torch.randn(3, 8, generator=generator, dtype=torch.float64).to(dtype)
        x = torch.where(torch.arange(8) % 3 == 0, mu * (1 + 2 * unit_roundoff(dtype)), x)  # nearly equal values, too
        s = s.abs() + 0.01
        found = conditioned_allowance(oracle, [x, mu, s], dtype=dtype, operations=operations)
        assert found.examined.all()
        worst = max(worst, float(found.excess(other(x, mu, s)).max()))
    assert worst <= 1


def test_the_allowance_is_not_so_wide_that_a_small_bug_fits_in():
    oracle, other, operations = ALGORITHMS["nll"]
    x, mu, s = _double(0.3, 2.0).float(), _double(1.0, -1.0).float(), _double(0.5, 2.0).float()
    found = conditioned_allowance(oracle, [x, mu, s], dtype=torch.float32, operations=operations)
    assert (found.excess(other(x, mu, s) + 1e-4) > 1).all()
    assert (found.allowed < 1e-4).all()


def test_terms_that_cancel_widen_the_allowance_by_their_size():
    x = _double(1e8)
    cancelling = conditioned_allowance(lambda x: (x, 1.0 - x), [x], dtype=torch.float64, operations=2)
    plain = conditioned_allowance(lambda x: torch.ones_like(x), [x], dtype=torch.float64, operations=2)
    assert cancelling.value == plain.value == 1.0
    assert cancelling.allowed > 1e7 * plain.allowed


def test_the_second_order_is_not_forgotten_where_the_first_vanishes():
    x = _double(3.0)
    found = conditioned_allowance(lambda x, y: (x - y) ** 2, [x, x], dtype=torch.float32, operations=3)
    rounded = (x.item() * 2.0**-24) ** 2  # one input rounded once
    assert found.value == 0
    assert rounded < found.allowed < 1e-10


def test_an_infinite_derivative_is_unexamined_and_does_not_spoil_its_neighbours():
    x = _double(0.0, 4.0)
    found = conditioned_allowance(torch.sqrt, [x], dtype=torch.float32, operations=2)
    assert found.examined.tolist() == [False, True]
    assert found.allowed[0] == math.inf
    assert found.excess(torch.tensor([5.0, 2.0]))[1] == 0
    gradient = gradient_allowance(torch.sqrt, [x], wrt=0, dtype=torch.float32, operations=4)
    assert gradient.examined.tolist() == [False, True]


def test_a_value_beyond_the_dtype_is_unexamined_but_a_nan_within_it_is_an_error():
    found = conditioned_allowance(torch.exp, [_double(100.0, 1.0)], dtype=torch.float32, operations=8)
    assert found.examined.tolist() == [False, True]
    assert found.excess(torch.tensor([math.inf, math.nan]))[1] == math.inf


def test_too_many_operations_for_the_dtype_leave_nothing_examined():
    found = conditioned_allowance(torch.sin, [_double(1.0)], dtype=torch.bfloat16, operations=300)
    assert not found.examined.any()


def _half_logdet(cov):
    return torch.log(torch.diagonal(torch.linalg.cholesky_ex(cov)[0], dim1=-2, dim2=-1)).sum(-1)


def test_a_factorised_matrix_is_perturbed_normwise():
    cov = torch.stack([torch.tensor([[1.0, 1 - d], [1 - d, 1.0]], dtype=torch.float64) for d in (0.5, 1e-3)])
    cov = cov.float().double()
    found = conditioned_allowance(_half_logdet, [cov], dtype=torch.float32, operations=8, normwise=[0])
    other = 0.5 * torch.linalg.slogdet(cov.float()).logabsdet
    assert (found.excess(other) <= 1).all()
    assert found.allowed[1] > 100 * found.allowed[0]  # the condition number is 500 times larger
    scaled = torch.diag(_double(1.0, 1e-3))
    normwise = conditioned_allowance(_half_logdet, [scaled], dtype=torch.float32, operations=8, normwise={0: 2})
    entrywise = conditioned_allowance(_half_logdet, [scaled], dtype=torch.float32, operations=8)
    assert normwise.allowed > 100 * entrywise.allowed


def test_a_matrix_at_the_edge_of_definiteness_is_unexamined():
    cov = torch.tensor([[1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    found = conditioned_allowance(_half_logdet, [cov], dtype=torch.float32, operations=8, normwise=[0])
    assert not found.examined


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_computed_in_the_dtype_stay_within_their_allowance(dtype):
    oracle, other, operations = ALGORITHMS["nll"]
    generator = torch.Generator().manual_seed(1)
    x, mu, s = torch.randn(3, 6, generator=generator, dtype=torch.float64).to(dtype)
    mu, s = mu[:1], s.abs() + 0.1  # mu is shared: its gradient is a sum over the batch
    weight = torch.linspace(-1, 1, 6, dtype=dtype)
    for wrt in range(3):
        leaves = [t.clone().requires_grad_(i == wrt) for i, t in enumerate((x, mu, s))]
        (other(*leaves) * weight).sum().backward()
        found = gradient_allowance(
            oracle, [x, mu, s], wrt=wrt, dtype=dtype, operations=2 * operations, cotangent=weight.double()
        )
        assert found.value.shape == leaves[wrt].shape
        assert (found.excess(leaves[wrt].grad) <= 1).all()
        assert (found.excess(leaves[wrt].grad * 1.001 + 1e-4) > 1).all()


def test_integers_pass_through_and_no_tensor_at_all_is_refused():
    found = conditioned_allowance(lambda x, n: x**n, [_double(2.0), 3], dtype=torch.float64, operations=4)
    assert found.value == 8
    with pytest.raises(UsageError, match="allowance"):
        conditioned_allowance(lambda n: n, [torch.tensor(3)], dtype=torch.float64, operations=1)


def test_the_float64_oracle_is_allowed_its_own_error():
    args = [_double(1.0)]
    both = conditioned_allowance(torch.exp, args, dtype=torch.float64, operations=4)
    subject = conditioned_allowance(torch.exp, args, dtype=torch.float64, operations=4, oracle_dtype=None)
    assert both.allowed == pytest.approx(2 * subject.allowed.item(), rel=1e-12)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_elementwise_route_agrees_with_the_dense_one(name):
    oracle, _, operations = ALGORITHMS[name]
    generator = torch.Generator().manual_seed(2)
    x, mu, s = torch.randn(3, 5, 2, generator=generator, dtype=torch.float64)
    mu, s = mu[:1], s.abs() + 0.1
    kind = dict(dtype=torch.float32, operations=operations)
    dense = conditioned_allowance(oracle, [x, mu, s], **kind)
    fast = conditioned_allowance(oracle, [x, mu, s], elementwise=True, **kind)
    assert torch.equal(dense.value, fast.value)
    assert torch.allclose(dense.allowed, fast.allowed, rtol=1e-4)
    weight = torch.linspace(-1, 1, 10, dtype=torch.float64).reshape(5, 2)
    for wrt in range(3):
        dense = gradient_allowance(oracle, [x, mu, s], wrt=wrt, cotangent=weight, **kind)
        fast = gradient_allowance(oracle, [x, mu, s], wrt=wrt, cotangent=weight, elementwise=True, **kind)
        assert fast.value.shape == dense.value.shape
        assert torch.allclose(dense.value, fast.value, rtol=1e-12)
        assert torch.allclose(dense.magnitude, fast.magnitude, rtol=1e-12)
        assert (fast.allowed >= 0.99 * dense.allowed).all()
        assert (fast.allowed <= 2.0 * dense.allowed + 1e-40).all()  # underflow units add up


def test_the_allowance_of_a_sum_holds_a_float32_mean():
    x = torch.rand(50, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    found = conditioned_allowance(torch.log, [x.double()], dtype=torch.float32, operations=8, elementwise=True)
    mean = found.summed(0, scale=1 / 50)
    assert mean.value.shape == (8,)
    assert (mean.excess(torch.log(x).mean(0)) <= 1).all()
    assert (mean.excess(torch.log(x).sum(0) / 49) > 1).all()
