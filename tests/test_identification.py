"""Naming the convention that somebody's optimizer follows."""

from __future__ import annotations

import pytest
import torch

from genverify.errors import UsageError
from genverify.formulas.optimizer_rules import RULES
from genverify.identification import identify
from genverify.oracles.recurrences import Recurrence
from genverify.reference.optimizers.lookahead import Lookahead
from genverify.reference.optimizers.sam import SAM
from tests.mutants import optimizer as written
from tests.mutants import optimizer_special as special
from tests.mutants import optimizer_twins as twins

DECOUPLED = {"weight_decay": 0.1, "decoupled_weight_decay": True}


def adagrad_by_hand(w, g, acc, lr=0.1, eps=1e-10):
    acc = acc + g * g
    return w - lr * g / (acc.sqrt() + eps), acc


def sign_momentum(theta, grad, m, lr=1e-3, beta1=0.9, beta2=0.99):
    moved = theta - lr * torch.sign(beta1 * m + (1 - beta1) * grad)
    return moved, beta2 * m + (1 - beta2) * grad


def look_ahead(params):
    return Lookahead(torch.optim.SGD(params, lr=0.1, momentum=0.9), k=3)


def sharpness(params):
    return SAM(torch.optim.Adam(params, lr=0.1))


@pytest.mark.parametrize(
    ("f", "hyper", "words"),
    [
        (torch.optim.Adam, {"weight_decay": 0.1}, "adam: ε outside the root, both moments corrected, coupled decay"),
        (torch.optim.AdamW, {}, "adamw: ε outside the root, both moments corrected, decoupled decay"),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.9}, "sgd: first step undamped"),
        (torch.optim.SGD, {"lr": 0.1}, "the same as"),  # without momentum many rules are one
        (torch.optim.RMSprop, {"centered": True}, "rmsprop: ε outside the root, v - m²"),
        (torch.optim.NAdam, {}, "NAdam: nadam"),
        (torch.optim.NAdam, {"weight_decay": 0.1}, "μ_t warms up, coupled decay, with"),
        (torch.optim.NAdam, {**DECOUPLED, "rule": "nadam"}, "μ_t warms up, decoupled decay η λ θ, with"),
        (torch.optim.RAdam, {**DECOUPLED, "rule": "radam"}, "before the correction, decoupled decay η λ θ, with"),
        (torch.optim.Adam, DECOUPLED, "adamw: ε outside the root, both moments corrected, decoupled decay η λ θ"),
        (torch.optim.Adafactor, {}, "Adafactor: adafactor"),
        (torch.optim.Muon, {}, "Muon: muon: rate times √max(1, rows/columns), decoupled decay"),
        (torch.optim.SparseAdam, {}, "SparseAdam: sparse_adam: ε̂ added to √v"),
        (torch.optim.LBFGS, {}, "LBFGS: lbfgs"),
        (adagrad_by_hand, {}, "adagrad_by_hand: adagrad: ε outside the root"),
        (sign_momentum, {}, "sign_momentum: lion"),
        (look_ahead, {}, "look_ahead: lookahead: around SGD"),
        (sharpness, {}, "sharpness: sam: around Adam"),
        (twins.AdamHat, {}, "adam: ε̂ added to √v"),
        (written.AdamUncorrected, {}, "no bias correction"),
        (written.AdamRateDoubled, {"rule": "adam"}, "the nearest is adam; probably a learning rate that is doubled"),
        (written.AdamByRow, {"rule": "adam"}, "the nearest is adam, from which it parts at step 1"),
        (written.AmsgradNotStored, {"rule": "amsgrad"}, "probably the maximum of v is not kept"),
        (special.MuonInverseFactor, {"rule": "muon"}, "the nearest is muon, from which it parts at step 1"),
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
        made = one.make({})
        recurrence = getattr(made, "base", made)
        if isinstance(recurrence, Recurrence):
            assert "theta" in dict(recurrence.lines)


def test_what_cannot_be_identified_is_said():
    with pytest.raises(UsageError, match="searches along a line"):
        identify(torch.optim.LBFGS, line_search_fn="strong_wolfe")
