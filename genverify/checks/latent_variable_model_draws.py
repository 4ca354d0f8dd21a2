"""The KL term at the draw, log q(z|x) − log p(z), and the bounds that weigh several draws by it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genverify.checks.latent_variable_model_look import Look, latents
from genverify.checks.latent_variable_model_terms import (
    SINGLE,
    Key,
    Term,
    Total,
    aligned,
    prior_normal,
    prior_of,
    views,
)
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["importance_weighted", "kl_at_draw", "log_parts", "proposals"]


def importance_weighted(subject: LatentVariableModel, seen: Look) -> dict[Key, list[Total]]:
    """The bounds −Σ log mean exp(log p(x, z) − log q(z|x)) over several draws, by family (Burda et al. 2016, eq. 8)."""
    found: dict[Key, list[Total]] = {}
    for where, family, logs in _log_weights(subject, seen):
        draws, rows = logs.shape[1:]
        bound = -(torch.logsumexp(logs, 1) - math.log(draws)).sum(1)
        name = f"importance-weighted bound of {draws} draws ({family})"
        size = logs.abs().amax((1, 2)) * rows + 1.0
        found[where, Term(name=name, normalised=True, whole=True)] = list(
            zip(bound.tolist(), size.tolist(), strict=True)
        )
    return found


def proposals(subject: LatentVariableModel, seen: Look) -> dict[str, list[float]]:
    """Bounds that are none, in words: another power of the proposal, or the mean over other numbers than the draws."""
    found: dict[str, list[float]] = {}
    for power in (-1.0, 0.0, 0.5, 2.0):
        for where, family, logs in _log_weights(subject, seen, power):
            name = f"an importance-weighted bound ({family}, {where}) with log q(z|x) taken {power:g} times"
            found[name] = (-torch.logsumexp(logs, 1).sum(1)).tolist()
    for where, family, logs in _log_weights(subject, seen):
        draws, rows = logs.shape[1:]
        shapes = {"rows": logs.mT, "draws of several rows, laid out anew": logs.reshape(-1, rows, draws).mT}
        for over, laid in shapes.items() if rows > 1 else ():
            name = f"an importance-weighted bound ({family}, {where}) whose weights are averaged over {over}"
            found[name] = (-torch.logsumexp(laid, 1).sum(1)).tolist()
    return found


def _log_weights(
    subject: LatentVariableModel, seen: Look, power: float = 1.0
) -> Iterator[tuple[str, str, Tensor]]:  # fmt: skip
    """(where, family, log p(x, z) − power · log q(z|x) [runs, draws, rows]) where several draws are seen together."""
    both = log_parts(subject, seen)
    if both is None:
        return
    ratio, target = power * both[0] - both[1], seen.x.detach().double()
    for where, parts in views(seen.runs, target):
        for order, output in aligned(parts[0], target):
            runs, draws, rows, _ = output.shape
            if draws == 1 or ratio.shape[1] % (draws * rows):
                continue
            shape = (runs, rows, draws, -1) if "rows" in order else (runs, draws, rows, -1)
            at_draws = ratio.reshape(shape).sum(-1)
            at_draws = at_draws.mT if "rows" in order else at_draws
            wanted = target.reshape(1, 1, rows, -1).expand(output.shape)
            for term, of in SINGLE.items():
                if not term.normalised and not term.gaussian:
                    continue
                scale = 0.5 / float(subject.decoder_variance or 1.0) if term.gaussian else 1.0
                logs = -scale * of(output, wanted, subject.against).sum(-1) - at_draws
                if bool(torch.isfinite(logs).all()):
                    yield where + order, term.name, logs


def kl_at_draw(subject: LatentVariableModel, seen: Look) -> list[Total] | None:
    """Log q(z|x) − log p(z) at each draw, whose mean over draws is the KL term; None where q is no diagonal normal."""
    ratio = _log_ratio(subject, seen)
    if ratio is None:
        return None
    return list(zip(ratio.sum(1).tolist(), (ratio.abs().sum(1) + 1.0).tolist(), strict=True))


def _log_ratio(subject: LatentVariableModel, seen: Look) -> Tensor | None:
    parts = log_parts(subject, seen)
    return None if parts is None else parts[0] - parts[1]


def log_parts(subject: LatentVariableModel, seen: Look) -> tuple[Tensor, Tensor] | None:
    """Log q(z|x) and log p(z) of each number of z, or of each vector where a prior has no such parts, [runs, z]."""
    law = seen.law
    if law is None or seen.source is None or not law.elementwise or not bool((law.std > 0).all()):
        return None
    prior = prior_of(subject, seen.condition)
    parts = [latents(run, seen.source) for run in seen.runs]
    z = torch.stack([one.detach().double() for one in parts if one is not None])
    normal = prior_normal(prior, law.mean)
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
    return log_q, log_p


def _shaped(z: Tensor, prior: Any) -> Tensor:  # noqa: ANN401
    event = torch.Size(prior.event_shape).numel()
    return z.detach().reshape(-1, *prior.event_shape) if event > 1 else z.detach()
