"""Wild pairs of vector quantisation and of autoencoders: what people wrote, wrong and right."""

from __future__ import annotations

import torch
from tests.wild.pair import Pair
from torch import nn
from torch.nn import functional as F

from genverify.subjects.formula import Formula


def _codes(count, dim):
    return torch.stack([torch.cos(torch.arange(dim) + 2.0 * k) for k in range(count)])


class Quantizer(nn.Module):
    """[batch, dim, height, width] in; the loss with both of its terms, and what the decoder gets."""

    def __init__(self, codebook_size, token_size, commitment_cost=0.25):
        super().__init__()
        self.commitment_cost = commitment_cost
        self.embedding = nn.Embedding(codebook_size, token_size)

    def looked_up(self, z):
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        weight = self.embedding.weight
        d = flat.pow(2).sum(1, keepdim=True) + weight.pow(2).sum(1) - 2 * torch.einsum("bd,nd->bn", flat, weight)
        return self.embedding(d.argmin(1)).view(z.shape[0], *z.shape[2:], -1).permute(0, 3, 1, 2)

    def loss(self, z, z_q):
        codebook = torch.mean((z_q - z.detach()) ** 2)
        return codebook + self.commitment_cost * torch.mean((z_q.detach() - z) ** 2)

    def forward(self, z):
        z_q = self.looked_up(z)
        return z + (z_q - z).detach(), self.loss(z, z_q)


class QuantizerWithTheWeightSwapped(Quantizer):
    """WRONG: the commitment's weight stands before the codebook's term.

    Source: bytedance/1d-tokenizer#120, sczhou/CodeFormer#427, CompVis/taming-transformers#57.  Symptom: none in the
    value of the loss; the commitment weighs 1, and codes move four times slower.
    """

    def loss(self, z, z_q):
        commitment = torch.mean((z_q.detach() - z) ** 2)
        return commitment + self.commitment_cost * torch.mean((z_q - z.detach()) ** 2)


class QuantizerWhoseCodesNeverMove(Quantizer):
    """WRONG: the loss is made of the straight-through output, in which the codes are detached.

    Source: showlab/Olaf-World#8; andylolu2/jax-vqvae-gpt#2.  Symptom: the codebook keeps its initial values while the
    reconstruction still improves.
    """

    def forward(self, z):
        z_q = self.looked_up(z)
        z_q = z + (z_q - z).detach()
        return z_q, self.loss(z, z_q)


class Follower(nn.Module):
    """Codes that are running means, moved after they have been used."""

    def __init__(self, codebook_size, dim, decay=0.8):
        super().__init__()
        self.decay = decay
        self.register_buffer("embed", _codes(codebook_size, dim))
        self.register_buffer("cluster_size", torch.ones(codebook_size))
        self.register_buffer("embed_avg", _codes(codebook_size, dim))

    @torch.no_grad()
    def follow(self, z, hot):
        self.cluster_size.lerp_(hot.sum(0), 1 - self.decay)
        self.embed_avg.lerp_(hot.T @ z, 1 - self.decay)
        self.embed.copy_(self.embed_avg / self.cluster_size[:, None])

    def forward(self, z):
        hot = F.one_hot(torch.cdist(z, self.embed).argmin(-1), len(self.embed)).to(z)
        z_q = hot @ self.embed
        if self.training:
            self.follow(z, hot)
        return z + (z_q - z).detach(), F.mse_loss(z, z_q.detach())


class FollowerOfThePresent(Follower):
    """WRONG: only the codes that the batch has chosen decay.

    Source: umran666/UniqToken#12.  Symptom: a code that was left for long moves too little when it is chosen again.
    """

    @torch.no_grad()
    def follow(self, z, hot):
        present = hot.sum(0) > 0
        size, total = self.cluster_size.lerp(hot.sum(0), 1 - self.decay), self.embed_avg.lerp(hot.T @ z, 1 - self.decay)
        self.cluster_size.copy_(torch.where(present, size, self.cluster_size))
        self.embed_avg.copy_(torch.where(present[:, None], total, self.embed_avg))
        self.embed.copy_(self.embed_avg / self.cluster_size[:, None])


class FollowerThatMovesFirst(Follower):
    """WRONG: the codes move before they are used, so that the loss is that of other codes than were chosen.

    Source: zalandoresearch/pytorch-vq-vae#5.  Symptom: a commitment loss that is too small while training.
    """

    def forward(self, z):
        hot = F.one_hot(torch.cdist(z, self.embed).argmin(-1), len(self.embed)).to(z)
        if self.training:
            self.follow(z, hot)
        z_q = hot @ self.embed
        return z + (z_q - z).detach(), F.mse_loss(z, z_q.detach())


def contraction(hidden, weights):
    """Sigmoid units: squares of the slopes, times the squared length of each unit's weights; the batch's mean."""
    return (hidden * (1 - hidden)).square().mv(weights.square().sum(1)).mean()


def contraction_of_summed_weights(hidden, weights):
    """WRONG: the parenthesis closes too late, and weights are summed before they are squared.

    Source: lisa-lab/pylearn2#142.  Symptom: weights that sum to zero are not penalised at all.
    """
    return (hidden * (1 - hidden)).square().mv(weights.sum(1).square()).mean()


def explained(data, k):
    """The reconstruction from k directions."""
    mean = data.mean(0)
    _, _, v = torch.linalg.svd(data - mean, full_matrices=False)
    return mean + (data - mean) @ (v[:k].T @ v[:k])


def explained_without_the_mean(data, k):
    """WRONG: reconstructs the centred data, and is then compared with data that are not.

    Source: SauersML/gam#1198.  Symptom: the explained variance is too low, by little where the mean is small.
    """
    mean = data.mean(0)
    _, _, v = torch.linalg.svd(data - mean, full_matrices=False)
    return (data - mean) @ (v[:k].T @ v[:k])


def _loss(made):
    return lambda: Formula(made, like="vq.loss", output=lambda found: found[1])


def _over_steps(made):
    return lambda: Formula(made(3, 2), like="vq.ema_codebook_over_steps", output=lambda found: found[0])


def _while_training(made):
    return lambda: Formula(made(3, 2), like="vq.commitment_loss", mode="train", output=lambda found: found[1])


def _penalty(f):
    return lambda: Formula(f, like="autoencoder.contractive_penalty")


def _rebuilt(f):
    return lambda: Formula(f, like="autoencoder.pca")


PAIRS = [
    Pair(name="commitment_weight_swapped", wrong=_loss(QuantizerWithTheWeightSwapped), right=_loss(Quantizer)),
    Pair(name="loss_of_straight_through", wrong=_loss(QuantizerWhoseCodesNeverMove), right=_loss(Quantizer)),
    Pair(name="absent_codes_keep_weight", wrong=_over_steps(FollowerOfThePresent), right=_over_steps(Follower)),
    Pair(name="codes_move_first", wrong=_while_training(FollowerThatMovesFirst), right=_while_training(Follower)),
    Pair(name="contractive_weights_summed", wrong=_penalty(contraction_of_summed_weights), right=_penalty(contraction)),
    Pair(name="pca_mean_not_restored", wrong=_rebuilt(explained_without_the_mean), right=_rebuilt(explained)),
]
