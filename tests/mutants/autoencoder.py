"""Mutants of autoencoders and of principal components, each with one named bug, and twins in unusual styles."""

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
    """Declares the decorated function or class, as a stranger would, as a wrong formula of autoencoders."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"autoencoder.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"autoencoder.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function or class as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"autoencoder.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"autoencoder.{like}: {f.__name__}", make=make))
        return f

    return declare


# ── Tied weights ─────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("tied_linear", "gradient")
def tied_by_value_alone(x, weight):
    """The decoder has a copy of the weights, which no gradient reaches."""
    return F.linear(F.linear(x, weight), weight.detach().t())


@mutant("tied_linear")
class TiedOnceOnly(nn.Module):
    """The decoder's weight is a parameter made of the encoder's, and goes its own way. Met as `weight_tying()`."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(input_size, hidden_size, bias=False)
        self.decoder = nn.Linear(hidden_size, input_size, bias=False)
        self.decoder.weight = nn.Parameter(self.encoder.weight.detach().clone().t())

    def forward(self, x):
        return self.decoder(self.encoder(x))


@mutant("tied_linear")
def bias_in_the_wrong_place(x, weight, bias, bias_out):
    """The decoder's bias is added before the decoder, too."""
    hidden = F.linear(x + bias_out, weight, bias)
    return F.linear(hidden, weight.t(), bias_out)


@twin("tied_linear")
class Tied(nn.Module):
    """F.linear with a transposed view."""

    def __init__(self, n_in: int, n_hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.decoder_bias = nn.Parameter(torch.zeros(n_in))

    def forward(self, x):
        return F.linear(torch.sigmoid(self.encoder(x)), self.encoder.weight.t(), self.decoder_bias)


# ── Denoising ────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("denoising_loss")
def against_the_noisy(model, x, sigma):
    """The target is what went in: the identity is best."""
    noisy = x + sigma * torch.randn_like(x)
    return F.mse_loss(model(noisy), noisy)


@mutant("denoising_loss_of_corrupted")
def sees_the_clean(model, clean, noisy):
    """The clean data go in."""
    return F.mse_loss(model(clean), noisy)


@twin("denoising_loss")
def by_a_distribution(net, clean, noise_std):
    """A normal distribution's sample; summed over entries."""
    noisy = torch.distributions.Normal(clean, noise_std).sample()
    return ((clean - net(noisy)) ** 2).flatten(1).sum(1).mean(0)


@twin("denoising_loss_of_corrupted")
def of_what_is_given(model, noisy_img, img):
    """MSELoss as a module."""
    return nn.MSELoss()(model(noisy_img), img)


# ── The contractive penalty ──────────────────────────────────────────────────────────────────────────────────────────


@mutant("contractive_penalty")
def gradient_of_the_sum(encoder, x):
    """‖Σ_k ∇h_k‖²: encoded.backward(ones). Met in most contractive autoencoders on GitHub."""
    x = x.detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(encoder(x).sum(), x, create_graph=True)
    return grad.pow(2).sum(1).mean()


@mutant("contractive_penalty")
def the_norm_itself(encoder, x):
    """The Frobenius norm, not squared."""
    rows = [torch.func.jacrev(lambda one: encoder(one[None])[0])(one) for one in x]
    return torch.stack([one.norm() for one in rows])


@mutant("contractive_penalty")
def slope_once(h, W):
    """h (1 − h) is not squared."""
    return ((h * (1 - h)) @ W.pow(2).sum(1)).sum()


@mutant("contractive_penalty", "gradient")
def without_its_graph(encoder, x):
    """No create_graph=True: the right number, and nothing is learnt of it."""
    return torch.autograd.functional.jacobian(lambda rows: encoder(rows).sum(0), x).pow(2).sum() / len(x)


@mutant("denoising_loss_of_corrupted", "gradient")
def reconstruction_detached(model, clean, noisy):
    """What the network says is taken out of the graph for half of the error."""
    said = model(noisy)
    return ((said - clean) * (said.detach() - clean)).mean()


@twin("contractive_penalty")
def by_jacrev(encoder, x):
    """One Jacobian a row, by vmap."""
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: encoder(one[None])[0]))(x)
    return jacobian.pow(2).sum((1, 2))


@twin("contractive_penalty")
def of_the_whole_batch(f, x, lam):
    """The Jacobian of the batch with respect to the batch: blocks off the diagonal are zero."""
    return lam * torch.autograd.functional.jacobian(f, x, create_graph=True).pow(2).sum() / len(x)


@twin("contractive_penalty")
def in_closed_form(W, h, lam):
    """The Keras recipe, ported."""
    dh = h * (1 - h)
    return lam * (dh**2 * (W**2).sum(dim=1)).sum(dim=1)


# ── Principal components ─────────────────────────────────────────────────────────────────────────────────────────────


@mutant("pca")
def never_centred(X, k):
    """The first direction is that of the mean."""
    return torch.linalg.svd(X, full_matrices=False).Vh[:k]


@mutant("pca")
def the_smallest(X, k):
    """eigh ascends: the first columns are those of least variance."""
    centred = X - X.mean(0)
    return centred @ torch.linalg.eigh(centred.T @ centred).eigenvectors[:, :k]


@mutant("pca")
def rows_of_the_matrix(X, k):
    """v[:k].t() of torch.svd, whose directions are columns. Met in hand-written PCA_svd helpers."""
    centred = X - X.mean(0)
    return centred @ torch.svd(centred).V[:k].t()


@twin("pca")
def signs_flipped(X, k):
    """Signs so that the largest entry of each direction is positive, as scikit-learn has them."""
    centred = X - X.mean(0)
    u, s, vh = torch.linalg.svd(centred, full_matrices=False)
    most = vh.gather(1, vh.abs().argmax(1, keepdim=True))
    return (u * s * torch.sign(most).T)[:, :k]


@twin("pca")
def rebuilt(X, n_components):
    """The mean plus the projection."""
    mean = X.mean(dim=0, keepdim=True)
    _, _, v = torch.linalg.svd(X - mean)
    return mean + (X - mean) @ v[:n_components].mH @ v[:n_components]


@twin("pca")
def variances_by_torch(X, k):
    """Eigenvalues of torch.cov."""
    return torch.linalg.eigvalsh(torch.cov(X.mT)).flip(0)[:k]
