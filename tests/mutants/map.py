"""Maps with one bug each; wrong hand-written derivatives have a file of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from genverify.subjects.map import Map
from tests.mutants.flow import seeded
from tests.mutants.mutant import Mutant, Twin


def drops(x: Tensor) -> Tensor:
    """`F.dropout` without `training=self.training`: it drops in evaluation mode, too; classical."""
    return nn.functional.dropout(x, 0.5)


class CountsCalls(nn.Module):
    """A running average that is updated in evaluation mode, and used: the result depends on how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0) + 0.1
        return x - self.mean


class ClampedOutput(nn.Module):
    """A linear layer that clamps its result, and is taken for affine."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).clamp(-1.0, 1.0)


class CentresTheBatch(nn.Module):
    """Normalises with the statistics of the batch in evaluation mode, too: `dim=0` for `dim=-1`."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (x.std(0) + 1.0) if len(x) > 1 else x


def squeezes(x: Tensor) -> Tensor:
    """`.squeeze()` for `.squeeze(-1)`: a batch of one loses its batch axis."""
    return x.sum(-1, keepdim=True).squeeze()


def corrupts(x: Tensor) -> Tensor:
    """`x += 1` on the argument."""
    x += 1.0
    return x * x


def normalises(x: Tensor) -> Tensor:
    """x / ‖x‖ without ε: 0/0 at zero."""
    return x / x.square().sum(-1, keepdim=True).sqrt()


class HalfInside(nn.Module):
    """Casts to float32 inside, and forgets the way back."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x.float())


class NoSkip(nn.Module):
    """A residual block whose skip was forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x)


class ActivatedSum(NoSkip):
    """The activation follows the addition (He et al. 2016a), sold as an identity path (He et al. 2016b)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branch(x))


class SkipOfTheNormalised(NoSkip):
    """x is overwritten by its normalised self before the skip is taken."""

    def forward(self, x: Tensor) -> Tensor:
        x = x / (1.0 + x.abs())
        return x + self.branch(x)


class HalfIgnored(nn.Module):
    """Chunks its input in two, and passes the first half on twice: `a, b = x.chunk(2); cat([a, a])`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        a, _ = x.chunk(2, -1)
        return self.layer(torch.cat([a, a], -1))


def leaks_ahead(x: Tensor) -> Tensor:
    """A causal sum that sees one step too far: `roll` for a shift with zeros."""
    return x.cumsum(-1) + x.roll(-1, -1)


def leaks_past_autograd(x: Tensor) -> Tensor:
    """A mean over the whole sequence, detached: the Jacobian is causal, the values are not."""
    return x.cumsum(-1) - x.detach().mean(-1, keepdim=True)


class PositionsInASet(nn.Module):
    """A set function that adds a positional encoding."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x + torch.linspace(0.0, 1.0, x.shape[1], dtype=x.dtype)[:, None])


def first_of_the_set(x: Tensor) -> Tensor:
    """Pools a set by its first element, as a class token, and claims to be invariant."""
    return x[:, 0] + x.mean(1)


def another_gelu(x: Tensor) -> Tensor:
    """The tanh approximation sold as the exact GELU."""
    return nn.functional.gelu(x, approximate="tanh")


def _of(make: Any, **claims: Any) -> Callable[[], Map]:
    return lambda: Map(seeded(make) if isinstance(make, type) else make, **claims)


def _residual(cls: type[NoSkip]) -> Map:
    block = seeded(cls)
    return Map(block, residual_of=block.branch, event_shape=3)


CAUSAL = {"event_shape": 4, "ignores": lambda i, j: j > i}
MUTANTS = [
    Mutant(name="drops", killed_by="map.deterministic", make=_of(drops, event_shape=3)),
    Mutant(name="CountsCalls", killed_by="map.deterministic", make=_of(CountsCalls, event_shape=2)),
    Mutant(
        name="biased_layer_taken_for_linear", killed_by="map.linear",
        make=lambda: Map(seeded(lambda: nn.Linear(3, 2)), linear=True),
    ),
    Mutant(name="ClampedOutput", killed_by="map.affine", make=_of(ClampedOutput, event_shape=1, affine=True)),
    Mutant(name="CentresTheBatch", killed_by="map.batch_independence", make=_of(CentresTheBatch, event_shape=2)),
    Mutant(name="squeezes", killed_by="map.output_shape", make=_of(squeezes, event_shape=3)),
    Mutant(
        name="same_size_for_even_sizes_alone", killed_by="map.output_shape",
        make=lambda: Map(
            seeded(lambda: nn.Sequential(nn.Conv1d(1, 1, 2, stride=2), nn.ConvTranspose1d(1, 1, 2, stride=2))),
            event_shape=(1, 8), event_shapes=[(1, 9)], output_shape=lambda event: event,
        ),
    ),
    Mutant(
        name="takes_what_it_must_refuse", killed_by="map.output_shape",
        make=lambda: Map(torch.tanh, event_shape=(1, 8), refuses=[(2, 8)]),
    ),
    Mutant(name="corrupts", killed_by="map.inputs_untouched", make=_of(corrupts, event_shape=2)),
    Mutant(name="normalises", killed_by="map.finite", make=_of(normalises, event_shape=2)),
    Mutant(name="HalfInside", killed_by="map.dtype_and_device", make=_of(HalfInside, event_shape=2)),
    Mutant(name="NoSkip", killed_by="map.residual_of", make=lambda: _residual(NoSkip)),
    Mutant(name="SkipOfTheNormalised", killed_by="map.residual_of", make=lambda: _residual(SkipOfTheNormalised)),
    Mutant(name="NoSkip", killed_by="map.identity_path", make=_of(NoSkip, event_shape=3, identity_path=True)),
    Mutant(
        name="ActivatedSum", killed_by="map.identity_path", make=_of(ActivatedSum, event_shape=3, identity_path=True)
    ),
    Mutant(
        name="HalfIgnored", killed_by="map.depends_on",
        make=_of(HalfIgnored, event_shape=4, depends_on=lambda i, j: True),
    ),
    Mutant(name="leaks_ahead", killed_by="map.ignores", make=_of(leaks_ahead, **CAUSAL)),
    Mutant(name="leaks_past_autograd", killed_by="map.ignores", make=_of(leaks_past_autograd, **CAUSAL)),
    Mutant(
        name="PositionsInASet", killed_by="map.equivariant",
        make=_of(PositionsInASet, event_shape=(2, 1), equivariant="permutation"),
    ),
    Mutant(
        name="first_of_the_set", killed_by="map.invariant",
        make=_of(first_of_the_set, event_shape=(2, 1), invariant="permutation"),
    ),
    Mutant(
        name="another_gelu", killed_by="map.equals", make=_of(another_gelu, event_shape=2, equals=nn.functional.gelu)
    ),
    Mutant(
        name="transposed_weight", killed_by="map.matrix",
        make=lambda: Map(lambda x: x @ _WEIGHT.to(x), event_shape=2, matrix=_WEIGHT, name="transposed_weight"),
    ),
]  # fmt: skip
_WEIGHT = torch.tensor([[1.0, 2.0], [0.0, -1.0]])

TWINS: list[Twin] = []
