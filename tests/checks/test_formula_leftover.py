"""What a subject has under a name of its own is asked for, or read, and never held against it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch

import genverify as gv
from genverify.errors import UsageError

CHECKS = ["formula.dialect"]
mean = 3.0  # read by nobody below, though a method is called so


def drop_based(epoch: int, initial_lrate: float = 0.1, drop: float = 0.5, epochs_drop: float = 10.0) -> float:
    return initial_lrate * drop ** math.floor(epoch / epochs_drop)


def test_a_default_under_an_unknown_name_is_asked_for() -> None:
    with pytest.raises(UsageError, match=re.escape("arguments={'initial_lrate': 'base'}, or --arg initial_lrate=base")):
        gv.verify(gv.Formula(drop_based, like="schedule.step"), budget="quick", checks=CHECKS)


def test_a_wrong_schedule_with_such_a_default_fails() -> None:
    def one_epoch_early(epoch: int, initial_lrate: float = 0.1, drop: float = 0.5, epochs_drop: float = 10.0) -> float:
        return initial_lrate * drop ** math.floor((2 + epoch) / epochs_drop)

    (verdict,) = gv.verify(gv.Formula(one_epoch_early, like="schedule.step"), budget="quick", checks=CHECKS)
    assert verdict.outcome is gv.Outcome.FAIL
    assert any("base = 1" in note for note in verdict.evidence.notes)


def test_a_fixed_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'warmup'"):
        gv.verify(gv.Formula(lambda step: step, like="schedule.linear_warmup", fixed={"wramup": 3}), checks=CHECKS)


def _averages(first: float) -> Callable:
    n = 0

    def update(average: torch.Tensor, new: torch.Tensor, decay: float) -> torch.Tensor:
        nonlocal n
        n += 1
        return first * average * decay + (1 - decay) * new

    return update


def test_a_captured_count_is_a_state_and_no_argument() -> None:
    gv.verify(gv.Formula(_averages(1.0), like="ema.weights"), budget="quick", checks=CHECKS).raise_for_failures()


def test_a_method_is_no_global_of_its_name() -> None:
    def squares(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((prediction - target) ** 2).mean()

    (verdict,) = gv.verify(gv.Formula(squares, like="loss.mse"), budget="quick", checks=CHECKS)
    assert verdict.outcome is gv.Outcome.PASS
    assert "mean →" not in str(verdict.evidence.notes)


def test_shapes_that_split_the_batch_may_name_it() -> None:
    subject = gv.Formula(lambda x: x.softmax(-1), like="activation.softmax", shapes={"x": "batch t class"})
    (verdict,) = gv.verify(subject, checks=CHECKS, budget="quick")
    assert verdict.outcome is gv.Outcome.PASS


def test_a_result_that_alone_splits_the_batch_is_refused() -> None:
    subject = gv.Formula(lambda x: x.softmax(-1), like="activation.softmax", shapes={"return": "batch t class"})
    with pytest.raises(UsageError, match="no axis is left out and t is new"):
        gv.verify(subject, checks=CHECKS)
