"""Cases of a diffusion process: data, a noisy sample, noise, a velocity, and a step for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genverify.strategies.events import points
from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.diffusion_process import DiffusionProcess
from genverify.subjects.region import REAL

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@draws_cases("diffusion_process")
def rows(subject: DiffusionProcess, run: Run) -> SearchStrategy[Case]:
    """Batches of one to three rows, each at a step of its own: 0, …, 64 of 64 parts of the way."""
    from hypothesis import strategies as st

    def of(count: int) -> SearchStrategy[Case]:
        shape = (count, *subject.event)
        samples = {name: points(REAL, shape) for name in ("x0", "xt", "noise", "v")}
        steps = st.lists(st.integers(0, 64), min_size=count, max_size=count)
        return st.fixed_dictionaries({**samples, "#t": steps.map(_whole)}).map(lambda values: Case(values=values))

    return st.integers(1, 3).flatmap(of)


@draws_cases("diffusion_process", "moments")
def moments(subject: DiffusionProcess, run: Run) -> SearchStrategy[Case]:
    """A mean and a standard deviation of the data, small enough that no predicted x_0 is clipped."""
    from hypothesis import strategies as st

    return st.builds(
        lambda mean, std: Case(values={"mean": mean / 64, "std": std / 64}), st.integers(-16, 16), st.integers(1, 16)
    )


def _whole(steps: list[int]) -> torch.Tensor:
    return torch.tensor(steps, dtype=torch.int64)
