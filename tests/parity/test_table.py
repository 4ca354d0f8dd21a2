"""specs/parity.md has a line for every reference, and none fails but by what torch.compile gets wrong."""

from __future__ import annotations

from genverify.formulas.references import reference_subjects
from tests.benchmarks.parity_table import PAGE, columns

# Shown without genverify in tests/third_party/test_compiled.py.
_LOST_BY_TORCH = {("sliced_matching", "cpu.float32.compiled")}


def test_the_table_has_every_reference():
    """A reference that is new must be measured: run `python -m tests.benchmarks.parity_table`."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert {(one.kind, one.label) for one in reference_subjects()} == {
        (kind.strip(), name.strip().strip("`")) for kind, name in (line.split("|")[1:3] for line in lines[2:])
    }
    assert all(len(line.split("|")) == len(columns()) + 4 for line in lines)
    names = [one.name for one in columns()]
    cells = {line.split("|")[2].strip().strip("`"): line.split("|")[3:-1] for line in lines[2:]}
    bad = {
        (label, name)
        for label, row in cells.items()
        for name, cell in zip(names, row, strict=True)
        if cell.strip() in ("FAIL", "ERROR")
    }
    assert bad == _LOST_BY_TORCH
