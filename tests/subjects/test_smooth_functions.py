"""Smooth functions as data: written down and read back, and with the properties that derivatives are judged by."""

from __future__ import annotations

import pytest
import torch

from genverify.subjects.case import decode, encode
from genverify.subjects.functions import widened
from genverify.subjects.smooth_domains import critical_hessian, diffeomorphism
from genverify.subjects.smooth_functions import Basins, CoupledWaves, Diffeomorphism, Waves, WaveSum

NUMBERS = torch.tensor([[0.5, -1.0], [0.25, 0.75]])
DRAWN = [Waves(NUMBERS), WaveSum(NUMBERS), CoupledWaves(NUMBERS[..., None].expand(2, 2, 2).contiguous()),
         Diffeomorphism(NUMBERS), Basins(NUMBERS + NUMBERS.mT)]  # fmt: skip
X = torch.tensor([[0.5, 1.0], [-0.25, 2.0], [1.0, 0.0]])


@pytest.mark.parametrize("function", DRAWN, ids=lambda one: type(one).__name__)
def test_it_is_read_back_and_widened_as_it_was(function):
    again = decode(encode(function))
    assert type(again) is type(function)
    assert torch.equal(again(X), function(X))
    assert widened(function)(X.double()).dtype is torch.float64


def test_a_map_that_couples_rows_refuses_a_row_without_them():
    coupled = DRAWN[2]
    for lonely in (X[:1], X[0]):
        with pytest.raises(ValueError, match="at least 2 rows"):
            coupled(lonely)
    assert not torch.equal(coupled(X)[:2], coupled(X[:2]))


def test_determinants_have_either_sign_and_never_vanish():
    signs = set()
    for last in (-1.0, 1.0):
        raw = torch.tensor([[0.5, last], [2.0, -0.5]], dtype=torch.float64)
        f = diffeomorphism().make(raw, (2, 2), torch.float64)
        dense = torch.autograd.functional.jacobian(f, torch.tensor([0.3, -0.7], dtype=torch.float64))
        signs.add(float(torch.linalg.det(dense).sign()))
        assert bool((dense != 0).all())
    assert signs == {-1.0, 1.0}


def test_hessians_of_critical_points_are_far_from_singular_or_exactly_so():
    domain = critical_hessian()
    turned = domain.make(torch.tensor([[1.0, 0.5], [0.0, -0.125]]).double(), (2, 2), torch.float64)
    assert torch.equal(turned, turned.mT)
    assert float(torch.linalg.eigvalsh(turned).abs().min()) > 1 / 16
    singular = domain.make(torch.tensor([[1.0, 0.5], [0.0, 0.0]]).double(), (2, 2), torch.float32)
    assert 0.0 in torch.linalg.eigvalsh(singular).tolist()
