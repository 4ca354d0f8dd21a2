"""Optimizers in the shapes in which people write them are driven, and left as they were."""

from __future__ import annotations

import functools

import pytest
import torch

from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream, drive
from genverify.verify import prepare, verify


def stream(steps=3, dtype=torch.float64):
    parameters = [torch.tensor([1.0, -2.0], dtype=dtype), torch.tensor(0.5, dtype=dtype)]
    gradients = [torch.ones(steps, 2, dtype=dtype), -torch.ones(steps, dtype=dtype)]
    return Stream.of(Case(values={"parameters": parameters, "gradients": gradients}))


def end(f, rule="gradient_descent", **hyper):
    return drive(prepare(Optimizer(f, rule=rule, **hyper)), stream()).observed[-1].tolist()


def returns(w, g, lr=0.5):
    return w - lr * g


def in_place(param, grad, lr=0.5):
    param.sub_(lr * grad)


def lists(params, grads, lr=0.5):
    return [p - lr * g for p, g in zip(params, grads, strict=True)]


def with_state(theta, gradient, state, learning_rate=0.5):
    state["steps"] = state.get("steps", 0) + 1
    return theta - learning_rate * gradient, state


class Stateful:
    def __init__(self, lr=0.5):
        self.lr = lr

    def step(self, params, grads):
        for p, g in zip(params, grads, strict=True):
            p -= self.lr * g


class Holds:
    def __init__(self, params, lr=0.5):
        self.params, self.lr = list(params), lr

    def step(self):
        for p in self.params:
            p.data = p.data - self.lr * p.grad


@pytest.mark.parametrize(
    "f",
    [
        returns, in_place, lists, with_state, Stateful, Stateful(), Holds, functools.partial(torch.optim.SGD, lr=0.5),
        lambda p: torch.optim.SGD(p, lr=0.5), torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5),
        Holds([torch.nn.Parameter(torch.zeros(1))]),
    ],
)  # fmt: skip
def test_every_shape_is_driven(f):
    assert end(f) == [-0.5, -3.5, 2.0]
    assert not verify(Optimizer(f, rule="gradient_descent"), budget="quick", checks=["optimizer.trajectory"]).failures


def counts_itself(w, g, m, t, lr=0.5, beta=0.5):
    t += 1
    m = beta * m + (1 - beta) * g
    return w - lr * m / (1 - beta**t), m, t


def counted_for(w, g, m, t, lr=0.5, beta=0.5):
    m = beta * m + (1 - beta) * g
    return w - lr * m / (1 - beta**t), m


def test_the_step_count_begins_at_one_however_it_is_kept():
    assert end(counts_itself) == end(counted_for) == [-0.5, -3.5, 2.0]  # a corrected mean of ones is one


def test_an_instance_is_never_stepped():
    w = torch.nn.Parameter(torch.ones(2))
    w.grad = torch.ones(2)
    optimizer = torch.optim.Adam([w], lr=0.1, betas=(0.5, 0.6))
    report = verify(Optimizer(optimizer, rule="adam"), budget="quick")
    assert not report.failures
    assert torch.equal(w.detach(), torch.ones(2))
    assert not optimizer.state
    assert torch.equal(w.grad, torch.ones(2))


def test_what_the_code_carries_is_read():
    law = prepare(Optimizer(lambda p: torch.optim.Adam(p, lr=0.2, betas=(0.5, 0.6)), rule="adam")).law
    values = law.values({})
    assert (values["lr"], values["beta1"], values["beta2"]) == (0.2, 0.5, 0.6)
