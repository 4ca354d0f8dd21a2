"""What genverify says of a transform in float64, in float32 and at the ends of its domain, and to how many ULPs."""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from genverify.adapters.bijection_maps import interior
from genverify.checks.bijection_jacobian import jacobian_logabsdet
from genverify.checks.check import checks_for, find_check
from genverify.errors import SubjectRaised
from genverify.numerics.ulp import ulp
from genverify.preparation import prepare
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import BUDGETS, Budget, Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import Evaluation
from genverify.subjects.region import REAL
from genverify.verdict import Judgement, Verdict, failed, not_applicable
from genverify.verify import run_check
from tests.third_party.flow_subject import Flow, made_of

__all__ = ["AT_ENDS", "BRIEF", "QUICK", "Ulps", "at_end", "battery", "prepared", "ulps"]

QUICK = BUDGETS["quick"]
# What can be afforded for every transform, in two dtypes, each time that the tests run.
BRIEF = replace(QUICK, cases=6, shrinks=4)
# Finiteness is claimed of points of moderate size only; an exponential may overflow.
AT_ENDS = ("bijection.round_trip_forward", "bijection.logabsdet", "bijection.inverse_logabsdet")
_ROWS = 16


def _refused(*_: object, **__: object) -> None:
    raise TypeError("this copy stays in float32")


@functools.lru_cache(maxsize=4)
def prepared(flow: Flow, dtype: torch.dtype) -> Bijection:
    """The subject as its checks call it, in this dtype: a module that refuses to be moved is judged in its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = made_of(flow, dtype)
        claims = dict(flow.claims)
        if dtype == torch.float32:
            claims.pop("vary_parameters", None)
            if isinstance(made, nn.Module):
                made._apply = _refused
        found = prepare(Bijection(made, name=f"{flow.library} {flow.name}", **claims))
    return found if dtype == torch.float64 else replace(found, maps=replace(found.calls, dtype=dtype))


def battery(flow: Flow, dtype: torch.dtype, budget: Budget) -> list[Verdict]:
    """The verdicts of all checks of bijections."""
    subject, drawn, run = prepared(flow, dtype), {}, Run(budget=budget)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            run_check(subject, one, run, drawn)
            for one in checks_for("bijection")
            if flow.checks is None or one.name in flow.checks
        ]


def at_end(flow: Flow, dtype: torch.dtype, end: float, check: str) -> Judgement:
    """One check at a batch of two: all coordinates at this end; the first there, the others inside."""
    subject, one = prepared(flow, dtype), find_check(check)
    missing = one.requires(subject)
    if missing is not None:
        return not_applicable(missing)
    inside = interior(subject.where, (2, *subject.event), torch.float64, torch.device("cpu"))
    x = inside.clone()
    x[0] = end
    x[1].reshape(-1)[0] = end
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return one.judge(subject, Case(values={"x": x, **_context(subject, 2)}), Run(budget=QUICK))
    except SubjectRaised as error:
        return failed(examined=1, message=str(error))


def _context(subject: Bijection, rows: int) -> dict[str, Tensor]:
    shape = subject.context_shape
    return (
        {"context": interior(REAL, (rows, *shape), torch.float64, torch.device("cpu"))}
        if isinstance(shape, tuple) else {}
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ulps:
    """The largest errors over some points, in units of the last place of what is exact, or of 1 where that is more."""

    round_trip: float
    logabsdet: float
    inverse_logabsdet: float


def ulps(flow: Flow, dtype: torch.dtype, end: float | None = None) -> Ulps:
    """Errors inside the domain, or at one of its ends.

    What is exact: x itself; log|det J| from the Jacobian of the float64 copy at the same x, and for the inverse at the
    x to which the float64 copy leads. NaN where there is nothing to compare.
    """
    subject, wide = prepared(flow, dtype), prepared(flow, torch.float64)
    rows = _ROWS if end is None else 2
    x = interior(subject.where, (rows, *subject.event), torch.float64, torch.device("cpu"))
    if subject.where.whole:
        x = 4.0 * x
    if end is not None:
        x[0] = end
        x[1].reshape(-1)[0] = end
    x = x.to(dtype)
    context = _context(subject, rows).get("context")
    own = Evaluation(subject=subject, x=x, context=None if context is None else context.to(dtype))
    exact = Evaluation(subject=wide, x=x.double(), context=context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, log = own.forward(x)
        y = y.detach()
        there = _log_error(own, log, jacobian_logabsdet(exact, x.double()), dtype, sign=1.0)
        trip = back = math.nan
        if subject.calls.inverse is not None:
            try:
                again, log = own.inverse(y)
            except SubjectRaised:
                return Ulps(round_trip=math.inf, logabsdet=there, inverse_logabsdet=math.inf)
            trip = _error(again.detach().reshape(x.shape), x, dtype)
            with contextlib.suppress(SubjectRaised):
                at = exact.inverse(y.double())[0].detach()
                back = _log_error(own, log, jacobian_logabsdet(exact, at), dtype, sign=-1.0)
    return Ulps(round_trip=trip, logabsdet=there, inverse_logabsdet=back)


def _log_error(own: Evaluation, raw: Any, truth: Tensor | None, dtype: torch.dtype, *, sign: float) -> float:
    values = None if raw is None or own.subject.stochastic else own.read(raw, own.x).values
    return math.nan if values is None or truth is None else _error(sign * values.detach(), truth, dtype)


def _error(found: Tensor, exact: Tensor, dtype: torch.dtype) -> float:
    error = (found.double() - exact.double()).abs() / ulp(exact.double().abs().clamp_min(1.0), dtype)
    return float(torch.nan_to_num(error, nan=math.inf).max())
