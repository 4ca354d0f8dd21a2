"""Small networks for a step that takes any: a generator and a discriminator that are smooth and far from symmetric."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Plan", "made_network"]

_HIDDEN = 12
# The standard deviation of a discriminator's logits on so many rows.
_SPREAD, _ROWS = 1.3, 32


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What networks are made for.

    Attributes:
        event: Shape of one sample.
        latent: Shape of the noise of one sample.
        column: Whether a discriminator returns [batch, 1], and not [batch].
        probability: Whether it returns probabilities, and not logits.
        dtype: Of the parameters.
        rows: Samples in a batch.
        criterion: Name of the criterion, where the step takes one.
    """

    event: tuple[int, ...] = (3,)
    latent: tuple[int, ...] = (4,)
    column: bool = True
    probability: bool = False
    dtype: torch.dtype = torch.float64
    rows: int = 6
    criterion: str = "BCEWithLogitsLoss"


class Perceptron(nn.Module):
    """Two hidden layers on flattened events; a last layer with logits of the size of one and more."""

    def __init__(self, inputs: int, outputs: int, shape: tuple[int, ...], *, column: bool, probability: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(inputs, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, _HIDDEN), nn.Softplus(),
            nn.Linear(_HIDDEN, outputs),
        )  # fmt: skip
        self.inputs, self.shape, self.column, self.probability = inputs, shape, column, probability
        self.generates = column and shape != (1,)
        self.latent_dim = self.z_dim = self.nz = inputs
        self.seen: tuple[int, ...] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Flat in, of the stated shape out."""
        if x.shape[1:].numel() != self.inputs:
            self.seen = tuple(x.shape[1:]) if self.generates else None
            raise ValueError(f"{self.inputs} numbers a row are expected, not {tuple(x.shape)}")
        y = self.net(x.flatten(1) if x.dim() > 1 else x[:, None])
        y = torch.sigmoid(y) if self.probability else y
        return y.reshape(len(x), *self.shape) if self.column else y.reshape(len(x))


def made_network(role: str, plan: Plan, number: int) -> nn.Module:
    """A generator ("G") or discriminator ("D") of irregular weights that `number` chooses; in training mode."""
    event, latent = math.prod(plan.event), math.prod(plan.latent)
    if role == "G":
        made = Perceptron(latent, event, plan.event, column=True, probability=False)
    else:
        made = Perceptron(event, 1, (1,), column=plan.column, probability=plan.probability)
    made = made.to(plan.dtype)
    with torch.no_grad():
        for index, p in enumerate(made.parameters()):
            steps = torch.arange(1, p.numel() + 1, dtype=torch.float64)
            phase = 1.7 * index + 0.9 * number + (0.4 if role == "G" else 0.0)
            wave = torch.sin(steps * (math.sqrt(2.0) + 0.37 * index) + steps.square() * 0.731 + phase)
            scale = 1.6 / math.sqrt(p.shape[1]) if p.dim() > 1 else 0.3
            p.copy_((scale * wave).reshape(p.shape).to(p))
        if role != "G":
            _spread(made, plan)
    return made


def _spread(made: Perceptron, plan: Plan) -> None:
    """Logits on both sides of zero and of a hinge's margins."""
    count = _ROWS * math.prod(plan.event)
    steps = torch.arange(1, count + 1, dtype=plan.dtype)
    scores = made.net((1.5 * torch.sin(steps * 1.37 + 0.0173 * steps.square())).reshape(_ROWS, -1))
    last = made.net[-1]
    assert isinstance(last, nn.Linear)
    factor = _SPREAD / scores.std()
    last.weight.mul_(factor)
    last.bias.copy_((last.bias - scores.mean()) * factor)
