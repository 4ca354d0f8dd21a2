"""A subject is introduced to the formula of its name, or to the one that the field calls the same."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import genverify as gv

LIKE = "loss.focal"


def of_a_softmax(logits, targets, gamma=2.0):
    entropy = F.cross_entropy(logits, targets, reduction="none")
    return ((1 - torch.exp(-entropy)) ** gamma * entropy).mean()


def of_a_sigmoid(logits, targets, gamma=2.0):
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((1 - torch.exp(-entropy)) ** gamma * entropy).mean()


def of_the_mean(logits, targets, gamma=2.0):
    """The factor is that of the mean, and not of each sample."""
    entropy = F.cross_entropy(logits, targets)
    return (1 - torch.exp(-entropy)) ** gamma * entropy


def report(f):
    return gv.verify(gv.Formula(f, like=LIKE), budget="quick")


def test_a_formula_of_the_same_name_is_found_and_said():
    found = report(of_a_softmax)
    assert {one.outcome for one in found} <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}, str(found)
    assert "judged as loss.focal_categorical" in str(found)
    assert "judged as" not in str(report(of_a_sigmoid))


def test_what_is_neither_is_held_against_the_formula_that_was_named():
    (verdict,) = [one for one in report(of_the_mean) if one.check == "formula.dialect"]
    assert verdict.outcome is gv.Outcome.FAIL
    assert f"not {LIKE}" in verdict.evidence.message


def test_what_there_is_to_ask_is_asked_before_anything_is_run():
    ran = []

    def decay(epoch, gamma, initial_lrate=0.1):
        return initial_lrate * gamma**epoch

    subjects = [
        gv.Formula(lambda x: torch.relu(x), like="activation.relu"),
        gv.Formula(decay, like="schedule.exponential"),
    ]
    with pytest.raises(gv.UsageError, match="initial_lrate"):
        gv.verify(subjects, budget="quick", progress=lambda verdict, done, planned: ran.append(verdict))
    assert not ran
