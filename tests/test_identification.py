"""Naming the convention that somebody's optimizer follows."""

from __future__ import annotations

import pytest
import torch

from genverify.errors import UsageError
from genverify.formulas.optimizer_rules import RULES
from genverify.identification import identify
from tests.mutants import optimizer as written
from tests.mutants import optimizer_twins as twins


@pytest.mark.parametrize(
    ("f", "hyper", "words"),
    [
        (torch.optim.Adam, {"weight_decay": 0.1}, "adam: ε outside the root, both moments corrected, coupled decay"),
        (torch.optim.AdamW, {}, "adamw: ε outside the root, both moments corrected, decoupled decay"),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.9}, "sgd: first step undamped"),
        (twins.MomentumEMA, {}, "momentum_ema: average"),
        (twins.HeavyBallFolded, {}, "heavy_ball: heavy ball b = β b + g, η inside the velocity"),
        (twins.AdamHat, {}, "adam: ε̂ added to √v"),
        (written.AdamUncorrected, {}, "adam: ε outside the root, no bias correction (recognised"),
        (written.AdamRateDoubled, {"rule": "adam"}, "the nearest is adam; probably a learning rate that is doubled"),
        (written.AdamByRow, {"rule": "adam"}, "the nearest is adam, from which it parts at step 1"),
    ],
)
def test_the_convention_is_named(f, hyper, words):
    assert words in str(identify(f, **hyper))


def test_one_rule_may_be_asked_for():
    assert identify(torch.optim.SGD, rule="nesterov", lr=0.1, momentum=0.9, nesterov=True).rule == "optimizer.nesterov"
    with pytest.raises(UsageError, match="did you mean"):
        identify(torch.optim.SGD, rule="nesterof")


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_rule_is_whole(rule):
    assert rule.statement
    assert rule.source
    hyper = {one.name: one.default for one in rule.hypers if one.default is not None}
    hyper |= {"weight_decay": 0.1, "amsgrad": True}
    dialects = list(rule.dialects({**hyper, "momentum": 0.9, "centered": True}, {}, whole=True))
    assert dialects[0].standing == "accepted"
    for one in dialects:
        assert one.make({}).lines[-1][0] in ("theta", "b", "m", "v")
