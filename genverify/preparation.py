"""A subject made ready for its checks: adapted from its convention, introduced to what it is held against."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import Any

import torch

from genverify.adapters.adapter import adapt
from genverify.checks.formula_identity import identify
from genverify.checks.formula_leftover import may_ask
from genverify.errors import UsageError
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import reached
from genverify.subjects.preservation import preserved
from genverify.subjects.subject import Subject

__all__ = ["prepare", "refuse_undeclared"]


def prepare(subject: Subject) -> Any:  # noqa: ANN401 - any kind of subject
    """The subject as its checks call it: adapted from its convention, and introduced to what it is held against.

    Raises:
        UsageError: What is claimed of the subject cannot be understood.
    """
    refuse_undeclared(subject)
    _refuse_spoilt_parameters(subject)
    _refuse_empty(subject)
    catalogue = getattr(type(subject), "catalogue", None)
    with preserved(subject):
        prepared = adapt(subject)
        if catalogue is not None:
            introduce = importlib.import_module(f"genverify.formulas.{catalogue}").introduce
            prepared = _by_its_name(prepared, introduce) if isinstance(prepared, Formula) else introduce(prepared)
        if isinstance(prepared, Formula):
            reached(prepared)
            prepared = _in_another_form(prepared)
            if may_ask(prepared):
                _ask(prepared)
    return prepared


def _ask(subject: Formula) -> None:
    """What there is to ask about its numbers is asked before anything is run, and not in the middle.

    Raises:
        UsageError: One of them seems to be an argument of the formula under a name of its own.
    """
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            identify(subject)
    except UsageError:
        raise
    except Exception:  # its checks say so
        subject.memory.pop("identities", None)


def _by_its_name(subject: Formula, introduce: Callable[[Formula], Formula]) -> Formula:
    """The subject introduced to its formula, or to the first of those that go by the same name whose values it has.

    Raises:
        UsageError: Its parameters are not the formula's, nor those of another formula of that name.
    """
    made, refusal = None, None
    try:
        made = introduce(subject)
    except UsageError as error:
        refusal = error
    names = importlib.import_module("genverify.formulas.catalogue").find_formula(subject.like).namesakes
    if not names or (made is not None and _follows(made)):
        if made is None:
            raise refusal or LookupError(subject.like)
        return made
    known: Formula | None = None
    fitting: Formula | None = None
    for name in names:
        try:
            other = introduce(replace(subject, like=name))
        except UsageError:
            continue
        if _follows(other):
            return _judged_as(other)
        if known is None and _recognised(other):
            known = other
        if fitting is None or (not _of_its_shape(fitting) and _of_its_shape(other)):
            fitting = other
    if known is not None and (made is None or not _recognised(made)):
        return _judged_as(known)
    if made is None and fitting is not None and "identities" in fitting.memory:
        return _judged_as(fitting)  # its parameters are this one's, and its values are no formula's of that name
    if made is None:
        raise refusal or LookupError(subject.like)
    return made


def _in_another_form(subject: Formula) -> Formula:
    """The subject given its values in the form that it takes, where it raises on all those of the usual one."""
    assert subject.match is not None
    if not any(one.form.otherwise for one in subject.match.bound) or not _raises(subject):
        return subject
    bound = [
        replace(one, form=next(form for form in one.argument.forms if form.name == one.form.otherwise))
        if one.form.otherwise else one
        for one in subject.match.bound
    ]  # fmt: skip
    other = replace(subject, match=replace(subject.match, bound=tuple(bound)), memory={})
    return subject if _raises(other) else other


def _raises(subject: Formula) -> bool:
    """Whether no probe at all was answered."""
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            identify(subject)
    except UsageError:
        return False
    except Exception:  # its checks say so
        subject.memory.pop("identities", None)
        return False
    found = subject.memory["identities"]
    return all(one.worst is None and one.unread is None and not one.accepted for one in found)


def _of_its_shape(subject: Formula) -> bool:
    """Whether its results have the formula's shape, whatever their values."""
    found = subject.memory.get("identities", ())
    return bool(found) and all(one.worst is not None and one.worst[1].shape_fits for one in found)


def _judged_as(subject: Formula) -> Formula:
    found = [replace(one, notes=(*one.notes, f"judged as {subject.like}")) for one in subject.memory["identities"]]
    subject.memory["identities"] = found
    return subject


def _recognised(subject: Formula) -> bool:
    """Whether its values follow a dialect that is wrong under its name."""
    return any(one.recognised is not None for one in subject.memory.get("identities", ()))


def _follows(subject: Formula) -> bool:
    """Whether its values follow an accepted dialect, under all its options."""
    try:
        identify(subject)
    except UsageError:
        return False
    return all(one.accepted and one.unread is None for one in subject.memory["identities"])


def refuse_undeclared(subject: object) -> None:
    """Refuses what is no subject.

    Raises:
        UsageError: It is none; what to write instead.
    """
    if not isinstance(subject, Subject):
        raise UsageError(
            given=f"an object of type {type(subject).__name__}",
            expected="a subject (genverify.Formula, Bijection, Optimizer, GradientEstimator, …)",
            do="say what is claimed of it, for example genverify.Bijection(flow, event_shape=(2,))",
        )


def _refuse_spoilt_parameters(subject: Subject) -> None:
    owner = getattr(subject.f, "__self__", subject.f)
    if not isinstance(owner, torch.nn.Module):
        return
    # Parameters alone: a buffer may well hold −inf, as a mask.
    for name, parameter in owner.named_parameters():
        if torch.nn.parameter.is_lazy(parameter):
            raise UsageError(
                given=f"{subject.label}, whose parameter {name!r} has no shape yet",
                expected="a module that has seen an input", do="call it once before it is verified",
            )  # fmt: skip
        if parameter.is_floating_point() and not bool(torch.isfinite(parameter).all()):
            raise UsageError(
                given=f"{subject.label}, whose parameter {name!r} has NaN or infinite values",
                expected="finite parameters",
                do="initialise it, or load a checkpoint that did not diverge",
            )


def _refuse_empty(subject: Subject) -> None:
    """An exact value, or a point at which to compare, without a number in it."""
    for name in ("target", "at"):
        stated = getattr(subject, name, None)
        if isinstance(stated, Mapping):
            stated = tuple(stated.values())
        for part in stated if isinstance(stated, (tuple, list)) else (stated,):
            if isinstance(part, torch.Tensor) and not part.numel():
                raise UsageError(
                    given=f"{name}= with a tensor of shape {tuple(part.shape)} for {subject.label}",
                    expected="at least one row, and one number in it", do=f"state {name}= with numbers",
                )  # fmt: skip
