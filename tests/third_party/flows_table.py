"""The table of every transform of torch, nflows, normflows and zuko: what holds of it, and to how many ULPs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

from genverify.subjects.budget import Budget
from genverify.verdict import Outcome, Verdict
from tests.third_party.flow_judgement import AT_ENDS, BRIEF, Ulps, at_end, battery, ulps
from tests.third_party.flow_subject import Flow
from tests.third_party.flow_transforms import FLOWS, LIBRARIES

__all__ = ["PAGE", "Row", "cells", "figure", "measured", "page"]

PAGE = Path(__file__).resolve().parents[2] / "specs" / "flows_table.md"
DTYPES = (torch.float64, torch.float32)
_MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.INCONCLUSIVE: "–", Outcome.NOT_APPLICABLE: "·"}


class Row(NamedTuple):
    """What was found of a transform, in float64 and in float32.

    Attributes:
        verdicts: Of all checks.
        ends: End to the outcomes of the three checks there.
        errors: Inside its domain.
    """

    verdicts: tuple[list[Verdict], list[Verdict]]
    ends: tuple[dict[float, tuple[Outcome, ...]], dict[float, tuple[Outcome, ...]]]
    errors: tuple[Ulps, Ulps]


def measured(flow: Flow, budget: Budget) -> Row:
    """All that stands in a row."""
    wide, narrow = (battery(flow, dtype, budget) for dtype in DTYPES)
    high, low = (
        {end: tuple(at_end(flow, dtype, end, check).outcome for check in AT_ENDS) for end in flow.ends}
        for dtype in DTYPES
    )
    return Row((wide, narrow), (high, low), (ulps(flow, DTYPES[0]), ulps(flow, DTYPES[1])))


def cells(flow: Flow, row: Row) -> list[str]:
    """The cells of a row: library, transform, two verdicts, two of the ends, three errors in two dtypes each, why."""
    errors = zip(*((one.round_trip, one.logabsdet, one.inverse_logabsdet) for one in row.errors), strict=True)
    why = dict.fromkeys([*flow.expected.values(), *flow.at_ends.values()])
    return [
        flow.library, flow.name, *(_verdict(one) for one in row.verdicts), *(_at_ends(one) for one in row.ends),
        *(f"{figure(wide)}, {figure(narrow)}" for wide, narrow in errors), "; ".join(why) or "·",
    ]  # fmt: skip


def _verdict(verdicts: Sequence[Verdict]) -> str:
    passed = sum(one.outcome is Outcome.PASS for one in verdicts)
    left = [
        f"{one.outcome.name} {one.check.partition('.')[2]}"
        for one in verdicts
        if one.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    ]
    return "; ".join([f"{passed} PASS", *left] if passed else left)


def _at_ends(found: dict[float, tuple[Outcome, ...]]) -> str:
    """Ends with the same marks together."""
    alike: dict[str, list[str]] = {}
    for end, outcomes in sorted(found.items()):
        alike.setdefault("".join(_MARKS[one] for one in outcomes), []).append(_named(end))
    return "; ".join(f"{marks} {', '.join(ends)}" for marks, ends in alike.items()) or "·"


def _named(end: float) -> str:
    """An end, or how far from a simple number it is."""
    for base in (0.0, 1.0, 2.0, 3.0, 5.0, math.pi / 2, math.pi):
        for near in (base, -base):
            if end != near and abs(end - near) < 1e-5:
                name = {math.pi: "π", math.pi / 2: "π/2"}.get(abs(near), f"{abs(near):g}")
                return f"{'−' if near < 0 else ''}{name} {'+' if end > near else '−'} ε"
    return f"{end:g}".replace("-", "−")


def figure(error: float) -> str:
    """An error in ULPs, rounded up to a power of two: the last digit is the machine's."""
    if math.isnan(error):
        return "·"
    if math.isinf(error):
        return "∞"
    power = max(0, math.ceil(math.log2(error))) if error > 0 else 0
    return "0" if error == 0 else f"{2**power}" if power < 10 else f"2^{power}"


_VERSIONS = ", ".join(f"{name} {version(name)}" for name in LIBRARIES if name != "torch")
_HEAD = f"""\
# Every transform of torch.distributions, nflows, normflows and zuko

<!-- Written by `python -m tests.third_party.flows_table --write`; a test fails when it is stale. -->

torch {torch.__version__.split("+")[0]}, {_VERSIONS}.
A row is a transform with parameters that are not those it begins with, moved to float64 and as it is in float32.

*float64*, *float32*: how many of genverify's checks of bijections pass, at {BRIEF.cases} cases of up to 4 rows each
(|x| ≤ 4, or between 1/128 and 127/128 of a bounded domain), and which do not.

*ends*: the round trip x → y → x, logabsdet against the Jacobian and the inverse's logabsdet against it, in this order,
at the ends of the domain, and at both sides of the bounds of a spline; ε is 2^-20. ✓ holds; ✗ fails; – is not
examined: the map is saturated there (its image, or its Jacobian, is rounded to that of other points) or has a kink;
· does not apply.

*round trip*, *logabsdet*, *inverse*: the largest error in ULPs (of the exact value, or of 1 where that is larger) at
sixteen points inside, in float64 and in float32, rounded up to a power of two. What is exact: x itself; log|det J| by
autodiff in float64 at the same point, which is itself good to some ULPs only. An error of 2^29 ULPs in float64 is one
of float32: part of the computation is done in that.

A verdict is on rounding, which conditioning magnifies: errors of many ULPs pass where the map is steep. What is said
to be iterated ("to 1e-6") is judged to the accuracy that its name states. Not claimed is anything of points between
those drawn and the ends, of other parameters than these and their variations by a fifth, and of gradients with
respect to parameters.

| library | transform | float64 | float32 | ends, float64 | ends, float32 | round trip | logabsdet | inverse | why |
|---|---|---|---|---|---|---|---|---|---|
"""


def lines() -> Iterator[str]:
    """The rows as text."""
    for flow in FLOWS:
        yield "| " + " | ".join(cells(flow, measured(flow, BRIEF))) + " |"


_FOOT = "\n## What is exported and is no subject\n\n| library | name | why |\n|---|---|---|\n"


def page() -> str:
    """The text of specs/flows_table.md."""
    rest = [f"| {name} | {one} | {why} |" for name, room in LIBRARIES.items() for one, why in room.NO_SUBJECTS.items()]
    return _HEAD + "\n".join(lines()) + "\n" + _FOOT + "\n".join(rest) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        for text in lines():
            print(text, flush=True)
