"""specs/parity.md has a line for every reference, and no reference fails."""

from __future__ import annotations

from genverify.formulas.references import reference_subjects
from tests.benchmarks.parity_table import PAGE, columns


def test_the_table_has_every_reference():
    """A reference that is new must be measured: run `python -m tests.benchmarks.parity_table`."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert {(one.kind, one.label) for one in reference_subjects()} == {
        (kind.strip(), name.strip().strip("`")) for kind, name in (line.split("|")[1:3] for line in lines[2:])
    }
    assert all(len(line.split("|")) == len(columns()) + 4 for line in lines)
    assert not [line for line in lines if "FAIL" in line or "ERROR" in line]
