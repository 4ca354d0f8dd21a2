"""The law that a sampler's draws follow, jointly across rows, against the law that it claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.sampler_affine import Affine, affine_in_normals
from genverify.checks.sampler_call import call, identify, law_of_raw, raw_parameters, record_draws, witness
from genverify.checks.sampler_expectation import judge_counted, judge_functions
from genverify.checks.sampler_quantile import QuantileMap, quantile_map
from genverify.numerics import conditioned_allowance
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.sampler import JointLaw, Sampler
from genverify.verdict import Judgement, Rung, failed, inconclusive, passed

__all__ = ["law", "same_shape"]

# Roundings of a factorisation of a small matrix, an exponential, two products and a sum.
_OPERATIONS = 64


@check(
    "sampler.law",
    statement="the draws of one call follow the law that is claimed, jointly: each number, and all rows together",
    source="the law's own; exactly where the output is affine in normal draws, a monotone function of one draw each "
    "(Devroye 1986, theorem II.2.1), or can be enumerated; else by the expectations of bounded "
    "functions (Feuerverger & Mureika 1977)",
    rung=Rung.EXACT,
    statistical=True,
    before=identify,
)
def law(subject: Sampler, case: Case, run: Run) -> Judgement:
    """The exact law where it can be had; else expectations of bounded functions, integrated or tested in sequence."""
    found = _follows(subject, case, run)
    assert subject.named is not None
    if found.outcome == "FAIL":
        for other in subject.named.recognised:
            if _follows(replace(subject, named=other), case, run).outcome == "PASS":
                known = other.specification
                message = f"{found.evidence.message}; it follows {known.name!r}: {known.statement}"
                return replace(found, evidence=replace(found.evidence, message=message))
    return found


def _follows(subject: Sampler, case: Case, run: Run) -> Judgement:
    """Whether the draws follow the law that the subject claims."""
    claimed = law_of_raw(subject, case, raw_parameters(subject, case))
    drawn, tape = record_draws(subject, case)
    if not same_shape(drawn.output, claimed):
        return failed(
            rung=Rung.EXACT,
            examined=1,
            quantity="shape",
            message=f"returned shape {tuple(drawn.output.shape)} where {claimed.shape} was expected: no law to compare",
        )
    if not tape.draws and not tape.uncontrolled:
        return failed(rung=Rung.EXACT, examined=1, message="nothing was drawn: the output is not random")
    if claimed.normal:
        affine = affine_in_normals(subject, case, tape)
        if affine is not None:
            return _normal(subject, case, claimed, affine)
    found = quantile_map(subject, case, claimed, tape)
    if found is not None:
        return _quantiles(subject, case, found)
    if claimed.probabilities is not None:
        return judge_counted(subject, case, run, claimed, tape)
    return judge_functions(subject, case, run, claimed, tape)


def _quantiles(subject: Sampler, case: Case, found: QuantileMap) -> Judgement:
    gap = (found.reached - found.wanted).abs()
    ratio = torch.where(gap == 0, torch.zeros_like(gap), gap / found.allowed)
    place = int(ratio.nan_to_num(nan=torch.inf).argmax())
    evidence = {
        "rung": Rung.EXACT,
        "examined": 1,
        "quantity": "|F(z) - p|",
        "observed": float(gap.reshape(-1)[place]),
        "allowed": float(found.allowed.reshape(-1)[place]),
        "unit": "probability",
        "figures": {"evaluations": found.points},
        "guarantee": f"each number is a function of one draw of its own, at {len(gap)} quantiles of it; where it is "
        "monotone between them, its law is the one compared",
    }
    if bool((ratio <= 1).all()):
        return passed(**evidence)
    wanted, reached = float(found.wanted.reshape(-1)[place]), float(found.reached.reshape(-1)[place])
    message = f"the draw at quantile {wanted:.4g} lies at quantile {reached:.4g} of the law that is claimed"
    return failed(**evidence, message=message, witness=witness(subject, case))


def same_shape(output: Tensor, claimed: JointLaw) -> bool:
    """Whether the output has the law's shape, up to axes of size 1; a one-hot code has one axis more."""
    wanted = [claimed.shape]
    if claimed.probabilities is not None:
        wanted.append((*claimed.shape, claimed.probabilities.shape[-1]))
    return any(_squeezed(output.shape) == _squeezed(one) for one in wanted)


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _normal(subject: Sampler, case: Case, claimed: JointLaw, affine: Affine) -> Judgement:
    assert claimed.mean is not None
    assert claimed.covariance is not None
    raw = raw_parameters(subject, case)
    names = list(raw)
    dtype = call(subject, case).output.dtype
    matrices = [i for i, name in enumerate(names) if _is_matrix(subject, name)]

    def moments(*values: Tensor) -> Tensor:
        law = law_of_raw(subject, case, dict(zip(names, values, strict=True)))
        assert law.mean is not None
        assert law.covariance is not None
        return torch.cat([law.mean, law.covariance.reshape(-1)])

    size = len(claimed.mean)
    if names:
        allowed = conditioned_allowance(
            moments, [raw[name] for name in names], dtype=dtype, operations=_OPERATIONS, normwise=matrices
        ).allowed
    else:
        from genverify.numerics import allowance

        allowed = allowance(moments(), _OPERATIONS, dtype).allowed
    allowed_mean, allowed_cov = allowed[:size], allowed[size:].reshape(size, size)
    # A factorisation is backward stable in norm, not entry by entry.
    allowed_cov = torch.maximum(allowed_cov, allowed_cov.max() * torch.ones_like(allowed_cov))
    found = affine.matrix @ affine.matrix.T
    spill = affine.matrix.abs() @ affine.error.T
    allowed_cov = allowed_cov + spill + spill.T + affine.error @ affine.error.T
    figures = {"draws": affine.matrix.shape[1], "evaluations": affine.points}
    guarantee = (
        f"the output is affine in its {affine.matrix.shape[1]} normal draws at {affine.points} values of them, up to 8 "
        "standard deviations out; if it is so everywhere, its joint law is the one compared"
    )
    worst: Judgement | None = None
    for name, observed, expected, allowance_ in (
        ("mean", affine.offset, claimed.mean.detach(), allowed_mean),
        ("covariance", found, claimed.covariance.detach(), allowed_cov),
    ):
        gap = (observed - expected).abs()
        ratio = torch.where(gap == 0, torch.zeros_like(gap), gap / allowance_)
        if not bool(torch.isfinite(expected).all()) or not bool(torch.isfinite(allowance_).all()):
            return inconclusive(f"the law's {name} is not finite here")
        place = int(ratio.nan_to_num(nan=torch.inf).argmax())
        evidence = {
            "rung": Rung.EXACT,
            "examined": 1,
            "quantity": f"|{name} - claimed|",
            "observed": float(gap.reshape(-1)[place]),
            "allowed": float(allowance_.reshape(-1)[place]),
            "unit": str(dtype).removeprefix("torch."),
            "figures": figures,
            "guarantee": guarantee,
        }
        if not bool((ratio <= 1).all()):
            explain = _mean_slip(affine, claimed) if name == "mean" else _covariance_slip(found, claimed)
            message = f"the {name} of the draws is not the law's: {explain}"
            return failed(**evidence, message=message, witness=witness(subject, case))
        judgement = passed(**evidence)
        if worst is None or judgement.evidence.ratio > worst.evidence.ratio:
            worst = judgement
    assert worst is not None
    return worst


def _is_matrix(subject: Sampler, name: str) -> bool:
    assert subject.named is not None
    return subject.named.specification.argument(name).normwise


def _mean_slip(affine: Affine, claimed: JointLaw) -> str:
    assert claimed.mean is not None
    place = int((affine.offset - claimed.mean).abs().argmax())
    return f"it is {affine.offset[place]:.4g} where {claimed.mean.detach()[place]:.4g} is claimed (number {place})"


def _covariance_slip(found: Tensor, claimed: JointLaw) -> str:
    """The probable slip behind a covariance, in words."""
    assert claimed.covariance is not None
    wanted = claimed.covariance.detach()
    near = torch.finfo(torch.float32).eps * wanted.abs().max()  # to recognise a slip, not to judge
    blocks = wanted.abs() > near
    rows = claimed.shape[0] if len(claimed.shape) > 1 else len(wanted)
    width = len(wanted) // max(rows, 1)
    same_row = torch.arange(len(wanted))[:, None] // width == torch.arange(len(wanted)) // width
    if bool((found.abs()[~same_row] > near).any()):
        return "rows are not independent: noise is shared between them"
    ratio = float((found * wanted).sum() / (wanted * wanted).sum())
    if bool(((found - ratio * wanted).abs() <= near).all()):
        if ratio == 0:
            return "it is zero: the noise is missing"
        return f"it is {ratio:.4g} times the claimed one (the noise is scaled by {ratio**0.5:.4g})"
    square, root = wanted @ wanted, torch.diag(torch.diagonal(wanted).clamp_min(0).sqrt())
    if bool(((found - square).abs() <= near * (1 + wanted.abs().max())).all()):
        return "it is the square of the claimed one: a variance (or covariance) was used where its square root belongs"
    if bool(((found - root).abs() <= near).all()):
        return "it is the root of the claimed one: the square root of a standard deviation was taken"
    factor = torch.linalg.cholesky(wanted)
    if bool(((found - factor.T @ factor).abs() <= near).all()):
        return "it is LᵀL and not LLᵀ: row vectors of noise must be multiplied by Lᵀ"
    if bool((found.abs()[~blocks] > near).any()):
        return "numbers that should be independent are correlated"
    place = int((found - wanted).abs().argmax())
    i, j = divmod(place, len(wanted))
    return f"the covariance of numbers {i} and {j} is {found[i, j]:.4g} where {wanted[i, j]:.4g} is claimed"
