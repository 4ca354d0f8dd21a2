"""Draws from NumPy's and Python's global generators, read off their states."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
import torch

from genverify.noise.decoded import decoded


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda: np.random.rand(7), "uniform"),  # noqa: NPY002 - what is read
        (lambda: np.random.random((3, 1)), "uniform"),  # noqa: NPY002
        (lambda: np.random.randn(5), "normal"),  # noqa: NPY002 - an odd number leaves one for the next
        (lambda: np.random.standard_normal((2, 3)), "normal"),  # noqa: NPY002
    ],
)
def test_the_numbers_are_those_that_were_drawn(draw, law):
    with decoded(3) as found:
        numbers = draw()
    one = next(one for one in found.draws if one.law == law and one.value.numel() == numbers.size)
    assert torch.equal(one.value, torch.as_tensor(numbers).reshape(-1))


def test_uniform_numbers_of_another_range_are_standardised():
    with decoded(3) as found:
        numbers = np.random.uniform(-1.0, 1.0, 4)  # noqa: NPY002
    torch.testing.assert_close(2 * found.draws[0].standardised - 1, torch.as_tensor(numbers))


def test_both_states_are_put_back_and_nothing_is_drawn_from_nothing():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    with decoded(3) as found:
        pass
    assert found.draws == ()
    with decoded(3):
        np.random.rand(2)  # noqa: NPY002
    assert before == np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.mark.skipif("beartype" in sys.modules, reason="beartype draws from the same generator")
def test_pythons_generator_is_read_too():
    with decoded(3) as found:
        number = random.random()
    assert float(found.draws[0].value) == number


def test_uniform_numbers_and_a_normal_one_are_not_read():
    with decoded(3) as found:
        np.random.randn(1)  # noqa: NPY002
        np.random.rand(2)  # noqa: NPY002
    assert not [draw for draw in found.draws if draw.op == "numpy.random"]
