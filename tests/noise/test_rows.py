"""Many draws in one call: the same numbers as one at a time, for code that was not written with it in mind."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genverify.noise import expectation
from genverify.noise.evaluator import Evaluator
from genverify.noise.integrand import Integrand
from genverify.noise.nested_rules import nested
from genverify.noise.probe import Probe

D = torch.float64
THETA = torch.tensor([0.3, -0.4], dtype=D)


def leaf_and_backward() -> Tensor:
    leaf = THETA.clone().requires_grad_()
    (leaf * torch.randn(2, dtype=D)).sum().square().backward()
    assert leaf.grad is not None
    return leaf.grad


def distribution() -> Tensor:
    leaf = THETA.detach().clone()
    leaf.requires_grad = True
    law = torch.distributions.Categorical(logits=leaf)
    action = law.sample((3,))
    return torch.autograd.grad((law.log_prob(action) * action).mean(), leaf)[0]


def accumulator() -> Tensor:
    total = torch.zeros(2)
    for _ in range(3):
        total += torch.bernoulli(torch.tensor([0.3, 0.4]))
    return total


def optimizer() -> Tensor:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    step = torch.optim.SGD([x], lr=0.1)
    (x * torch.rand(2)).sum().backward()
    step.step()
    return x.detach()


IN_ROWS = {
    "a leaf and backward": leaf_and_backward,
    "a distribution": distribution,
    "an accumulator": accumulator,
    "an optimizer": optimizer,
    "a filled buffer": lambda: torch.empty(2, dtype=D).normal_(),
    "gumbel softmax": lambda: F.gumbel_softmax(THETA, hard=True),
    "dropout": lambda: F.dropout(THETA, 0.3),
    "integers": lambda: torch.randint(2, 6, (2,)) ** 2,
    "torch.func": lambda: torch.func.grad(lambda x: (x * torch.randn(2, dtype=D)).sum() ** 2)(THETA),
    "a value where all agree": lambda: torch.randn(2, dtype=D) if float(torch.ones(())) > 0 else THETA,
}


def evaluator(f) -> Evaluator:
    integrand, probe = Integrand(f), Probe(0)
    integrand(probe)
    return Evaluator(integrand, probe, 0, 1_000)


@pytest.mark.parametrize("name", IN_ROWS)
def test_rows_agree_with_single_evaluations(name):
    found = evaluator(IN_ROWS[name])
    assert found.in_rows, found.why_not


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda: torch.ones(1) if torch.randn(()) > 0 else torch.zeros(1), "decides by the value of a draw"),
        (lambda: torch.tensor([float(torch.randn(()))]), "decides by the value of a draw"),
        (lambda: torch.randperm(3).to(D), "without its rows"),
        (lambda: torch.multinomial(torch.tensor([0.5, 0.3, 0.2], dtype=D), 2).to(D), "depends on earlier draws"),
    ],
)
def test_what_cannot_be_done_in_rows_is_done_one_at_a_time_and_named(f, words):
    found = evaluator(f)
    assert not found.in_rows
    assert words in found.why_not


def test_gradients_of_parameters_from_outside_stay_as_they_were():
    weight = torch.nn.Parameter(THETA.clone())

    def f() -> Tensor:
        weight.grad = None
        (weight * torch.randn(2, dtype=D)).sum().backward()
        assert weight.grad is not None
        return weight.grad.clone()

    result = expectation(f)
    assert result.converged
    assert not evaluator(f).in_rows
    assert weight.grad is not None
    assert weight.grad.shape == (2,)


def test_an_enumeration_in_rows_is_exact():
    p = torch.linspace(0.1, 0.9, 14, dtype=D)
    result = expectation(lambda: torch.bernoulli(p).sum() ** 2, max_evaluations=200)
    assert result.method == "enumeration"
    assert result.evaluations >= 2**14
    assert abs(float(result.mean) - float(p.sum() ** 2 + (p * (1 - p)).sum())) <= float(result.error)


def test_six_smooth_normals_are_settled_by_a_sparse_grid():
    w = torch.tensor([0.3, -0.2, 0.25, 0.15, -0.1, 0.2], dtype=D)
    result = expectation(lambda: (w @ torch.randn(6, dtype=D)).exp(), max_evaluations=5_000)
    assert result.method == "sparse grid"
    assert result.evaluations <= 5_000 + 16 * 512 + 8  # and the interval that checks it
    assert abs(float(result.mean) / math.exp(float(w @ w) / 2) - 1) <= 1e-6


def test_nested_rules_are_exact_and_nested():
    for level in range(9):
        nodes, weights = nested("normal", level)
        for degree in range(0, 2 * level + 2, 2):
            exact = math.prod(range(1, degree, 2))
            got = math.fsum(w * x**degree for x, w in zip(nodes, weights, strict=True))
            assert abs(got - exact) <= 64 * torch.finfo(D).eps * max(1.0, exact) * len(nodes)
        assert set(nodes) <= set(nested("normal", level + 1)[0])


@pytest.mark.parametrize("at", [0.3, 0.737, 0.9951, 0.0031])
def test_a_jump_is_found_wherever_it_lies(at):
    result = expectation(lambda: (torch.rand((), dtype=D) < at).to(D), max_evaluations=1_024)
    assert result.converged, result.reason
    assert abs(float(result.mean) - at) <= float(result.error)


def test_kinks_along_and_across_two_draws():
    step = expectation(lambda: (torch.randn(2, dtype=D).sum() > 0.5).to(D), max_evaluations=1_024)
    assert step.method == "panel quadrature"
    exact = float(torch.special.ndtr(torch.tensor(-0.5 / math.sqrt(2), dtype=D)))
    assert abs(float(step.mean) - exact) <= float(step.error)
    along = expectation(lambda: torch.relu(torch.randn(2, dtype=D)).sum(), max_evaluations=1_024)
    assert abs(float(along.mean) - 2 / math.sqrt(2 * math.pi)) <= float(along.error)


def test_infinitely_many_outcomes_are_enumerated_as_far_as_they_matter():
    found = expectation(lambda: torch.poisson(torch.tensor([2.5], dtype=D)) ** 2)
    assert found.method == "enumeration"
    assert abs(float(found.mean) - 8.75) <= float(found.error)
    heavy = expectation(lambda: 1.6 ** torch.empty(1, dtype=D).geometric_(0.3), max_evaluations=600)
    assert not heavy.converged
    assert "still matter" in heavy.reason
