"""Correct maps in unusual styles: no check may accuse them."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

from genverify.subjects.map import Map
from tests.mutants.flow import seeded
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []


def net() -> nn.Sequential:
    """A small network with kinks."""
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))


def scripted() -> Map:
    """A ScriptModule."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Map(torch.jit.trace(seeded(net), torch.zeros(2, 3)), event_shape=3, name="scripted")


class Wrapped(nn.Module):
    """A wrapper as compilers make them: everything is passed on."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self._orig_mod = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._orig_mod(*args, **kwargs)


class InPlaceInside(nn.Module):
    """Works in place on its own copy, through views."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.5, 2.0, -1.0]))

    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        y[:, 1:].mul_(self.scale[1:]).add_(1.0)
        y.view(-1)[0:1].mul_(1.0)
        return y.sin_()


class Checkpointed(nn.Module):
    """A block whose activations are recomputed; the re-entrant kind refuses `torch.autograd.grad`."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.block, self.reentrant = net(), reentrant

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.block, x, use_reentrant=self.reentrant)


class Float32Only(nn.Module):
    """A table that is kept in float32, and refuses anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float32:
            raise TypeError("float32 only")
        return torch.tanh(self.layer(x))


def frozen() -> nn.Sequential:
    """The first layer is not trained."""
    made = net()
    made[0].requires_grad_(False)
    return made


class Transposed(nn.Module):
    """Returns a view that is not contiguous."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)[:, ::2]


class Residual(nn.Module):
    """A pre-activation block with normalisation (He et al. 2016b)."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.LayerNorm(3), nn.ReLU(), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x).add_(x)


class CausalAttention(nn.Module):
    """Attention with a causal mask of −inf, from torch's fused kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(2, 6)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


class Dictionary(nn.Module):
    """Returns several results by name."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.net(x)
        return {"logits": y, "probabilities": y.softmax(-1)}


def _residual() -> Map:
    block = seeded(Residual)
    return Map(block, event_shape=3, residual_of=block.branch, identity_path=True)


def kinked(x: Tensor) -> Tensor:
    """relu(x) − relu(−x), whose derivative autograd takes to be 0 at 0 (Kakade & Lee 2018), a clamp, and a sort."""
    return (torch.relu(x) - torch.relu(-x)).clamp(-1.0, 1.0) + x.abs().sort(-1).values


def without_graph(x: Tensor) -> Tensor:
    """Runs without autograd, as a deployed network does."""
    with torch.no_grad():
        return torch.tanh(x)


class Score(nn.Module):
    """The gradient of an energy, differentiated inside; it detaches what does not ask for a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(2, 3), nn.Softplus(), nn.Linear(3, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x if x.requires_grad else x.detach().requires_grad_(True)
        return torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)[0]


def noisy(x: Tensor) -> Tensor:
    """Adds noise, which is declared."""
    return x + torch.randn_like(x)


TWINS = [
    Twin(name="scripted", make=scripted),
    Twin(name="wrapped as by a compiler", make=lambda: Map(Wrapped(seeded(net)), event_shape=3)),
    Twin(name="InPlaceInside", make=lambda: Map(seeded(InPlaceInside), event_shape=3)),
    Twin(name="checkpointed", make=lambda: Map(seeded(lambda: Checkpointed(False)), event_shape=3)),
    Twin(name="checkpointed, re-entrant", make=lambda: Map(seeded(lambda: Checkpointed(True)), event_shape=3)),
    Twin(name="Float32Only", make=lambda: Map(seeded(Float32Only), event_shape=3)),
    Twin(name="frozen parameters", make=lambda: Map(seeded(frozen), event_shape=3)),
    Twin(
        name="weight norm",
        make=lambda: Map(seeded(lambda: weight_norm(nn.Linear(3, 2))), event_shape=3, affine=True),
    ),
    Twin(
        name="spectral norm in training mode",
        make=lambda: Map(seeded(lambda: spectral_norm(nn.Linear(3, 2))), event_shape=3, training=True, gradient=False),
    ),
    Twin(name="spectral norm", make=lambda: Map(seeded(lambda: spectral_norm(nn.Linear(3, 2))), event_shape=3)),
    Twin(
        name="batch norm in training mode",
        make=lambda: Map(
            nn.Sequential(seeded(lambda: nn.Linear(3, 2)), nn.BatchNorm1d(2, eps=0.1), nn.Tanh()), event_shape=3,
            training=True, batch_independent=False, domain=(-3.0, 3.0),
        ),
    ),
    Twin(name="view that is not contiguous", make=lambda: Map(Transposed(), event_shape=(2, 3), linear=True)),
    Twin(name="pre-activation block", make=_residual),
    Twin(
        name="causal attention",
        make=lambda: Map(
            seeded(CausalAttention), event_shape=(3, 2), ignores=lambda i, j: j[0] > i[0],
            depends_on=lambda i, j: j[0] <= i[0],
        ),
    ),
    Twin(name="one of several results", make=lambda: Map(seeded(Dictionary), event_shape=3, output="probabilities")),
    Twin(name="kinked", make=lambda: Map(kinked, event_shape=2)),
    Twin(name="without graph", make=lambda: Map(without_graph, event_shape=2)),
    Twin(name="score of an energy", make=lambda: Map(seeded(Score), event_shape=2)),
    Twin(name="noise that is declared", make=lambda: Map(noisy, event_shape=2, stochastic=True)),
    Twin(name="in place on its input, and says so", make=lambda: Map(nn.ReLU(inplace=True), event_shape=2)),
    Twin(name="row by row", make=lambda: Map(lambda row: row.cumsum(0), event_shape=3, batched=False, linear=True)),
    Twin(name="classes", make=lambda: Map(lambda x: x.argmax(-1), event_shape=3, output_shape=())),
]  # fmt: skip
