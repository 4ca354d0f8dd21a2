"""The terms that an ELBO may have: reconstruction terms of known likelihoods, and KL terms of the law that z follows.

Each is a total over the batch, so that every reduction of it is a factor. A term comes with the size of its parts, to
which its rounding is relative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from genverify.checks.latent_variable_model_look import Law, Look, outputs
from genverify.numerics.rounding import unit_roundoff
from genverify.subjects.calling import subject_code
from genverify.subjects.latent_observation import Observation, tensors_of
from genverify.subjects.latent_variable_model import LatentOracles, LatentVariableModel

__all__ = [
    "FAMILIES",
    "READINGS",
    "SINGLE",
    "Key",
    "Term",
    "Total",
    "aligned",
    "kl_of_law",
    "prior_normal",
    "prior_of",
    "reconstructions",
    "views",
]

Total = tuple[float, float]
READINGS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "log σ²": lambda s: torch.exp(0.5 * s), "σ": lambda s: s, "log σ": torch.exp, "σ²": torch.sqrt,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Term:
    """A recognised reconstruction term.

    Attributes:
        name: In words.
        gaussian: Whether it is a squared error, whose weight is a variance.
        normalised: Whether its weight is that of the log-likelihood itself.
        whole: Whether it is the whole bound, the KL term included.
    """

    name: str
    gaussian: bool = False
    normalised: bool = False
    whole: bool = False


# (output, target, oracles) → elementwise contributions.
SINGLE: dict[Term, Callable[[Tensor, Tensor, LatentOracles], Tensor]] = {
    Term(name="squared error", gaussian=True): lambda o, x, _: (o - x).square(),
    Term(name="Bernoulli cross-entropy of probabilities", normalised=True): lambda o, x, f: _bounded(o, x, f),
    Term(name="Bernoulli cross-entropy of logits", normalised=True): lambda o, x, f: f.bernoulli_logits(o, x),
    Term(name="absolute error (a Laplace decoder)"): lambda o, x, _: (o - x).abs(),
    Term(name="Huber's error"): lambda o, x, _: torch.nn.functional.huber_loss(o, x, reduction="none"),
    Term(name="log-cosh error"): lambda o, x, _: torch.log(torch.cosh(o - x)),
    Term(name="Poisson likelihood of log rates", normalised=True): lambda o, x, _: torch.exp(o) - x * o,
    Term(name="Poisson likelihood of log rates, log x! included", normalised=True): lambda o, x, _: (
        torch.exp(o) - x * o + torch.lgamma(x + 1)
    ),
    Term(name="Poisson likelihood of rates", normalised=True): lambda o, x, _: o - x * torch.log(o),
    Term(name="Poisson likelihood of rates, log x! included", normalised=True): lambda o, x, _: (
        o - x * torch.log(o) + torch.lgamma(x + 1)
    ),
    Term(name="continuous Bernoulli likelihood of logits", normalised=True): lambda o, x, f: (
        f.bernoulli_logits(o, x) + _extent(o)
    ),
    Term(name="continuous Bernoulli likelihood of probabilities", normalised=True): lambda o, x, f: (
        f.bernoulli(o, x) + _extent(torch.logit(o))
    ),
}
_COUNTS = (
    Term(name="multinomial cross-entropy of logits", normalised=True),
    Term(name="multinomial cross-entropy of probabilities", normalised=True),
)
# What a loss may do to the decoder's result first, where the result is an unbounded number.
_LINKS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "the sigmoid of ": torch.sigmoid, "tanh of ": torch.tanh, "(1 + tanh)/2 of ": lambda o: (1 + torch.tanh(o)) / 2,
    "softplus of ": torch.nn.functional.softplus, "the positive part of ": torch.relu, "exp of ": torch.exp,
    "the part in [0, 1] of ": lambda o: o.clamp(0, 1),
}  # fmt: skip
_LINKED = ("squared error", "absolute error (a Laplace decoder)", "Huber's error")
_TOTAL = Term(name="Gaussian likelihood at the variance that is best for the batch", normalised=True)
_STATED = Term(name="declared likelihood", normalised=True)
_GIVEN = Term(name="likelihood of the distribution that the decoder returns", normalised=True)
FAMILIES = (*SINGLE, *_COUNTS, _TOTAL, _GIVEN)


def _extent(logit: Tensor) -> Tensor:
    """Log ∫ λˣ (1 − λ)¹⁻ˣ dx over [0, 1] = log(tanh(l/2)/l), l = logit λ (Loaiza-Ganem & Cunningham 2019)."""
    small = logit.abs() < torch.finfo(logit.dtype).eps ** 0.25
    safe = torch.where(small, torch.ones_like(logit), logit)
    return torch.where(small, -math.log(2.0) - logit.square() / 12, torch.log(torch.tanh(safe / 2) / safe))


def _multinomial(o: Tensor, x: Tensor, event: Sequence[int], axis: int, *, logits: bool) -> Tensor | None:
    """−Σ x log p of counts x along an axis of the event; None where probabilities do not sum to one along it."""
    p, counts = o.reshape(*o.shape[:-1], *event), x.reshape(*x.shape[:-1], *event)
    if logits:
        return -(counts * torch.log_softmax(p, axis)).reshape(o.shape)
    near = torch.finfo(torch.float32).eps * event[axis]
    return -(counts * torch.log(p)).reshape(o.shape) if bool(((p.sum(axis) - 1).abs() <= near).all()) else None


def _bounded(o: Tensor, x: Tensor, f: LatentOracles) -> Tensor:
    """Where a probability is 0 or 1, torch bounds the logarithm by −100."""
    found = f.bernoulli(o, x)
    if bool(torch.isfinite(found).all()):
        return found
    return -x * torch.log(o).clamp_min(-100.0) - (1 - x) * torch.log1p(-o).clamp_min(-100.0)


Key = tuple[str, Term]


def reconstructions(
    subject: LatentVariableModel, seen: Look, only: Collection[Key] | None = None
) -> dict[Key, list[Total]]:
    """(where, family) → its total at each run, for each that has finite values at all of them, or of these `only`."""
    found: dict[Key, list[Total]] = {}
    target = seen.x.detach().double()

    def add(where: str, term: Term, of: Callable[[], Tensor | None]) -> None:
        if only is not None and (where, term) not in only:
            return
        parts = of()
        if parts is None or not bool(torch.isfinite(parts).all()):
            return
        rows = parts.reshape(len(seen.runs), -1)
        totals = list(zip(rows.sum(1).tolist(), rows.abs().sum(1).tolist(), strict=True))
        before = found.get((where, term))
        found[where, term] = (
            totals if before is None else [(a + c, b + d) for (a, b), (c, d) in zip(before, totals, strict=True)]
        )

    for where, parts in views(seen.runs, target):
        for order, output in aligned(parts[0], target):
            _of_one(add, where + order, output, target.reshape(1, 1, len(target), -1).expand(output.shape), subject)
        if len(parts) == 2 and parts[0].numel() == parts[1].numel():
            for (order, mean), (_, second) in zip(aligned(parts[0], target), aligned(parts[1], target), strict=True):
                wanted = target.reshape(1, 1, len(target), -1).expand(mean.shape)
                _of_two(add, where + order, mean, second, wanted, subject)
    if subject.likelihood is not None:
        add("the decoder's output", _STATED, lambda: _stated(subject, seen.runs, target))
    if all(isinstance(event.output, Distribution) for run in seen.runs for event in outputs(run)):
        add("the decoder's distribution", _GIVEN, lambda: _likelihoods(seen.runs, target))
    return found


Add = Callable[[str, Term, Callable[[], Tensor | None]], None]


def _of_one(add: Add, where: str, output: Tensor, wanted: Tensor, subject: LatentVariableModel) -> None:
    for term, of in SINGLE.items():
        add(where, term, lambda of=of: of(output, wanted, subject.against))
    for link, through in _LINKS.items():
        for term, of in SINGLE.items():
            if term.name in _LINKED:
                add(link + where, term, lambda of=of, through=through: of(through(output), wanted, subject.against))
    for axis in (-1, -len(subject.event)) if len(subject.event) > 1 else (-1,):
        along = f" along axis {axis}" if len(subject.event) > 1 else ""
        for logits, term in zip((True, False), _COUNTS, strict=True):
            of_counts = partial(_multinomial, output, wanted, subject.event, axis, logits=logits)
            add(where + along, term, of_counts)
    errors = (output - wanted).square().reshape(len(output), -1)
    add(where, _TOTAL, lambda: 0.5 * errors.shape[1] * torch.log(errors.mean(1)))


def _of_two(
    add: Add, where: str, mean: Tensor, second: Tensor, wanted: Tensor, subject: LatentVariableModel
) -> None:  # fmt: skip
    for reading, std in READINGS.items():
        term = Term(name=f"Gaussian likelihood of a decoder that returns (mean, {reading})", normalised=True)
        add(where, term, lambda std=std: -subject.against.log_normal(wanted, mean, std(second)))


def _stated(subject: LatentVariableModel, runs: Sequence[Observation], target: Tensor) -> Tensor:
    assert subject.likelihood is not None
    with subject_code(), torch.no_grad():
        found = [
            torch.as_tensor(subject.likelihood(event.output, target)).double().sum()
            for run in runs
            for event in outputs(run)
        ]
    return torch.stack(found).reshape(len(runs), -1)


def _likelihoods(runs: Sequence[Observation], target: Tensor) -> Tensor | None:
    found = []
    for run in runs:
        for event in outputs(run):
            law, one = event.output, target
            shape = torch.Size((*law.batch_shape, *law.event_shape))
            try:
                given = one.reshape(shape) if shape.numel() == one.numel() else one.expand(shape)
                found.append(-law.log_prob(given).detach().double().sum())
            except Exception:  # a stranger's distribution may object to the target
                return None
    return torch.stack(found).reshape(len(runs), -1) if found else None


def views(runs: Sequence[Observation], target: Tensor) -> list[tuple[str, list[Tensor]]]:
    """Where the decoder's result may be: what it returned, all draws together, or what the model made of it."""
    several: dict[str, list[list[Tensor]]] = {}
    for run in runs:
        for where, parts in _view(run, target):
            several.setdefault(where, []).append(parts)
    found = []
    for where, of_runs in several.items():
        shapes = {tuple(tuple(t.shape) for t in parts) for parts in of_runs}
        if len(of_runs) == len(runs) and len(shapes) == 1:
            found.append((where, [torch.stack(parts) for parts in zip(*of_runs, strict=True)]))
    return found


def _view(run: Observation, target: Tensor) -> list[tuple[str, list[Tensor]]]:
    found = []
    events = outputs(run)
    calls = [[t.detach().double() for t in tensors_of(e.output)] for e in events]
    if calls and all(len(parts) == len(calls[0]) and parts for parts in calls):
        first = calls[0][0]
        if len(calls) == 1 and first.ndim > 1 and first.numel() == 2 * target.numel() and first.shape[1] % 2 == 0:
            found.append(("the halves of the decoder's output", list(first.chunk(2, 1))))
        joined = [torch.stack(parts) if len(calls) > 1 else parts[0] for parts in zip(*calls, strict=True)]
        found.append(("the decoder's output", joined))
    decoded = [t for parts in calls for t in parts]
    for event in run.of("forward"):
        tensors = [t.detach().double() for t in tensors_of(event.output) if t.numel() % target.numel() == 0]
        tensors = [t for t in tensors if t.numel() and not any(_same(t, one) for one in (target, *decoded))]
        found += [(f"result {k} of the model", [t]) for k, t in enumerate(tensors)]
        if len(tensors) >= 2:
            found.append(("the results of the model", tensors[:2]))
    return found


def _same(a: Tensor, b: Tensor) -> bool:
    return a.numel() == b.numel() and torch.equal(a.reshape(-1), b.reshape(-1))


def aligned(output: Tensor, target: Tensor) -> list[tuple[str, Tensor]]:
    """The outputs of all runs as [runs, draws, rows, numbers]; in both orders where the shape leaves it open."""
    runs, rows, numbers = len(output), len(target), target[0].numel()
    if not output.numel() or output[0].numel() % (rows * numbers):
        return []
    draws = output[0].numel() // (rows * numbers)
    if draws == 1:
        return [("", output.reshape(runs, draws, rows, numbers))]
    return [
        (" (draws first)", output.reshape(runs, draws, rows, numbers)),
        (" (rows first)", output.reshape(runs, rows, draws, numbers).transpose(1, 2)),
    ]


def prior_of(subject: LatentVariableModel, condition: Tensor | None = None) -> Any:  # noqa: ANN401
    """The prior, given a condition: a distribution, or None for the standard normal."""
    stated = subject.prior if subject.prior is not None else subject.memory.get("own prior")
    if stated is None or isinstance(stated, Distribution):
        return stated
    named = isinstance(stated, str)
    with subject_code(), torch.no_grad():
        if named:
            stated = getattr(subject.calls.module, stated)
            if isinstance(stated, Distribution) or not callable(stated):
                return stated
        if named or isinstance(stated, torch.nn.Module):
            return stated()
        takes = len([p for p in signature(stated).parameters.values() if p.default is p.empty])
        return stated(subject.calls.module, condition) if takes > 1 else stated(subject.calls.module)


def prior_normal(prior: Any, like: Tensor) -> tuple[Tensor, Tensor] | None:  # noqa: ANN401
    """(mean, std) of a normal prior for each number of z; None where it is another."""
    if prior is None:
        return torch.zeros_like(like), torch.ones_like(like)
    parts = [t.detach().double() for t in tensors_of(prior)]
    base = prior
    while hasattr(base, "base_dist"):
        base = base.base_dist
    if type(base).__name__ != "Normal" or len(parts) != 2:
        return None
    mean, std = (t.reshape(-1).repeat(like.numel() // t.numel()) for t in torch.broadcast_tensors(*parts))
    return mean, std


def kl_of_law(subject: LatentVariableModel, law: Law, condition: Tensor | None = None) -> Total | None:
    """KL(q ‖ p) of all z that are drawn together, with the size of its parts; None where it is none."""
    alive = law.std > 0
    if not bool(alive.any()):
        return None
    mean, std, error = law.mean[alive], law.std[alive], law.error[alive]
    prior = prior_normal(prior_of(subject, condition), law.mean)
    if prior is None:
        return None
    m, s = (part[alive] for part in prior)
    if law.elementwise:
        value = subject.against.kl(mean, std, m, s)
    else:
        covariance = law.covariance()[alive][:, alive]
        value = torch.cat(
            [
                torch.stack(subject.against.kl_full(mean[i], covariance[i][:, i], m[i], torch.diag(s[i].square())))
                for i in _blocks(covariance)
            ]
        )
    if not bool(torch.isfinite(value).all()):
        return None
    size = value.abs().sum() + ((mean / s).square() + (std / s).square() + (std / s).log().abs()).sum()
    # The spread is known but to a rounding: it moves the KL term by |σ/τ² − 1/σ| of that.
    blur = ((std / s.square() - 1.0 / std).abs() * error).sum() / unit_roundoff(subject.calls.dtype)
    return float(value.sum()), float(size + blur)


def _blocks(covariance: Tensor) -> list[Tensor]:
    """Groups of indices that are correlated within, and not with each other."""
    linked = (covariance != 0).double()
    for _ in range(max(1, len(covariance)).bit_length()):
        linked = ((linked @ linked) > 0).double()
    groups = torch.unique(linked > 0, dim=0)
    return [group.nonzero()[:, 0] for group in groups]
