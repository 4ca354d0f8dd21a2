"""The terms that an ELBO may have: reconstruction terms of known likelihoods, and KL terms of the law that z follows.

Each is a total over the batch, so that every reduction of it is a factor. A term comes with the size of its parts, to
which its rounding is relative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from genverify.checks.latent_variable_model_look import Law, Look, latents, outputs
from genverify.numerics.rounding import unit_roundoff
from genverify.subjects.calling import subject_code
from genverify.subjects.latent_observation import Observation, tensors_of
from genverify.subjects.latent_variable_model import LatentOracles, LatentVariableModel

__all__ = [
    "FAMILIES",
    "READINGS",
    "Term",
    "importance_weighted",
    "kl_at_draw",
    "kl_of_law",
    "prior_of",
    "reconstructions",
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
_SINGLE: dict[Term, Callable[[Tensor, Tensor, LatentOracles], Tensor]] = {
    Term(name="squared error", gaussian=True): lambda o, x, _: (o - x).square(),
    Term(name="Bernoulli cross-entropy of probabilities", normalised=True): lambda o, x, f: _bounded(o, x, f),
    Term(name="Bernoulli cross-entropy of logits", normalised=True): lambda o, x, f: f.bernoulli_logits(o, x),
    Term(name="absolute error (a Laplace decoder)"): lambda o, x, _: (o - x).abs(),
    Term(name="Huber's error"): lambda o, x, _: torch.nn.functional.huber_loss(o, x, reduction="none"),
    Term(name="log-cosh error"): lambda o, x, _: torch.log(torch.cosh(o - x)),
    Term(name="Poisson likelihood of log rates", normalised=True): lambda o, x, _: torch.exp(o) - x * o,
}
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
FAMILIES = (*_SINGLE, _TOTAL, _GIVEN)


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

    for where, parts in _views(seen.runs, target):
        for order, aligned in _aligned(parts[0], target):
            _of_one(add, where + order, aligned, target.reshape(1, 1, len(target), -1).expand(aligned.shape), subject)
        if len(parts) == 2 and parts[0].numel() == parts[1].numel():
            for (order, mean), (_, second) in zip(_aligned(parts[0], target), _aligned(parts[1], target), strict=True):
                wanted = target.reshape(1, 1, len(target), -1).expand(mean.shape)
                _of_two(add, where + order, mean, second, wanted, subject)
    if subject.likelihood is not None:
        add("the decoder's output", _STATED, lambda: _stated(subject, seen.runs, target))
    if all(isinstance(event.output, Distribution) for run in seen.runs for event in outputs(run)):
        add("the decoder's distribution", _GIVEN, lambda: _likelihoods(seen.runs, target))
    return found


Add = Callable[[str, Term, Callable[[], Tensor | None]], None]


def _of_one(add: Add, where: str, aligned: Tensor, wanted: Tensor, subject: LatentVariableModel) -> None:
    for term, of in _SINGLE.items():
        add(where, term, lambda of=of: of(aligned, wanted, subject.against))
    for link, through in _LINKS.items():
        for term, of in _SINGLE.items():
            if term.name in _LINKED:
                add(link + where, term, lambda of=of, through=through: of(through(aligned), wanted, subject.against))
    errors = (aligned - wanted).square().reshape(len(aligned), -1)
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


def importance_weighted(subject: LatentVariableModel, seen: Look) -> dict[Key, list[Total]]:
    """The bounds −Σ log mean exp(log p(x, z) − log q(z|x)) over several draws, by family (Burda et al. 2016, eq. 8)."""
    ratio = _log_ratio(subject, seen)
    target = seen.x.detach().double()
    found: dict[Key, list[Total]] = {}
    if ratio is None:
        return found
    for where, parts in _views(seen.runs, target):
        for order, aligned in _aligned(parts[0], target):
            runs, draws, rows, _ = aligned.shape
            if draws == 1 or ratio.shape[1] % (draws * rows):
                continue
            shape = (runs, rows, draws, -1) if "rows" in order else (runs, draws, rows, -1)
            at_draws = ratio.reshape(shape).sum(-1)
            at_draws = at_draws.mT if "rows" in order else at_draws
            wanted = target.reshape(1, 1, rows, -1).expand(aligned.shape)
            for term, of in _SINGLE.items():
                if not term.normalised and not term.gaussian:
                    continue
                scale = 0.5 / float(subject.decoder_variance or 1.0) if term.gaussian else 1.0
                logs = -scale * of(aligned, wanted, subject.against).sum(-1) - at_draws
                bound = -(torch.logsumexp(logs, 1) - math.log(draws)).sum(1)
                if bool(torch.isfinite(bound).all()):
                    name = f"importance-weighted bound of {draws} draws ({term.name})"
                    size = logs.abs().amax((1, 2)) * rows + 1.0
                    found[where + order, Term(name=name, normalised=True, whole=True)] = list(
                        zip(bound.tolist(), size.tolist(), strict=True)
                    )
    return found


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


def _views(runs: Sequence[Observation], target: Tensor) -> list[tuple[str, list[Tensor]]]:
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


def _aligned(output: Tensor, target: Tensor) -> list[tuple[str, Tensor]]:
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


def prior_of(subject: LatentVariableModel) -> Any:  # noqa: ANN401 - a distribution, or None for the standard normal
    """The prior: a distribution, or None."""
    stated = subject.prior
    if isinstance(stated, str):
        stated = getattr(subject.calls.module, stated)
        stated = stated() if callable(stated) and not isinstance(stated, torch.nn.Module) else stated
    elif callable(stated) and not isinstance(stated, Distribution):
        stated = stated(subject.calls.module)
    return stated


def _prior_normal(prior: Any, like: Tensor) -> tuple[Tensor, Tensor] | None:  # noqa: ANN401
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


def kl_of_law(subject: LatentVariableModel, law: Law) -> Total | None:
    """KL(q ‖ p) of all z that are drawn together, with the size of its parts; None where it is none."""
    alive = law.std > 0
    if not bool(alive.any()):
        return None
    mean, std, error = law.mean[alive], law.std[alive], law.error[alive]
    prior = _prior_normal(prior_of(subject), mean)
    if prior is None:
        return None
    m, s = prior
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


def kl_at_draw(subject: LatentVariableModel, seen: Look) -> list[Total] | None:
    """Log q(z|x) − log p(z) at each draw, whose mean over draws is the KL term; None where q is no diagonal normal."""
    ratio = _log_ratio(subject, seen)
    if ratio is None:
        return None
    return list(zip(ratio.sum(1).tolist(), (ratio.abs().sum(1) + 1.0).tolist(), strict=True))


def _log_ratio(subject: LatentVariableModel, seen: Look) -> Tensor | None:
    """The terms log q(z|x) − log p(z) of each number of z, or of each vector where a prior has no such parts."""
    law = seen.law
    if law is None or seen.source is None or not law.elementwise or not bool((law.std > 0).all()):
        return None
    prior = prior_of(subject)
    parts = [latents(run, seen.source) for run in seen.runs]
    z = torch.stack([one.detach().double() for one in parts if one is not None])
    normal = _prior_normal(prior, law.mean)
    log_q = subject.against.log_normal(z, law.mean.expand_as(z), law.std.expand_as(z))
    if normal is not None:
        log_p = subject.against.log_normal(z, normal[0].expand_as(z), normal[1].expand_as(z))
    else:
        try:
            log_p = torch.stack([prior.log_prob(_shaped(one, prior)).detach().double().reshape(-1) for one in z])
        except Exception:  # a prior of another shape
            return None
    if not bool(torch.isfinite(log_p).all()):
        return None
    if log_p.shape[1] != log_q.shape[1]:
        log_q = log_q.reshape(len(log_q), log_p.shape[1], -1).sum(2)
    return log_q - log_p


def _shaped(z: Tensor, prior: Any) -> Tensor:  # noqa: ANN401
    event = torch.Size(prior.event_shape).numel()
    return z.detach().reshape(-1, *prior.event_shape) if event > 1 else z.detach()
