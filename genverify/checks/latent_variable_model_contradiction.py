r"""What no likelihood does, whichever it is: shown where none that is known explains the reconstruction term.

Rows are independent, so that at fixed z the gradient of the loss at one row's reconstruction does not turn as x of
another row changes (a loss that is a function of a sum over rows may still scale it). And a number of x moves the
gradient at its own reconstruction, if it moves any.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.checks.latent_variable_model_draws import log_parts, proposals
from genverify.checks.latent_variable_model_equations import Equations
from genverify.checks.latent_variable_model_fit import Fit, fit
from genverify.checks.latent_variable_model_look import Look, fed, look, outputs
from genverify.checks.latent_variable_model_terms import READINGS, aligned, views
from genverify.subjects.latent_observation import observe, tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["mispaired", "misweighed"]

# Numbers of x that are changed one by one.
_MOST = 8
# At which torch bounds the logarithm of a probability.
_BOUND = 100.0


def _gradient(subject: LatentVariableModel, seen: Look, x: Tensor, z: Tensor) -> Tensor | None:
    """∂L at the decoder's result, at other x and the same z, [rows, numbers]; None where it cannot be had."""
    there = look(subject, x, seen.condition)
    if there.law is None or not there.law.elementwise or not bool((there.law.std > 0).all()):
        return None
    run = observe(subject.calls, x, seen.condition, fed(there.runs[0].tape, (z - there.law.mean) / there.law.matrix))
    events = outputs(run)
    result = tensors_of(events[0].output)[:1] if len(events) == 1 else []
    if not result or not result[0].requires_grad or not run.loss.requires_grad or tuple(result[0].shape) != x.shape:
        return None
    try:
        (found,) = torch.autograd.grad(run.loss, result, allow_unused=True)
    except RuntimeError:  # changed in place since
        return None
    return None if found is None else found.detach().double().reshape(len(x), -1)


def mispaired(subject: LatentVariableModel, seen: Look) -> str:
    """Reconstructions that are compared with another row of x, or another number of it; empty where none is seen."""
    law = seen.law
    if law is None or not law.elementwise or not subject.batch_independent:
        return ""
    z = law.mean + law.matrix * seen.noise[-1]
    still = _gradient(subject, seen, seen.x, z)
    if still is None or not bool(torch.isfinite(still).all()):
        return ""
    near = torch.finfo(subject.calls.dtype).eps ** 0.5
    return _rows(subject, seen, z, still, near) or _numbers(subject, seen, z, still, near)


def _other(subject: LatentVariableModel, x: Tensor) -> Tensor:
    """Another legal number for each."""
    if subject.calls.data == "real":
        return 0.75 - 0.5 * x
    return torch.where(x == 0.5, x * 0.5, 1.0 - x)


def _rows(subject: LatentVariableModel, seen: Look, z: Tensor, still: Tensor, near: float) -> str:
    unused = [row for row, part in enumerate(still) if not bool(part.any())]
    if 0 < len(unused) < len(seen.x):
        return f"the reconstruction of row {unused[0]} of a batch does not enter the loss, others do"
    for row in range(len(seen.x)):
        x = seen.x.clone()
        x[row] = _other(subject, x[row])
        moved = _gradient(subject, seen, x, z)
        if moved is None:
            return ""
        for other in range(len(seen.x)):
            before, after = still[other], moved[other]
            along = after - before * (after @ before) / (before @ before).clamp_min(torch.finfo(torch.float64).tiny)
            if other != row and float(along.norm()) > near * float(after.norm() + before.norm()):
                return f"the reconstruction of row {other} of a batch is compared with x of row {row}"
    return ""


def _numbers(subject: LatentVariableModel, seen: Look, z: Tensor, still: Tensor, near: float) -> str:
    numbers = still.shape[1]
    tried = range(0, numbers, max(1, numbers // _MOST))
    apart = 0
    for number in tried:
        x = seen.x.clone()
        flat = x.reshape(len(x), -1)
        flat[0, number] = _other(subject, flat[0, number])
        moved = _gradient(subject, seen, flat.reshape(x.shape), z)
        if moved is None:
            return ""
        change = (moved[0] - still[0]).abs()
        floor = near * float(still[0].abs().max())
        apart += int(float(change[number]) <= floor < float(change.max()))
    if apart <= len(tried) // 4:
        return ""
    return (
        "numbers of the reconstruction are compared with numbers of x at another place: one of the two is laid out anew"
    )


def misweighed(subject: LatentVariableModel, looks: list[Look], given: Equations) -> str:
    """Parts of a known likelihood, or of the KL term at the draw, with weights that no bound gives them; else empty."""
    return _at_draw(subject, looks, given) or _parts(subject, looks, given) or _weighted(subject, looks, given)


def _fitted(
    subject: LatentVariableModel, looks: list[Look], given: Equations, columns: list[list[float]]
) -> Fit | None:
    """The weights of these columns beside a constant for each look, where they explain the loss and each is known."""
    marks = [[float(g == group) for g in given.groups] for group in range(len(looks))]
    if not all(bool(torch.isfinite(torch.tensor(c)).all()) for c in columns):
        return None
    sizes = [[abs(v) + 1.0 for v in column] for column in columns]
    made = fit(
        given.losses, [*columns, *marks], [*sizes, *marks], operations=given.operations, dtype=subject.calls.dtype
    )
    known = [made.error[k] < float("inf") for k in range(len(columns))]
    return made if made.holds and all(known) else None


def _at_draw(subject: LatentVariableModel, looks: list[Look], given: Equations) -> str:
    parts = [log_parts(subject, seen) for seen in looks]
    if any(pair is None for pair in parts):
        return ""
    log_q = [v for pair in parts if pair is not None for v in pair[0].sum(1).tolist()]
    log_p = [v for pair in parts if pair is not None for v in pair[1].sum(1).tolist()]
    for (_, term), (values, _) in given.terms.items():
        made = None if term.whole else _fitted(subject, looks, given, [values, log_q, log_p])
        if made is None or abs(made.weights[0]) <= made.error[0]:
            continue
        a, q, p = (0.0 if abs(w) <= e else w for w, e in zip(made.weights[:3], made.error[:3], strict=True))
        if abs(q + p) <= made.error[1] + made.error[2]:
            return ""  # a KL term: what is wrong is something else
        weights = f"log q(z|x) has weight {q / a + 0.0:.4g} and log p(z) {p / a + 0.0:.4g}"
        return f"beside the {term.name}, {weights}, where they are opposite in a bound"
    return ""


def _parts(subject: LatentVariableModel, looks: list[Look], given: Equations) -> str:
    """Two parts of one likelihood, each with a weight of its own."""
    found: dict[tuple[str, _Parts], tuple[list[float], list[float]]] = {}
    for seen in looks:
        target = seen.x.detach().double()
        for where, parts in views(seen.runs, target):
            for order, output in aligned(parts[0], target):
                wanted = target.reshape(1, 1, len(target), -1).expand(output.shape)
                pairs = _crossed(output, wanted)
                if len(parts) == 2 and parts[0].numel() == parts[1].numel():
                    pairs |= _gauss(output, dict(aligned(parts[1], target))[order], wanted)
                for name, (one, two) in pairs.items():
                    mine = found.setdefault((where + order, name), ([], []))
                    mine[0].extend(one.reshape(len(one), -1).sum(1).tolist())
                    mine[1].extend(two.reshape(len(two), -1).sum(1).tolist())
    for (_, name), pair in found.items():
        made = _fitted(subject, looks, given, list(pair)) if len(pair[0]) == len(given.losses) else None
        if made is None or (name.may_weigh and min(made.weights[:2]) > max(made.error[:2])):
            continue
        one, two = (0.0 if abs(w) <= e else w for w, e in zip(made.weights[:2], made.error[:2], strict=True))
        return f"in {name.likelihood}, {name.one} has weight {one:.4g} and {name.two} {two:.4g}"
    return ""


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Of a likelihood, in words; classes may be weighed, the parts of a density may not."""

    likelihood: str
    one: str = "the term of the ones"
    two: str = "that of the zeros"
    may_weigh: bool = False


def _crossed(output: Tensor, wanted: Tensor) -> dict[_Parts, tuple[Tensor, Tensor]]:
    log, sigmoid = torch.log, torch.nn.functional.logsigmoid
    logits = _Parts(likelihood="a cross-entropy of logits", may_weigh=True)
    found = {logits: (-wanted * sigmoid(output), -(1 - wanted) * sigmoid(-output))}
    if bool(((output > 0) & (output < 1)).all()):
        probabilities = _Parts(likelihood="a cross-entropy of probabilities", may_weigh=True)
        found[probabilities] = (-wanted * log(output), -(1 - wanted) * log(1 - output))
    if bool(((wanted >= 0) & (wanted <= 1)).all()):
        exchanged = _Parts(likelihood="a cross-entropy whose arguments are exchanged")
        ends = (log(part).clamp_min(-_BOUND) for part in (wanted, 1 - wanted))
        found[exchanged] = (-output * next(ends), -(1 - output) * next(ends))
    return found


def _gauss(mean: Tensor, spread: Tensor, wanted: Tensor) -> dict[_Parts, tuple[Tensor, Tensor]]:
    found = {}
    for reading, std in READINGS.items():
        sigma = std(spread).abs()
        for power, word in ((-2, "the squared error over σ²"), (2, "the squared error times σ²")):
            name = _Parts(likelihood=f"a Gaussian likelihood whose second result is {reading}", one=word, two="log σ")
            found[name] = ((wanted - mean).square() * sigma**power, sigma.log())
    return found


def _weighted(subject: LatentVariableModel, looks: list[Look], given: Equations) -> str:
    """An importance-weighted bound with another power of the proposal, or over other draws."""
    found: dict[str, list[float]] = {}
    for seen in looks:
        for name, values in proposals(subject, seen).items():
            found.setdefault(name, []).extend(values)
    for name, values in found.items():
        made = _fitted(subject, looks, given, [values]) if len(values) == len(given.losses) else None
        if made is not None and abs(made.weights[0]) > made.error[0]:
            return f"this is {name}"
    return ""
