"""Several results where the formula has one, objects made for one size, and names with a word beside them."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import genverify as gv
from tests.checks.toy_formula import right, wrong

KL = "kl.diagonal_to_standard_normal"


def terms(mu, logvar):
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())


def three(mu, logvar):
    each = terms(mu, logvar)
    return each.sum(1).mean(0, True), each.mean(0), each.mean(1).mean(0, True)


def named(mu, logvar):
    each = terms(mu, logvar).sum(1)
    return {"weight": 4, "doubled": 2 * each, "loss": each.mean()}


def both_wrong(mu, logvar):
    each = -0.5 * (1 + logvar - mu.pow(2) - logvar)
    return each.sum(1).mean(), each.mean()


@pytest.mark.parametrize(("f", "judged"), [(three, "0"), (named, "'loss'")])
def test_the_result_that_is_the_formula_is_found_and_named(f, judged):
    report = gv.verify(gv.Formula(f, like=KL), budget="quick")
    assert {one.outcome for one in report} <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}, str(report)
    assert f"of the results, {judged} is judged" in str(report)


def test_a_result_that_is_chosen_is_judged_and_no_other():
    right(three, KL, output=0)
    right(named, KL, output="loss")
    assert "mean over latent" in wrong(three, KL, "dialect", output=2)
    assert "no member 7" in wrong(three, KL, "dialect", output=7)


def test_where_no_result_is_the_formula_the_first_is_explained():
    assert "follow no dialect" in wrong(both_wrong, KL, "dialect")


class Smoothing(nn.Module):
    """Takes its number of classes, as most code for translation does."""

    def __init__(self, classes, smoothing=0.1, spread=1):
        super().__init__()
        self.classes, self.smoothing, self.spread = classes, smoothing, spread

    def forward(self, logits, target):
        hot = torch.full_like(logits, self.smoothing / (self.classes - self.spread))
        hot.scatter_(1, target[:, None], 1 - self.smoothing)
        return -(hot * F.log_softmax(logits, -1)).sum(-1).mean()


def test_an_object_is_judged_at_the_size_that_it_was_made_for():
    like = "loss.cross_entropy_label_smoothing"
    right(Smoothing(7), like)
    wrong(Smoothing(7, spread=2), like, "dialect")


def test_a_word_beside_a_name_says_whose_it_is():
    def likelihood(pred_mean, pred_std, target):
        each = 0.5 * math.log(2 * math.pi) + pred_std.log() + 0.5 * ((target - pred_mean) / pred_std) ** 2
        return each.sum(-1)

    def of_the_variance(pred_mean, pred_var, target):
        return likelihood(pred_mean, pred_var, target)

    right(likelihood, "normal.nll")
    wrong(of_the_variance, "normal.nll", "dialect")
