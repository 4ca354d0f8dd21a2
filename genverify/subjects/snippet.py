"""Python text that shows a failure: it declares the subject again and replays the case."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping
from typing import Any

from genverify.subjects.loading import load
from genverify.subjects.subject import Subject

__all__ = ["snippet"]

# Beyond this many numbers a tensor is data of the user's session, not a part of a declaration.
_NUMBERS = 64


def snippet(subject: Subject, token: str) -> str:
    """Text to paste into a Python session or a bug report.

    What cannot be written down (an object that lives only in the user's session) appears under its name, and a comment
    says so.

    >>> import math
    >>> print(snippet(Subject(math.sqrt), "gv1.0.x"))
    import genverify as gv
    from math import sqrt
    <BLANKLINE>
    print(gv.replay("gv1.0.x", gv.Subject(sqrt)))
    """
    writer = _Writer()
    declaration = writer.subject(subject)
    lines = [
        "import genverify as gv",
        *writer.imports,
        *writer.remarks,
        "",
        f'print(gv.replay("{token}", {declaration}))',
    ]
    return "\n".join(lines)


class _Writer:
    """Writes values as expressions, and collects the imports that these need."""

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.remarks: list[str] = []

    def subject(self, subject: Subject) -> str:
        """The declaration, with the fields that differ from their defaults."""
        if subject.reference:
            found, ready = self.reference(subject)
            if ready:
                return found
            parts = [found]
        else:
            parts = [self.value(subject.f, hint=subject.label)]
        for field in dataclasses.fields(subject):
            if field.name in ("f", "reference") or not field.init:
                continue
            value = getattr(subject, field.name)
            if not _is_default(field, value):
                parts.append(f"{field.name}={self.value(value, hint=field.name)}")
        own = type(subject).__module__.startswith("genverify.")
        made = f"gv.{type(subject).__name__}" if own else self.value(type(subject), hint=type(subject).__name__)
        return f"{made}({', '.join(parts)})"

    def reference(self, subject: Subject) -> tuple[str, bool]:
        """The object under test, found where the command line found it, and whether that is the whole declaration."""
        where, _, attributes = subject.reference.rpartition(":")
        first, _, rest = attributes.partition(".")
        if where.endswith(".py"):
            self._import("from genverify.subjects.loading import load")
            found = f"load({subject.reference!r})"
        else:
            self._import(f"from {where} import {first}")
            found = f"{first}.{rest}" if rest else first
        there = load(subject.reference)
        if isinstance(there, Subject):
            return found, True
        # A class without required arguments was made into an object.
        made = isinstance(there, type) and subject.f is not there and isinstance(subject.f, there)
        return (f"{found}()" if made else found), False

    def value(self, value: Any, hint: str) -> str:  # noqa: ANN401 - any field of any subject
        """An expression for a value."""
        if value is None or isinstance(value, (bool, int, str)):
            return repr(value)
        if isinstance(value, float):
            return repr(value) if value == value and abs(value) != float("inf") else f'float("{value}")'
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{k!r}: {self.value(v, str(k))}" for k, v in value.items()) + "}"
        if isinstance(value, (tuple, list, set, frozenset)):
            return self._sequence(value, hint)
        if isinstance(value, functools.partial):
            self._import("from functools import partial")
            given = [self.value(item, hint) for item in (value.func, *value.args)]
            given += [f"{name}={self.value(item, name)}" for name, item in value.keywords.items()]
            return f"partial({', '.join(given)})"
        return self._torch(value) or self._named(value) or self._placeholder(value, hint)

    def _sequence(self, value: Any, hint: str) -> str:  # noqa: ANN401
        items = [self.value(item, hint) for item in value]
        if isinstance(value, tuple):
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        if isinstance(value, list):
            return f"[{', '.join(items)}]"
        return f"{type(value).__name__}([{', '.join(items)}])"

    def _torch(self, value: Any) -> str:  # noqa: ANN401
        import torch

        if isinstance(value, (torch.dtype, torch.device)):
            self._import("import torch")
            return f"torch.{value!r}" if isinstance(value, torch.device) else repr(value)
        if type(value) is torch.Tensor and value.numel() <= _NUMBERS:
            self._import("import torch")
            data = self.value(value.detach().cpu().tolist(), hint="")
            return f"torch.tensor({data}, dtype={value.dtype})"
        return ""

    def _named(self, value: Any) -> str:  # noqa: ANN401
        """A class, function or module-level object that can be imported by its own name."""
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        owner = getattr(value, "__self__", None)
        if isinstance(owner, type) and hasattr(value, "__func__"):  # a class method
            module, name = owner.__module__, f"{owner.__qualname__}.{value.__name__}"
        if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
            return ""
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None or (found is not value and found != value):
            return ""
        if module == "__main__":
            return name
        if module != "builtins":
            self._import(f"from {module} import {name.partition('.')[0]}")
        return name

    def _placeholder(self, value: Any, hint: str) -> str:  # noqa: ANN401
        name = "".join(c if c.isalnum() else "_" for c in hint).strip("_") or "subject"
        name = name if not name[0].isdigit() else f"_{name}"
        self._remark(f"# {name}: your {type(value).__module__}.{type(value).__qualname__}, made as in your own code")
        return name

    def _import(self, line: str) -> None:
        if line not in self.imports:
            self.imports.append(line)

    def _remark(self, line: str) -> None:
        if line not in self.remarks:
            self.remarks.append(line)


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:  # noqa: ANN401
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if default is dataclasses.MISSING:
        return False
    if value is default:
        return True
    try:
        return type(value) is type(default) and bool(value == default)
    except Exception:  # a comparison that has no yes or no, of tensors say
        return False
