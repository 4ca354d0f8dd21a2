"""The registry of adapters: each knows one foreign convention and makes a subject of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genverify.errors import UsageError
from genverify.rooms import files_of

__all__ = ["Adapter", "adapt", "adapter", "adapters_for", "guess_kind"]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One foreign convention.

    Attributes:
        name: How messages call it, for example ``"torch.distributions.Transform"``.
        kind: The kind of subject that it makes.
        recognises: Whether an object follows the convention.
        adapt: Subject whose `f` is such an object → subject that the checks of its kind can call.
        rank: Adapters are asked in this order; the specific before the general.
        guesses: Whether an object that follows it is taken for this kind when nobody said what it is.
    """

    name: str
    kind: str
    recognises: Callable[[Any], bool]
    adapt: Callable[[Any], Any]
    rank: int = 50
    guesses: bool = False


_REGISTRY: list[Adapter] = []


def adapter(
    name: str, kind: str, recognises: Callable[[Any], bool], *, rank: int = 50, guesses: bool = False
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Registers the decorated function as the adapter of that convention."""

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        _REGISTRY.append(
            Adapter(name=name, kind=kind, recognises=recognises, adapt=function, rank=rank, guesses=guesses)
        )
        return function

    return register


def adapters_for(kind: str | None = None) -> list[Adapter]:
    """The adapters that make subjects of this kind (all of them for None), in the order in which they are asked."""
    files_of("genverify.adapters")
    found = [one for one in _REGISTRY if kind is None or one.kind == kind]
    return sorted(found, key=lambda one: (one.rank, one.name))


def adapt(subject: Any) -> Any:  # noqa: ANN401 - any kind of subject
    """The subject in the form that the checks of its kind call; unchanged where its kind needs no adapter.

    Raises:
        UsageError: No adapter of the kind knows the object; the message lists what was tried.
    """
    known = adapters_for(subject.kind)
    if not known:
        return subject
    for one in known:
        if one.recognises(subject.f):
            return one.adapt(subject)
    raise UsageError(
        given=f"{subject.label} ({type(subject.f).__module__}.{type(subject.f).__qualname__}) as a {subject.kind}",
        expected="an object that an adapter knows (tried: " + "; ".join(one.name for one in known) + ")",
        do=f"pass the callables of the {subject.kind} explicitly; its docstring lists them",
    )


def guess_kind(thing: object) -> str | None:
    """The kind of subject that an object evidently is, or None."""
    return next((one.kind for one in adapters_for() if one.guesses and one.recognises(thing)), None)
