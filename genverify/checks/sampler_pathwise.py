"""The gradient that reparameterised draws carry: along the draws' own paths, moments move as the law's do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.sampler_affine import affine_gradient, affine_in_normals
from genverify.checks.sampler_call import call, identify, law_of_raw, raw_parameters, record_draws, witness
from genverify.checks.sampler_law import same_shape
from genverify.checks.sampler_quantile import QuantileMap, quantile_map, quantile_tapes
from genverify.noise import Tape, expectation, replay
from genverify.numerics import gamma, gradient_allowance
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.sampler import JointLaw, Sampler
from genverify.verdict import Judgement, Rung, failed, inconclusive, not_applicable, passed

__all__ = ["pathwise"]

_OPERATIONS = 128


def _claimed(subject: Sampler) -> str | None:
    assert subject.named is not None
    if subject.pathwise is False:
        return "no pathwise gradient is claimed"
    return "draws of a discrete law carry no pathwise gradient" if subject.named.discrete else None


@check(
    "sampler.pathwise",
    statement="E ∂z/∂θ and E ∂(z zᵀ)/∂θ along the draws are the derivatives of the law's moments",
    source="Kingma & Welling 2014, section 2.4; Rezende, Mohamed & Wierstra 2014, section 3",
    rung=Rung.EXACT,
    searched=False,
    requires=_claimed,
    before=identify,
)
def pathwise(subject: Sampler, case: Case, run: Run) -> Judgement:
    """The gradient of ⟨w, E z⟩ + ⟨W, Cov z⟩ (or E zzᵀ) along the paths, against the law's own."""
    drawn, tape = record_draws(subject, case, gradients=True)
    if not drawn.output.requires_grad or not drawn.leaves:
        if subject.pathwise:
            return failed(
                examined=1, rung=Rung.EXACT, message="the draws carry no gradient (drawn under no_grad, or detached)"
            )
        return not_applicable("the draws carry no gradient, and none is claimed")
    claimed = law_of_raw(subject, case, raw_parameters(subject, case))
    if not same_shape(drawn.output, claimed):
        return inconclusive(f"returned shape {tuple(drawn.output.shape)} where {claimed.shape} was expected")
    weights = _weights(len(torch.empty(claimed.shape).reshape(-1)))
    affine = affine_in_normals(subject, case, tape) if claimed.normal else None
    if affine is not None:
        found = affine_gradient(subject, case, affine, weights)
        evaluations, spread, central = affine.points, None, True
    elif (map_ := quantile_map(subject, case, claimed, tape)) is not None:
        return _along_quantiles(subject, case, tape, map_)
    elif subject.pathwise is None:
        return not_applicable("no pathwise gradient is claimed, and the draws are no map for which it is exact")
    else:
        measured = _integrated(subject, case, run, weights)
        if isinstance(measured, Judgement):
            return measured
        (found, spread), evaluations, central = measured, run.budget.evaluations, False
    if subject.pathwise is None and all(part is None or not bool(part.any()) for part in found.values()):
        return not_applicable("the draws carry no gradient (torch gives them one of zero), and none is claimed")
    return _compare(subject, case, drawn.output.dtype, weights, found, spread, central, evaluations)


def _along_quantiles(subject: Sampler, case: Case, tape: Tape, found: QuantileMap) -> Judgement:
    """At a fixed quantile F(z; θ) stays what it is, so ∂z/∂θ = -F_θ/F_z, pointwise (Figurnov, Mohamed & Mnih 2018)."""
    worst: dict[str, Any] = {"observed": 0.0, "allowed": 1.0}
    for _, played in quantile_tapes(tape):
        with replay(played):
            drawn = call(subject, case, gradients=True)
        weight = 0.5 + (torch.arange(1, drawn.output.numel() + 1, dtype=torch.float64) * 0.6180339887498949) % 1.0
        leaves = drawn.leaves
        along = weight.reshape(drawn.output.shape).to(drawn.output)
        parts = torch.autograd.grad(drawn.output, list(leaves.values()), along, allow_unused=True)
        wanted = _implicit(subject, case, drawn.output.detach().to(torch.float64).reshape(-1), weight)
        rate = gamma(_OPERATIONS, drawn.output.dtype)
        for name, part in zip(leaves, parts, strict=True):
            value, size = wanted[name]
            bound = next(b for b in subject.match.bound if b.argument.name == name)  # type: ignore[union-attr]
            observed = torch.zeros_like(value) if part is None else part.to(torch.float64)
            gap = (observed - value).abs()
            # A clamp that keeps a logarithm finite moves a slope as little as it moves the quantile.
            allowed = (rate + torch.finfo(torch.float32).eps) * size
            place = int((gap / allowed).nan_to_num(nan=torch.inf).argmax())
            here = {"observed": float(gap.reshape(-1)[place]), "allowed": float(allowed.reshape(-1)[place])}
            if not bool((gap <= allowed).all()):
                o, e = float(observed.reshape(-1)[place]), float(value.reshape(-1)[place])
                return failed(
                    **here,
                    examined=1,
                    rung=Rung.EXACT,
                    quantity="|∂z/∂θ - exact|",
                    witness=witness(subject, case),
                    message=f"the draws move with {bound.parameter} at {o:.4g} where a fixed quantile moves at {e:.4g}",
                )
            if here["observed"] * worst["allowed"] >= worst["observed"] * here["allowed"]:
                worst = here
    return passed(
        **worst, examined=1, rung=Rung.EXACT, quantity="|∂z/∂θ - exact|", figures={"evaluations": found.points}
    )


def _implicit(subject: Sampler, case: Case, z: Tensor, weight: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """For each parameter, Σ_j w_j ∂z_j/∂θ at fixed quantiles and the size of its terms."""
    raw = {name: value.clone().requires_grad_(True) for name, value in raw_parameters(subject, case).items()}
    point = z.clone().requires_grad_(True)
    law = law_of_raw(subject, case, raw)
    assert law.cdf is not None
    reached = law.cdf(point)
    (density,) = torch.autograd.grad(reached.sum(), point, retain_graph=True)
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for name, leaf in raw.items():
        value, size = torch.zeros_like(leaf), torch.zeros_like(leaf)
        for j in range(len(z)):
            (slope,) = torch.autograd.grad(reached[j], leaf, retain_graph=True)
            term = -(weight[j] / density[j].detach()) * slope
            value, size = value + term, size + term.abs()
        # Where a slope vanishes (a median), it is the difference of terms of the size of the law's spread.
        found[name] = (value, size + law.spread * torch.ones_like(size))
    return found


def _weights(size: int) -> tuple[Tensor, Tensor]:
    """Generic weights of the mean, and symmetric ones of the second moments: no two are equal."""
    steps = (torch.arange(1, size + 1, dtype=torch.float64) * 0.6180339887498949) % 1.0
    vector = 0.5 + steps
    return vector, torch.outer(vector, vector) % 1.0 + torch.diag(steps)


def _functional(law: JointLaw, weights: tuple[Tensor, Tensor], central: bool) -> tuple[Tensor, ...]:
    assert law.mean is not None
    assert law.covariance is not None
    second = law.covariance if central else law.covariance + torch.outer(law.mean, law.mean)
    return (*(weights[0] * law.mean).unbind(0), *(weights[1] * second).reshape(-1).unbind(0))


def _integrated(
    subject: Sampler, case: Case, run: Run, weights: tuple[Tensor, Tensor]
) -> tuple[dict[str, Tensor | None], dict[str, Tensor]] | Judgement:
    names = list(record_draws(subject, case, gradients=True)[0].leaves)
    missing: set[str] = set(names)

    def one() -> tuple[Tensor, ...]:
        drawn = call(subject, case, gradients=True)
        z = drawn.output.to(torch.float64).reshape(-1)
        value = weights[0] @ z + z @ weights[1] @ z
        parts = torch.autograd.grad(value, list(drawn.leaves.values()), allow_unused=True)
        missing.difference_update(name for name, part in zip(names, parts, strict=True) if part is not None)
        return tuple(
            torch.zeros_like(drawn.leaves[name]) if part is None else part
            for name, part in zip(names, parts, strict=True)
        )

    result = expectation(one, max_evaluations=run.budget.evaluations)
    if result.uncontrolled:
        return inconclusive(f"draws by {', '.join(result.uncontrolled)} cannot be integrated", rung=Rung.EXACT)
    if not result.converged:
        return inconclusive(f"the integral over the draws has not converged: {result.reason}", rung=Rung.EXACT)
    found = {name: None if name in missing else mean for name, mean in zip(names, result.mean, strict=True)}
    return found, dict(zip(names, result.error, strict=True))


def _compare(
    subject: Sampler,
    case: Case,
    dtype: torch.dtype,
    weights: tuple[Tensor, Tensor],
    found: dict[str, Tensor | None],
    spread: dict[str, Tensor] | None,
    central: bool,
    evaluations: int,
) -> Judgement:
    raw = raw_parameters(subject, case)
    names = list(raw)
    matrices = [i for i, n in enumerate(names) if subject.named.specification.argument(n).normwise]  # type: ignore[union-attr]
    worst: dict[str, Any] = {"observed": 0.0, "allowed": 1.0}
    for index, name in enumerate(names):

        def terms(*values: Tensor) -> tuple[Tensor, ...]:
            return _functional(law_of_raw(subject, case, dict(zip(names, values, strict=True))), weights, central)

        wanted = gradient_allowance(
            terms, [raw[n] for n in names], wrt=index, dtype=dtype, operations=_OPERATIONS, normwise=matrices
        )
        observed, expected, allowed = found[name], wanted.value, wanted.allowed
        bound = next(b for b in subject.match.bound if b.argument.name == name)  # type: ignore[union-attr]
        if index in matrices:
            # Off the set of legal matrices a derivative is a convention: of a factor the lower part counts, of a
            # symmetric matrix the symmetric one.
            along = torch.tril if bound.form.name == "cholesky" else lambda g: (g + g.mT) / 2
            expected, observed = along(expected), None if observed is None else along(observed)
            allowed = allowed.max() * torch.ones_like(allowed)
        if spread is not None:
            allowed = allowed + spread[name] + 1e-6 * wanted.magnitude  # what `expectation` was asked for
        if observed is None:
            return failed(
                examined=1,
                rung=Rung.EXACT,
                quantity="|E ∂z/∂θ - exact|",
                observed=float(expected.abs().max()),
                allowed=float(allowed.max()),
                message=f"no gradient reaches {bound.parameter}: it is detached on its way to the draws",
            )
        gap = (observed - expected).abs()
        ratio = torch.where(gap == 0, torch.zeros_like(gap), gap / allowed)
        place = int(ratio.nan_to_num(nan=torch.inf).argmax())
        here = {"observed": float(gap.reshape(-1)[place]), "allowed": float(allowed.reshape(-1)[place])}
        if not bool((ratio <= 1).all()):
            o, e = float(observed.reshape(-1)[place]), float(expected.reshape(-1)[place])
            return failed(
                **here,
                examined=1,
                rung=Rung.EXACT,
                quantity="|E ∂z/∂θ - exact|",
                unit=str(dtype).removeprefix("torch."),
                message=f"along the draws the moments move with {bound.parameter} at {o:.4g}, the law's at {e:.4g}",
            )
        if here["observed"] * worst["allowed"] >= worst["observed"] * here["allowed"]:
            worst = here
    return passed(
        **worst,
        examined=1,
        rung=Rung.EXACT,
        quantity="|E ∂z/∂θ - exact|",
        unit=str(dtype).removeprefix("torch."),
        figures={"evaluations": evaluations},
    )
