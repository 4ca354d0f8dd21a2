"""What may be claimed of an optimizer, and what is refused with a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from genverify.errors import UsageError
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream
from genverify.verify import prepare, verify


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"rule": "nesterof"}, "did you mean 'nesterov'"),
        ({"rule": "adam", "dialect": "outsid"}, "did you mean 'outside'"),
        ({"rule": "adam", "dialect": {"epsilom": "outside"}}, "did you mean 'epsilon'"),
        ({"rule": "adam", "lrr": 0.1}, "did you mean 'lr'"),
        ({"rule": "adam", "lr": float("nan")}, "finite"),
        ({"rule": "adam", "lr": -1.0}, "positive learning rate"),
        ({"rule": "adam", "lr": 0.0}, "positive learning rate"),
        ({"rule": "adam", "lr": "big"}, "positive learning rate"),
        ({"rule": "adam", "betas": torch.ones(2)}, "a number, a flag"),
        ({"rule": "adam", "betas": (2.0, 0.9)}, "ValueError"),
    ],
)
def test_a_claim_that_cannot_be_meant_is_refused(claims, words):
    with pytest.raises(UsageError, match=words) as caught:
        prepare(Optimizer(torch.optim.Adam, **claims))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.0), r"learning rate is 0\.0"),
        (lambda params: torch.optim.SGD(params, lr=0.0), r"learning rate is 0\.0"),
        (lambda params: torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1), "none of which it was given"),
        (lambda params: torch.optim.SGD([], lr=0.1), "empty parameter list"),
    ],
)
def test_an_optimizer_that_cannot_move_anything_is_refused(f, words):
    with pytest.raises(UsageError, match=words) as caught:
        prepare(Optimizer(f, rule="sgd"))
    assert "\n" not in str(caught.value)


def test_an_optimizer_that_needs_a_closure_is_driven_with_one():
    report = verify(Optimizer(torch.optim.LBFGS, rule="sgd", lr=0.1), budget="quick", checks=["optimizer.first_step"])
    assert "moved by" in report.failures[0].evidence.message


def test_an_instances_own_hyperparameters_are_not_overruled():
    made = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.5)
    with pytest.raises(UsageError, match=r"carries lr=0\.5"):
        prepare(Optimizer(made, rule="adam", lr=0.1))


def test_an_object_that_is_no_optimizer_lists_what_was_tried():
    with pytest.raises(UsageError, match="tried"):
        prepare(Optimizer(3, rule="adam"))
    with pytest.raises(UsageError, match=r"factory|update function"):
        prepare(Optimizer(lambda a, b: None, rule="adam"))


def test_it_is_frozen_and_can_be_replaced():
    subject = Optimizer(torch.optim.Adam, rule="adam", lr=1e-3, betas=(0.9, 0.99))
    with pytest.raises(AttributeError):
        subject.rule = "sgd"  # type: ignore[misc]
    assert replace(subject, name="mine").hyper == {"lr": 1e-3, "betas": (0.9, 0.99)}
    assert subject.label == "Adam"


def test_a_declared_dialect_is_held_to():
    claimed = Optimizer(torch.optim.Adam, rule="adam", dialect="hat")
    hat = verify(claimed, budget="quick", checks=["optimizer.trajectory"])
    assert "ε outside the root" in hat.failures[0].evidence.message


@pytest.mark.parametrize(
    "values",
    [
        {"parameters": [], "gradients": []},
        {"parameters": [torch.zeros(2)], "gradients": [torch.zeros(1, 3)]},
        {"parameters": [torch.zeros(2)], "gradients": [torch.full((1, 2), float("nan"))]},
        {"parameters": [torch.zeros(2, dtype=torch.int64)], "gradients": [torch.zeros(1, 2, dtype=torch.int64)]},
    ],
)
def test_a_stream_that_does_not_fit_is_refused(values):
    with pytest.raises(UsageError, match="do not fit"):
        Stream.of(Case(values=values))
