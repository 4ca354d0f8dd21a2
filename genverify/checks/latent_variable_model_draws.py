"""The KL term at the draw, log q(z|x) − log p(z), and the bounds that weigh several draws by it."""

from __future__ import annotations

import math
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

__all__ = ["importance_weighted", "kl_at_draw", "log_parts"]


def importance_weighted(subject: LatentVariableModel, seen: Look) -> dict[Key, list[Total]]:
    """The bounds −Σ log mean exp(log p(x, z) − log q(z|x)) over several draws, by family (Burda et al. 2016, eq. 8)."""
    ratio = _log_ratio(subject, seen)
    target = seen.x.detach().double()
    found: dict[Key, list[Total]] = {}
    if ratio is None:
        return found
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
                bound = -(torch.logsumexp(logs, 1) - math.log(draws)).sum(1)
                if bool(torch.isfinite(bound).all()):
                    name = f"importance-weighted bound of {draws} draws ({term.name})"
                    size = logs.abs().amax((1, 2)) * rows + 1.0
                    found[where + order, Term(name=name, normalised=True, whole=True)] = list(
                        zip(bound.tolist(), size.tolist(), strict=True)
                    )
    return found


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
    prior = prior_of(subject)
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
