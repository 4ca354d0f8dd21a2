"""Few combinations of options in which every two of their values meet: most faults of options need no more than two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

__all__ = ["every_pair", "every_value"]

Options = dict[str, Any]
Legal = Callable[[Options], bool]


def every_value(trials: Mapping[str, Sequence[Any]], legal: Legal) -> list[Options]:
    """For each value that is not an option's own, which comes first, a combination with it and little else.

    >>> every_value({"a": [0, 1], "b": [0, 2]}, lambda options: options.get("a") or not options.get("b"))
    [{'a': 1}, {'b': 2, 'a': 1}]
    """
    found = []
    for name, values in trials.items():
        for value in values[1:]:
            made = _completed({name: value}, trials, legal)
            found += [made] if made is not None and made not in found else []
    return found


def every_pair(trials: Mapping[str, Sequence[Any]], legal: Legal) -> list[Options]:
    """Combinations of options in which every two values that are not their options' own meet, where they may.

    Built one at a time, each to hold as many of the pairs that have not met as it can.

    Source: Cohen, Dalal, Fredman & Patton 1997 (AETG); Kuhn, Wallace & Gallo 2004 on why pairs.

    >>> every_pair({"a": [0, 1], "b": [0, 1, 2], "c": [0, 1]}, lambda options: True)
    [{'a': 1, 'b': 1, 'c': 1}, {'a': 1, 'b': 2, 'c': 1}]
    """
    items = [(name, value) for name, values in trials.items() for value in values[1:]]
    waiting = [{one, other} for one, other in combinations(items, 2) if one[0] != other[0]]
    rows: list[Options] = []
    while waiting:
        row = _completed(dict(waiting.pop(0)), trials, legal)
        if row is None:
            continue
        for name, values in trials.items():
            if name not in row:
                extended = [{**row, name: value} for value in values[1:]]
                extended = [one for one in extended if legal(one)]
                gained = [sum(_meets(one, pair) > _meets(row, pair) for pair in waiting) for one in extended]
                if gained and max(gained):
                    row = extended[gained.index(max(gained))]
        waiting = [pair for pair in waiting if not _meets(row, pair)]
        rows.append({name: row[name] for name in trials if name in row})
    return rows


def _meets(row: Options, pair: set[tuple[str, Any]]) -> bool:
    return all(name in row and row[name] == value for name, value in pair)


def _completed(row: Options, trials: Mapping[str, Sequence[Any]], legal: Legal) -> Options | None:
    """The combination, with another option added where it needs one; None where that does not make it legal."""
    if legal(row):
        return row
    more = ({**row, name: value} for name, values in trials.items() if name not in row for value in values[1:])
    return next((one for one in more if legal(one)), None)
