r"""The gradient of the loss is unbiased: its mean over the draws is the gradient of the mean.

At fixed noise the loss is a function of the parameters, and a gradient along paths is that function's own derivative,

    $$ \nabla_\theta L(\theta, \varepsilon) = \frac{\partial}{\partial\theta} L(\theta, \varepsilon)
       \quad\Rightarrow\quad E_\varepsilon \nabla_\theta L = \nabla_\theta E_\varepsilon L, $$

which is checked draw by draw. Where it does not hold (a score function, a path derivative that leaves out a term of
mean zero) the two sides are integrated over all draws, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.latent_variable_model_identity import identify
from genverify.checks.latent_variable_model_look import fed, mirrored, noises, normals, rows_of_case
from genverify.checks.map_slope import wave
from genverify.errors import SubjectRaised
from genverify.noise import Tape, expectation, record
from genverify.noise.quadrature import gauss
from genverify.numerics.directional_slope import slope_along
from genverify.numerics.finite_difference import FiniteDifference
from genverify.numerics.rounding import unit_roundoff
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import observe
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, Rung, failed, inconclusive, passed

__all__ = ["gradient"]

_MARGIN, _OPERATIONS = 4.0, 64.0
_NARROW = "the gradient is accurate to float32 only"
_REACHES, _LEVELS = (2.0**-4, 2.0**-10, 2.0**-16), 4
# A difference is trusted where its error is below this power of the unit, relative to the derivative's terms.
_TRUSTED = 0.25
# Where single draws differ: evaluations of the integral, what it is asked for, and the error with which it still
# settles something, relative to the root mean square of the gap between the two.
_MOST, _RESOLUTION, _WIDEST = 256, 1e-3, 0.1
# What a central difference may be off by, relative to the derivative.
_DIFFERENCES = 1e-5
# Nodes for each draw of the two product rules whose difference tells the error.
_SIZES = (5, 8)


@check(
    "latent_variable_model.gradient",
    statement="E ∇L = ∇ E L for the parameters of both networks, over the model's own draws",
    source="Kingma & Welling 2014, section 2.3; Mohamed, Rosca, Figurnov & Mnih 2020, section 5",
    rung=Rung.EXACT,
    statistical=True,
    family="one row",
    before=identify,
    requires=lambda subject: None if subject.calls.parameters else "the model has no trainable parameter",
)
def gradient(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """One direction of all parameters at several draws; parameter by parameter, and integrated, where that differs."""
    if "integrated" in subject.memory:  # an integral is dear, and a bias at one batch is enough
        return subject.memory["integrated"]
    line = _Line(subject, case)
    evidence: dict[str, Any] = {
        "rung": Rung.EXACT,
        "notes": subject.calls.notes,
        "quantity": "|u·∇L − derivative of L along u|",
    }
    examined, worst = 0, (0.0, 1.0)
    for tape in line.tapes():
        found = line.compared(tape, line.directions)
        if found is None:
            continue
        examined += 1
        observed, allowed, narrow = found
        # Narrowness is reported, not accused: torch's own compiler may differentiate in float32.
        if allowed < observed <= narrow:
            evidence["notes"], found = (*subject.calls.notes, _NARROW), (observed, narrow, narrow)
        elif observed > allowed:
            subject.memory["integrated"] = _integrated(line, tape, run, evidence)
            return subject.memory["integrated"]
        worst = max(worst, found[:2], key=lambda pair: pair[0] / pair[1] if pair[1] else 0.0)
    if not examined:
        return inconclusive("the loss is too rough here for differences", rung=Rung.EXACT)
    guarantee = "at each draw that was examined the gradient is the derivative of the loss, so the two have one mean"
    return passed(**evidence, examined=examined, observed=worst[0], allowed=worst[1], guarantee=guarantee)


class _Line:
    """The loss along a line through the parameters, at fixed draws."""

    def __init__(self, subject: LatentVariableModel, case: Case) -> None:
        self.subject, self.calls = subject, subject.calls
        self.x, self.condition = rows_of_case(subject, case)
        self.names = list(self.calls.parameters)
        self.leaves = [self.calls.parameters[name] for name in self.names]
        self.kept = [leaf.detach().clone() for leaf in self.leaves]
        # Of unit length in all: the more parameters move at once, the nearer are the kinks of a rectifier.
        length = max(1.0, sum(leaf.numel() for leaf in self.leaves) ** 0.5)
        self.directions = [wave(leaf.shape, k, leaf.detach()) / length for k, leaf in enumerate(self.leaves)]

    def tapes(self) -> list[Tape]:
        """Draws of moderate size."""
        tape = observe(self.calls, self.x, self.condition).tape
        count = normals(tape)
        return [fed(tape, row) for row in noises(count, 3)[2:4]] if count else [tape]

    def grads(self, tape: Tape) -> list[Tensor]:
        """∂L for each parameter; zeros where the loss carries no graph."""
        loss = observe(self.calls, self.x, self.condition, tape).loss
        if not loss.requires_grad:
            return [torch.zeros_like(leaf) for leaf in self.leaves]
        try:
            found = torch.autograd.grad(loss, self.leaves, allow_unused=True)
        except Exception as error:  # a stranger's backward
            raise SubjectRaised(error) from error
        return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(self.leaves, found, strict=True)]

    def value(self, tape: Tape, directions: Sequence[Tensor], t: float) -> Tensor:
        """L at θ + t u."""
        try:
            for leaf, kept, u in zip(self.leaves, self.kept, directions, strict=True):
                leaf.data.copy_(kept + t * u)
            return observe(self.calls, self.x, self.condition, tape).loss.detach().reshape(1)
        finally:
            for leaf, kept in zip(self.leaves, self.kept, strict=True):
                leaf.data.copy_(kept)

    def slope(self, tape: Tape, directions: Sequence[Tensor], terms: float) -> FiniteDifference | None:
        """The derivative by differences, with the first reach that can be trusted."""
        best: FiniteDifference | None = None
        for reach in _REACHES:
            seen = slope_along(lambda t: self.value(tape, directions, t), reach, levels=_LEVELS)
            if best is None or bool(seen.error < best.error):
                best = seen
            if float(best.error) <= unit_roundoff(self.calls.dtype) ** 0.5 * terms:
                break
        assert best is not None
        trusted = float(best.error) <= unit_roundoff(self.calls.dtype) ** _TRUSTED * terms
        return best if trusted and bool(torch.isfinite(best.value).all()) else None

    def both(self, tape: Tape, directions: Sequence[Tensor]) -> tuple[float, float]:
        """(u·∇L, the central difference of L along u) at one draw, good to a thousandth."""
        grads = self.grads(tape)
        claimed = float(sum((g.double() * u.double()).sum() for g, u in zip(grads, directions, strict=True)))
        step = _REACHES[1] if self.calls.dtype == torch.float64 else _REACHES[0]
        ahead, behind = (float(self.value(tape, directions, t).double()) for t in (step, -step))
        return claimed, (ahead - behind) / (2 * step)

    def compared(self, tape: Tape, directions: Sequence[Tensor]) -> tuple[float, float, float] | None:
        """(|u·∇L − slope|, allowed, allowed in float32); None where the differences say nothing."""
        products = [(g.double() * u.double()).reshape(-1) for g, u in zip(self.grads(tape), directions, strict=True)]
        claimed, size = float(sum(p.sum() for p in products)), float(sum(p.abs().sum() for p in products))
        loss = float(self.value(tape, directions, 0.0).abs())
        seen = self.slope(tape, directions, size + loss)
        if seen is None:
            return None
        error = _MARGIN * float(seen.error)
        own, narrow = (
            error + _OPERATIONS * unit_roundoff(dtype) * (size + loss) for dtype in (self.calls.dtype, torch.float32)
        )
        return abs(claimed - float(seen.value)), own, narrow


def _guilty(line: _Line, tape: Tape) -> list[str]:
    """The parameters whose own derivative is wrong at this draw."""
    found = []
    for k, name in enumerate(line.names):
        alone = [u if j == k else torch.zeros_like(u) for j, u in enumerate(line.directions)]
        claimed, slope = line.both(tape, alone)
        if abs(claimed - slope) > _RESOLUTION * (abs(claimed) + abs(slope)):
            found.append(name)
    return found


def _nodes(line: _Line, tape: Tape, run: Run) -> list[list[tuple[float, Tensor]]]:
    """Weighted noise of two product rules, where all that is drawn is normal and little; else none."""
    count = normals(tape)
    if any(draw.law != "normal" for draw in tape.draws):
        return []
    rules = []
    for size in _SIZES:
        if size**count > min(_MOST, run.budget.evaluations):
            return []
        points, weights = gauss("normal", size)
        rules.append(
            [
                (math.prod(weights[k] for k in index), torch.tensor([points[k] for k in index], dtype=torch.float64))
                for index in product(range(size), repeat=count)
            ]
        )
    return rules


def _integrated(line: _Line, tape: Tape, run: Run, evidence: dict[str, Any]) -> Judgement:
    """Both sides over all draws: what differs at one draw may agree on average."""
    means: list[Tensor] = []
    evaluations, squares, gaps = 0, 0.0, 0.0
    for rule in _nodes(line, tape, run):
        total = torch.zeros(2, dtype=torch.float64)
        squares = gaps = 0.0
        for weight, noise in rule:
            pair = torch.tensor(line.both(fed(tape, noise), line.directions), dtype=torch.float64)
            total, squares = total + weight * pair, squares + weight * float(pair.square().max())
            gaps += weight * float((pair[0] - pair[1]).square())
            evaluations += 1
        means.append(total)
    if not means:
        return _sampled(line, tape, run, evidence)
    claimed, slope = means[-1].tolist()
    error = float(((means[-1] - means[-2])[0] - (means[-1] - means[-2])[1]).abs())
    observed = abs(claimed - slope)
    allowed = _MARGIN * error + _RESOLUTION * gaps**0.5 + _DIFFERENCES * squares**0.5
    figures: dict[str, Any] = {"evaluations": evaluations, "method": "quadrature", "resolution": _RESOLUTION}
    evidence = evidence | {"observed": observed, "allowed": allowed, "examined": evaluations, "figures": figures}
    if observed > allowed:
        return _biased(line, tape, claimed, slope, evidence)
    if error > _WIDEST * gaps**0.5:
        return inconclusive("gradients differ at single draws, and the integral has not converged", rung=Rung.EXACT)
    guarantee = "at single draws they differ; over all draws, integrated out by quadrature, their means agree"
    return passed(**evidence, guarantee=guarantee)


def _biased(line: _Line, tape: Tape, claimed: float, slope: float, evidence: dict[str, Any]) -> Judgement:
    names = _guilty(line, tape)
    which = f" with respect to {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}" if names else ""
    return failed(
        **evidence,
        message=f"the mean gradient along one direction is {claimed:.6g}, the mean loss moves by {slope:.6g}: the "
        f"gradient{which} is not that of the loss (detached, or under no_grad)",
    )  # fmt: skip


def _sampled(line: _Line, tape: Tape, run: Run, evidence: dict[str, Any]) -> Judgement:
    """Many draws: their gaps by randomised quasi-Monte Carlo, at the level that the run leaves."""

    def gap() -> Tensor:
        with record() as recorder:
            observe(line.calls, line.x, line.condition)
        # A draw and its mirror image: what is odd in the noise cancels, and would hide a bias that is not.
        pairs = [line.both(tape, line.directions) for tape in (recorder.tape, mirrored(recorder.tape))]
        claimed, slope = (sum(parts) / 2 for parts in zip(*pairs, strict=True))
        return torch.tensor([claimed - slope, claimed, slope], dtype=torch.float64)

    most = max(_MOST, min(run.budget.evaluations // 8, 4 * _MOST))
    found = expectation(gap, max_evaluations=most, rtol=_RESOLUTION, seed=run.seed, confidence=1 - run.alpha)
    sizes = (found.variance + found.mean.square()).sqrt()
    observed, error = float(found.mean[0].abs()), float(found.error[0])
    allowed = error + _RESOLUTION * float(sizes[0]) + _DIFFERENCES * float(sizes.max())
    figures = {"evaluations": found.evaluations, "method": found.method, "alpha": run.alpha}
    evidence = evidence | {
        "observed": observed, "allowed": allowed, "examined": found.evaluations, "figures": figures,
        "rung": Rung.STATISTICAL, "assumption": "the means of 16 scrambled nets are about normal",
    }  # fmt: skip
    if observed > allowed:
        return _biased(line, tape, float(found.mean[1]), float(found.mean[2]), evidence)
    if error > _WIDEST * float(sizes[0]):
        return inconclusive(
            f"gradients differ at single draws (of {', '.join(_guilty(line, tape)[:3])}), as they do for a score "
            f"function; whether they agree on average is not settled {found.reason}"
        )
    return passed(**evidence, guarantee="at single draws they differ; over many, their means agree to the error stated")
