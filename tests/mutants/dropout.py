"""Dropouts that are wrong in evaluation mode, at an end of the rate or in the backward pass; and right ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from genverify.subjects.sampler import Sampler
from tests.mutants.mutant import Mutant, Twin


class Forgetful(nn.Module):
    """F.dropout without `training=self.training`: its default is True (pytorch/pytorch#26338, rixwew/pytorch-fm#21)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, 0.25)


class Reversed(nn.Module):
    """The flag is turned about: nothing in training, noise in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, 0.25, not self.training)


class ScaledTwice(nn.Module):
    """Inverted in training and scaled by 1 − p in evaluation, too: the two conventions in one."""

    def __init__(self, p: float = 0.25) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.p) if self.training else (1 - self.p) * x


def unguarded(x: Tensor, p: float = 0.5) -> Tensor:
    """x m / (1 − p) at p = 1 is 0/0 (timm guards its `drop_path` by `if keep_prob > 0.0`)."""
    return x * torch.bernoulli(torch.full_like(x, 1 - p)) / (1 - p)


def strictly_below(x: Tensor, p: float = 0.5) -> Tensor:
    """The scale is clamped against a division by zero, but the mask keeps at least one number in eight."""
    return x * torch.bernoulli(torch.full_like(x, max(1 - p, 0.125))) / max(1 - p, 0.125)


def drawn_again(x: Tensor, p: float = 0.5) -> Tensor:
    """Checkpointing that does not put the random state back: the backward pass has another mask."""
    return checkpoint(functional.dropout, x, p, use_reentrant=False, preserve_rng_state=False)


class _NewMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p):
        ctx.p = p
        return functional.dropout(x, p)

    @staticmethod
    def backward(ctx, grad):
        return functional.dropout(grad, ctx.p), None


def new_mask(x: Tensor, p: float = 0.5) -> Tensor:
    """A hand-written backward that drops anew (a fused kernel with a wrong seed offset)."""
    return _NewMask.apply(x, p)


class _Unscaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p):
        mask = torch.bernoulli(torch.full_like(x, 1 - p))
        ctx.save_for_backward(mask)
        return x * mask / (1 - p) if p < 1 else x * mask

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0], None


def unscaled_backward(x: Tensor, p: float = 0.5) -> Tensor:
    """The gradient is masked, and not divided by 1 − p."""
    return _Unscaled.apply(x, p)


def by_numbers(x: Tensor, p: float = 0.5) -> Tensor:
    """Each number of a channel by itself, where channels are to be dropped."""
    return functional.dropout(x, p)


def by_rows(x: Tensor, p: float = 0.5) -> Tensor:
    """One mask for all channels of a row: stochastic depth for the dropout of channels."""
    return Drop(p)(x)


class Drop(nn.Module):
    """Stochastic depth as timm has it, with its own guard and default rate."""

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        if self.drop_prob == 0.0 or not self.training:
            return x
        kept = 1 - self.drop_prob
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(kept)
        return x * (mask.div_(kept) if kept > 0.0 else mask)


def thresholds(X: Tensor, dropout: float) -> Tensor:
    """A textbook's: a comparison with uniform draws in float32, and the end p = 1 by itself."""
    assert 0 <= dropout <= 1
    if dropout == 1:
        return torch.zeros_like(X)
    return (torch.rand(X.shape) > dropout).float() * X / (1.0 - dropout)


def half_open(x: Tensor, rate: float, deterministic: bool = False) -> Tensor:
    """Refuses p = 1, and says by a flag of the other sign that nothing is to be drawn."""
    if not 0 <= rate < 1:
        raise ValueError(rate)
    return x if deterministic else torch.where(torch.rand_like(x) < rate, 0, x / (1 - rate))


def recomputed(x: Tensor, p: float = 0.5) -> Tensor:
    """Checkpointing as it should be: the same mask twice."""
    return checkpoint(functional.dropout, x, p, use_reentrant=False)


def spatial(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Whole channels by broadcasting, for images alone."""
    if not training or p == 0:
        return x
    mask = torch.rand(x.shape[0], x.shape[1], 1, 1) >= p
    return x * mask / (1 - p) if p < 1 else torch.zeros_like(x)


B, C, A = "dropout.bernoulli", "dropout.channel", "dropout.alpha"


def _mutant(f, killed_by: str, law: str = B) -> Mutant:
    name = getattr(f, "__name__", type(f).__name__)
    return Mutant(name=f"{law}: {name}", make=lambda: Sampler(f, law=law), killed_by=f"sampler.{killed_by}")


def _twin(name: str, f, law: str, **fields) -> Twin:
    return Twin(name=f"{law}: {name}", make=lambda: Sampler(f, law=law, **fields))


MUTANTS = [
    Mutant(name=f"{B}: Forgetful", make=lambda: Sampler(Forgetful(), law=B, at={"p": 0.25}),
           killed_by="sampler.evaluation"),
    Mutant(name=f"{B}: Reversed", make=lambda: Sampler(Reversed(), law=B, at={"p": 0.25}),
           killed_by="sampler.evaluation"),
    _mutant(ScaledTwice(), "evaluation"), _mutant(strictly_below, "ends"),
    _mutant(drawn_again, "gradient"), _mutant(new_mask, "gradient"), _mutant(unscaled_backward, "gradient"),
    _mutant(by_numbers, "law", C), _mutant(by_rows, "law", C),
]  # fmt: skip
TWINS = [
    _twin("thresholds", thresholds, B), _twin("half_open", half_open, B), _twin("unguarded", unguarded, B),
    _twin("recomputed", recomputed, B),
    _twin("the class", nn.Dropout, B), _twin("made for evaluation", nn.Dropout(0.75).eval(), B),
    _twin("nested", nn.Sequential(nn.Identity(), nn.Sequential(nn.Dropout(0.25))), B),
    _twin("in place", nn.Dropout(0.25, inplace=True), B, writes_input=True),
    _twin("always on", Forgetful(), B, at={"p": 0.25}, modes=False),
    _twin("1d", nn.Dropout1d(0.25), C), _twin("2d", nn.Dropout2d(0.5), C), _twin("3d", nn.Dropout3d(0.25), C),
    _twin("spatial", spatial, C), _twin("F.dropout2d", functional.dropout2d, C),
    _twin("features", nn.FeatureAlphaDropout(0.25), "dropout.channel_alpha"),
    _twin("F.alpha_dropout", functional.alpha_dropout, A), _twin("Drop", Drop(0.25), "dropout.path"),
    _twin("the class", Drop, "dropout.path"),
]  # fmt: skip
