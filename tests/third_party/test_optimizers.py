"""torch's optimizers against the recurrences, in the forms in which they are used."""

from __future__ import annotations

import pytest
import torch

from genverify.subjects.optimizer import Optimizer
from genverify.verdict import Outcome
from genverify.verify import verify

# One for each class, in its least common options; `torch_optim_table` looks at more of them, by fewer checks.
SUBJECTS = {
    # Not fused: that form raises when a gradient comes late, as `torch_optim_table`'s expected failure shows.
    "SGD with Nesterov": (torch.optim.SGD, "nesterov", {"lr": 0.1, "momentum": 0.9, "fused": False}),
    "SGD, maximizing, decayed, foreach": (
        torch.optim.SGD, "sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "maximize": True, "foreach": True},
    ),
    "Adam": (torch.optim.Adam, "adam", {"lr": 1e-3}),
    "AdamW": (torch.optim.AdamW, "adamw", {}),
    "RMSprop": (torch.optim.RMSprop, "rmsprop", {}),
    "Adagrad": (torch.optim.Adagrad, "adagrad", {}),
    "Adadelta, decayed, foreach": (torch.optim.Adadelta, "adadelta", {"weight_decay": 0.1, "foreach": True}),
    "Adamax": (torch.optim.Adamax, "adamax", {}),
    "NAdam, decoupled": (torch.optim.NAdam, "nadam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "RAdam, decoupled, foreach": (
        torch.optim.RAdam, "radam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "foreach": True},
    ),
    "Rprop": (torch.optim.Rprop, "rprop", {}),
    "ASGD": (torch.optim.ASGD, "asgd", {}),
    "Adafactor, decayed, maximizing": (
        torch.optim.Adafactor, "adafactor", {"eps": (1e-16, 1e-3), "weight_decay": 0.1, "maximize": True},
    ),
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
        (torch.optim.NAdam, "adam", {}, "follows no dialect that is known"),
        (torch.optim.AdamW, "radam", {}, "at step 1"),
        (torch.optim.SGD, "sgdw", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, "coupled decay"),
        (torch.optim.AdamW, "lamb", {}, "no ratio at all: that is AdamW"),
    ],
)
def test_torch_under_another_name_fails_and_is_named(kind, rule, hyper, words):
    failures = verify(Optimizer(kind, rule=rule, **hyper), budget="quick", checks=["optimizer.trajectory"]).failures
    assert words in failures[0].evidence.message


@pytest.mark.xfail(strict=True, reason="torch 2.13: fused Adam on the CPU reads memory in order, whatever the strides")
def test_fused_adam_heeds_the_strides_of_the_gradient():
    gradient = torch.tensor([[1.0, 1e3], [1e-3, 1e-6]], dtype=torch.float64)

    def moved(fused):
        w = torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.float64).mT)  # by columns; the gradient is by rows
        w.grad = gradient.clone()
        torch.optim.Adam([w], lr=1.0, eps=1.0, fused=fused).step()
        return w.detach()

    assert torch.allclose(moved(True), moved(False))
