"""Claims on the Jacobian's pattern: autoregressive, monotone, nowhere singular."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.bijection_jacobian import jacobians, neighbours
from genverify.checks.bijection_structured import FEWEST, signs_by_structure
from genverify.checks.check import check
from genverify.numerics.rounding import unit_roundoff
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import Evaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed

__all__ = ["autoregressive", "invertible", "monotone"]


# Dimensions of the largest Jacobian whose singular values are computed: a minute.
_LARGEST = 4096


def _claimed(name: str, what: str) -> str:
    return f"the subject does not claim to be {what}; declare {name}=True"


@check(
    "bijection.autoregressive",
    statement="y_i depends on x_1, …, x_i alone: the Jacobian is lower triangular",
    source="Papamakarios et al. 2017, eq. 4",
    requires=lambda subject: None if subject.autoregressive else _claimed("autoregressive", "autoregressive"),
)
def autoregressive(subject: Bijection, case: Case, run: Run) -> Judgement:
    """Entries above the diagonal are zero exactly, as products with a mask's zeros are."""
    with evaluated(subject, case) as at:
        at.forward(at.x)
        found = jacobians(at, at.x)
        if found is None or not bool(torch.isfinite(found).all()):
            return inconclusive("the Jacobian is not square, or not finite, here", notes=subject.calls.notes)
        above = torch.triu(found, 1).abs()
        if not bool(above.any()):
            return passed(
                examined=len(found), quantity="|J above the diagonal|", observed=0.0, allowed=0.0,
                notes=subject.calls.notes,
            )  # fmt: skip
        row, i, j = (int(k) for k in torch.unravel_index(above.argmax(), above.shape))
        return failed(
            examined=len(found), quantity="|J above the diagonal|", observed=float(above.max()), allowed=0.0,
            notes=subject.calls.notes,
            message=f"y_{i + 1} depends on x_{j + 1} (derivative {float(found[row, i, j]):.3g}): a mask that is not "
            "strict, or an order that is not undone",
        )  # fmt: skip


@check(
    "bijection.monotone",
    statement="each y_i increases with x_i",
    source="Huang et al. 2018, section 3",
    requires=lambda subject: None if subject.monotone else _claimed("monotone", "monotone"),
)
def monotone(subject: Bijection, case: Case, run: Run) -> Judgement:
    """The diagonal of the Jacobian is positive."""
    with evaluated(subject, case) as at:
        at.forward(at.x)
        found = jacobians(at, at.x)
        if found is None or not bool(torch.isfinite(found).all()):
            return inconclusive("the Jacobian is not square, or not finite, here", notes=subject.calls.notes)
        slopes = torch.diagonal(found, dim1=1, dim2=2)
        # A slope within rounding of zero, relative to the row of J that it stands in, has no sign.
        noise = found.shape[1] * unit_roundoff(found.dtype) * found.abs().amax((1, 2))
        least = slopes.amin(1)
        if bool((least < -noise).any()):
            return failed(
                examined=len(found), quantity="−∂y_i/∂x_i", observed=float(-least.min()), allowed=float(noise.max()),
                message="an output falls where its input rises", notes=subject.calls.notes,
            )  # fmt: skip
        if bool((least <= noise).any()):
            return inconclusive("a slope is zero within rounding", notes=subject.calls.notes)
        return passed(
            examined=len(found), quantity="−∂y_i/∂x_i", observed=float(-least.min()), allowed=0.0,
            notes=subject.calls.notes,
        )  # fmt: skip


@check(
    "bijection.invertible",
    statement="the Jacobian is singular on no open set, and its determinant has one sign (the domain is connected)",
    source="a homeomorphism has degree ±1 (Brouwer 1911), and the degree is the sign of det J where that is not 0",
    family="several rows",
)
def invertible(subject: Bijection, case: Case, run: Run) -> Judgement:
    """The sign of det J at all points of the case, under one context."""
    with evaluated(subject, case) as drawn:
        # Another context is another map, whose orientation may differ.
        context = None if drawn.context is None else drawn.context[:1].expand_as(drawn.context).contiguous()
        at = Evaluation(subject=subject, x=drawn.x, context=context)
        at.forward(at.x)
        signs = signs_by_structure(at) if at.x[0].numel() >= FEWEST else ""
        if isinstance(signs, str):
            if at.x[0].numel() > _LARGEST:
                return inconclusive(
                    f"the singular values of {at.x[0].numel()} dimensions are not computed (at most {_LARGEST}), and "
                    f"the structure of the Jacobian is not known: {signs}", notes=subject.calls.notes,
                )  # fmt: skip
            found = jacobians(at, at.x)
            if found is None:
                return not_applicable("the forward map has no square Jacobian", notes=subject.calls.notes)
            signs, clear = _signs(found)
            if not bool(clear.any()):
                return _singular(at)
            signs = signs[clear]
        seen = signs
        if bool((seen != seen[0]).any()):
            return failed(
                examined=len(seen), quantity="distinct signs of det J", observed=2.0, allowed=1.0,
                message=f"det J has both signs ({[int(s) for s in signs]} for the rows): the map folds, and two points "
                "have one image", notes=subject.calls.notes,
            )  # fmt: skip
        return passed(examined=len(seen), notes=subject.calls.notes)


def _signs(found: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of det J in each row, and whether it is beyond doubt: the smallest singular value is."""
    finite = torch.isfinite(found).flatten(1).all(1)
    safe = torch.where(finite[:, None, None], found.double(), torch.zeros_like(found, dtype=torch.float64))
    singular = torch.linalg.svdvals(safe)
    # What stochastic arithmetic could move an entry of J by is far below the square root of the unit roundoff.
    doubt = singular[:, 0] * (found.shape[1] * unit_roundoff(found.dtype)) ** 0.5
    return torch.linalg.slogdet(safe).sign, finite & (singular[:, -1] > doubt)


def _singular(at: Evaluation) -> Judgement:
    notes = at.subject.calls.notes
    for x in [at.x, *neighbours(at.x, at.subject.where)]:
        found = jacobians(at, x)
        if found is None or not bool(torch.isfinite(found).all()):
            return inconclusive("the Jacobian is not finite here", notes=notes)
        least = torch.linalg.svdvals(found.double())
        if bool((least[:, -1] > found.shape[1] * unit_roundoff(found.dtype) * least[:, 0]).any()):
            return inconclusive("the Jacobian is nearly singular here", notes=notes)
    return failed(
        examined=at.rows, notes=notes,
        message="the Jacobian is singular here and on both sides: the map is constant along a direction",
    )  # fmt: skip
