"""Which ELBO a loss is: its likelihood, and the weights of its terms for several batch sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch

from genverify.checks.latent_variable_model_draws import importance_weighted, kl_at_draw
from genverify.checks.latent_variable_model_fit import Fit, fit
from genverify.checks.latent_variable_model_look import Look, look, outputs
from genverify.checks.latent_variable_model_stated import stated_pairs
from genverify.checks.latent_variable_model_terms import Term, kl_of_law, reconstructions
from genverify.errors import SubjectRaised
from genverify.subjects.latent_events import sample_condition, sample_events
from genverify.subjects.latent_observation import tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["Candidate", "Equations", "Identity", "batch", "equations", "identify", "tried_fit"]

# Rows → looks: three weights are fitted to each, and to the first also the parts of a KL term, to say which is off.
_LOOKS = {1: 5, 2: 4, 3: 4}
# Roundings of a loss beside its sums: an exponential, a logarithm, products, a mean.
_OPERATIONS = 64
NARROW = torch.float32


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to read the loss.

    Attributes:
        where: Where the decoder's result was seen.
        term: The likelihood.
        at_draw: Whether the KL term is the one at the draw, log q − log p, or the integral.
    """

    where: str
    term: Term
    at_draw: bool = False


@dataclass(frozen=True, kw_only=True)
class Equations:
    """The losses of several looks, and the terms that may explain them; a row for each run.

    Attributes:
        losses: L.
        terms: (where, family) → (values, sizes).
        kl: (values, sizes) of the integral, or None.
        drawn: The same at the draw.
        groups: The look of each run.
        numbers: How many numbers one term sums.
    """

    losses: list[float]
    terms: dict[tuple[str, Term], tuple[list[float], list[float]]]
    kl: tuple[list[float], list[float]] | None
    drawn: tuple[list[float], list[float]] | None
    groups: list[int]
    numbers: int

    @property
    def operations(self) -> int:
        """Roundings of one loss."""
        return _OPERATIONS + self.numbers


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
    sign: float = 1.0


def batch(subject: LatentVariableModel, rows: int, number: int) -> Look:
    """A look at an irregular batch of so many rows."""
    x = sample_events(subject, subject.calls.data, rows, subject.calls.dtype, number)
    return look(subject, x, sample_condition(subject, rows, subject.calls.dtype, number), number)


def equations(
    subject: LatentVariableModel, looks: Sequence[Look], *, drawn: bool = True,
    only: Sequence[Candidate] | None = None,
) -> Equations:  # fmt: skip
    """The equations that the looks give; with the KL terms at the draw where these are asked for."""
    wanted = None if only is None else {(one.where, one.term) for one in only}
    losses: list[float] = []
    groups: list[int] = []
    terms: dict[tuple[str, Term], tuple[list[float], list[float]]] = {}
    kl: tuple[list[float], list[float]] = ([], [])
    at: tuple[list[float], list[float]] = ([], [])
    for group, seen in enumerate(looks):
        losses += [float(run.loss.detach()) for run in seen.runs]
        groups += [group] * len(seen.runs)
        for key, totals in reconstructions(subject, seen, wanted).items():
            mine = terms.setdefault(key, ([], []))
            mine[0].extend(value for value, _ in totals)
            mine[1].extend(size for _, size in totals)
        if drawn:
            for key, totals in importance_weighted(subject, seen).items():
                mine = terms.setdefault(key, ([], []))
                mine[0].extend(value for value, _ in totals)
                mine[1].extend(size for _, size in totals)
        integral = None if seen.law is None else kl_of_law(subject, seen.law)
        at_draws = kl_at_draw(subject, seen) if drawn else None
        if integral is not None:
            kl[0].extend([integral[0]] * len(seen.runs))
            kl[1].extend([integral[1]] * len(seen.runs))
        if at_draws is not None:
            at[0].extend(value for value, _ in at_draws)
            at[1].extend(size for _, size in at_draws)
    count = len(losses)
    sums = looks[0].x.numel() + (looks[0].noise.shape[1] if len(looks) else 0)
    return Equations(
        losses=losses, groups=groups, numbers=sums, terms={k: v for k, v in terms.items() if len(v[0]) == count},
        kl=kl if len(kl[0]) == count else None, drawn=at if len(at[0]) == count else None,
    )  # fmt: skip


def tried_fit(given: Equations, one: Candidate, dtype: torch.dtype) -> Fit | None:
    """The fit of L = a R + b K + c."""
    term, kl = given.terms.get((one.where, one.term)), given.drawn if one.at_draw else given.kl
    if term is None or kl is None:
        return None
    ones = [1.0] * len(given.losses)
    if one.term.whole:
        made = fit(given.losses, [term[0], ones], [term[1], ones], operations=given.operations, dtype=dtype)
        (a, c), (da, dc) = made.weights, made.error
        return replace(made, weights=(a, a, c), error=(da, da, dc))
    return fit(
        given.losses, [term[0], kl[0], ones], [term[1], kl[1], ones], operations=given.operations, dtype=dtype
    )  # fmt: skip


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
            result.candidates = [one for one in _readings(first, drawn) if _holds(given.values(), one, width)]
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
            if not any(_holds([g], one, narrow) for drawn in (False, True) for one in _readings(g, drawn)):
                _blame(result, rows, g, narrow)
                return result
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
    of_model = [t.numel() for e in run.of("forward") for t in tensors_of(e.output)]
    if sizes != {numbers * draws} and numbers * draws not in of_model:
        return "no result of the decoder or of the model has the numbers of x: what is compared with it was not seen"
    calls = run.of("latent")
    if seen.source is not None and seen.source.role == "latent" and len(events) != len(calls) and len(events) > 0:
        return f"z is drawn {len(calls)} times and decoded {len(events)} times: which draw is which was not seen"
    return ""


def _readings(given: Equations, drawn: bool) -> list[Candidate]:
    return [Candidate(where=where, term=term, at_draw=drawn) for where, term in given.terms]


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
