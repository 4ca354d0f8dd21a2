"""What layers of torch round to stays within the measured allowance of an oracle that is written otherwise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from genverify.numerics.measured_allowance import measured_allowances
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles.residual import block, normalised


def _numbers(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def _gradient(f, x: Tensor, weight: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_(True)
    with torch.enable_grad():
        (f(leaf) * weight.to(leaf.dtype)).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def _batch_norm(x: Tensor) -> Tensor:
    return functional.batch_norm(x, None, None, training=True)


def _oracle(x: Tensor) -> Tensor:
    return normalised(x, None, None, None, None, kind="batch", groups=1, eps=1e-5, training=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_the_gradient_of_a_normalisation(dtype, offset):
    """It nearly cancels along two directions: the allowance of its terms alone would be too narrow there."""
    for seed in range(20):
        x, weight = _numbers(seed, (2, 3, 2, 3), (2, 3, 2, 3))
        x = (x + offset).to(dtype).double()
        weight = x - x.mean((0, 2, 3), keepdim=True)  # the direction in which nothing is left
        got = _gradient(_batch_norm, x.to(dtype), weight)
        (bound,) = measured_allowances(lambda x=x, w=weight: (_gradient(_oracle, x, w),), (got,), dtype=dtype)
        assert float(bound.excess(got).max()) <= 1.0
        # And not much wider than what is seen to be lost: an error of a thousandth of what was cancelled is FAIL.
        assert float(bound.excess(got + 1e-3).max()) > 1.0


def test_two_convolutions_by_another_algorithm():
    """Direct sums against torch's, and against Fourier's transform, whose roundings scale with the largest entries."""
    x, first, second = _numbers(0, (1, 1, 5, 6), (1, 1, 3, 3), (1, 1, 3, 3))
    x[..., :3] *= 1e6

    def by_fourier(image: Tensor, kernel: Tensor) -> Tensor:
        size = (8, 9)
        spectrum = torch.fft.rfft2(functional.pad(image, (1, 1, 1, 1)), s=size)
        y = torch.fft.irfft2(spectrum * torch.fft.rfft2(kernel, s=size).conj(), s=size)
        return y[..., :5, :6]

    for convolve in (by_fourier, lambda image, kernel: functional.conv2d(image, kernel, padding=1)):
        got = torch.relu(x + convolve(torch.relu(convolve(x, first)), second))
        (bound,) = measured_allowances(lambda: (block(x, first, second),), (got,), dtype=torch.float64)
        assert float(bound.excess(got).max()) <= 1.0


def test_the_runs_stop_where_the_answer_is_beyond_doubt():
    """One perturbed run beside the plain one where all agrees or is far off; three or nine in between."""
    (x,) = _numbers(1, (8,))
    ran = 0

    def oracle() -> tuple[Tensor]:
        nonlocal ran
        ran += 1
        return (torch.tanh(x).sum().reshape(1),)

    value = oracle()[0]
    (bound,) = measured_allowances(oracle, (value,), dtype=torch.float64)
    counts = []
    for factor in (0.5, 1e3, 1e9):
        ran = 0
        measured_allowances(oracle, (value + factor * bound.allowed,), dtype=torch.float64)
        counts.append(ran)
    # Each stage begins with a plain run.
    assert counts == [1 + 1, (1 + 1) + (1 + 2), 1 + 1]
    ran = 0
    measured_allowances(oracle, (value + 3 * bound.allowed,), dtype=torch.float64)
    assert ran >= (1 + 1) + (1 + 2)


def test_the_unit_is_the_subjects():
    """An oracle in float64 for a subject in float32: the allowance grows by the ratio of the units."""
    (x,) = _numbers(2, (8,))

    def oracle() -> tuple[Tensor]:
        return (torch.exp(x),)

    (wide,) = measured_allowances(oracle, (None,), dtype=torch.float32)
    (own,) = measured_allowances(oracle, (None,), dtype=torch.float64)
    ratio = (1 + unit_roundoff(torch.float32) / unit_roundoff(torch.float64)) / 2
    assert torch.allclose(wide.allowed, own.allowed * ratio, rtol=4 * torch.finfo(torch.float64).eps, atol=0.0)


def test_what_overflows_in_the_subjects_dtype_is_not_examined():
    """Near the largest number of float32 nothing is promised."""
    x = torch.tensor([1.0, 3e38], dtype=torch.float64)
    (bound,) = measured_allowances(lambda: (2.0 * x,), (None,), dtype=torch.float32)
    assert bound.examined.tolist() == [True, False]


def test_at_a_kink_one_run_is_not_believed():
    """Half of the runs leave relu(a − a) where it is: a value that rounding has moved off zero is no error there."""
    spared = 0
    for seed in range(20):
        (x,) = _numbers(seed, (3,))

        def oracle(x: Tensor = x) -> tuple[Tensor]:
            return (torch.relu(x.sum() / 3 - x.mean()).reshape(1),)

        (bound,) = measured_allowances(oracle, (torch.full((1,), 1e-17),), dtype=torch.float64)
        assert float(bound.allowed) > 1e-17
        spared += float(bound.allowed) < 1e-12
    assert spared == 20


def test_what_never_moves_is_refuted():
    """A constant has no rounding: being off there is an error, after as many runs as it takes to say so."""
    (bound,) = measured_allowances(lambda: (torch.zeros(2),), (torch.tensor([0.0, 1e-9]),), dtype=torch.float64)
    assert (bound.excess(torch.tensor([0.0, 1e-9])) > 1).tolist() == [False, True]
