"""The law test tells laws apart by bounded functions of their draws, whatever the draws are."""

from __future__ import annotations

import pytest
import torch

from genverify.errors import UsageError
from genverify.statistics import characteristic_test, random_frequencies


def gaussian(w):
    return torch.exp(-0.5 * w.square().sum(1))


def law_of(frequencies, characteristic=gaussian):
    return characteristic_test(characteristic, frequencies, resolution=0.05, alpha=1e-6, beta=1e-6, max_samples=100_000)


def test_dependent_coordinates_with_normal_marginals_are_told_from_independent_ones():
    generator = torch.Generator().manual_seed(0)

    def mirrored(n):
        x = torch.randn(n, 1, generator=generator)
        return torch.cat([x, x * torch.randint(0, 2, (n, 1), generator=generator).mul(2).sub(1)], 1)

    test = law_of(random_frequencies(8, 2, seed=1))
    assert test.run(mirrored).outcome == "bias"
    assert test.run(lambda n: torch.randn(n, 2, generator=generator)).outcome == "no bias"


def test_heavy_tails_are_no_obstacle():
    generator = torch.Generator().manual_seed(0)

    def cauchy(n):
        return torch.empty(n, 1, dtype=torch.float64).cauchy_(generator=generator)

    w = torch.tensor([[0.5], [1.0]])
    assert law_of(w, lambda w: torch.exp(-w.abs().sum(1))).run(cauchy).outcome == "no bias"
    assert law_of(w).run(cauchy).outcome == "bias"


def test_a_shifted_law_has_sines():
    generator = torch.Generator().manual_seed(0)
    result = law_of(torch.tensor([[1.0]])).run(lambda n: torch.randn(n, 1, generator=generator) + 0.5)
    assert result.outcome == "bias"
    assert result.target.shape == (2,)


def test_draws_that_are_not_finite_are_undecided():
    result = law_of(torch.ones(1, 1)).run(lambda n: torch.full((n, 1), torch.inf))
    assert result.outcome == "undecided"
    assert "not finite" in result.reason


@pytest.mark.parametrize("bad", [lambda w: 1.0001 + 0 * gaussian(w), lambda w: w, lambda w: torch.nan * gaussian(w)])
def test_values_that_are_no_characteristic_function_are_refused(bad):
    with pytest.raises(UsageError):
        law_of(torch.ones(2, 3), bad)


def test_draws_of_another_length_are_refused():
    with pytest.raises(UsageError, match="3 numbers a draw"):
        law_of(torch.ones(2, 3)).run(lambda n: torch.zeros(n, 2))
