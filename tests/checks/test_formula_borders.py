"""Arguments at a border of what they may be: given alone, refused without blame, no number that is none."""

from __future__ import annotations

import torch
from torch.nn import functional

import genverify as gv
from genverify.checks.formula_identity import identify
from genverify.preparation import prepare
from genverify.strategies.registry import fixed_for
from genverify.subjects.budget import BUDGETS, Run
from genverify.subjects.formula import Formula


def focal(logits, targets, gamma=2.0):
    ce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


def refusing(logits, targets, gamma=2.0):
    if gamma <= 0:
        raise ValueError("gamma must be positive")
    return focal(logits, targets, gamma)


def without_a_number(logits, targets, gamma=2.0):
    return focal(logits, targets, gamma) * (gamma / gamma if gamma else float("nan"))


def taken_for_the_default(logits, targets, gamma=2.0):
    return focal(logits, targets, gamma or 2.0)


def _value(f, **more):
    (verdict,) = gv.verify(Formula(f, like="loss.focal"), checks=["formula.value"], **more)
    return verdict


def test_an_argument_is_at_its_border_while_the_others_are_generic():
    subject = prepare(Formula(focal, like="loss.focal"))
    identify(subject)
    cases = fixed_for(subject, Run(budget=BUDGETS["standard"])).cases
    assert 0.0 in [case["gamma"] for case in cases]
    assert all(len(case["logit"].unique()) > 1 for case in cases)
    assert [case["#apart"] for case in cases if "#apart" in case] == ["gamma = 0"]


def test_zero_is_a_number_and_not_a_default_that_was_left():
    verdict = _value(taken_for_the_default)
    assert verdict.outcome is gv.Outcome.FAIL
    assert verdict.evidence.witness["gamma"] == "0."
    again = gv.replay(verdict.replay, Formula(taken_for_the_default, like="loss.focal"))
    assert again.outcome is gv.Outcome.FAIL


def test_what_refuses_a_border_is_not_accused_and_it_is_said():
    for subject, why in ((refusing, "refuses gamma = 0"), (without_a_number, "has no number at gamma = 0")):
        verdict = _value(subject)
        assert verdict.outcome is gv.Outcome.PASS
        assert any(why in note for note in verdict.evidence.notes), verdict.evidence.notes


def test_what_raises_elsewhere_is_accused():
    def raising(logits, targets, gamma=2.0):
        if gamma > 2.5:
            raise ValueError("too large")
        return focal(logits, targets, gamma)

    assert _value(raising).outcome is gv.Outcome.FAIL


class CountsWhatItSaysItLeaves(torch.nn.AvgPool2d):
    def __init__(self, kernel_size, stride=None, padding=0, count_include_pad=False):
        super().__init__(kernel_size, stride, padding, count_include_pad=count_include_pad)

    def forward(self, x):
        return functional.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


def test_every_two_values_of_options_meet():
    """The padding shows only where there is some, and it is not to be counted; a draw may miss the two together."""
    for seed in range(4):
        subject = Formula(CountsWhatItSaysItLeaves, like="pooling.average")
        (verdict,) = gv.verify(subject, checks=["formula.value"], seed=seed)
        assert verdict.outcome is gv.Outcome.FAIL
