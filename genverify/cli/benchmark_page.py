"""`genverify bench`: reads results, draws what can be drawn, and writes or prints the page."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from genverify.cli.benchmark_pictures import draw
from genverify.cli.benchmark_results import read
from genverify.cli.benchmark_tables import page
from genverify.errors import UsageError
from genverify.report.files import require_writable, write

__all__ = ["make"]


def make(results: Sequence[str], *, out: str = "", picture: str = "", note: str = "") -> None:
    """Prints the page, or writes it to `out`; the pictures go to the folder `picture`, where one is named.

    Without matplotlib there are the tables alone, and a line on stderr that says so.

    Raises:
        UsageError: A file cannot be read, or is not pytest-benchmark's, or nothing can be written there.
    """
    if out and Path(out).is_dir():
        raise UsageError(given=f"--out {out!r}, a folder", expected="a file", do=f"write {Path(out) / 'times.md'}")
    if out:
        require_writable(out)
    if picture and Path(picture).exists() and not Path(picture).is_dir():
        raise UsageError(given=f"--picture {picture!r}, a file", expected="a folder", do="name a folder")
    runs = [read(one) for one in results]
    links: dict[tuple[int, str], list[str]] = {}
    if picture:
        try:
            drawn = draw(runs, picture)
        except UsageError as error:
            if error.given != "no matplotlib":
                raise
            print(f"no picture was drawn, the tables are complete: {error}", file=sys.stderr)
        else:
            links = {key: [_link(path, out) for path in paths] for key, paths in drawn.items()}
            if not drawn:
                print("no picture was drawn: no group was measured at several d, batch or depth", file=sys.stderr)
    text = page(runs, links, note)
    if out:
        write(out, text)
    else:
        print(text, end="")


def _link(path: Path, out: str) -> str:
    """From the page to a picture; as it was asked for where there is no page, or no way from it (another drive)."""
    try:
        return Path(os.path.relpath(path, Path(out).parent)).as_posix() if out else path.as_posix()
    except ValueError:
        return path.as_posix()
