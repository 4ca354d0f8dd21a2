"""Sequential tests of a mean with stated error rates, and the budget that those rates are taken from."""

from __future__ import annotations

from genverify.statistics.assumptions import Assumption, Bounded, KurtosisBound, Normal, SubGaussian
from genverify.statistics.budget import AlphaBudget
from genverify.statistics.law_test import LawTest, characteristic_test, random_frequencies
from genverify.statistics.mean_test import MeanTest
from genverify.statistics.mean_test_result import MeanTestResult
from genverify.statistics.planning import planned_samples

__all__ = [
    "AlphaBudget",
    "Assumption",
    "Bounded",
    "KurtosisBound",
    "LawTest",
    "MeanTest",
    "MeanTestResult",
    "Normal",
    "SubGaussian",
    "characteristic_test",
    "planned_samples",
    "random_frequencies",
]
