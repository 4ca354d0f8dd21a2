"""What a verdict costs: one subject of each kind at standard budget."""

from __future__ import annotations

import pytest

import genverify as gv
from genverify.formulas.references import reference_subjects

_SUBJECTS = {f"{subject.kind}: {subject.label}": subject for subject in reference_subjects()}


@pytest.mark.parametrize("label", sorted(_SUBJECTS))
def test_the_reference_passes_in_the_time_that_is_recorded(benchmark, label):
    benchmark.group = "Verifying a reference at standard budget"
    benchmark.extra_info["label"] = label
    report = benchmark.pedantic(gv.verify, args=(_SUBJECTS[label],), rounds=1, warmup_rounds=0)
    assert not report.failures
    assert report.count(gv.Outcome.PASS)
