"""What the dialects of one rule have computed of a trajectory: most of their lines are the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from genverify.subjects.optimizer_run import Trajectory

__all__ = ["SharedLines"]

_KEPT = 6


@dataclass(kw_only=True)
class SharedLines:
    """The values of lines along the last few trajectories; see `Recurrence.follow`."""

    _found: list[tuple[tuple[Any, ...], Trajectory, dict[str, Any]]] = field(default_factory=list)

    def known(self, trajectory: Trajectory, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """What is known of the trajectory under these hyperparameters, to be read and added to."""
        stream = trajectory.stream
        tensors = (trajectory.observed, stream.rates, *stream.gradients, *stream.present)
        own = (tuple((x.data_ptr(), x.shape) for x in tensors), trajectory.dtype, arguments)
        for one, _, known in self._found:  # the trajectory is held, so that its memory stays its own
            if one == own:
                return known
        self._found.append((own, trajectory, {}))
        del self._found[:-_KEPT]
        return self._found[-1][2]
