"""The results of a run of benchmarks as Markdown: a table for each group, and the machine by its model."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from genverify.cli.benchmark_results import AXES, Results, Timing

__all__ = ["duration", "page", "series", "varied"]

_HEAD = """\
# Times

<!-- Written by `genverify bench`. -->

Each table is a group of benchmarks of one run: medians, and ± half the distance between the quartiles where there was
more than one round. A ratio is between two times of the same run, so it says more than they do: another machine has
other times. It is of the medians, or of rounds in alternation where the benchmark measured it itself.
"""
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_LATE = 0.95


def page(runs: Sequence[Results], pictures: Mapping[tuple[int, str], Sequence[str]], note: str = "") -> str:
    """The whole page.

    Args:
        runs: What was read; each run has its own machine and its own ratios.
        pictures: (number of the run, group) → the pictures of its costs, as the page links them.
        note: What else a reader should know, in Markdown; it comes first.
    """
    parts = [_HEAD, *([note.strip() + "\n"] if note.strip() else [])]
    several = len(runs) > 1
    for number, run in enumerate(runs):
        parts += [f"## Run {number + 1} of {len(runs)}\n"] if several else []
        parts.append(f"{f'Run of {run.day}: ' if run.day else ''}{run.machine}\n")
        for group, timings in run.groups().items():
            parts.append(f"{'###' if several else '##'} {_plain(group) or 'Without a group'}\n")
            axis = varied(timings)
            # A comparison with a baseline needs a line for each benchmark.
            across = axis and not any(one.baseline for one in timings)
            parts.append(_along(timings, axis) if across else _lines(timings))
            parts += [f"![{_plain(group)}]({one})\n" for one in pictures.get((number, group), ())]
    return "\n".join(parts)


def duration(seconds: float) -> str:
    """Three digits and a unit.

    >>> duration(0.0123456), duration(83.0), duration(0.0)
    ('12.3 ms', '83 s', '0 s')
    """
    if not seconds:
        return "0 s"
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if _rounded(seconds) >= scale), _UNITS[-1])
    return f"{_digits(seconds / scale)} {unit}"


def varied(timings: Sequence[Timing]) -> str:
    """The one axis along which a group was measured; empty where there is none, or more than one.

    A name at the same size twice is a list, and no curve; and so is every name at one size only.
    """
    axes = [axis for axis in AXES if len({one.axes.get(axis) for one in timings}) > 1]
    if len(axes) != 1 or any(axes[0] not in one.axes for one in timings):
        return ""
    cells = {(one.name, one.axes[axes[0]]) for one in timings}
    names = {one.name for one in timings}
    return axes[0] if len(names) < len(timings) == len(cells) else ""


def series(timings: Sequence[Timing], axis: str) -> dict[str, dict[float, Timing]]:
    """Name → size along that axis → benchmark, sizes in order."""
    found: dict[str, dict[float, Timing]] = {}
    for one in sorted(timings, key=lambda one: one.axes[axis]):
        found.setdefault(one.name, {})[one.axes[axis]] = one
    order = list(dict.fromkeys(one.name for one in timings))
    return {name: found[name] for name in order}


def _along(timings: Sequence[Timing], axis: str) -> str:
    """A line for each name, sizes across, and how the cost of the largest compares with that of the smallest."""
    lines = series(timings, axis)
    sizes = sorted({size for line in lines.values() for size in line})
    fixed = ", ".join(f"{other} = {size:g}" for other, size in timings[0].axes.items() if other != axis)
    heading = ["", *(f"{axis} = {size:g}" for size in sizes), "largest / smallest"]
    rows = [heading, ["---"] * len(heading)]
    for name, line in lines.items():
        cells = [_spread(line[size]) if size in line else "–" for size in sizes]
        first, last = line[min(line)], line[max(line)]
        growth = f"{_digits(last.median / first.median)}" if first.median and len(line) > 1 else "–"
        rows.append([_code(name), *cells, growth])
    return (f"At {fixed}.\n\n" if fixed else "") + _table(rows)


def _lines(timings: Sequence[Timing]) -> str:
    """A line for each benchmark with what it says of itself; and one over all where each round is another thing."""
    columns = list(dict.fromkeys(key for one in timings for key in (*one.axes, *one.extra)))
    held = any(one.baseline for one in timings)
    heading = ["", "rounds", "median", *(["ratio", "to"] if held else []), *columns]
    rows = [[_plain(one) for one in heading], ["---"] * len(heading)]
    for one in timings:
        known = {**one.axes, **one.extra}
        ratio = [_ratio(one, timings), _code(one.baseline) if one.baseline else ""] if held else []
        cells = [_value(key, known[key]) if key in known else "" for key in columns]
        rows.append([_code(one.name), str(one.rounds), _spread(one), *ratio, *cells])
    return _table(rows) + _pooled(timings)


def _pooled(timings: Sequence[Timing]) -> str:
    """Median and 95th percentile of all rounds of a group whose benchmarks give a p95, since each round is another."""
    if len(timings) < 2 or not all("p95" in one.extra and one.seconds for one in timings):
        return ""
    every = sorted(second for one in timings for second in one.seconds)
    late = every[math.ceil(_LATE * len(every)) - 1]
    return f"\nOver all {len(every)}: median {duration(statistics.median(every))}, p95 {duration(late)}.\n"


def _ratio(one: Timing, timings: Sequence[Timing]) -> str:
    if not one.baseline:
        return ""
    if one.ratio is not None:
        return _digits(one.ratio)
    found = [other for other in timings if one.baseline in (other.name, other.test)]
    if len(found) != 1 or not found[0].median:
        return "not run" if not found else "not one"
    return _digits(one.median / found[0].median)


def _spread(one: Timing) -> str:
    if one.rounds < 2:
        return duration(one.median)
    scale, unit = next(((s, u) for s, u in _UNITS if _rounded(one.median) >= s), _UNITS[-1])
    return f"{_digits(one.median / scale)} ± {_digits((one.high - one.low) / 2 / scale, 2)} {unit}"


def _rounded(seconds: float) -> float:
    """To three digits, so that 999.9 ms is a second."""
    return float(f"{seconds:.3g}")


def _digits(number: float, count: int = 3) -> str:
    """So many digits, and no exponent.

    >>> _digits(1234.5), _digits(0.04567), _digits(2.0), _digits(0.0)
    ('1230', '0.0457', '2', '0')
    """
    rounded = float(f"{number:.{count}g}")
    return f"{rounded:.12f}".rstrip("0").rstrip(".")


def _value(key: str, value: float | str) -> str:
    """What a benchmark says of itself; a p95 is a time."""
    if isinstance(value, str):
        return _plain(value)
    if key == "p95":
        return duration(value)
    return str(value) if isinstance(value, int) else _digits(value)


def _code(text: str) -> str:
    return f"`{_plain(text).replace('`', chr(39))}`" if text else ""


def _plain(text: str) -> str:
    """On one line, and no bar that would end a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
