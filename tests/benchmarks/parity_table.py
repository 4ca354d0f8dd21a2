"""The parity matrix of every reference on this processor; ``python -m tests.benchmarks.parity_table`` measures it anew.

It takes some minutes for the eager executions, and some seconds more for each reference that is compiled: about an hour
in all, which ``--compile-every N`` and ``--compile-next N`` spread over several runs; what was not compiled says so.
``--only REFERENCE`` measures the lines of some references alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from genverify.formulas.references import reference_subjects
from genverify.parity.execution import BASELINE, Execution, executions
from genverify.parity.matrix import parity, processor
from genverify.subjects.subject import Subject
from genverify.verdict import Outcome, Verdict

PAGE = Path(__file__).resolve().parents[2] / "specs" / "parity.md"
_NOT_RUN = "not run"

_HEAD = """\
# Parity of the references

<!-- Written by `python -m tests.benchmarks.parity_table`; a test fails when a reference is missing. -->

Every reference in every execution that one processor has, on the same numbers and with the same draws, held against its
float64 run on the CPU: results, gradients by inputs and parameters, one step of gradient descent. A cell holds the
largest error in units of the last place of the execution's dtype (of the largest element of the result that is furthest
off), and how many times as fast as the float64 run it was, forwards and backwards. Each such passed: it is within what
rounding in that dtype may do. A dash: this reference has no such execution (no channels, no batch of independent rows,
an operation that torch does not have in bfloat16). Not run: it was not compiled, since that takes seconds each. Of all
others the reason stands below; what `torch.compile` gets wrong, `tests/third_party/test_compiled.py` shows without
genverify. The inputs are small, so the times are those of torch's own overhead.

"""


def columns() -> list[Execution]:
    """What this page shows: all executions on the CPU but the plain repetition, one compiled dtype."""
    found = [one for one in executions("cpu") if one != BASELINE]
    return [one for one in found if not (one.compiled and one.dtype == torch.float64)]


@dataclass
class Row:
    """A line of the table: a cell for each column, and of what did not pass the reasons."""

    cells: list[str]
    reasons: list[str] = field(default_factory=list)


Rows = dict[tuple[str, str], Row]


def measured(subject: Subject, tried: Sequence[Execution], before: Row | None = None) -> Row:
    """The subject's line: what it was before in columns that are not tried."""
    known = {v.check.removeprefix("parity."): v for v in parity(subject, executions=tried)}
    kept = before.cells if before is not None else [_NOT_RUN] * len(columns())
    cells = [_cell(known[c.name]) if c.name in known else cell for c, cell in zip(columns(), kept, strict=True)]
    lines = [] if before is None else [line for line in before.reasons if not any(f", {n}: " in line for n in known)]
    lines += [
        f"- `{v.subject}`, {name}: {v.outcome.value}, {v.evidence.message}"
        for name, v in known.items() if v.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    ]  # fmt: skip
    return Row(cells, lines)


def read() -> Rows:
    """The lines of the page as it is."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows: Rows = {}
    for line in [one for one in lines if one.startswith("| ")][2:]:
        kind, label, *cells = (part.strip() for part in line.strip("|").split("|"))
        label = label.strip("`")
        rows[kind, label] = Row(cells, [one for one in lines if one.startswith(f"- `{label}`, ")])
    return rows


def write(rows: Rows) -> str:
    """The text of parity.md."""
    names = [one.name for one in columns()]
    lines = [f"Processor: {processor()}; torch {torch.__version__}, {torch.get_num_threads()} thread.\n"]
    lines.append("| kind | reference | " + " | ".join(names) + " |")
    lines.append("| --- | --- | " + " | ".join("---" for _ in names) + " |")
    lines += [f"| {kind} | `{label}` | {' | '.join(row.cells)} |" for (kind, label), row in rows.items()]
    passed = sum(cell[:1].isdigit() for row in rows.values() for cell in row.cells)
    reasons = [line for row in rows.values() for line in row.reasons]
    lines.append(f"\n{passed} comparisons passed, {len(reasons)} did not settle anything or failed.\n")
    return _HEAD + "\n".join([*lines, *reasons]) + "\n"


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
    parser.add_argument("--compile-every", type=int, default=1, metavar="N", help="compile one reference in N")
    parser.add_argument("--only", action="append", metavar="REFERENCE", help="measure this line alone; repeatable")
    parser.add_argument("--compile-next", type=int, metavar="N", help="compile N references that were not compiled yet")
    given = parser.parse_args()
    before = read() if given.only or given.compile_next else {}
    subjects = {(one.kind, one.label): one for one in reference_subjects()}
    waiting = [key for key, row in before.items() if _NOT_RUN in row.cells][: given.compile_next or 0]
    rows: Rows = {}
    for place, (key, subject) in enumerate(subjects.items()):
        tried = [one for one in columns() if not one.compiled or given.only or place % given.compile_every == 0]
        if key in waiting:
            tried = [one for one in columns() if one.compiled]
        elif before and key[1] not in (given.only or ()):
            rows[key] = before[key]
            continue
        rows[key] = measured(subject, tried, before.get(key))
        print(place + 1, key[1], *rows[key].cells, flush=True)
        PAGE.write_text(write({**rows, **{k: row for k, row in before.items() if k not in rows}}), encoding="utf-8")


if __name__ == "__main__":
    main()
