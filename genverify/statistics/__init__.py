"""Sequential tests of a mean with stated error rates, and the budget that those rates are taken from."""

from __future__ import annotations

from genverify.statistics.assumptions import Assumption, Bounded, KurtosisBound, Normal, SubGaussian
from genverify.statistics.budget import AlphaBudget
from genverify.statistics.mean_test import MeanTest
from genverify.statistics.mean_test_result import MeanTestResult
from genverify.statistics.planning import planned_samples

__all__ = [
    "AlphaBudget",
    "Assumption",
    "Bounded",
    "KurtosisBound",
    "MeanTest",
    "MeanTestResult",
    "Normal",
    "SubGaussian",
    "planned_samples",
]
