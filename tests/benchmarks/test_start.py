"""What it costs to begin: the import, and the command line's help."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def _median_seconds(code: list[str], runs: int = 5) -> float:
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, *code], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def test_importing_genverify_costs_little_more_than_importing_torch():
    torch = _median_seconds(["-c", "import torch"])
    both = _median_seconds(["-c", "import torch, genverify; genverify.verify, genverify.Formula"])
    print(f"import torch {torch:.2f} s; with genverify.verify and Formula {both:.2f} s")
    assert both - torch <= 0.3


def test_help_answers_at_once():
    seconds = _median_seconds(["-m", "genverify", "--help"])
    print(f"genverify --help {seconds:.2f} s")
    assert seconds <= 0.5
