"""The catalogue: a name finds its specification, and a subject is introduced to it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import replace

from genverify.claims import Claim, registered
from genverify.errors import UsageError, nearest
from genverify.formulas.declaration import examine, examine_match, with_defaults
from genverify.formulas.matching import match
from genverify.rooms import files_of
from genverify.subjects.formula import Formula
from genverify.subjects.formula_shapes import fitting
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["all_claims", "all_formulas", "find_claim", "find_formula", "formula", "introduce", "reduction"]

_REGISTRY: dict[str, Specification] = {}


def formula(specification: Specification) -> Specification:
    """Registers a specification under its name."""
    _REGISTRY[specification.name] = specification
    return specification


def all_formulas() -> dict[str, Specification]:
    """Every named formula; importing the files of this room registers them."""
    files_of("genverify.formulas")
    return dict(sorted(_REGISTRY.items()))


def all_claims() -> dict[str, Claim]:
    """Every claim by name; claims are registered beside their formulas."""
    all_formulas()
    return registered()


def find_claim(name: str) -> Claim:
    """The claim of that name.

    Raises:
        UsageError: There is no such claim.
    """
    known = all_claims()
    if name not in known:
        raise UsageError(given=f"claim {name!r}", expected="the name of a claim", do=nearest(name, known))
    return known[name]


def find_formula(name: str) -> Specification:
    """The formula of that name.

    Raises:
        UsageError: There is no such formula.
    """
    if not name:
        raise UsageError(
            given="a Formula without like=", expected="the name of a formula", do="see: genverify list formulas"
        )
    topic = f"genverify.formulas.{name.partition('.')[0]}"
    if importlib.util.find_spec(topic) is not None:
        importlib.import_module(topic)
    if name in _REGISTRY:
        return _REGISTRY[name]
    known = all_formulas()
    if name not in known:
        raise UsageError(given=f"formula {name!r}", expected="a name of the catalogue", do=nearest(name, known))
    return known[name]


def introduce(subject: Formula) -> Formula:
    """The subject with its specification, and with its parameters matched to the formula's arguments.

    Raises:
        UsageError: There is no such formula, the parameters cannot be matched, or a field of the subject says what
            the formula does not have.
    """
    if not callable(subject.f):
        raise UsageError(
            given=f"{subject.label}, which is not callable", expected="a function, method, module or callable object",
            do="pass the callable that computes the formula",
        )  # fmt: skip
    specification = find_formula(subject.like)
    examine(subject, specification)
    found = match(
        subject.f, specification, subject.arguments, subject.fixed, options=tuple(subject.options), held=True,
        mode=subject.mode,
    )  # fmt: skip
    known = replace(
        subject, specification=specification, match=found, memory={}, options=with_defaults(subject.f, subject.options)
    )
    examine_match(known)
    # Shapes say in which layouts the subject is called: one without the batch has none to split.
    return replace(known, specification=replace(specification, layouts=fitting(known)))


def reduction(axis: str, accepted: Iterable[str], recognised: dict[str, str] | None = None) -> Axis:
    """A dialect axis: which reductions over a named axis of the output are citable, and which are known slips."""
    known = [Option(name=name) for name in accepted]
    known += [Option(name=name, accepted=False, note=note) for name, note in (recognised or {}).items()]
    return Axis(name=axis, options=tuple(known), reduces=True)
