"""Relaxed discrete samples as pointwise formulas."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.reference.estimators import straight_through as reference
from genverify.subjects.domains import simplex
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Specification

__all__ = ["STRAIGHT_THROUGH"]


def _hard(soft: torch.Tensor) -> tuple[torch.Tensor, ...]:
    hard = torch.nn.functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
    # Two terms: however the two are added up, they are rounded on the scale of the soft value.
    return hard - soft, soft


STRAIGHT_THROUGH = formula(
    Specification(
        name="gumbel.straight_through_one_hot",
        statement="one-hot(argmax y) forward; the identity backward",
        source="Jang, Gu & Poole 2017, section 2.2; Bengio, Léonard & Courville 2013",
        arguments=(
            plain(
                "soft", "batch outcome", simplex(), ("y_soft", "y", "soft_sample", "probs", "p", "x", "y_s", "relaxed")
            ),
        ),
        oracle=_hard,
        surrogate=lambda soft: soft,
        output="batch outcome",
        sizes={"outcome": (2, 3, 4)},
        kinks=True,
    )
)


@declares_reference
def straight_through_one_hot() -> Formula:
    """The reference straight-through one-hot."""
    return Formula(reference.one_hot, like="gumbel.straight_through_one_hot")
