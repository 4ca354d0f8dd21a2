"""The parity matrix of every reference on this processor; ``python -m tests.benchmarks.parity_table`` measures it anew.

It takes some minutes for the eager executions, and some seconds more for each reference that is compiled: about an hour
in all. With ``--compile-every N`` one reference in N is compiled, and the table says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from genverify.formulas.references import reference_subjects
from genverify.parity.execution import BASELINE, Execution, executions
from genverify.parity.matrix import parity, processor
from genverify.verdict import Outcome, Verdict

PAGE = Path(__file__).resolve().parents[2] / "specs" / "parity.md"
_NOT_RUN = "not run"

_HEAD = """\
# Parity of the references

<!-- Written by `python -m tests.benchmarks.parity_table`; a test fails when a reference is missing. -->

Every reference in every execution that one processor has, on the same numbers and with the same draws, held against its
float64 run on the CPU: results, gradients by inputs and parameters, one step of gradient descent. A cell holds the
largest error in units of the last place of the execution's dtype (of the largest element of the result that is furthest
off), and how many times as fast as the float64 run it was, forwards and backwards. Each passed: it is within what
rounding in that dtype may do. A dash: this reference has no such execution (no channels, no batch of independent rows,
an operation that torch does not have in bfloat16). Not run: it was not compiled, since that takes seconds each. Of all
others the reason stands below. The inputs are small, so the times are those of torch's own overhead.

"""


def columns() -> list[Execution]:
    """What this page shows: all executions on the CPU but the plain repetition, one compiled dtype."""
    found = [one for one in executions("cpu") if one != BASELINE]
    return [one for one in found if not (one.compiled and one.dtype == torch.float64)]


def verdicts(every: int) -> Iterator[list[Verdict]]:
    """The verdicts of each reference; of one in so many also those of compiled executions."""
    for place, subject in enumerate(reference_subjects()):
        tried = [one for one in columns() if not one.compiled or place % every == 0]
        yield list(parity(subject, executions=tried))


def write(found: Sequence[Sequence[Verdict]]) -> str:
    """The text of parity.md."""
    names = [one.name for one in columns()]
    lines = [f"Processor: {processor()}; torch {torch.__version__}, {torch.get_num_threads()} thread.\n"]
    lines.append("| kind | reference | " + " | ".join(names) + " |")
    lines.append("| --- | --- | " + " | ".join("---" for _ in names) + " |")
    reasons = []
    for one in found:
        known = {v.check.removeprefix("parity."): v for v in one}
        cells = [_cell(known.get(name)) for name in names]
        lines.append(f"| {one[0].kind} | `{one[0].subject}` | " + " | ".join(cells) + " |")
        reasons += [v for v in one if v.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)]
    passed = sum(v.outcome is Outcome.PASS for one in found for v in one)
    lines.append(f"\n{passed} comparisons passed, {len(reasons)} did not settle anything or failed.\n")
    lines += [
        f"- `{v.subject}`, {v.check.removeprefix('parity.')}: {v.outcome.value}, {v.evidence.message}" for v in reasons
    ]
    return _HEAD + "\n".join(lines) + "\n"


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return _NOT_RUN
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        return "—"
    if verdict.outcome is not Outcome.PASS:
        return verdict.outcome.value
    figures = verdict.evidence.figures
    speed = f", {figures['speed']:.2g}×" if "speed" in figures else ""
    return f"{figures['ulps']:.2g}{speed}"


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compile-every", type=int, default=1, metavar="N")
    found = []
    for one in verdicts(parser.parse_args().compile_every):
        found.append(one)
        print(len(found), one[0].subject, *(v.outcome.value for v in one), flush=True)
        PAGE.write_text(write(found), encoding="utf-8")


if __name__ == "__main__":
    main()
