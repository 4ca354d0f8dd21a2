"""Twins of the Gaussian family: unusual styles, all of them right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

LOG_TWO_PI = math.log(2 * math.pi)
STANDARD, DIAGONAL = "kl.diagonal_to_standard_normal", "kl.diagonal_normals"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function or class, as a stranger would, as an implementation of the formula."""

    def declare(f: Any) -> Any:
        name = f"{like}: {f.__name__}"
        TWINS.append(Twin(name=name, make=lambda: Formula(f, like=like, **declared)))
        return f

    return declare


def made(name: str, make: Callable[[], Formula]) -> None:
    """Declares a twin that has to be made first: an instance, a bound method, compiled code."""
    TWINS.append(Twin(name=name, make=make))


@twin(STANDARD)
def by_independent(mu, std):
    """torch.distributions, the event axis reinterpreted."""
    standard = Independent(Normal(torch.zeros_like(mu), torch.ones_like(std)), 1)
    return kl_divergence(Independent(Normal(mu, std), 1), standard)


@twin(STANDARD)
def variance_parametrised(mean, variance):
    """σ² in, mean over the batch out."""
    return 0.5 * (mean.pow(2) + variance - 1 - variance.log()).sum(dim=-1).mean()


@twin(STANDARD)
def summed_over_all(z_mean, z_log_var):
    """One number for the whole batch, as in Kingma's and in PyTorch's own example."""
    return -0.5 * torch.sum(1 + z_log_var - z_mean.pow(2) - z_log_var.exp())


@twin(STANDARD)
def in_place_on_clones(mu, logvar):
    """In-place arithmetic, on clones."""
    total = logvar.clone().exp().clone()
    total.sub_(1).sub_(logvar).add_(mu.clone().pow(2)).mul_(0.5)
    return total.sum(-1)


@twin(STANDARD)
def loops(mu, log_sigma):
    """Python loops over batch and latents."""
    rows = []
    for m, s in zip(mu, log_sigma, strict=True):
        terms = [0.5 * (a * a + torch.exp(2 * b) - 1) - b for a, b in zip(m, s, strict=True)]
        rows.append(torch.stack(terms).sum())
    return torch.stack(rows)


@twin(STANDARD)
def python_number(mu, logvar):
    """Returns a float: nothing to differentiate, nothing wrong."""
    return float(0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum())


@twin(STANDARD)
def keyword_only(*, mu, log_var):
    """Keyword-only arguments."""
    return 0.5 * (mu.square() + torch.expm1(log_var) - log_var).sum(-1, keepdim=True)


@twin(STANDARD)
def float32_inside(mu, logvar):
    """Computes in float32 whatever it is given."""
    mu, logvar = mu.float(), logvar.float()
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


class HalfSquare(torch.autograd.Function):
    """½ x² in numpy, with its derivative by hand."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(0.5 * np.square(x.detach().numpy()))

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return slope * x


@twin("normal.nll")
def numpy_inside(target, pred, std):
    """A custom autograd function over numpy."""
    return HalfSquare.apply((target - pred) / std) + std.log() + 0.5 * LOG_TWO_PI


@twin("normal.nll")
def fisher_style(y, y_hat, log_var):
    """Log-variance, without the constant, averaged over everything: a heteroscedastic loss."""
    return (0.5 * (log_var + (y - y_hat) ** 2 * torch.exp(-log_var))).mean()


@twin("normal.log_prob")
def constants_as_tensors(x, loc, scale):
    """The constant is a float32 tensor: accurate to float32, which is reported and not accused."""
    return -((x - loc) ** 2) / (2 * scale**2) - scale.log() - 0.5 * torch.log(torch.tensor(2 * math.pi))


@twin("normal.log_prob")
def precision_form(x, mu, precision):
    """The inverse variance."""
    return 0.5 * (precision.log() - LOG_TWO_PI - precision * (x - mu) ** 2)


@twin("normal.standard_log_prob")
def by_distribution(z):
    """torch.distributions, summed over the event."""
    return Normal(0.0, 1.0).log_prob(z).sum(-1)


@twin("normal.score")
def by_autograd(x, mu, sigma):
    """The score as a derivative of the log-density."""
    leaf = x if x.requires_grad else x.detach().requires_grad_()
    with torch.enable_grad():
        total = Normal(mu, sigma).log_prob(leaf).sum()
        return torch.autograd.grad(total, leaf, create_graph=True)[0]


@twin("normal.cdf")
def by_special_function(x, mu, sigma):
    """torch.special.ndtr."""
    return torch.special.ndtr((x - mu) / sigma)


@twin("normal.entropy")
def in_base_two_and_back(sigma):
    """Bits, converted to nats."""
    return torch.log2(sigma * math.sqrt(2 * math.pi * math.e)) * math.log(2)


@twin("mvn.log_prob_covariance")
def by_einsum(x, mu, Sigma):
    """An explicit inverse and einsum."""
    gap = x - mu
    square = torch.einsum("bi,bij,bj->b", gap, torch.linalg.inv(Sigma), gap)
    return -0.5 * (square + torch.linalg.slogdet(Sigma).logabsdet + x.shape[-1] * LOG_TWO_PI)


@twin("mvn.log_prob_precision")
def by_torch_precision(value, loc, precision_matrix):
    """torch.distributions by precision."""
    return MultivariateNormal(loc, precision_matrix=precision_matrix).log_prob(value)


@twin("mvn.entropy")
def by_eigenvalues(cov):
    """The determinant as a product of eigenvalues."""
    return 0.5 * torch.linalg.eigvalsh(cov).log().sum(-1) + 0.5 * cov.shape[-1] * (1 + LOG_TWO_PI)


@twin(DIAGONAL)
def suffixes_in_front(q_mu, q_logvar, p_mu, p_logvar):
    """Posterior first, prior second, by log-variances."""
    ratio = torch.exp(q_logvar - p_logvar)
    return 0.5 * (ratio - 1 - (q_logvar - p_logvar) + (q_mu - p_mu) ** 2 * torch.exp(-p_logvar)).sum(1)


@twin(DIAGONAL)
def numbered(mu1, sigma1, mu2, sigma2):
    """Per coordinate, no reduction."""
    return torch.log(sigma2) - torch.log(sigma1) + (sigma1**2 + (mu1 - mu2) ** 2) / (2 * sigma2**2) - 0.5


@twin(DIAGONAL)
def by_expanded_views(loc_q, scale_q, loc_p, scale_p):
    """Everything through views and a transposed copy."""
    q = Normal(loc_q.mT.contiguous().mT, scale_q.expand_as(loc_q))
    return kl_divergence(q, Normal(loc_p.unsqueeze(0)[0], scale_p.view_as(scale_p))).sum(-1)


@twin("kl.mvn_covariance")
def one_by_one(mu0, S0, mu1, S1):
    """A loop over the batch, inverses and determinants written out."""
    rows = []
    for m, s, n, t in zip(mu0, S0, mu1, S1, strict=True):
        inverse, gap = torch.linalg.inv(t), n - m
        logs = torch.logdet(t) - torch.logdet(s)
        rows.append(0.5 * (torch.trace(inverse @ s) + gap @ inverse @ gap - len(m) + logs))
    return torch.stack(rows)


@twin("kl.mvn_cholesky")
def by_torch_factors(loc_p, scale_tril_p, loc_q, scale_tril_q):
    """torch.distributions by factors."""
    p = MultivariateNormal(loc_p, scale_tril=scale_tril_p)
    return kl_divergence(p, MultivariateNormal(loc_q, scale_tril=scale_tril_q))


@twin("gaussian.mle")
def one_pass(data):
    """torch.var_mean, in the other order and put right."""
    variance, mean = torch.var_mean(data, 0, correction=0)
    return {"mean": mean, "variance": variance}


@twin("gaussian.mle_covariance")
def weighted_cov(X):
    """torch.cov with correction 0; a scalar for one coordinate."""
    return X.mean(dim=0), torch.cov(X.T, correction=0).reshape(X.shape[1], X.shape[1])


class Divergence(nn.Module):
    """A module with a prior in buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("prior_variance", torch.ones((), dtype=torch.float64))

    def forward(self, mu, logvar):
        one = self.prior_variance.to(mu.dtype)
        return 0.5 * ((mu**2 + logvar.exp()) / one - 1 - logvar + one.log()).sum(-1)


class Loss:
    """A callable object whose reduction is a constructor argument."""

    def __init__(self, reduction: str = "none") -> None:
        self.reduction = reduction

    def __call__(self, mu, logvar):
        each = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)
        return each if self.reduction == "none" else getattr(each, self.reduction)()


class Fitted:
    """A density by class: the parameters are constructor arguments."""

    def __init__(self, mean, std) -> None:
        self.mean, self.std = mean, std

    def __call__(self, x):
        return Normal(self.mean, self.std).log_prob(x)

    def divergence(self, mu, logvar):
        return Loss()(mu, logvar)


def scripted() -> Formula:
    """TorchScript."""
    source = "def kl(mu, logvar):\n    return 0.5 * (mu * mu + logvar.exp() - 1 - logvar).sum(-1)\n"
    return Formula(torch.jit.CompilationUnit(source).kl, like=STANDARD, arguments=("mean", "log_variance"))


def compiled() -> Formula:
    """torch.compile, eager backend."""
    return Formula(torch.compile(by_independent, backend="eager", dynamic=True), like=STANDARD)


made("kl.diagonal_to_standard_normal: module", lambda: Formula(Divergence(), like=STANDARD))
made("kl.diagonal_to_standard_normal: callable object", lambda: Formula(Loss("mean"), like=STANDARD))
made("kl.diagonal_to_standard_normal: bound method", lambda: Formula(Fitted(0.0, 1.0).divergence, like=STANDARD))
made("normal.log_prob: class with constructor arguments", lambda: Formula(Fitted, like="normal.log_prob"))
made("kl.diagonal_to_standard_normal: scripted", scripted)
made("kl.diagonal_to_standard_normal: compiled", compiled)
