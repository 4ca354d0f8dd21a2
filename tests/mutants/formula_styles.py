"""Functions in strangers' styles: right at most inputs and wrong at some, or strange all over and right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.distributions import MultivariateNormal, kl_divergence
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from genverify.formulas.catalogue import formula
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, draw, plain
from genverify.subjects.specification import Layout, Role, Specification
from genverify.subjects.structured_domains import modes
from tests.mutants.mutant import Mutant, Twin

LOG_TWO_PI = math.log(2 * math.pi)
STANDARD, DIAGONAL, LOG_PROB, CDF = (
    "kl.diagonal_to_standard_normal", "kl.diagonal_normals", "normal.log_prob", "normal.cdf",
)  # fmt: skip
STRAIGHT_THROUGH = "gumbel.straight_through_one_hot"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str) -> Callable[[Any], Any]:
    """Declares the decorated function or class as a wrong implementation of the formula."""

    def declare(f: Any) -> Any:
        kind = f"formula.{killed_by}"
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like), killed_by=kind))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function or class as a right implementation of the formula."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like)))
        return f

    return declare


def each_kl(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """The divergence of each coordinate."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def each_log_prob(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """The log-density of each coordinate."""
    return -0.5 * ((x - mean) / std) ** 2 - std.log() - 0.5 * LOG_TWO_PI


# Wrong in one branch, at one size, or in what comes after the value.


@mutant(STANDARD, "value")
def doubled_for_one_coordinate(mu, logvar):
    """A special case for one latent dimension that nobody runs. Met where a squeeze was replaced by a branch."""
    return each_kl(mu, logvar).sum(-1) * (2.0 if mu.shape[-1] == 1 else 1.0)


@mutant(STANDARD, "gradient")
def hook_that_scales(mu, logvar):
    """A hook doubles the gradient of a right value. Met as a left-over of gradient scaling."""
    out = each_kl(mu, logvar).sum(-1)
    if out.requires_grad:
        out.register_hook(lambda slope: 2 * slope)
    return out


@mutant(STANDARD, "value")
def free_bits_always_on(mu, logvar):
    """Each coordinate costs at least 0.05. Met as free bits (Kingma et al. 2016) without a switch."""
    return each_kl(mu, logvar).clamp(min=0.05).sum(-1)


@mutant(STANDARD, "inputs_untouched")
def squares_in_place(mu, logvar):
    """The mean is squared where it stands, and the decoder goes on with the squares."""
    return 0.5 * (mu.pow_(2) + logvar.exp() - 1 - logvar).sum(-1)


@mutant(DIAGONAL, "gradient")
def shortcut_where_means_agree(mu_p, sigma_p, mu_q, sigma_q):
    """Zero where the means agree, whatever the scales. Met as a guard against 0/0 that there never is."""
    ratio = sigma_p / sigma_q
    each = ratio.log().neg() + (ratio**2 + ((mu_p - mu_q) / sigma_q) ** 2 - 1) / 2
    return torch.where(mu_p == mu_q, torch.zeros_like(each), each).sum(-1)


@mutant(LOG_PROB, "value")
def constant_lost_at_zero(x, mean, std):
    """At x = 0 the constant is left out: a mask that was meant for padding."""
    return torch.where(x == 0, each_log_prob(x, mean, std) + 0.5 * LOG_TWO_PI, each_log_prob(x, mean, std))


@mutant(LOG_PROB, "value")
def assumes_contiguous(x, mean, std):
    """The storage is read in order, which a view's is not. Met in code around custom kernels."""
    return each_log_prob(torch.as_strided(x, x.shape, torch.empty(x.shape).stride()), mean, std)


@mutant(CDF, "dialect")
def tail_doubled(x, mean, std):
    """Twice the probability below −4 standard deviations: an asymptotic series with the wrong constant."""
    z = (x - mean) / std
    return torch.special.ndtr(z) * torch.where(z < -4, 2.0, 1.0)


@mutant(STRAIGHT_THROUGH, "gradient")
def hard_without_a_way_back(soft):
    """One-hot of the largest, as an integer's indicator: no gradient reaches the logits at all."""
    return functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)


@twin(STANDARD)
def element_by_element(mu, logvar):
    """Python's loops over rows and numbers."""
    rows = [sum(0.5 * (m * m + v.exp() - 1 - v) for m, v in zip(*pair, strict=True))
            for pair in zip(mu, logvar, strict=True)]  # fmt: skip
    return torch.stack(rows)


@twin(STANDARD)
def recomputed_in_the_backward_pass(mu, logvar):
    """Activation checkpointing."""
    return checkpoint(lambda m, v: each_kl(m, v).sum(-1), mu, logvar, use_reentrant=False)


@twin(STANDARD)
def by_full_covariances(mu, logvar):
    """As a divergence of multivariate normals."""
    unit = MultivariateNormal(torch.zeros_like(mu), torch.eye(mu.shape[-1], dtype=mu.dtype))
    return kl_divergence(MultivariateNormal(mu, torch.diag_embed(logvar.exp())), unit)


@twin(STANDARD)
def row_by_row_under_vmap(mu, logvar):
    """One sample's function, vectorised."""
    return torch.func.vmap(lambda m, v: each_kl(m, v).sum())(mu, logvar)


@twin(STANDARD)
def from_the_last_to_the_first(mu=None, logvar=None):
    """Another order of summation; defaults of None that stand for nothing."""
    return each_kl(mu.flip(-1), logvar.flip(-1)).sum(-1, keepdim=True)


@twin("normal.score")
def by_functional_autograd(x, mean, std):
    """The gradient of the log-density, taken by torch.func."""
    return torch.func.grad(lambda at: each_log_prob(at, mean, std).sum())(x)


@twin(CDF)
def by_the_error_function(x, mean, std):
    """The plain form, whose lower tail is what is left of ½ − ½."""
    return 0.5 + 0.5 * torch.erf((x - mean) / std / 2**0.5)


@twin(CDF)
def by_the_complement(x, mean, std):
    """The form that keeps its digits in the lower tail."""
    return 0.5 * torch.erfc((mean - x) / std / 2**0.5)


@twin(STRAIGHT_THROUGH)
def scattered(soft):
    """One-hot by scatter, the two cancelling parts in another order."""
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
    return hard - soft.detach() + soft


# Two draws of one law.


def of_two_draws(mu: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """A result that tells its draws apart."""
    return mu + one + 2 * other * one**2


DRAWS = formula(
    Specification(
        name="mutants.two_draws",
        statement="μ + ε + 2 η ε², ε and η independent standard normal",
        source="a toy",
        arguments=(
            any_real("mu", "batch event"),
            draw("one", "batch event", "normal", real()),
            draw("other", "batch event", "normal", real()),
        ),
        oracle=of_two_draws,
        output="batch event",
        layouts=(Layout(name="batched"),),
    )
).name


@mutant(DRAWS, "dialect")
def one_draw_for_both(mu):
    """The same noise twice. Met where a generator was reseeded for each sampler."""
    noise = torch.randn_like(mu)
    torch.randn_like(mu)
    return of_two_draws(mu, noise, noise)


@mutant(DRAWS, "dialect")
def one_draw_for_all_rows(mu):
    """Noise without a batch axis, broadcast. Met as ``torch.randn(latent)``."""
    one, other = torch.randn(2, mu.shape[-1], dtype=mu.dtype)
    return of_two_draws(mu, one, other)


@twin(DRAWS)
def drawn_in_the_other_order(mu):
    """What the formula names second is drawn first."""
    other = torch.randn_like(mu)
    return of_two_draws(mu, torch.randn_like(mu), other)


@twin(DRAWS)
def drawn_at_once(mu):
    """One tensor for both, split along the last axis."""
    one, other = torch.randn(len(mu), 2 * mu.shape[-1], dtype=mu.dtype).chunk(2, -1)
    return of_two_draws(mu, one, other)


# A state, and a mode for every call.


def followed(x: torch.Tensor, mode: tuple[str, ...]) -> torch.Tensor:
    """x less the mean of the batch while training, which a running mean follows; in evaluation less that."""
    mean, found = torch.zeros_like(x[0, 0]), []
    for batch, word in zip(x, mode, strict=True):
        if word == "train":
            mean = mean + 0.5 * (batch.mean(0) - mean)
        found.append(batch - (batch.mean(0) if word == "train" else mean))
    return torch.stack(found)


FOLLOWED = formula(
    Specification(
        name="mutants.running_mean",
        statement="x − m, m the batch's mean while training, the running mean in evaluation",
        source="Ioffe & Szegedy 2015, section 3.1",
        arguments=(
            any_real("x", "call batch event", "input"),
            plain("mode", "call", modes(), role=Role.MODE, differentiable=False),
        ),
        oracle=followed,
        output="call batch event",
        gradient=False,  # what is followed is no part of the graph
        layouts=(Layout(name="batched"),),
        sizes={"call": (4, 6), "batch": (2, 3), "event": (3,)},
    )
).name


class Centred(nn.Module):
    """A running mean of three features that moves while training."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def moves(self) -> bool:
        """Whether this call moves the mean."""
        return self.training

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch = x.mean(0)
        if self.moves():
            self.mean = self.mean + 0.5 * (batch - self.mean)
        return x - (batch if self.training else self.mean)


@mutant(FOLLOWED, "dialect")
class MovesInEvaluation(Centred):
    """The running mean follows in evaluation, too, so that a validation set leaks into it."""

    def moves(self) -> bool:
        return True


@mutant(FOLLOWED, "dialect")
class FrozenByTheFirstEvaluation(Centred):
    """After one evaluation nothing moves any more: a flag that ``train`` does not put back."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = False

    def moves(self) -> bool:
        self.frozen = self.frozen or not self.training
        return not self.frozen


@twin(FOLLOWED)
class ByBatchNorm(nn.Module):
    """Torch's own statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3, momentum=0.5, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.norm(x)
        return x - (x.mean(0) if self.training else self.norm.running_mean)
