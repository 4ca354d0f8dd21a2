"""The references as subjects of a report."""

from __future__ import annotations

from genverify.formulas.references import reference_subjects


def test_no_two_references_have_one_name():
    labels = [one.label for one in reference_subjects()]
    assert len(set(labels)) == len(labels)
    assert {"entropy (mvn.entropy)", "entropy (normal.entropy)"} <= set(labels)
