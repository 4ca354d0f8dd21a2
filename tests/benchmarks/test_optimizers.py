"""What it costs to verify one optimizer at standard budget, and to refute a wrong one; and that cost grows linearly."""

from __future__ import annotations

import statistics
import time

import torch

import genverify as gv
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import pursue
from genverify.verify import prepare
from tests.mutants.optimizer import MUTANTS


def test_one_optimizer_at_standard_budget(benchmark):
    subject = gv.Optimizer(torch.optim.Adam, rule="adam")
    benchmark.group = "Optimizers"
    benchmark.extra_info["label"] = "verifying torch's Adam at standard budget"
    report = benchmark.pedantic(gv.verify, args=(subject,), rounds=1, warmup_rounds=0)
    assert not report.failures


def test_refuting_a_wrong_one_costs_less_than_verifying_a_right_one(benchmark):
    left, seconds = iter(MUTANTS), []

    def seconds_of(subject, checks=None) -> float:
        begun = time.process_time()
        report = gv.verify(subject, checks=checks)
        took = time.process_time() - begun
        assert bool(report.failures) is (checks is not None)
        return took

    def setup():
        mutant = next(left)
        return (mutant.make(), [mutant.killed_by]), {}

    right = seconds_of(gv.Optimizer(torch.optim.Adam, rule="adam"))
    benchmark.group = "Optimizers"
    baseline = "verifying torch's Adam at standard budget"
    benchmark.extra_info.update(label="refuting a mutant of the family by its own check", baseline=baseline)
    benchmark.pedantic(
        lambda *given: seconds.append(seconds_of(*given)), setup=setup, rounds=len(MUTANTS), warmup_rounds=0
    )
    ratio = statistics.median(seconds) / right
    benchmark.extra_info["ratio"] = ratio
    assert ratio <= 1.0


def test_cost_grows_linearly_in_steps():
    subject = prepare(Optimizer(torch.optim.Adam, rule="adam"))
    law = subject.law

    def seconds(steps: int) -> float:
        begun = time.process_time()
        trajectory = pursue(subject, [torch.ones(15, dtype=torch.float64)], steps)
        assert law.judge(trajectory, {}).standing == "accepted"
        return time.process_time() - begun

    seconds(100)
    short, long = min(seconds(500) for _ in range(3)), seconds(4_000)
    assert long <= 2 * 8 * short  # quadratic growth would be 64 times
