"""∂z/∂μ = 1 and ∂z/∂σ = ε, along the model's own graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.latent_variable_model_identity import identify
from genverify.checks.latent_variable_model_look import latents, look, rows_of_case
from genverify.checks.latent_variable_model_stated import reading_of_spread, stated_pairs
from genverify.numerics.rounding import gamma
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, Rung, failed, not_applicable, passed

__all__ = ["pathwise"]

# ∂σ/∂s for each reading of s, in terms of σ.
_SLOPES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "log σ²": lambda std: 0.5 * std, "σ": torch.ones_like, "log σ": lambda std: std, "σ²": lambda std: 0.5 / std,
}  # fmt: skip
_OPERATIONS = 64


@check(
    "latent_variable_model.pathwise",
    statement="∂z/∂μ = 1 and ∂z/∂σ = ε along the graph that the model builds",
    source="Kingma & Welling 2014, section 2.4",
    rung=Rung.EXACT,
    searched=False,
    before=identify,
)
def pathwise(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """A weighted sum of z, differentiated with respect to what the encoder stated."""
    seen = look(subject, *rows_of_case(subject, case))
    if seen.law is None or seen.source is None:
        return not_applicable(seen.unlike or "z was not seen")
    if not seen.law.elementwise:
        return not_applicable("z has no noise of its own for each of its numbers")
    if not subject.calls.parameters:
        return not_applicable("the model has no trainable parameter")
    known = stated_pairs(seen)
    if not known:
        return not_applicable("mean and spread of q(z|x) were not seen; name the encoder by encoder=…")
    read = reading_of_spread(seen)
    index = len(seen.runs) - 1
    place = read[1] if read is not None else 0
    stated = stated_pairs(seen, index)[place]
    z = latents(seen.runs[index], seen.source)
    assert z is not None
    notes = subject.calls.notes
    if not any(leaf.requires_grad for leaf in stated.leaves):
        return not_applicable("mean and spread carry no graph: a frozen encoder, or one under no_grad", notes=notes)
    if not z.requires_grad:
        return failed(
            rung=Rung.EXACT, examined=1, notes=notes,
            message="z carries no gradient: it was drawn under no_grad, by sample() for rsample(), or detached",
        )  # fmt: skip
    weights = 0.5 + (torch.arange(1, z.numel() + 1, dtype=torch.float64) * 0.6180339887498949) % 1.0
    leaves = [leaf for leaf in stated.leaves if leaf.requires_grad]
    if len(leaves) < len(stated.leaves):
        return _detached(stated.leaves, notes)
    grads = torch.autograd.grad(z, leaves, weights.to(z), allow_unused=True, retain_graph=True)
    full = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, grads, strict=True)]
    of_mean, of_second = stated.parts(full)
    numbers = of_mean.numel()
    noise, std = seen.noise[index], seen.law.matrix
    worst = _compare("μ", of_mean, weights.reshape(-1, numbers).sum(0), weights.reshape(-1, numbers).sum(0), z)
    if worst.outcome == "PASS" and read is not None:
        slope = _SLOPES[read[0]](std.abs()) * std.sign() * noise * weights
        size = slope.abs() + weights * std.abs()
        worst = _compare(read[0], of_second, slope.reshape(-1, numbers).sum(0), size.reshape(-1, numbers).sum(0), z)
    return worst


def _detached(leaves: tuple[Tensor, ...], notes: tuple[str, ...]) -> Judgement:
    which = "mean" if not leaves[0].requires_grad else "spread"
    return not_applicable(f"the {which} that was seen carries no graph", notes=notes)


def _compare(name: str, observed: Tensor, wanted: Tensor, size: Tensor, z: Tensor) -> Judgement:
    allowed = gamma(_OPERATIONS, z.dtype) * size
    gap = (observed - wanted).abs()
    place = int((gap / allowed.clamp_min(torch.finfo(torch.float64).tiny)).argmax())
    evidence = {
        "rung": Rung.EXACT, "examined": observed.numel(), "quantity": f"|∂z/∂{name} − exact|",
        "observed": float(gap[place]), "allowed": float(allowed[place]), "unit": str(z.dtype).removeprefix("torch."),
    }  # fmt: skip
    if bool((gap <= allowed).all()):
        return passed(**evidence)
    if bool((observed == 0).all()):
        return failed(**evidence, message=f"no gradient reaches {name} along z: it is detached on its way to the draw")
    return failed(
        **evidence,
        message=f"along z the derivative with respect to {name} is {float(observed[place]):.4g} where "
        f"{float(wanted[place]):.4g} is that of the draw",
    )  # fmt: skip
