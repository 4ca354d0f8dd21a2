"""Pictures of cost against d, batch or depth: a line for each benchmark, both axes logarithmic."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genverify.cli.benchmark_results import Results, Timing
from genverify.cli.benchmark_tables import series, varied
from genverify.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

_MEANS = {"d": "d, the size of one event", "batch": "rows of the batch", "depth": "layers"}
_MARKERS = "os^vD<>pPX*"


def draw(runs: Sequence[Results], folder: str | Path) -> dict[tuple[int, str], list[Path]]:
    """Writes an SVG into the folder for each group that was measured along one axis; makes the folder where needed.

    Returns:
        (number of the run, group) → its pictures.

    Raises:
        UsageError: matplotlib is not installed, or the folder cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            given="no matplotlib", expected="matplotlib, to draw the pictures", do="pip install genverify[plot]"
        ) from error
    folder, found, names = Path(folder), {}, set()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, run in enumerate(runs):
            for group, timings in run.groups().items():
                axis = varied(timings)
                lines = _drawable(timings, axis) if axis else {}
                if not lines:
                    continue
                path = folder / _name(group, axis, names)
                with matplotlib.rc_context({"svg.hashsalt": "genverify", "svg.fonttype": "none", "font.size": 9}):
                    figure = Figure(figsize=(7, 4.5), layout="constrained")
                    _curves(figure, group, lines, axis)
                    with warnings.catch_warnings():
                        # Text stays text, in whatever font the reader has: matplotlib's own need not have the letter.
                        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
                        figure.savefig(path, metadata={"Date": None, "Creator": None})
                found[number, group] = [path]
    except OSError as error:
        raise UsageError(
            given=f"folder {str(folder)!r} ({error.strerror or error})", expected="a folder that can be written",
            do="choose another folder for --picture",
        ) from error  # fmt: skip
    return found


def _drawable(timings: Sequence[Timing], axis: str) -> dict[str, dict[float, Timing]]:
    """The lines with two points or more that have a logarithm: a clock may be too coarse to see a time at all."""
    found = {
        name: {size: one for size, one in line.items() if size > 0 and one.median > 0}
        for name, line in series(timings, axis).items()
    }
    return {name: line for name, line in found.items() if len(line) > 1}


def _curves(figure: Figure, group: str, lines: Mapping[str, Mapping[float, Timing]], axis: str) -> None:
    axes = figure.add_subplot()
    for place, (name, line) in enumerate(lines.items()):
        medians = [one.median for one in line.values()]
        below = [max(0.0, one.median - one.low) for one in line.values()]
        above = [max(0.0, one.high - one.median) for one in line.values()]
        marker = _MARKERS[place % len(_MARKERS)]
        # matplotlib leaves out of its legend what begins with an underscore, and reads mathematics between dollars.
        label = " " + name.replace("$", r"\$")
        axes.errorbar(list(line), medians, yerr=[below, above], label=label, marker=marker, markersize=4, linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({size for line in lines.values() for size in line})
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.set_xlabel(_MEANS[axis])
    axes.set_ylabel("seconds, median and quartiles")
    axes.set_title(group.replace("$", r"\$"))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=7)


def _name(group: str, axis: str, taken: set[str]) -> str:
    """A file name of the group's letters and digits; numbered where two groups have the same."""
    plain = re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-") or axis
    stem, count = plain[:80], 1
    while stem in taken:
        count += 1
        stem = f"{plain[:80]}-{count}"
    taken.add(stem)
    return f"{stem}.svg"
