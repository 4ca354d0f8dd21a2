"""Cases of a training step: the batch and the noise that it is given, and the number of the networks' weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_step import TrainingStep

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

# Rows are kept apart by an irregular wave, whose number is drawn: equal rows would say nothing of each other.
_LEAST, _MOST, _NUMBERS = 5, 8, 999


@draws_cases("training_step")
def batches(subject: TrainingStep, run: Run) -> SearchStrategy[Case]:
    """Batches of 5 to 8 rows."""
    from hypothesis import strategies as st

    return st.builds(
        lambda rows, number, network, seed: _case(subject, rows, number, network, seed),
        st.integers(_LEAST, _MOST), st.integers(0, _NUMBERS), st.integers(0, _NUMBERS), st.integers(0, _NUMBERS),
    )  # fmt: skip


def _case(subject: TrainingStep, rows: int, number: int, network: int, seed: int) -> Case:
    values: dict[str, Any] = {"#network": network}
    for index, (role, event) in enumerate(subject.calls.shapes.items()):
        values[role] = _wave((rows, *event), number + 31 * index)
    return Case(values=values, seed=seed)


def _wave(shape: tuple[int, ...], number: int) -> Tensor:
    steps = torch.arange(1, torch.Size(shape).numel() + 1, dtype=torch.float64)
    # Multiples of 1/64, that a person can read, and that are the same in every dtype.
    return (torch.round(96.0 * torch.sin(steps * 1.37 + 0.0173 * steps.square() + 0.71 * number)) / 64.0).reshape(shape)
