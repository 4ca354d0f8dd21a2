"""Cases of a latent-variable model: a batch of observations, and of conditions where it takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.strategies.events import points
from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.subjects.region import REAL

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

# Numbers that make up a larger batch of zeros and ones.
_FREE = 24


@draws_cases("latent_variable_model")
def batches(subject: LatentVariableModel, run: Run) -> SearchStrategy[Case]:
    """Batches of 1 to 3 rows; of 2 or more where it sees its whole batch."""
    return _cases(subject, 1 if subject.batch_independent else 2)


@draws_cases("latent_variable_model", "several rows")
def several_rows(subject: LatentVariableModel, run: Run) -> SearchStrategy[Case]:
    """Batches of 2 or 3 rows, for what can go wrong between rows."""
    return _cases(subject, 2)


@draws_cases("latent_variable_model", "one row")
def one_row(subject: LatentVariableModel, run: Run) -> SearchStrategy[Case]:
    """Batches of one row (two where it sees its whole batch), for what is integrated over all draws."""
    least = 1 if subject.batch_independent else 2
    return _cases(subject, least, least)


def _cases(subject: LatentVariableModel, least: int, most: int = 3) -> SearchStrategy[Case]:
    from hypothesis import strategies as st

    def of_rows(rows: int) -> SearchStrategy[Case]:
        parts: dict[str, SearchStrategy[Any]] = {"x": _events(subject, (rows, *subject.event))}
        if subject.classes is not None:
            labels = st.lists(st.integers(0, int(subject.classes) - 1), min_size=rows, max_size=rows)
            parts["condition"] = labels.map(_long)
        elif isinstance(subject.condition_shape, tuple):
            parts["condition"] = points(REAL, (rows, *subject.condition_shape))
        return st.fixed_dictionaries(parts).map(lambda values: Case(values=values))

    return st.integers(least, most).flatmap(of_rows)


def _events(subject: LatentVariableModel, shape: tuple[int, ...]) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    if subject.calls.data != "binary":
        return points(subject.where, shape)
    import torch

    count = torch.Size(shape).numel()
    drawn = min(count, _FREE)
    bits = st.lists(st.integers(0, 1), min_size=drawn, max_size=drawn)
    return bits.map(
        lambda found: torch.tensor(
            [float(found[(k * k + k // _FREE) % drawn]) for k in range(count)], dtype=torch.float64
        ).reshape(shape)
    )


def _long(labels: list[int]) -> Any:  # noqa: ANN401 - a tensor
    import torch

    return torch.tensor(labels, dtype=torch.int64)
