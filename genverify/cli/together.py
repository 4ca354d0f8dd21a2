"""Many subjects in several processes at once: the same report, whatever their number."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from genverify.cli.supervision import Child, Listener, Supervised, stop, supervise
from genverify.report import Report
from genverify.verdict import Verdict

__all__ = ["cores", "together"]


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def together(request: Mapping[str, Any], *, jobs: int, timeout: float, listener: Listener | None = None) -> Supervised:
    """Carries out a request over many subjects in so many child processes: each takes the next that nobody has.

    Where a child ends early the others go on; what it had not reached of its subject is counted as such.

    Raises:
        UsageError: The request cannot be carried out as it was written.
    """
    if jobs == 1:
        return supervise(request, timeout=timeout, listener=listener)
    lock, ended, done = threading.Lock(), threading.Event(), 0
    children: list[Child] = []

    def heard(verdict: Verdict, _: int, planned: int) -> None:
        nonlocal done
        with lock:
            done += 1
            if listener is not None:
                listener(verdict, done, planned)

    def started(child: Child) -> None:
        children.append(child)
        if ended.is_set():
            stop(child)

    def carried_out(claims: str) -> Supervised:
        return supervise({**request, "claims": claims}, timeout=timeout, listener=heard, started=started)

    with tempfile.TemporaryDirectory() as claims, ThreadPoolExecutor(jobs) as pool:
        try:
            answers = list(pool.map(carried_out, [claims] * jobs))
        except BaseException:  # also an interrupt: the children hear of none, and would be waited for
            ended.set()
            for child in list(children):
                stop(child)
            raise
    return Supervised(report=_joined(answers))


def _joined(answers: Sequence[Supervised]) -> Report:
    """The reports of all processes as one, in the order in which a single one would have run."""
    reports = [answer.report for answer in answers if answer.report is not None]
    whole = max(answer.whole for answer in answers)
    placed = [
        (place, verdict)
        for answer, report in zip(answers, reports, strict=True)
        # What ended while it was loaded has a verdict, and no place.
        for place, verdict in zip_longest(answer.order[: len(report.verdicts)], report.verdicts, fillvalue=whole)
    ]
    placed.sort(key=lambda pair: pair[0])
    notes = tuple(dict.fromkeys(note for report in reports for note in report.notes))
    verdicts = tuple(verdict for _, verdict in placed)
    return replace(reports[0], verdicts=verdicts, notes=notes, planned=max(whole, len(verdicts)))
