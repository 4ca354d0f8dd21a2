import itertools
import math
import warnings

import pytest
import torch

from genverify.errors import UsageError
from genverify.numerics import (
    batch_jacobian,
    batch_jacobian_with_method,
    cross_batch_dependence,
    dense_logabsdet,
    logabsdet,
)


def _net(sizes=(3, 5, 3), seed=0):
    torch.manual_seed(seed)
    layers = [m for a, b in itertools.pairwise(sizes) for m in (torch.nn.Linear(a, b), torch.nn.Tanh())]
    return torch.nn.Sequential(*layers).double()


@pytest.fixture(autouse=True)
def _keep_seed():
    with torch.random.fork_rng():
        yield


class _NumpyCube(torch.autograd.Function):
    """A hand-written backward that vmap cannot look into."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(x.detach().numpy() ** 3)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return torch.from_numpy(3 * x.numpy() ** 2 * grad.numpy())


def _in_place(x):
    x.mul_(2.0)
    x[:, 0].add_(x[:, 1])
    return x


def _branch(x):
    return x * 3 if x.sum().item() > 0 else x * 5


def _wants_grad(x):
    y = x.sin().sum()
    (slope,) = torch.autograd.grad(y, x, create_graph=True)
    return slope * x


STRANGE = {
    "in place": (_in_place, lambda x: torch.stack([2 * x[0] + 2 * x[1], 2 * x[1], 2 * x[2]])),
    "script": (torch.nn.Tanh(), torch.tanh),
    "numpy backward": (_NumpyCube.apply, lambda x: x**3),
    "branches on a value": (_branch, lambda x: 3 * x),
    "inner autograd": (_wants_grad, lambda x: x.cos() * x),
    "no_grad": (torch.no_grad()(torch.sin), torch.sin),
    "sees no derivative": (lambda x: torch.sin(x.detach()), torch.sin),
}
METHODS = {
    "numpy backward": "reverse mode, looped",
    "no_grad": "forward mode, looped",
    "sees no derivative": "finite differences",
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_code_gets_its_jacobian(name):
    f, plain = STRANGE[name]
    if name == "script":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f = torch.jit.script(f)
    x = torch.tensor([[0.3, 1.1, 2.0], [0.1, 0.5, 0.2]], dtype=torch.float64)
    before = x.clone()
    found, method = batch_jacobian_with_method(f, x)
    expected = torch.stack([torch.func.jacrev(plain)(row) for row in x])
    assert method == METHODS.get(name, "reverse mode, batched")
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9 if method == "finite differences" else 1e-14)
    assert torch.equal(x, before)


def test_compiled_modules_are_seen_through():
    f = _net()
    compiled = torch.compile(f, backend="eager")
    x = torch.ones(2, 3, dtype=torch.float64)
    assert torch.allclose(batch_jacobian(compiled, x), batch_jacobian(f, x), rtol=1e-13)


@pytest.mark.parametrize("chunk_size", [None, 1, 4])
@pytest.mark.parametrize("rows_independent", [False, True])
def test_rows_agree_with_one_row_at_a_time(chunk_size, rows_independent):
    f = _net((4, 6, 3))
    x = torch.randn(5, 2, 2, dtype=torch.float64)

    def g(x):
        return f(x.flatten(1))

    found = batch_jacobian(g, x, chunk_size=chunk_size, rows_independent=rows_independent)
    expected = torch.stack([torch.func.jacrev(lambda r: g(r[None])[0])(row).reshape(3, 4) for row in x])
    assert torch.allclose(found, expected, rtol=1e-12)


def test_the_diagonal_block_is_right_for_rows_that_interact():
    x = torch.randn(4, 2, dtype=torch.float64)
    found = batch_jacobian(lambda x: x - x.mean(0), x)
    assert torch.allclose(found, 0.75 * torch.eye(2, dtype=torch.float64).expand(4, 2, 2))


def test_leakage_between_rows_is_found_and_shown():
    x = torch.randn(4, 3, dtype=torch.float64)
    norm = torch.nn.BatchNorm1d(3).double()
    assert cross_batch_dependence(norm, x).leaks
    assert not cross_batch_dependence(norm.eval(), x).leaks
    shifted = cross_batch_dependence(lambda x: x + 1e-12 * x.roll(1, 0), x)
    assert shifted.depends.nonzero().tolist() == [[0, 3], [1, 0], [2, 1], [3, 2]]
    assert not cross_batch_dependence(_net(), x).leaks


def test_leakage_of_a_large_map_is_found_by_projection():
    x = torch.randn(8, 300, dtype=torch.float64)

    def leaky(x):
        y = x.clone()
        y[5, 17] = y[5, 17] + 1e-9 * x[2, 211]
        return torch.tanh(y)

    found = cross_batch_dependence(leaky, x)
    assert found.how == "projected derivatives"
    assert found.witness == (5, 2)
    assert not cross_batch_dependence(torch.tanh, x).leaks


def test_leakage_without_derivatives_is_found_by_replacing_rows():
    x = torch.randn(4, 2, dtype=torch.float64)
    sorting = cross_batch_dependence(lambda x: torch.round(x.detach() - x.mean(0).detach()), 10 * x)
    assert sorting.how == "replaced rows"
    assert sorting.leaks
    assert not cross_batch_dependence(lambda x: (x > 0).double(), x).leaks


def test_a_nan_across_rows_proves_nothing():
    found = cross_batch_dependence(lambda x: x + 0 * torch.sqrt(x - x).sum(), torch.ones(2, 1, dtype=torch.float64))
    assert not found.finite


def test_logabsdet_of_a_triangular_map_is_the_sum_of_its_log_slopes():
    x = torch.randn(3, 4, dtype=torch.float64)

    def f(x):
        return torch.cumsum(x, -1) ** 3

    found = logabsdet(f, x)
    assert torch.allclose(found, torch.log(3 * torch.cumsum(x, -1) ** 2).sum(-1), rtol=1e-10)


def test_logabsdet_is_minus_infinity_where_the_map_collapses():
    assert logabsdet(lambda x: x * 0, torch.ones(2, 2)).tolist() == [-math.inf, -math.inf]


def test_the_determinant_is_taken_in_float64_for_a_float32_map():
    x = torch.ones(1, 60, dtype=torch.float32)
    assert logabsdet(lambda x: x * 1e-3, x).item() == pytest.approx(60 * math.log(1e-3), rel=1e-7)
    assert logabsdet(lambda x: x * 1e-3, x).dtype == torch.float64


@pytest.mark.parametrize("shape", [(5,), (1, 5), (1, 1, 5)])
def test_the_dense_route_agrees_with_the_rows(shape):
    f = _net((5, 8, 5))
    x = torch.randn(shape, dtype=torch.float64)
    assert dense_logabsdet(f, x, chunk_size=2) == pytest.approx(logabsdet(f, x.reshape(1, 5)).item(), rel=1e-12)


def test_bad_input_is_refused_in_one_line():
    with pytest.raises(UsageError, match="floating"):
        batch_jacobian(torch.sin, torch.ones(2, 2, dtype=torch.int64))
    with pytest.raises(UsageError, match="batch axis"):
        batch_jacobian(lambda x: x.sum(), torch.ones(2, 2))
    with pytest.raises(UsageError, match="as many outputs as inputs"):
        logabsdet(lambda x: x[:, :1], torch.ones(2, 2))
    with pytest.raises(UsageError, match="tuple"):
        batch_jacobian(lambda x: (x, x), torch.ones(2, 2))
    assert batch_jacobian(torch.sin, torch.ones(0, 2)).shape == (0, 2, 2)


def test_what_the_map_raises_is_what_comes_out():
    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        batch_jacobian(broken, torch.ones(1, 1))
