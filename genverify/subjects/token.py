"""Replay tokens: a check and a case in one line of text; data only, with a checksum."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from dataclasses import dataclass

from genverify.errors import UsageError
from genverify.subjects.case import Case

__all__ = ["Token"]

_VERSION = "gv1"
# A token is data from anywhere: what it unpacks to is bounded before it is parsed.
_MAXIMUM_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Token:
    """Which check was run on which case, with which share of alpha.

    >>> token = Token(check="formula.value", case=Case(values={"x": 1.5}), alpha=1e-6)
    >>> Token.read(token.write()).case["x"]
    1.5
    """

    check: str
    case: Case
    alpha: float = 1e-6
    seed: int = 0
    budget: str = "standard"

    def write(self) -> str:
        """The token as one line of text."""
        data = {
            "check": self.check, "case": self.case.to_data(), "alpha": self.alpha.hex(), "seed": self.seed,
            "budget": self.budget,
        }  # fmt: skip
        packed = zlib.compress(json.dumps(data, separators=(",", ":"), sort_keys=True).encode(), 9)
        digest = hashlib.sha256(packed).hexdigest()[:8]
        return f"{_VERSION}.{digest}.{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"

    @classmethod
    def read(cls, text: str) -> Token:
        """The token that `write` wrote.

        Raises:
            UsageError: The text is not a token of this version, or it was cut or changed.
        """
        version, _, rest = text.strip().partition(".")
        digest, _, body = rest.partition(".")
        if version != _VERSION or not body:
            raise _unreadable(text, f"it does not begin with {_VERSION!r}")
        try:
            packed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        except (binascii.Error, ValueError) as error:
            raise _unreadable(text, "it is not base64") from error
        if hashlib.sha256(packed).hexdigest()[:8] != digest:
            raise _unreadable(text, "its checksum is wrong")
        try:
            unpacker = zlib.decompressobj()
            raw = unpacker.decompress(packed, _MAXIMUM_BYTES)
            if unpacker.unconsumed_tail:
                raise _unreadable(text, "it unpacks to too much")
            data = json.loads(raw)
            return cls(
                check=str(data["check"]), case=Case.from_data(data["case"]), alpha=float.fromhex(data["alpha"]),
                seed=int(data["seed"]), budget=str(data["budget"]),
            )  # fmt: skip
        except (zlib.error, ValueError, KeyError, TypeError) as error:
            if isinstance(error, UsageError):
                raise
            raise _unreadable(text, "its contents are not a case") from error


def _unreadable(text: str, why: str) -> UsageError:
    shown = text if len(text) <= 24 else text[:23] + "…"
    return UsageError(
        given=f"replay token {shown!r}: {why}",
        expected=f"a token that this version of genverify printed ({_VERSION}.…)",
        do="copy the whole token from the report",
    )
