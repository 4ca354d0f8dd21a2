"""Which ELBO a loss is: its likelihood, and the weights of its terms for several batch sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch.distributions import Distribution

from genverify.checks.latent_variable_model_encoders import settled, wakened
from genverify.checks.latent_variable_model_equations import Candidate, Equations, equations, readings, tried_fit
from genverify.checks.latent_variable_model_fit import Fit, fit
from genverify.checks.latent_variable_model_look import Look, look, outputs
from genverify.checks.latent_variable_model_stated import stated_pairs
from genverify.checks.latent_variable_model_terms import Term, prior_of
from genverify.errors import SubjectRaised
from genverify.subjects.latent_events import sample_condition, sample_events
from genverify.subjects.latent_observation import tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["THRESHOLD", "Identity", "batch", "identify"]

# Rows → looks: three weights are fitted to each, and to the first also the parts of a KL term, to say which is off.
_LOOKS = {1: 5, 2: 4, 3: 4}
NARROW = torch.float32
# Under which names a model keeps its prior.
PRIORS = ("prior", "p_z", "pz", "prior_dist", "get_prior", "prior_z", "_prior")
THRESHOLD = (
    "the KL term counts as such only where it is large: a threshold such as free bits, or a capacity; what it is below "
    "that is not judged"
)


@dataclass(kw_only=True)
class Identity:
    """What was found.

    Attributes:
        candidates: The readings that explain every batch, the first to be named.
        weights: Rows → the fit of the first: weights of reconstruction term, KL term, and constant.
        looks: Rows → the looks that this rests on.
        given: Rows → the equations that they give.
        problem: Why nothing was found; empty where something was.
        blame: reconstruction or kl, where one of the two was found wanting; law, sight or batch, where it is no term.
        rows: The batch size at which it was.
        nearest: The best fit that failed, with its reading.
        narrow: Whether it holds to the digits of float32 only.
        beside: Whether the loss holds a function of x alone beside its terms.
        threshold: Whether the KL term counts where it is large, and not as a KL term does elsewhere.
        prior: The attribute of the model that is p(z), where nothing is claimed of it and the standard normal is not.
        sign: −1 where the loss is a bound to be maximised.
    """

    candidates: list[Candidate] = field(default_factory=list)
    weights: dict[int, Fit] = field(default_factory=dict)
    looks: dict[int, list[Look]] = field(default_factory=dict)
    given: dict[int, Equations] = field(default_factory=dict)
    problem: str = ""
    blame: str = ""
    rows: int = 1
    nearest: tuple[Candidate, Fit] | None = None
    narrow: bool = False
    beside: bool = False
    threshold: bool = False
    prior: str = ""
    sign: float = 1.0


def batch(subject: LatentVariableModel, rows: int, number: int) -> Look:
    """A look at an irregular batch of so many rows."""
    x = sample_events(subject, subject.calls.data, rows, subject.calls.dtype, number)
    return look(subject, x, sample_condition(subject, rows, subject.calls.dtype, number), number)


def _without_kl(given: Equations, key: tuple[str, Term], dtype: torch.dtype, *, drawn: bool) -> Fit:
    """The fit of L = a R + c_look: what moves with the draw alone (and with log q − log p at it, if tried)."""
    groups = sorted(set(given.groups))
    values, sizes = given.terms[key]
    marks = [[float(g == group) for g in given.groups] for group in groups]
    columns, scales = [values, *marks], [sizes, *marks]
    if drawn and given.drawn is not None:
        columns, scales = [*columns, given.drawn[0]], [*scales, given.drawn[1]]
    return fit(given.losses, columns, scales, operations=given.operations, dtype=dtype)


def identify(subject: LatentVariableModel) -> Identity:
    """Finds the reading once for each subject, from batches of 1, 2 and 3 rows."""
    if "raised" in subject.memory:
        raise subject.memory["raised"]
    if "identity" not in subject.memory:
        try:
            subject.memory["identity"] = _identified(subject)
        except SubjectRaised as raised:
            subject.memory["raised"] = raised
            raise
    return subject.memory["identity"]


def _looked(subject: LatentVariableModel) -> dict[int, list[Look]]:
    found: dict[int, list[Look]] = {}
    problem: SubjectRaised | None = None
    for rows, count in _LOOKS.items():
        try:
            found[rows] = [batch(subject, rows, number) for number in range(count)]
        except SubjectRaised as raised:  # batch norm in training mode takes no single row
            problem = raised
            continue
        subject.memory.setdefault("source", found[rows][0].source)
    if not found:
        assert problem is not None
        raise problem
    return found


def _identified(subject: LatentVariableModel) -> Identity:
    """What the loss is, with the prior that is claimed; else with one that the model keeps."""
    first = _read(subject)
    if first.candidates or first.blame not in ("kl", "reconstruction", "batch") or subject.prior is not None:
        return first
    for name in PRIORS:
        subject.memory["own prior"] = name
        try:
            again = _read(subject) if isinstance(prior_of(subject), Distribution) else first
        except (AttributeError, SubjectRaised):
            continue
        if again.candidates:
            again.prior = name
            return again
    subject.memory.pop("own prior")
    return first


def _read(subject: LatentVariableModel) -> Identity:
    looks = _looked(subject)
    result = Identity(looks=looks)
    dtype = subject.calls.dtype
    given: dict[int, Equations] = {}
    for drawn in (False, True):
        given = {rows: equations(subject, several, drawn=drawn) for rows, several in looks.items()}
        first = next(iter(given.values()))
        if not all(torch.isfinite(torch.tensor(g.losses)).all() for g in given.values()):
            result.problem = "the loss is not finite"
            return result
        for width in dict.fromkeys((dtype, NARROW if dtype == torch.float64 else dtype)):
            result.candidates = [one for one in readings(first, drawn=drawn) if _holds(given.values(), one, width)]
            result.narrow = width != dtype
            if result.candidates:
                break
        if result.candidates:
            break
    result.given = given
    first = next(iter(given.values()))
    unseen = _out_of_sight(subject, looks) if not result.candidates else ""
    if unseen:
        result.problem, result.blame = unseen, "sight"
        return result
    if first.kl is None and first.drawn is None:
        seen = next(iter(looks.values()))[0]
        result.problem = seen.unlike or "the law of z has no closed KL term to the prior"
        result.blame = "law"
        return result
    if not result.candidates:
        narrow = NARROW if dtype == torch.float64 else dtype
        for rows, g in given.items():
            if not any(_holds([g], one, narrow) for drawn in (False, True) for one in readings(g, drawn=drawn)):
                _blame(result, rows, g, narrow)
                return _second_opinion(subject, result)
        result.blame, result.problem = "batch", "batches of different sizes are reduced in different ways"
        return result
    chosen = result.candidates[0]
    for rows, g in given.items():
        made = tried_fit(g, chosen, NARROW if result.narrow else dtype)
        assert made is not None
        result.weights[rows] = made
    a, b, _ = next(iter(result.weights.values())).weights
    if subject.calls.maximised or (subject.calls.maximised is None and a < 0 and b < 0):
        result.sign = -1.0
    w = next(iter(result.weights.values()))
    if result.sign * w.weights[1] <= w.error[1] < float("inf") and not chosen.term.whole:
        seen = next(iter(looks.values()))[0]
        result.threshold = wakened(subject, seen.x, seen.condition, [chosen])
    return result


def _second_opinion(subject: LatentVariableModel, result: Identity) -> Identity:
    """Where the KL term is blamed: what is left of the loss may be a function of x alone, or lie below a threshold."""
    if result.blame != "kl":
        return result
    firsts = {rows: several[0] for rows, several in result.looks.items()}
    made = {rows: settled(subject, seen.x, seen.condition) for rows, seen in firsts.items()}
    found = [pair for pair in made.values() if pair is not None]
    if len(found) == len(made) and len({pair[0] for pair in found}) == 1:
        result.candidates, result.beside, result.blame, result.problem = [found[0][0]], True, "", ""
        result.narrow = False
        result.weights = {rows: pair[1] for rows, pair in made.items() if pair is not None}
        a, b, _ = found[0][1].weights
        if subject.calls.maximised or (subject.calls.maximised is None and a < 0 and b < 0):
            result.sign = -1.0
        return result
    seen = firsts[result.rows]
    result.threshold = wakened(subject, seen.x, seen.condition)
    return result


def _out_of_sight(subject: LatentVariableModel, looks: dict[int, list[Look]]) -> str:
    """Why the decoder's result or the draw that it was made from is not what was seen; empty where it is."""
    seen = next(iter(looks.values()))[0]
    run, numbers = seen.runs[0], seen.x.numel()
    events = outputs(run)
    sizes = {sum(t.numel() for t in tensors_of(e.output)[:1]) for e in events}
    stated = stated_pairs(seen)
    draws = 1
    if stated and seen.law is not None:
        draws = max(1, seen.law.mean.numel() // (len(events) or 1) // stated[0].parts(stated[0].leaves)[0].numel())
    # An encoder that is given each row several times draws as often.
    taken = [t.numel() for e in run.of("encoder")[:1] for t in tensors_of(list(e.inputs))[:1]]
    draws *= max(1, taken[0] // numbers) if taken and taken[0] % numbers == 0 else 1
    of_model = [t.numel() for e in run.of("forward") for t in tensors_of(e.output)]
    if sizes != {numbers * draws} and numbers * draws not in of_model:
        return "no result of the decoder or of the model has the numbers of x: what is compared with it was not seen"
    calls = run.of("latent")
    if seen.source is not None and seen.source.role == "latent" and len(events) != len(calls) and len(events) > 0:
        return f"z is drawn {len(calls)} times and decoded {len(events)} times: which draw is which was not seen"
    return ""


def _holds(given: Iterable[Equations], one: Candidate, dtype: torch.dtype) -> bool:
    for g in given:
        made = tried_fit(g, one, dtype)
        if made is None or not made.holds:
            return False
    return True


def _blame(result: Identity, rows: int, given: Equations, narrow: torch.dtype) -> None:
    """Which of the two terms is not understood, and the reading that comes nearest."""
    result.rows = rows
    batch_of = f" for a batch of {rows}" if rows != next(iter(result.looks)) else ""
    best: tuple[Candidate, Fit] | None = None
    for drawn in (False, True):
        for where, term in given.terms:
            if term.whole:
                continue
            made = _without_kl(given, (where, term), narrow, drawn=drawn)
            one = Candidate(where=where, term=term, at_draw=drawn)
            if made.holds and abs(made.weights[0]) > made.error[0]:
                result.blame, result.nearest = "kl", (one, made)
                result.problem = f"the rest of the loss is no multiple of the KL term{batch_of}"
                return
            if best is None or made.residual < best[1].residual:
                best = (one, made)
    result.blame, result.nearest = "reconstruction", best
    result.problem = f"no likelihood of the decoder's output explains how the loss moves with the draw{batch_of}"
