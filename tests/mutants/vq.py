"""Mutants of vector quantisation, each with one named bug, and twins in unusual styles."""

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
    """Declares the decorated function or class, as a stranger would, as a wrong formula of vector quantisation."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"vq.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"vq.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function or class as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"vq.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"vq.{like}: {f.__name__}", make=make))
        return f

    return declare


# ── The nearest code ─────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("nearest_code", "value")
def without_the_codes_norm(z, codebook):
    """−2 z·e alone: the longest code wins. Met where codes are not normalised, as in lookup-free quantisation."""
    return (-2 * z @ codebook.T).argmin(-1)


@mutant("nearest_code", "value")
def missing_the_two(z, codebook):
    """‖z‖² + ‖e‖² − z·e."""
    return (z.square().sum(-1, keepdim=True) + codebook.square().sum(-1) - z @ codebook.T).argmin(-1)


@mutant("nearest_code", "value", layout="images [batch, dim, height, width]")
def viewed_as_rows(z, codebook):
    """Images [batch, dim, h, w] are viewed as rows, without a permutation. Met in ports from channels-last."""
    flat = z.reshape(-1, codebook.shape[-1])
    return codebook[torch.cdist(flat, codebook).argmin(-1)].reshape(z.shape)


@mutant("nearest_code", "value")
def a_blend(z, codebook):
    """Softmax over distances: a mixture of codes, and none of them."""
    return torch.softmax(-4 * torch.cdist(z, codebook), -1) @ codebook


@twin("nearest_code")
def multiplied_out(z, codebook):
    """‖z‖² + ‖e‖² − 2 z·e by addmm."""
    squares = z.pow(2).sum(1, keepdim=True) + codebook.pow(2).sum(1)
    return torch.addmm(squares, z, codebook.t(), alpha=-2.0).min(1).indices


@twin("nearest_code")
def largest_of_the_negative(x, embed):
    """Codes as columns [dim, codes], one-hot."""
    dist = x.pow(2).sum(1, keepdim=True) - 2 * x @ embed + embed.pow(2).sum(0, keepdim=True)
    return F.one_hot((-dist).max(1).indices, embed.shape[1]).type(x.dtype)


@twin("nearest_code")
def last_of_equals(inputs, embedding):
    """Another choice among equally near codes; an index [n, 1]."""
    distances = torch.cdist(inputs, embedding, compute_mode="donot_use_mm_for_euclid_dist")
    last = embedding.shape[0] - 1 - distances.flip(-1).argmin(-1)
    return last.unsqueeze(1)


@twin("nearest_code")
def of_images(z, codebook):
    """[batch, dim, h, w] in, [batch, h, w] out."""
    b, _, h, w = z.shape
    flat = z.permute(0, 2, 3, 1).reshape(-1, codebook.shape[1])
    return torch.cdist(flat, codebook).argmin(1).view(b, h, w)


@twin("nearest_code", output=lambda found: found[0])
class Looks(nn.Module):
    """A layer that gives the codes in the layout of its input, and the indices."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_embeddings, embedding_dim)

    def forward(self, latents):
        flat = latents.movedim(1, -1)
        index = (flat.unsqueeze(-2) - self.embedding.weight).norm(dim=-1).argmin(-1)
        return self.embedding(index).movedim(-1, 1), index


# ── Straight through ─────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("straight_through", "gradient")
def nothing_passes(z, quantized):
    """The code as it is: the encoder never learns from the decoder."""
    return quantized + 0 * z.detach()


@mutant("straight_through", "gradient")
def also_to_the_code(z, quantized):
    """e + (z − sg(z)): the decoder's loss moves the codes."""
    return quantized + (z - z.detach())


class _Copy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, quantized):
        return quantized.clone()

    @staticmethod
    def backward(ctx, *grads):
        return grads[0], None


@twin("straight_through")
def by_hand(z_e, z_q):
    """A backward of its own."""
    return _Copy.apply(z_e, z_q)


@twin("straight_through", output=lambda found: found[1])
class WithABuffer(nn.Module):
    """Codes in a buffer, which no gradient reaches: e + (z − sg(z)) does no harm."""

    def __init__(self, n_e: int, e_dim: int) -> None:
        super().__init__()
        self.register_buffer("embed", torch.randn(n_e, e_dim))

    def forward(self, z):
        index = torch.cdist(z, self.embed).argmin(-1)
        return index, self.embed[index].detach() + (z - z.detach())


# ── The loss ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("loss", "gradient")
def beta_on_the_other_term(z, z_q, beta=0.25):
    """β weighs the codebook's term. Met in the first VQGAN code (taming-transformers issues 46 and 57)."""
    return ((z_q.detach() - z) ** 2).mean() + beta * ((z_q - z.detach()) ** 2).mean()


@mutant("loss", "gradient")
def never_stopped(z, z_q, beta=0.25):
    """Both terms pull at both."""
    return F.mse_loss(z, z_q) + beta * F.mse_loss(z_q, z)


@mutant("loss")
def commitment_forgotten(z, z_q):
    """The codebook's term alone, without β."""
    return F.mse_loss(z_q, z.detach())


@mutant("loss", "gradient")
def stopped_twice(z, z_q, beta=0.25):
    """Both terms move the vector; the code stays for ever."""
    return F.mse_loss(z, z_q.detach()) + beta * F.mse_loss(z, z_q.detach())


@twin("loss")
def summed_over_entries(z_e, e, beta=0.25):
    """‖·‖² summed over each vector, averaged over vectors."""
    return torch.sum((z_e.detach() - e) ** 2 + beta * (z_e - e.detach()) ** 2, dim=-1).mean()


@twin("loss", output=lambda found: found[0])
class Sonnets(nn.Module):
    """The usual layer, images in, four results out; in float32 by its own one-hot matrix."""

    def __init__(self, num_embeddings: int, embedding_dim: int, commitment_cost: float) -> None:
        super().__init__()
        self._embedding = nn.Embedding(num_embeddings, embedding_dim)
        self._commitment_cost = commitment_cost

    def forward(self, inputs):
        inputs = inputs.permute(0, 2, 3, 1).contiguous()
        flat = inputs.view(-1, self._embedding.embedding_dim)
        weight = self._embedding.weight
        distances = (flat**2).sum(1, keepdim=True) + (weight**2).sum(1) - 2 * flat @ weight.t()
        index = distances.argmin(1, keepdim=True)
        encodings = torch.zeros(len(index), len(weight), dtype=flat.dtype).scatter_(1, index, 1)
        quantized = (encodings @ weight).view(inputs.shape)
        loss = F.mse_loss(quantized, inputs.detach()) + self._commitment_cost * F.mse_loss(quantized.detach(), inputs)
        quantized = inputs + (quantized - inputs).detach()
        used = encodings.mean(0)
        return loss, quantized.permute(0, 3, 1, 2), torch.exp(-(used * (used + 1e-10).log()).sum()), encodings


TWINS.append(
    Twin(
        name="vq.perplexity: Sonnets",
        make=lambda: Formula(Sonnets, like="vq.perplexity", output=lambda r: r[2], fixed={"commitment_cost": 0.25}),
    )
)


@twin("loss", dialect="β on the codebook's term")
def legacy_as_declared(z, z_q, beta=0.25):
    """VQGAN's legacy weighting, declared as such."""
    return torch.mean((z_q.detach() - z) ** 2) + beta * torch.mean((z_q - z.detach()) ** 2)


@mutant("commitment_loss", "gradient")
def pulls_both(x, quantize, commitment_weight=1.0):
    """No stop-gradient: the codes follow, twice where they are running means."""
    return commitment_weight * F.mse_loss(quantize, x)


@twin("codebook_loss")
def of_a_signal(z_e, z_q):
    """[batch, dim, time] to [batch]: the mean over a sample."""
    return F.mse_loss(z_q, z_e.detach(), reduction="none").mean([1, 2])
