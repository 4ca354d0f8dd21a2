"""What a stranger's formula returned, read as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import torch

from genverify.subjects.calling import subject_code
from genverify.subjects.formula import Formula
from genverify.subjects.specification import CALL
from genverify.verdict import Judgement, failed, inconclusive

__all__ = ["ALL", "Unreadable", "pick", "results", "unread"]

# Which of several results is the formula's, once it has been found; or that all of them together are.
_PICKED = "picked"
ALL = "#sum"


class Unreadable(Exception):
    """The subject returned something that is no tensor or number, or drew something that has no role.

    Attributes:
        members: The places or names of its results, where it returned several and the formula has one.
        unseen: Whether it draws from a generator that is not seen: then nothing is known of its draws.
    """

    members: tuple[int | str, ...] = ()
    unseen: bool = False


def unread(error: Unreadable, witness: Mapping[str, str]) -> Judgement:
    """The judgement on such a call: FAIL, or INCONCLUSIVE where its draws come from a generator that is not seen."""
    if error.unseen:
        return inconclusive(str(error), witness=witness)
    return failed(examined=1, message=str(error), witness=witness)


def results(subject: Formula, result: Any) -> tuple[tuple[torch.Tensor, ...], bool]:  # noqa: ANN401
    """The results as tensors, and whether they were tensors already.

    Raises:
        SubjectRaised: The user's `output=` raised.
        Unreadable: They are not what the formula yields.
    """
    assert subject.specification is not None
    calls = CALL in subject.specification.output.split()
    try:
        read = [_read(subject, one) for one in result] if calls else [_read(subject, result)]
    except Unreadable as error:
        error.members = () if calls else _members(subject, result)
        raise
    if not calls:
        return read[0]
    columns = zip(*(tensors for tensors, _ in read), strict=True)
    return tuple(torch.stack(column) for column in columns), all(were for _, were in read)


def _read(subject: Formula, result: Any) -> tuple[tuple[torch.Tensor, ...], bool]:  # noqa: ANN401
    if subject.output is not None and callable(subject.output):
        with subject_code():
            result = subject.output(result)
    elif subject.output is not None or _PICKED in subject.memory:
        result = _member(result, subject.memory.get(_PICKED) if subject.output is None else subject.output)
    assert subject.specification is not None
    if subject.specification.labels:
        result = _coded(result, subject.specification.labels)
    names = subject.specification.outputs
    if names and isinstance(result, Mapping):
        result = tuple(result.get(name) for name in names)
    parts = list(result) if names and isinstance(result, (tuple, list)) else [result]
    wanted = max(1, len(names))
    if len(parts) != wanted:
        raise Unreadable(f"returned {len(parts)} results where the formula has {wanted} ({', '.join(names)})")
    tensors = [_tensor(part) for part in parts]
    return tuple(tensor for tensor, _ in tensors), all(were for _, were in tensors)


def _members(subject: Formula, result: Any) -> tuple[int | str, ...]:  # noqa: ANN401
    """The places, or names, of several results where the formula has one and the user did not say which it is.

    Where all of them are tensors of one shape, they may also be meant to be added.
    """
    assert subject.specification is not None
    if subject.output is not None or subject.specification.outputs:
        return ()
    if isinstance(result, Mapping):
        parts = [(name, one) for name, one in result.items() if isinstance(name, str)]
    elif isinstance(result, tuple):
        parts = list(enumerate(result))
    else:
        return ()
    tensors = [(key, one) for key, one in parts if isinstance(one, torch.Tensor)]
    if not isinstance(result, Mapping) and len(parts) < 2:
        return ()
    alike = len({one.shape for _, one in tensors}) == 1 and len(tensors) == len(result) > 1
    return (*(key for key, _ in tensors), *((ALL,) if alike else ()))


def pick(subject: Formula, key: int | str | None) -> None:
    """From now on the result is the member of that place or name, or the sum of all; of None, the whole again."""
    subject.memory.pop(_PICKED, None)
    if key is not None:
        subject.memory[_PICKED] = key


def _member(result: Any, key: Any) -> Any:  # noqa: ANN401
    if key == ALL:
        parts = list(result.values() if isinstance(result, Mapping) else result)
        if not all(isinstance(one, torch.Tensor) for one in parts) or len({one.shape for one in parts}) != 1:
            raise Unreadable(f"returned {_words(result)}, which cannot be added")
        return torch.stack(parts).sum(0)
    try:
        return result[key] if not isinstance(key, str) or isinstance(result, Mapping) else getattr(result, key)
    except (TypeError, KeyError, IndexError, AttributeError):
        raise Unreadable(f"returned {_words(result)}, which has no member {key!r}") from None


def _coded(result: Any, labels: tuple[tuple[str, ...], ...]) -> Any:  # noqa: ANN401
    """Words, or a list of them, as their places among the labels; anything else as it is."""
    if isinstance(result, (list, tuple)):
        return [_coded(one, labels) for one in result]
    word = result.name if isinstance(result, Enum) else result
    if not isinstance(word, str):
        return result
    plain = " ".join(word.lower().replace("_", " ").replace("-", " ").split())
    for place, synonyms in enumerate(labels):
        if plain in synonyms:
            return float(place)
    known = ", ".join(synonyms[0] for synonyms in labels)
    raise Unreadable(f"returned the word {word!r} where the formula has {known}; say output=… to translate it")


def _tensor(part: Any) -> tuple[torch.Tensor, bool]:  # noqa: ANN401
    """A tensor, an array, a number, or a list with one of these for each row."""
    while isinstance(part, (tuple, list)) and len(part) == 1 and not isinstance(part[0], (int, float)):
        part = part[0]
    if isinstance(part, torch.Tensor):
        return (part.to_dense() if part.layout is not torch.strided else part).cpu(), True
    if isinstance(part, list) and part:
        rows = [_tensor(one) for one in part]
        if len({row.shape for row, _ in rows}) == 1:
            return torch.stack([row for row, _ in rows]), all(were for _, were in rows)
    if isinstance(part, (int, float, np.ndarray, np.generic)) and not isinstance(part, np.str_):
        return torch.as_tensor(part, dtype=torch.float64), False
    raise Unreadable(f"returned {_words(part)} where the formula yields a tensor; say output=… to pick it")


def _words(part: Any) -> str:  # noqa: ANN401
    if isinstance(part, (tuple, list)):
        return f"a {type(part).__name__} of {len(part)} ({', '.join(type(one).__name__ for one in part[:4])})"
    return "nothing (None)" if part is None else f"a {type(part).__name__}"
