"""Gumbel noise, maxima, relaxations and their density with one named bug each, and right ones in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import Gumbel, RelaxedOneHotCategorical
from torch.distributions.relaxed_categorical import ExpRelaxedCategorical
from torch.nn import functional

from genverify.subjects.formula import Formula
from genverify.subjects.sampler import Sampler
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"gumbel.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"gumbel.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"gumbel.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"gumbel.{like}: {f.__name__}", make=make))
        return f

    return declare


def _noise(like):
    return -torch.log(-torch.log(torch.rand_like(like)))


@mutant("from_uniform")
def one_sign_lost(u):
    """log(−log u): minus a Gumbel number (classical)."""
    return torch.log(-torch.log(u))


@mutant("from_uniform")
def brackets(u, eps=1e-20):
    """−log(−(log u + eps) + 1): a bracket in the wrong place (classical)."""
    return -torch.log(-torch.log(u) + eps + 1)


@mutant("from_uniform")
def coarse_guard(u, eps=1e-2):
    """A guard so large that the tail is gone (met with float16)."""
    return -torch.log(-torch.log(u + eps) + eps)


@mutant("from_uniform")
def exponential(u):
    """−log u: an exponential number (asked of openai/baselines#172, where both logarithms stand)."""
    return -torch.log(u)


@twin("from_uniform")
def guarded(u, eps=1e-20):
    """The guards of Jang's notebook."""
    return -torch.log(eps - torch.log(u + eps))


@twin("from_uniform")
def located(u, mu, beta):
    """With location and scale."""
    return mu - beta * (-(u.log())).log()


@mutant("max")
def noise_on_probabilities(probs):
    """Noise is added to probabilities, not to their logarithms (classical)."""
    return (probs + _noise(probs)).argmax(-1)


@mutant("max")
def noise_subtracted(logits):
    """θ − g: the least of Gumbel numbers, not distributed as softmax (classical)."""
    return (logits - _noise(logits)).argmax(-1)


@mutant("max")
def noise_multiplied(logits):
    """θ g (classical)."""
    return (logits * _noise(logits)).argmax(-1)


@mutant("max")
def exponential_noise(logits):
    """θ − log u: one logarithm is missing (proposed in openai/baselines#172)."""
    return (logits - torch.log(torch.rand_like(logits))).argmax(-1)


@mutant("max")
def one_noise_for_all_rows(logits):
    """One row of noise for the whole batch: rows are not independent (classical)."""
    return (logits + _noise(logits[..., :1, :]).expand_as(logits)).argmax(-1)


@twin("max")
def race(logits):
    """The first arrival of exponential clocks: argmax p/e, as fast samplers write it."""
    return (torch.softmax(logits, -1) / torch.empty_like(logits).exponential_(1)).argmax(dim=-1)


@twin("max")
def one_hot_of_probs(probs):
    """Of probabilities; one-hot."""
    scores = torch.log(probs + 1e-20) + Gumbel(torch.zeros_like(probs), 1.0).sample()
    return functional.one_hot(scores.max(-1).indices, probs.shape[-1]).to(probs)


@mutant("softmax")
def temperature_on_logits(logits, tau=1.0):
    """θ/τ + g: as τ falls the noise is lost (classical)."""
    return torch.softmax(logits / tau + _noise(logits), -1)


@mutant("softmax")
def temperature_multiplied(logits, tau=1.0):
    """(θ + g) τ (classical)."""
    return torch.softmax((logits + _noise(logits)) * tau, -1)


@mutant("softmax")
def over_the_batch(logits, tau=1.0):
    """dim=0, torch's old implicit choice for some ranks (classical)."""
    return torch.softmax((logits + _noise(logits)) / tau, 0)


@mutant("softmax")
def normal_noise(logits, tau=1.0):
    """Normal noise for Gumbel noise (classical)."""
    return torch.softmax((logits + torch.randn_like(logits)) / tau, -1)


@mutant("softmax")
def temperature_as_guard(logits, temperature=0.5):
    """The temperature is passed in the place of the guard (nec-research/tf-imle#1)."""
    u = torch.rand_like(logits)
    return torch.softmax(logits - torch.log(temperature - torch.log(u + temperature)), -1)


@mutant("softmax", "gradient")
def hard_without_soft(logits, tau=1.0, hard=False):
    """hard=True returns a one-hot that no gradient passes (classical)."""
    soft = torch.softmax((logits + _noise(logits)) / tau, -1)
    return functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft) if hard else soft


@mutant("softmax", "gradient")
def hard_with_itself(logits, tau=1.0, hard=False):
    """hard − soft + soft without a detach: the gradient is 0 (classical)."""
    soft = torch.softmax((logits + _noise(logits)) / tau, -1)
    return functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft) - soft + soft if hard else soft


@twin("softmax")
def torchs_own(logits, tau=1, hard=False):
    """torch.nn.functional's, which draws exponential numbers."""
    return functional.gumbel_softmax(logits, tau=tau, hard=hard)


@twin("softmax")
def by_a_distribution(probs, temperature=0.7):
    """torch.distributions' relaxed one-hot."""
    return RelaxedOneHotCategorical(torch.tensor(temperature).to(probs), probs=probs).rsample()


@twin("softmax")
def of_one_minus_u(logits, tau=1.0):
    """1 − u for u, by log1p."""
    return ((logits - torch.log(-torch.log1p(-torch.rand_like(logits)))) / tau).softmax(dim=-1)


@twin("softmax")
def noise_passed_in(logits, u, tau=1.0):
    """Uniform numbers as an argument; the maximum subtracted by hand."""
    scores = (logits - (-u.log()).log()) / tau
    weights = (scores - scores.amax(-1, keepdim=True)).exp()
    return weights / weights.sum(-1, keepdim=True)


@mutant("concrete_log_prob")
def density_of_the_logarithms(x, logits, tau):
    """−Σ log x_k is missing: ExpConcrete's density for Concrete's (classical)."""
    scores = logits - tau * x.log()
    constant = torch.lgamma(torch.tensor(float(x.shape[-1]))) + (x.shape[-1] - 1) * torch.log(torch.tensor(tau))
    return constant.to(x) + (scores - scores.logsumexp(-1, keepdim=True)).sum(-1)


@mutant("concrete_log_prob")
def without_the_temperature(x, logits, tau):
    """(K − 1) log τ is missing: harmless at a fixed temperature, wrong in a comparison of two (classical)."""
    scores = logits - tau * x.log()
    constant = torch.lgamma(torch.tensor(float(x.shape[-1]))).to(x)
    return constant + (scores - scores.logsumexp(-1, keepdim=True)).sum(-1) - x.log().sum(-1)


@mutant("concrete_log_prob")
def cross_entropy(x, logits, tau):
    """Σ x_k log softmax(θ)_k: the categorical likelihood at a relaxed point (waiwasabi/synth-design does so)."""
    return (x * torch.log_softmax(logits, -1)).sum(-1)


@mutant("concrete_log_prob")
def temperature_of_the_logits(x, logits, tau):
    """Logits divided by τ, as in the draw (classical)."""
    return RelaxedOneHotCategorical(torch.tensor(tau).to(x), logits=logits / tau, validate_args=False).log_prob(x)


@twin("concrete_log_prob")
def torchs_density(value, logits, temperature):
    """torch.distributions'."""
    return RelaxedOneHotCategorical(torch.tensor(temperature).to(value), logits=logits, validate_args=False).log_prob(
        value
    )


@twin("concrete_log_prob")
def torchs_density_of_logarithms(log_x, logits, tau):
    """torch.distributions', of log x."""
    return ExpRelaxedCategorical(torch.tensor(tau).to(log_x), logits=logits, validate_args=False).log_prob(log_x)


@twin("concrete_log_prob")
def by_powers(x, alpha, lam):
    """Powers as in the paper, logarithms of each."""
    n = x.shape[-1]
    top = torch.log(alpha * x ** (-lam - 1)).sum(-1)
    below = n * torch.log((alpha * x**-lam).sum(-1))
    return torch.lgamma(torch.tensor(float(n)).to(x)) + (n - 1) * torch.log(torch.tensor(lam).to(x)) + top - below


def _reversed_scale(loc, scale):
    """μ + β log(−log u): the skew points the other way (classical)."""
    return loc + scale * torch.log(-torch.log(torch.rand_like(loc)))


def _probs_as_logits(probs):
    """Noise on probabilities: the draws follow another law (classical)."""
    return (probs + _noise(probs)).argmax(-1)


MUTANTS += [
    Mutant(
        name="law.gumbel: reversed", killed_by="sampler.law", make=lambda: Sampler(_reversed_scale, law="law.gumbel")
    ),
    Mutant(
        name="law.categorical: noise on probabilities", killed_by="sampler.law",
        make=lambda: Sampler(_probs_as_logits, law="law.categorical"),
    ),
]  # fmt: skip
