"""torch's optimizers against the recurrences, in the forms in which they are used."""

from __future__ import annotations

import pytest
import torch

from genverify.identification import identify
from genverify.subjects.optimizer import Optimizer
from genverify.verdict import Outcome
from genverify.verify import verify

SUBJECTS = {
    "SGD": (torch.optim.SGD, "sgd", {}),
    "SGD as gradient descent": (torch.optim.SGD, "gradient_descent", {"lr": 0.1}),
    "SGD with momentum": (torch.optim.SGD, "heavy_ball", {"lr": 0.1, "momentum": 0.9}),
    "SGD with dampening": (torch.optim.SGD, "sgd", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "SGD with Nesterov": (torch.optim.SGD, "nesterov", {"lr": 0.1, "momentum": 0.9}),
    "SGD, maximizing, decayed, foreach": (
        torch.optim.SGD, "sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "maximize": True, "foreach": True},
    ),
    "Adam": (torch.optim.Adam, "adam", {"lr": 1e-3}),
    "Adam with AMSGrad": (torch.optim.Adam, "amsgrad", {}),
    "Adam with AMSGrad, foreach": (torch.optim.Adam, "adam", {"amsgrad": True, "foreach": True}),
    "Adam, decayed, maximizing": (torch.optim.Adam, "adam", {"weight_decay": 0.1, "maximize": True}),
    "AdamW": (torch.optim.AdamW, "adamw", {}),
    "RMSprop": (torch.optim.RMSprop, "rmsprop", {}),
    "Adagrad": (torch.optim.Adagrad, "adagrad", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SUBJECTS)
def test_torch_follows_the_rule(name):
    kind, rule, hyper = SUBJECTS[name]
    report = verify(Optimizer(kind, rule=rule, **hyper), budget="quick")
    bad = [str(one) for one in report if one.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(Outcome.PASS) >= 7


@pytest.mark.parametrize(
    ("kind", "rule", "hyper", "words"),
    [
        (torch.optim.SGD, "momentum_ema", {"lr": 0.1, "momentum": 0.9, "dampening": 0.9}, "first step is undamped"),
        (torch.optim.AdamW, "adam", {}, "decoupled decay"),
        (torch.optim.Adam, "adamw", {"weight_decay": 0.1}, "coupled decay"),
        (torch.optim.SGD, "nesterov_ema", {"lr": 0.1, "momentum": 0.9}, "look-ahead g + β b"),
    ],
)
def test_torch_under_another_name_fails_and_is_named(kind, rule, hyper, words):
    failures = verify(Optimizer(kind, rule=rule, **hyper), budget="quick", checks=["optimizer.trajectory"]).failures
    assert words in failures[0].evidence.message


def test_nadam_is_not_adam():
    report = verify(Optimizer(torch.optim.NAdam, rule="adam"), budget="quick", checks=["optimizer.first_step"])
    assert report.failures
    assert not identify(torch.optim.NAdam).known


@pytest.mark.xfail(strict=True, reason="torch 2.13: fused Adam on the CPU reads memory in order, whatever the strides")
def test_fused_adam_heeds_the_strides_of_the_gradient():
    gradient = torch.tensor([[1.0, 1e3], [1e-3, 1e-6]], dtype=torch.float64)

    def moved(fused):
        w = torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.float64).mT)  # by columns; the gradient is by rows
        w.grad = gradient.clone()
        torch.optim.Adam([w], lr=1.0, eps=1.0, fused=fused).step()
        return w.detach()

    assert torch.allclose(moved(True), moved(False))
