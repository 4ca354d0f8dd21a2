"""What pytest-benchmark wrote of one run: which machine, and how long each benchmark took."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from genverify.errors import UsageError

__all__ = ["AXES", "Machine", "Results", "Timing", "read"]

# What a benchmark may say of itself in `extra_info`: its size along these axes, ...
AXES = ("d", "batch", "depth")
# ... what its line is called, which line of its group it is held against, and a ratio that it measured itself.
_WORDS = ("label", "baseline", "ratio")
_MAKE = "make it with `pytest --benchmark-json=FILE` (pytest-benchmark)"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What times depend on, and nothing that names the machine: no host, no user, no path.

    Attributes:
        cpu: The processor's model.
        cores: How many cores there are; 0 where that was not written down.
        python: The version of Python.
        torch: The version of torch.
        threads: How many threads torch might use; 0 where that was not written down.
        accelerator: Its model; empty where there was none.
    """

    cpu: str
    cores: int = 0
    python: str = ""
    torch: str = ""
    threads: int = 0
    accelerator: str = ""

    def __str__(self) -> str:
        """One sentence.

        >>> str(Machine(cpu="Some CPU", cores=2, python="3.11.7", torch="2.13.0", threads=1))
        'Some CPU, 2 cores; no accelerator; torch 2.13.0, 1 thread; Python 3.11.7.'
        """
        parts = [
            self.cpu + (f", {_counted(self.cores, 'core')}" if self.cores else ""),
            self.accelerator or "no accelerator",
            (f"torch {self.torch}" if self.torch else "torch of a version that was not written down")
            + (f", {_counted(self.threads, 'thread')}" if self.threads else ""),
        ]
        parts += [f"Python {self.python}"] if self.python else []
        return "; ".join(parts) + "."


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One benchmark; times are seconds.

    Attributes:
        group: Which table it stands in.
        name: What its line is called.
        test: The test's own name; a baseline may be named by either.
        rounds: How often it ran.
        median: The median of the rounds.
        low: Their first quartile.
        high: Their third quartile.
        baseline: The line of its group that it is held against; empty for none.
        ratio: How many times the baseline's time it took, as it measured itself in alternation; None where it did not.
        axes: d, batch, depth → how much, as far as it says.
        extra: Whatever else it says in numbers or words.
        seconds: Every round, where they were kept.
    """

    group: str
    name: str
    test: str
    rounds: int
    median: float
    low: float
    high: float
    baseline: str = ""
    ratio: float | None = None
    axes: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, float | str] = field(default_factory=dict)
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Results:
    """One run: when, where, and its benchmarks in the order in which they were written."""

    day: str
    machine: Machine
    timings: tuple[Timing, ...]

    def groups(self) -> dict[str, list[Timing]]:
        """The benchmarks of each group; those of none under an empty name."""
        found: dict[str, list[Timing]] = {}
        for one in self.timings:
            found.setdefault(one.group, []).append(one)
        return found


def read(path: str | Path) -> Results:
    """Reads the JSON that pytest-benchmark writes with ``--benchmark-json`` or ``--benchmark-save``.

    Raises:
        UsageError: There is no such file, or it is not JSON, or not pytest-benchmark's, or of no benchmark.
    """
    shown = repr(str(path))
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise UsageError(given=f"results {shown} ({why})", expected="a file of pytest-benchmark's", do=_MAKE) from error
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        said = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        what = f"not JSON ({said})" if text.strip() else "empty"
        raise UsageError(given=f"results {shown}, which is {what}", expected="JSON", do=_MAKE) from error
    if not isinstance(data, dict) or not isinstance(data.get("benchmarks"), list) or "machine_info" not in data:
        _foreign(shown, "without `benchmarks` and `machine_info`")
    if not data["benchmarks"]:
        _foreign(shown, "of a run in which there was no benchmark")
    return Results(
        day=_word(data.get("datetime"))[:10],
        machine=_machine(data["machine_info"], shown),
        timings=tuple(_timing(one, number, shown) for number, one in enumerate(data["benchmarks"])),
    )


def _foreign(shown: str, why: str) -> NoReturn:
    raise UsageError(given=f"results {shown}, JSON {why}", expected="what pytest-benchmark wrote", do=_MAKE)


def _machine(data: Any, shown: str) -> Machine:  # noqa: ANN401 - JSON data are of any type
    if not isinstance(data, dict):
        _foreign(shown, "whose `machine_info` is no object")
    cpu = data.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}
    known = [cpu.get("brand_raw"), data.get("processor"), data.get("machine")]
    return Machine(
        cpu=next((one for one in known if isinstance(one, str) and one), "a processor that was not written down"),
        cores=_count(cpu.get("count")),
        python=_word(data.get("python_version")),
        torch=_word(data.get("torch")),
        threads=_count(data.get("torch_threads")),
        accelerator=_word(data.get("accelerator")),
    )


def _timing(data: Any, number: int, shown: str) -> Timing:  # noqa: ANN401
    stats = data.get("stats") if isinstance(data, dict) else None
    if not isinstance(stats, dict) or not isinstance(data.get("name"), str):
        _foreign(shown, f"whose benchmark {number} has no `name` or no `stats`")
    times = [_seconds(stats.get(key)) for key in ("median", "q1", "q3")]
    rounds = _count(stats.get("rounds"))
    if None in times or not rounds:
        _foreign(shown, f"whose benchmark {data['name']!r} has no median, quartiles and rounds")
    median, low, high = (float(one or 0.0) for one in times)
    extra = data.get("extra_info")
    extra = extra if isinstance(extra, dict) else {}
    kept = stats.get("data")
    every = [_seconds(one) for one in kept] if isinstance(kept, list) else []
    axes = {axis: size for axis in AXES if (size := _seconds(extra.get(axis))) is not None}
    rest = {
        str(key): value
        for key, value in extra.items()
        if key not in (*axes, *_WORDS) and isinstance(value, (str, int, float))
    }
    return Timing(
        group=_word(data.get("group")), name=_word(extra.get("label")) or data["name"], test=data["name"],
        rounds=rounds, median=median, low=low, high=high, baseline=_word(extra.get("baseline")),
        ratio=_seconds(extra.get("ratio")), axes=axes, extra=rest,
        seconds=tuple(one for one in every if one is not None),
    )  # fmt: skip


def _seconds(value: Any) -> float | None:  # noqa: ANN401
    """A finite number that is not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _count(value: Any) -> int:  # noqa: ANN401
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _word(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
