"""What a refutation of an optimizer says, and what is not held against one."""

from __future__ import annotations

import pytest
import torch

from genverify.checks.check import checks_for
from genverify.subjects.optimizer import Optimizer
from genverify.verdict import Outcome
from genverify.verify import replay, verify


def doubled(w, g, lr=0.1):
    return w - 2 * lr * g


def slightly_long(w, g, lr=0.1):
    return w - lr * (1 + 1e-12) * g


def nearly_exact(w, g, lr=0.1):
    return w - lr * (1 + 2e-16) * g


def raises(w, g, lr=0.1):
    raise RuntimeError("no")


def test_a_refutation_names_step_parameter_numbers_and_slip():
    verdict = verify(Optimizer(doubled, rule="gradient_descent"), checks=["optimizer.trajectory"]).failures[0]
    assert "probably a learning rate that is doubled" in verdict.evidence.message
    assert "at step 1 parameter 0" in verdict.evidence.message
    assert verdict.evidence.observed > verdict.evidence.allowed > 0
    assert replay(verdict.replay, Optimizer(doubled, rule="gradient_descent")).outcome is Outcome.FAIL


def test_one_part_in_a_billion_billion_is_rounding_and_in_a_trillion_is_not():
    assert verify(Optimizer(slightly_long, rule="gradient_descent"), checks=["optimizer.trajectory"]).failures
    assert not verify(Optimizer(nearly_exact, rule="gradient_descent"), budget="quick").failures


def test_a_subject_that_raises_fails_with_a_witness():
    subject = Optimizer(raises, rule="gradient_descent")
    report = verify(subject, budget="quick", checks=["optimizer.first_step"])
    assert report.failures[0].evidence.witness


def test_what_is_absent_is_not_applicable():
    report = verify(Optimizer(doubled, rule="gradient_descent"), budget="quick")
    absent = {v.check for v in report if v.outcome is Outcome.NOT_APPLICABLE}
    assert {"optimizer.closure", "optimizer.state_round_trip", "optimizer.parameter_groups"} <= absent


class IgnoresScheduler(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.lr = lr

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p -= self.lr * p.grad


def test_a_rate_that_a_scheduler_cannot_change_is_found():
    verdict = verify(Optimizer(IgnoresScheduler, rule="gradient_descent"), checks=["optimizer.trajectory"]).failures[0]
    assert "learning rate is multiplied" in verdict.evidence.message


@pytest.mark.parametrize("check", checks_for("optimizer"), ids=lambda one: one.name)
def test_every_check_has_a_statement_and_a_source(check):
    assert check.statement
    assert check.source
