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
    report = benchmark.pedantic(gv.verify, args=(subject,), rounds=1, warmup_rounds=0)
    assert not report.failures


def test_refuting_a_wrong_one(benchmark):
    seconds = []

    def refute_all() -> None:
        for mutant in MUTANTS:
            begun = time.process_time()
            gv.verify(mutant.make(), checks=[mutant.killed_by])
            seconds.append(time.process_time() - begun)

    benchmark.pedantic(refute_all, rounds=1, warmup_rounds=0)
    print(f"refuting one of {len(seconds)}: median {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s")
    assert statistics.median(seconds) <= 1.0


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
    print(f"500 steps {short:.2f} s, 4000 steps {long:.2f} s")
    assert long <= 2 * 8 * short  # quadratic growth would be 64 times
