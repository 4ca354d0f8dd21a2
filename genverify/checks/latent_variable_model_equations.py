"""The equations that the runs at some batches give: each loss is a sum of terms with weights that are to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from genverify.checks.latent_variable_model_draws import importance_weighted, kl_at_draw
from genverify.checks.latent_variable_model_fit import Fit, fit
from genverify.checks.latent_variable_model_look import Look
from genverify.checks.latent_variable_model_terms import Term, kl_of_law, reconstructions
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["Candidate", "Equations", "equations", "readings", "tried_fit"]

# Roundings of a loss beside its sums: an exponential, a logarithm, products, a mean.
_OPERATIONS = 64


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
        integral = None if seen.law is None else kl_of_law(subject, seen.law, seen.condition)
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


def readings(given: Equations, *, drawn: bool) -> list[Candidate]:
    """Every likelihood that was seen, with one form of the KL term."""
    return [Candidate(where=where, term=term, at_draw=drawn) for where, term in given.terms]
