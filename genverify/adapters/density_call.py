"""Log-densities in the forms that people have them: functions, modules and flows with ``log_prob``, distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from genverify.adapters.adapter import adapter
from genverify.adapters.bijection_maps import call, interior
from genverify.adapters.float64_copy import carry
from genverify.errors import UsageError
from genverify.subjects.density import Density, DensityCall
from genverify.subjects.region import Region, region

__all__ = ["distribution", "log_density"]

Convention = Callable[[Any], Callable[[Tensor, Tensor | None], Any]]
Sample = Callable[[int, Tensor | None], Any]


def _is_distribution(thing: Any) -> bool:  # noqa: ANN401
    return isinstance(thing, Distribution)


@adapter("torch.distributions.Distribution", "density", _is_distribution, rank=20, guesses=True)
def distribution(subject: Density) -> Density:
    """A distribution with a density; several in a batch are taken together, as independent ones.

    Raises:
        UsageError: It has no density (it is discrete), or its support is no region that can be integrated over.
    """
    thing: Distribution = subject.f
    notes: tuple[str, ...] = ()
    if thing.batch_shape:
        notes = (f"a batch {tuple(thing.batch_shape)} of distributions, taken together as independent ones",)
        thing = Independent(thing, len(thing.batch_shape))
    if thing.support is not None and thing.support.is_discrete:
        raise UsageError(
            given=f"{subject.label}, which is discrete", expected="a distribution with a density",
            do="its probabilities sum to one, which is not an integral",
        )  # fmt: skip
    support = subject.support if subject.support is not None else thing.support
    region(support)
    return replace(
        subject, event_shape=tuple(thing.event_shape), support=support,
        call=DensityCall(
            log_prob=lambda x, c: thing.log_prob(x), notes=notes, sample=lambda n, c: thing.sample(torch.Size((n,)))
        ),
    )  # fmt: skip


def _has_log_prob(thing: Any) -> bool:  # noqa: ANN401
    return callable(getattr(thing, "log_prob", None)) and not isinstance(thing, type)


@adapter("object with log_prob(x)", "density", _has_log_prob, rank=40)
def with_log_prob(subject: Density) -> Density:
    """Flows and modules: their ``log_prob``."""
    return _prepared(subject, lambda thing: lambda x, c: call(thing.log_prob, x, c), _sampled)


def _makes_distributions(thing: Any) -> bool:  # noqa: ANN401
    if not isinstance(thing, nn.Module):
        return False
    return any(f"{base.__module__}.{base.__qualname__}" == "zuko.lazy.LazyDistribution" for base in type(thing).__mro__)


@adapter("zuko.lazy.LazyDistribution", "density", _makes_distributions, rank=30, guesses=False)
def lazy_distribution(subject: Density) -> Density:
    """A module that makes a distribution of a context."""

    def sampled(thing: Any) -> Sample:  # noqa: ANN401
        return lambda n, c: (thing() if c is None else thing(c)).sample((n,))

    return _prepared(subject, lambda thing: lambda x, c: (thing() if c is None else thing(c)).log_prob(x), sampled)


@adapter("function x → log p(x)", "density", callable, rank=90)
def log_density(subject: Density) -> Density:
    """Functions, lambdas, bound methods, and modules whose forward is the log-density."""
    return _prepared(subject, lambda thing: lambda x, c: call(thing, x, c), _sampled)


def _sampled(thing: Any) -> Sample | None:  # noqa: ANN401
    """Its draws, or those of the object that a bound method belongs to, without context."""
    sample = getattr(thing, "sample", None) or getattr(getattr(thing, "__self__", None), "sample", None)
    if not callable(sample):
        return None

    def draw(count: int, context: Tensor | None) -> Any:  # noqa: ANN401
        if context is not None:
            return None
        # Distributions take a shape, flows a number; normflows returns the draws beside their log-densities.
        try:
            found = sample(count)
        except Exception:
            found = sample((count,))
        return found[0] if isinstance(found, (tuple, list)) and found else found

    return draw


def _prepared(subject: Density, convention: Convention, sampled: Callable[[Any], Sample | None]) -> Density:
    if subject.event_shape is None:
        raise UsageError(
            given=f"{subject.label} without event_shape", expected="the shape of one event, without the batch axis",
            do="for example Density(log_prob, event_shape=(2,))",
        )  # fmt: skip
    carrier = carry(subject.f)
    narrow = next((d for d in carrier.dtypes if d != torch.float64), torch.float32)
    tried = [(carrier.wide(subject.f) if carrier.wide else subject.f, torch.float64), (carrier.own(subject.f), narrow)]
    for thing, dtype in tried:
        log_prob = convention(thing)
        try:
            _probe(subject, log_prob, dtype)
        except Exception:
            continue
        notes = carrier.notes if dtype == torch.float64 else (*carrier.notes, f"judged in {dtype}")
        drawn = DensityCall(log_prob=log_prob, dtype=dtype, notes=notes, sample=sampled(thing))
        return replace(subject, call=drawn)
    return replace(subject, call=DensityCall(log_prob=convention(tried[0][0]), notes=carrier.notes))


def _probe(subject: Density, log_prob: Callable[[Tensor, Tensor | None], Any], dtype: torch.dtype) -> None:
    device = torch.device("cpu")
    x = interior(subject.where, (2, *subject.event), dtype, device)
    shape = subject.context_shape
    log_prob(x, interior(Region(), (2, *shape), dtype, device) if isinstance(shape, tuple) else None)
