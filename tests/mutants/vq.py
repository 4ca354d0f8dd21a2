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


def begun(f: type[nn.Module], **settings: Any) -> nn.Module:
    """An instance with a codebook that is known."""
    made = f(3, 2, **settings)
    with torch.no_grad():
        made.embedding.copy_(torch.tensor([[-1.0, 0.5], [0.25, -0.75], [1.0, 1.0]]))
        made.ema_w.copy_(made.embedding)
    return made


# ── The nearest code ─────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("nearest_code", "value")
def without_the_codes_norm(z, codebook):
    """−2 z·e alone: the longest code wins. Met where codes are not normalised, as in lookup-free quantisation."""
    return (-2 * z @ codebook.T).argmin(-1)


@mutant("nearest_code", "value")
def missing_the_two(z, codebook):
    """‖z‖² + ‖e‖² − z·e."""
    return (z.square().sum(-1, keepdim=True) + codebook.square().sum(-1) - z @ codebook.T).argmin(-1)


@mutant("nearest_code", "value")
def farthest(z, codebook):
    """argmax of distances: the sign of a similarity is lost."""
    return torch.cdist(z, codebook).argmax(-1)


@mutant("nearest_code", "value")
def by_cosine(z, codebook):
    """Normalised first: another metric."""
    return (F.normalize(z, dim=-1) @ F.normalize(codebook, dim=-1).T).argmax(-1)


@mutant("nearest_code", "value")
def one_too_high(z, codebook):
    """Counts codes from one."""
    return torch.cdist(z, codebook).argmin(-1) + 1


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


@mutant("straight_through", "dialect")
def detached_the_wrong_part(z, quantized):
    """sg(z) + (z − e): the sign."""
    return z.detach() + (z - quantized)


@mutant("straight_through", "gradient")
def twice(z, quantized):
    """2z − sg(2z − e): twice the gradient."""
    return 2 * z - (2 * z - quantized).detach()


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


@twin("straight_through")
def under_no_grad(inputs, quantized):
    """The difference taken without a graph."""
    with torch.no_grad():
        delta = quantized - inputs
    return inputs + delta


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


@mutant("loss", layout="vectors [batch, dim]")
def not_squared(z, z_q, beta=0.25):
    """Norms where squares belong."""
    return (z.detach() - z_q).norm(dim=-1).mean() + beta * (z - z_q.detach()).norm(dim=-1).mean()


@mutant("loss", "gradient")
def stopped_twice(z, z_q, beta=0.25):
    """Both terms move the vector; the code stays for ever."""
    return F.mse_loss(z, z_q.detach()) + beta * F.mse_loss(z, z_q.detach())


@mutant("loss", "gradient", output=lambda found: found[0])
class AfterStraightThrough(nn.Module):
    """The loss of the straight-through output. Met in showlab/Olaf-World issue 8, andylolu2/jax-vqvae-gpt issue 2."""

    def __init__(self, num_embeddings: int, embedding_dim: int, commitment_cost: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_embeddings, embedding_dim)
        self.beta = commitment_cost

    def forward(self, x):
        q = self.embedding(torch.cdist(x, self.embedding.weight).argmin(-1))
        q = x + (q - x).detach()
        return F.mse_loss(q, x.detach()) + self.beta * F.mse_loss(q.detach(), x), q


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


@twin("commitment_loss")
def hard_coded(inputs, quantized):
    """β = 0.25, written down."""
    return 0.25 * F.mse_loss(quantized.detach(), inputs)


@twin("codebook_loss")
def of_a_signal(z_e, z_q):
    """[batch, dim, time] to [batch]: the mean over a sample."""
    return F.mse_loss(z_q, z_e.detach(), reduction="none").mean([1, 2])


# ── Perplexity ───────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("perplexity")
def of_each_row(encodings):
    """The entropy of a one-hot row is zero: one, whatever is used."""
    return torch.exp(-(encodings * torch.log(encodings + 1e-10)).sum(-1)).mean()


@mutant("perplexity")
def bits_to_the_base_e(avg_probs):
    """exp of an entropy in bits."""
    return torch.exp(-(avg_probs * torch.log2(avg_probs)).sum())


@mutant("perplexity")
def mean_over_codes(avg_probs):
    """A mean where a sum belongs."""
    return torch.exp(-(avg_probs * torch.log(avg_probs + 1e-10)).mean())


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


@mutant("ema_codebook")
def over_the_old_counts(z, onehot, cluster_size, embed_avg, decay):
    """Divided by the counts before the step."""
    return (decay * embed_avg + (1 - decay) * onehot.t() @ z) / cluster_size.unsqueeze(1)


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
