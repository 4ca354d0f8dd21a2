"""What it costs to begin: the import, and the command line's help; against `import torch`, in alternation."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import pytest

_ROUNDS = 3
_TORCH = ["-c", "import torch"]
# What each may cost, in times that `import torch` takes: most of a run of ours is that, and help does without it.
_COSTS = {
    "import genverify": (["-c", "import genverify"], 1.0),
    "import torch and genverify, verify and Formula": (
        ["-c", "import torch, genverify; genverify.verify, genverify.Formula"], 1.5,
    ),
    "genverify --help": (["-m", "genverify", "--help"], 1.0),
    "genverify --version": (["-m", "genverify", "--version"], 1.0),
}  # fmt: skip


def _run(code: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *code], check=True, capture_output=True)
    return time.perf_counter() - started


def test_importing_torch(benchmark):
    benchmark.group = "Start"
    benchmark.extra_info["label"] = "import torch"
    benchmark.pedantic(_run, args=(_TORCH,), rounds=_ROUNDS, warmup_rounds=1)


@pytest.mark.parametrize("label", _COSTS)
def test_starting_costs_no_more_than_torch_allows(benchmark, label):
    code, most = _COSTS[label]
    beside, own = [], []

    def setup():
        beside.append(_run(_TORCH))
        return (code,), {}

    benchmark.group = "Start"
    benchmark.extra_info.update(label=label, baseline="import torch")
    benchmark.pedantic(lambda code: own.append(_run(code)), setup=setup, rounds=_ROUNDS)
    ratio = statistics.median(one / torch for one, torch in zip(own, beside, strict=True))
    benchmark.extra_info["ratio"] = ratio
    assert ratio <= most
