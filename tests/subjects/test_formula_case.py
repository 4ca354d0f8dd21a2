"""Cases of a formula: legal values of every domain, shapes as declared, constraints kept, replayable as data."""

from __future__ import annotations

import json

import pytest
import torch

from genverify.errors import UsageError
from genverify.formulas.catalogue import introduce
from genverify.subjects.case import Case
from genverify.subjects.domains import binary, integer, one_hot, positive, real, simplex, spd, unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import axis_sizes, legal, probes
from genverify.subjects.formula_shapes import Arrangement
from genverify.subjects.specification import BATCHED
from genverify.subjects.structured_domains import (
    decreasing,
    listed,
    mask,
    orthogonal,
    permutation,
    schedule,
    sorted_values,
)

F64 = torch.float64
LEGAL = {
    "positive": (positive(), lambda v: (v > 0).all()),
    "unit_interval": (unit_interval(), lambda v: ((v > 0) & (v < 1)).all()),
    "simplex": (simplex(), lambda v: (v > 0).all() and torch.allclose(v.sum(-1), torch.ones(3, dtype=F64))),
    "binary": (binary(), lambda v: ((v == 0) | (v == 1)).all()),
    "one_hot": (one_hot(), lambda v: (v.sum(-1) == 1).all() and (v.amax(-1) == 1).all()),
    "spd": (spd(), lambda v: torch.equal(v, v.mT) and bool((torch.linalg.eigvalsh(v) > 0).all())),
    "permutation": (permutation(), lambda v: torch.equal(v.sort(-1).values, torch.arange(3).expand(3, 3))),
    "sorted": (sorted_values(), lambda v: (v.diff(dim=-1) >= 0).all()),
    "schedule": (schedule(), lambda v: ((v > 0) & (v < 1)).all()),
    "decreasing": (decreasing(), lambda v: ((v > 0) & (v < 1)).all() and (v.diff(dim=-1) < 0).all()),
    "mask": (mask(), lambda v: v.dtype is torch.bool and v.any(-1).all()),
    "orthogonal": (orthogonal(), lambda v: torch.allclose(v @ v.mT, torch.eye(3, dtype=F64))),
}


@pytest.mark.parametrize("kind", LEGAL)
@pytest.mark.parametrize("start", [0.0, 0.3, 0.9])
def test_every_domain_makes_legal_values_from_any_numbers(kind, start):
    domain, holds = LEGAL[kind]
    low, high = domain.low, domain.high
    raw = torch.tensor([low + (high - low) * ((start + 0.381966 * i) % 1.0) for i in range(9)], dtype=F64)
    raw = raw.round() if domain.integral else raw
    assert bool(holds(domain.make(raw, (3, 3), F64)))
    assert bool(holds(domain.make(torch.full((9,), float(domain.simple), dtype=F64), (3, 3), F64)))


def test_sentinels_stand_beyond_the_range():
    domain = integer(0, 2, sentinels=(-100,))
    made = domain.make(torch.arange(4, dtype=F64), (4,), F64)
    assert made.tolist() == [0, 1, 2, -100]
    assert domain.make(torch.tensor([3.0], dtype=F64), (), F64) == -100


def test_lists_go_through_data_and_back():
    value = listed(real()).make(torch.arange(6, dtype=F64), (2, 3), F64)
    case = Case(values={"grads": value, "#sizes": {"layer": 2}})
    again = Case.from_data(json.loads(json.dumps(case.to_data())))
    assert [one.tolist() for one in again["grads"]] == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.parametrize("tangent", [simplex(), spd(), orthogonal()], ids=lambda d: d.name)
def test_a_tangent_is_a_projection(tangent):
    value = tangent.make(torch.linspace(-1, 1, 9, dtype=F64), (3, 3), F64)
    gradient = torch.linspace(-2, 3, 9, dtype=F64).reshape(3, 3) ** 2
    once = tangent.tangent(gradient, value)
    assert not torch.allclose(once, gradient)
    torch.testing.assert_close(tangent.tangent(once, value), once)


def test_an_arrangement_goes_there_and_back():
    sizes = {"batch": 2, "event": 6, "c": 3, "w": 2}
    made = Arrangement(formula=("batch", "event"), subject=("c", "one", "batch", "w"))
    value = torch.arange(12.0).reshape(2, 6)
    there = made.to_subject(value, sizes)
    assert tuple(there.shape) == made.shape(sizes) == (3, 1, 2, 2)
    assert there[2, 0, 1, 1] == value[1, 5]
    assert torch.equal(made.to_formula(there, sizes), value)
    assert Arrangement(formula=("batch",), subject=("event",)).fault == ""
    assert "left out" in Arrangement(formula=("a", "b"), subject=("c",)).fault
    assert "twice" in Arrangement(formula=("a",), subject=("a", "a")).fault


def test_probes_have_different_sizes_and_are_the_same_every_time():
    subject = introduce(Formula(lambda mu, logvar: mu, like="kl.diagonal_to_standard_normal"))
    one, two = probes(subject, BATCHED, F64), probes(subject, BATCHED, F64)
    assert [a.to_data() for a in one] == [b.to_data() for b in two]
    assert any(case["#sizes"]["batch"] != case["#sizes"]["latent"] for case in one)
    assert any(case["#sizes"]["batch"] == 1 for case in one)
    assert all(legal(subject, case) for case in one)
    assert set(axis_sizes(subject, BATCHED)) == {"batch", "latent"}


KL = "kl.diagonal_to_standard_normal"


class NotFinite(torch.nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
        torch.nn.init.constant_(self.weight, float("nan"))

    def forward(self, mu, logvar):
        return mu


class Needs:
    def __init__(self, width): ...

    def __call__(self, mu, logvar): ...


def kl(mu, logvar, reduction="mean"): ...


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Formula(3, like=KL), "not callable"),
        (lambda: Formula(kl), "a Formula without like="),
        (lambda: Formula(kl, like="kl.diagonal_to_standard_nomal"), "did you mean 'kl.diagonal_to_standard_normal'?"),
        (lambda: Formula(kl, like=KL, layout="bached"), "did you mean 'batched'?"),
        (lambda: Formula(kl, like=KL, dialect="mean over bach"), "words of a dialect"),
        (lambda: Formula(kl, like=KL, arguments={"logvar": "log_varianse"}), "did you mean 'log_variance'?"),
        (lambda: Formula(kl, like=KL, arguments={"log": "std"}), "a parameter of the subject"),
        (lambda: Formula(kl, like=KL, mode="trian"), "did you mean 'train'?"),
        (lambda: Formula(kl, like=KL, dtype=torch.int64), "a floating-point dtype"),
        (lambda: Formula(kl, like=KL, accuracy=-1.0), "a positive bound"),
        (lambda: Formula(kl, like=KL, order=2), "a formula that has a step"),
        (lambda: Formula(kl, like=KL, options={"reductoin": ("sum",)}), "did you mean 'reduction'?"),
        (lambda: Formula(kl, like=KL, options={"reduction": "sum"}), "a sequence of values"),
        (lambda: Formula(kl, like=KL, shapes={"mean": "batch latent"}), "shapes for 'mean'"),
        (lambda: Formula(kl, like=KL, shapes={"mu": "batch"}), "latent is left out and none is new"),
        (lambda: Formula(kl, like=KL, in_place=("mean",)), "in_place parameter 'mean'"),
        (lambda: Formula(NotFinite(), like=KL), "4 NaN or infinite of 4 numbers"),
        (lambda: Formula(torch.nn.Linear(2, 2, device="meta"), like=KL), "meta device"),
        (lambda: Formula(Needs, like=KL), "parameter 'width'"),
    ],
)
def test_a_declaration_that_cannot_be_carried_out_is_refused_in_one_line(make, words):
    with pytest.raises(UsageError) as caught:
        introduce(make())
    assert words in str(caught.value)
    assert str(caught.value).startswith("got ")
    assert "\n" not in str(caught.value)


def test_the_own_default_of_an_option_comes_first():
    made = introduce(Formula(kl, like=KL, options={"reduction": ("sum", "mean")}))
    assert made.combinations() == [{"reduction": "mean"}, {"reduction": "sum"}]
