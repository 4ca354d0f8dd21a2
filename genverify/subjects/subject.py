"""What every subject has, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from genverify.errors import UsageError

__all__ = ["Subject"]

Calls = TypeVar("Calls")


@dataclass(frozen=True)
class Subject:
    """An implementation under test, with what is claimed of it.

    Attributes:
        f: The implementation: anything; an adapter knows how to call it.
        name: How reports call it; by default the object's own qualified name.
        reference: Where the command line finds it (``package.module:attr`` or ``file.py:attr``), when known.
    """

    kind: ClassVar[str] = "subject"

    f: Any
    name: str = field(default="", kw_only=True)
    reference: str = field(default="", kw_only=True)

    @property
    def label(self) -> str:
        """The name for reports.

        >>> def kl(mu): ...
        >>> Subject(kl).label
        'kl'
        """
        if self.name:
            return self.name
        if self.reference:
            return self.reference.rpartition(":")[2]
        for candidate in (self.f, type(self.f)):
            found = getattr(candidate, "__qualname__", None) or getattr(candidate, "__name__", None)
            if isinstance(found, str):
                return found.replace("<locals>.", "")
        return type(self.f).__name__

    def settled(self, calls: Calls | None) -> Calls:
        """What an adapter has filled in.

        Raises:
            UsageError: No adapter has prepared the subject.
        """
        if calls is None:
            raise UsageError(
                given=f"{self.label} as it was declared", expected="a prepared subject",
                do="run it through genverify.verify, or through genverify.verify.prepare first",
            )  # fmt: skip
        return calls
