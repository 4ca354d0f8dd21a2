"""specs/performance.md is what `genverify bench` makes, has what it says it has, and names no machine."""

from __future__ import annotations

import re
from pathlib import Path

from tests.benchmarks.check_costs import MAKERS, measured
from tests.benchmarks.reference_pairs import pairs

PAGE = Path(__file__).resolve().parents[2] / "specs" / "performance.md"
TEXT = PAGE.read_text(encoding="utf-8")


def _named(heading: str) -> set[str]:
    part = TEXT.partition(f"# {heading}\n")[2].partition("\n##")[0]
    return set(re.findall(r"^\| `([^`]*)`", part, flags=re.MULTILINE))


def test_every_check_of_a_kind_and_every_pair_is_on_the_page():
    """What is new must be measured: run `tox -e bench`, then `genverify bench .benchmarks/benchmarks.json --out …`."""
    for kind in MAKERS:
        wanted = {name.partition(".")[2] for name in measured(kind)}
        for axis in ("d", "batch") if kind == "formula" else ("d", "batch", "depth"):
            assert _named(f"Checks of a {kind} against {axis}") == wanted
    assert _named("Reference against torch, cpu, float32") == {
        f"{pair.name}: {who}" for pair in pairs() for who in ("torch", "reference")
    }


def test_its_pictures_are_there_and_no_others():
    linked = set(re.findall(r"!\[[^]]*\]\(([^)]*)\)", TEXT))
    folder = PAGE.parent / "pictures" / "performance"
    assert linked == {f"pictures/performance/{path.name}" for path in folder.iterdir()}
    assert all((PAGE.parent / one).stat().st_size <= 100_000 for one in linked)


def test_the_machine_is_named_by_its_model_alone():
    assert re.search(r"^Run of \d{4}-\d\d-\d\d: [^;]+, \d+ cores; .*torch \d", TEXT, flags=re.MULTILINE)
    assert not re.search(r"(^|[\s(`])/[a-z]+/|[A-Z]:\\", TEXT)
