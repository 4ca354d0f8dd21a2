"""Maps with one bug each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genverify.subjects.map import Map
from tests.mutants.flow import seeded
from tests.mutants.mutant import Mutant, Twin


def drops(x: Tensor) -> Tensor:
    """`F.dropout` without `training=self.training`: it drops in evaluation mode, too; classical."""
    return nn.functional.dropout(x, 0.5)


class ClampedOutput(nn.Module):
    """A linear layer that clamps its result, and is taken for linear."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).clamp(-1.0, 1.0)


MUTANTS = [
    Mutant(name="drops", killed_by="map.deterministic", make=lambda: Map(drops, event_shape=3)),
    Mutant(
        name="biased_layer_taken_for_linear", killed_by="map.linear",
        make=lambda: Map(seeded(lambda: nn.Linear(3, 2)), linear=True),
    ),
    Mutant(name="ClampedOutput", killed_by="map.linear", make=lambda: Map(seeded(ClampedOutput), event_shape=3, linear=True)),
    Mutant(name="ClampedOutput, affine", killed_by="map.affine", make=lambda: Map(seeded(ClampedOutput), event_shape=3, affine=True)),
]  # fmt: skip

TWINS: list[Twin] = []
