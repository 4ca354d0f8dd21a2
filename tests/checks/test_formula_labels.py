"""Formulas whose result is a word."""

from __future__ import annotations

from enum import Enum

import torch

from genverify.subjects.parametrisation import any_real
from tests.checks.toy_formula import known, right, wrong


class Sign(Enum):
    POSITIVE, NEGATIVE = range(2)


def test_words_synonyms_enumerations_and_lists_are_read_and_other_words_refused():
    with known(
        arguments=(any_real("x", "batch"),), oracle=lambda x: (x < 0).double(), output="batch", gradient=False,
        labels=(("positive", "not negative"), ("negative", "below zero")),
    ) as like:  # fmt: skip
        right(lambda x: ["Positive" if one >= 0 else "below_zero" for one in x], like)
        right(lambda x: [Sign.NEGATIVE if one < 0 else Sign.POSITIVE for one in x], like)
        right(lambda x: torch.where(x < 0, 1, 0), like)
        wrong(lambda x: ["negative" if one >= 0 else "positive" for one in x], like, "dialect")
        message = wrong(lambda x: ["up" if one >= 0 else "down" for one in x], like, "dialect")
        assert "'up'" in message or "'down'" in message
