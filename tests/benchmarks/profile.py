"""Where the time of `genverify verify` goes: ``python -m tests.benchmarks.profile --budget quick [--kind formula]``.

A sampling profiler: every few milliseconds of CPU time the stack is read, so that small functions cost no more than
they do. Prints seconds by check, by subject, and by function, inclusive and alone.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from genverify.formulas.references import reference_subjects
from genverify.verdict import Outcome

__all__ = ["Sampler", "main"]

_PERIOD_S = 0.002


class Sampler:
    """Counts, at every tick of CPU time, the functions on the stack."""

    def __init__(self) -> None:
        self.inclusive: Counter[str] = Counter()
        self.alone: Counter[str] = Counter()
        self.ticks = 0

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._tick)
        signal.setitimer(signal.ITIMER_PROF, _PERIOD_S, _PERIOD_S)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        self.ticks += 1
        seen: set[str] = set()
        while frame is not None:
            code = frame.f_code
            path = Path(code.co_filename)
            name = f"{path.parent.name}/{path.stem}.{code.co_qualname}"
            if not seen:
                self.alone[name] += 1
            seen.add(name)
            frame = frame.f_back
        self.inclusive.update(seen)


def main() -> None:
    """Verifies references, and prints where the time went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="quick")
    parser.add_argument("--kind", default="")
    parser.add_argument("--every", type=int, default=1, help="only every n-th reference")
    parser.add_argument("--top", type=int, default=10)
    given = parser.parse_args()
    subjects = [one for one in reference_subjects() if not given.kind or one.kind == given.kind][:: given.every]
    by_check: Counter[str] = Counter()
    by_subject: Counter[str] = Counter()
    module = importlib.import_module("genverify.verify")
    run_check = module.run_check

    def timed(subject: Any, one: Any, *rest: Any) -> Any:
        started = time.process_time()
        try:
            return run_check(subject, one, *rest)
        finally:
            took = time.process_time() - started
            by_check[one.name] += took
            by_subject[f"{subject.kind} {subject.label}"] += took

    module.run_check = timed
    started = time.process_time()
    with Sampler() as sampler:
        report = module.verify(subjects, budget=given.budget)
    seconds = time.process_time() - started
    outcomes = ", ".join(f"{report.count(one)} {one}" for one in Outcome if report.count(one))
    print(f"{len(subjects)} references at {given.budget}: {seconds:.1f} s of CPU; {outcomes}")
    for verdict in report:
        if verdict.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE):
            print(f"  {verdict.outcome} {verdict.subject} {verdict.check}: {verdict.evidence.message[:160]}")
    for title, counted, unit in (
        ("check", by_check, 1.0),
        ("subject", by_subject, 1.0),
        ("function, inclusive", sampler.inclusive, seconds / max(1, sampler.ticks)),
        ("function, alone", sampler.alone, seconds / max(1, sampler.ticks)),
    ):
        print(f"\n{title}")
        for name, count in counted.most_common(given.top):
            print(f"{count * unit:9.2f} s  {name}")


if __name__ == "__main__":
    main()
