"""Mutants of perplexity and of codebooks that are running means, each with one named bug, and twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula of a codebook in use."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"vq.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"vq.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"vq.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"vq.{like}: {f.__name__}", make=make))
        return f

    return declare


def begun(f: type[nn.Module], **settings: Any) -> nn.Module:
    """An instance with a codebook that is known."""
    made = f(3, 2, **settings)
    with torch.no_grad():
        made.embedding.copy_(torch.tensor([[-1.0, 0.5], [0.25, -0.75], [1.0, 1.0]]))
        made.ema_w.copy_(made.embedding)
    return made


# ── Perplexity ───────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("perplexity")
def of_each_row(encodings):
    """The entropy of a one-hot row is zero: one, whatever is used."""
    return torch.exp(-(encodings * torch.log(encodings + 1e-10)).sum(-1)).mean()


@mutant("perplexity")
def bits_to_the_base_e(avg_probs):
    """exp of an entropy in bits."""
    return torch.exp(-(avg_probs * torch.log2(avg_probs)).sum())


@twin("perplexity")
def of_a_law(indices, num_embeddings):
    """By torch.distributions."""
    p = torch.bincount(indices.flatten(), minlength=num_embeddings).double() / indices.numel()
    return torch.distributions.Categorical(probs=p).perplexity()


@twin("perplexity")
def to_the_base_two(e_mean):
    """2 to the entropy in bits."""
    return 2 ** -(e_mean * torch.log2(e_mean)).sum()


# ── The codebook that follows ────────────────────────────────────────────────────────────────────────────────────────


@mutant("ema_codebook")
def mean_of_means(z, onehot, cluster_size, embed_avg, decay):
    """The batch's mean of each code where the sum belongs."""
    n = onehot.sum(0)
    size = decay * cluster_size + (1 - decay) * n
    avg = decay * embed_avg + (1 - decay) * (onehot.t() @ z) / n.clamp(min=1).unsqueeze(1)
    return avg / size.unsqueeze(1)


@mutant("ema_codebook")
def forgets_the_old(z, onehot, cluster_size, embed_avg, decay):
    """γ weighs the new."""
    size = (1 - decay) * cluster_size + decay * onehot.sum(0)
    return ((1 - decay) * embed_avg + decay * onehot.t() @ z) / size.unsqueeze(1)


@twin("ema_codebook", output=lambda found: found[2])
def in_place_on_buffers(flat_input, encoding_indices, ema_count, ema_weight, gamma):
    """index_add_, with everything given back."""
    n = torch.zeros_like(ema_count).index_add_(0, encoding_indices, torch.ones(len(flat_input)).to(ema_count))
    s = torch.zeros_like(ema_weight).index_add_(0, encoding_indices, flat_input)
    count, weight = ema_count.lerp(n, 1 - gamma), ema_weight.lerp(s, 1 - gamma)
    return count, weight, weight / count[:, None]


class Follows(nn.Module):
    """Zalando's layer in essence: counts, sums and codes as buffers."""

    def __init__(self, num_embeddings: int, embedding_dim: int, decay: float = 0.75, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.decay, self.epsilon = decay, epsilon
        self.register_buffer("embedding", torch.randn(num_embeddings, embedding_dim))
        self.register_buffer("cluster_size", torch.ones(num_embeddings))
        self.register_buffer("ema_w", self.embedding.clone())

    def chosen(self, z):
        index = torch.cdist(z, self.embedding).argmin(-1)
        return index, F.one_hot(index, len(self.embedding)).to(z)

    def smoothed(self, size):
        n = size.sum()
        return (size + self.epsilon) / (n + len(size) * self.epsilon) * n

    @torch.no_grad()
    def follow(self, z, hot):
        self.cluster_size.mul_(self.decay).add_((1 - self.decay) * hot.sum(0))
        self.ema_w.mul_(self.decay).add_((1 - self.decay) * hot.t() @ z)
        self.embedding.copy_(self.ema_w / self.smoothed(self.cluster_size)[:, None])

    def forward(self, z):
        index, hot = self.chosen(z)
        quantized = self.embedding[index]
        if self.training:
            self.follow(z, hot)
        return z + (quantized - z).detach()


class KeepsSmoothed(Follows):
    """Keeps the smoothed counts, as the PyTorch ports of Sonnet do."""

    @torch.no_grad()
    def follow(self, z, hot):
        self.cluster_size.copy_(self.smoothed(self.decay * self.cluster_size + (1 - self.decay) * hot.sum(0)))
        self.ema_w.copy_(self.decay * self.ema_w + (1 - self.decay) * hot.t() @ z)
        self.embedding.copy_(self.ema_w / self.cluster_size[:, None])


class FollowsInEvaluation(Follows):
    """The codes move in evaluation, too."""

    def forward(self, z):
        _, hot = self.chosen(z)
        self.follow(z, hot)
        return self.embedding[self.chosen(z)[0]]


class CountsGrow(Follows):
    """The counts do not decay."""

    @torch.no_grad()
    def follow(self, z, hot):
        self.cluster_size.add_(hot.sum(0))
        self.ema_w.mul_(self.decay).add_((1 - self.decay) * hot.t() @ z)
        self.embedding.copy_(self.ema_w / self.cluster_size[:, None])


_OVER_STEPS = "vq.ema_codebook_over_steps"
MUTANTS += [
    Mutant(name=f"{_OVER_STEPS}: {one.__name__}", make=lambda one=one: Formula(begun(one), like=_OVER_STEPS),
           killed_by="formula.dialect")
    for one in (FollowsInEvaluation, CountsGrow)
]  # fmt: skip
TWINS += [
    Twin(name=f"{_OVER_STEPS}: {one.__name__}", make=lambda one=one: Formula(begun(one), like=_OVER_STEPS))
    for one in (Follows, KeepsSmoothed)
]
