"""A report as strict JSON data, and back: numbers, words and lists; nothing that could run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from genverify.errors import UsageError
from genverify.verdict import Evidence, Outcome, Rung, Verdict

__all__ = ["SCHEMA", "VERSION", "from_json", "schema", "to_json", "verdict_from_data", "verdict_to_data"]

SCHEMA = "genverify.report"
VERSION = 1


def to_json(data: Mapping[str, Any]) -> str:
    """JSON text of report data; NaN and the infinities, for which JSON has no number, are ``{"float": "inf"}``."""
    return json.dumps({"schema": SCHEMA, "version": VERSION, **data}, allow_nan=False, ensure_ascii=False, indent=1)


def from_json(text: str) -> dict[str, Any]:
    """The report data of a JSON text.

    Raises:
        UsageError: The text is not JSON, or not a report of this version.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"a text that is not JSON ({error})") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise _unreadable(f"JSON whose 'schema' is not {SCHEMA!r}")
    if data.get("version") != VERSION:
        raise _unreadable(f"a report of version {data.get('version')!r}")
    return data


def schema() -> dict[str, Any]:
    """The JSON Schema of a report, as it is shipped in the package."""
    return json.loads(resources.files("genverify.report").joinpath("report.schema.json").read_text("utf-8"))


def verdict_to_data(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON data.

    >>> verdict = Verdict(check="c", subject="s", kind="k", outcome=Outcome.PASS, evidence=Evidence(observed=math.inf))
    >>> verdict_to_data(verdict)["evidence"]["observed"]
    {'float': 'inf'}
    >>> verdict_from_data(verdict_to_data(verdict)) == verdict
    True
    """
    e = verdict.evidence
    return {
        "check": verdict.check, "subject": verdict.subject, "kind": verdict.kind, "outcome": verdict.outcome.value,
        "evidence": {
            "rung": e.rung.value, "examined": e.examined, "quantity": e.quantity, "observed": number(e.observed),
            "allowed": number(e.allowed), "unit": e.unit, "message": e.message, "witness": dict(e.witness),
            "guarantee": e.guarantee, "assumption": e.assumption,
            "figures": {name: number(value) for name, value in e.figures.items()}, "notes": list(e.notes),
        },
        "statement": verdict.statement, "source": verdict.source, "replay": verdict.replay,
        "snippet": verdict.snippet, "expected": verdict.expected,
    }  # fmt: skip


def verdict_from_data(data: Any) -> Verdict:  # noqa: ANN401 - JSON data are of any type
    """The verdict that `verdict_to_data` described.

    Raises:
        UsageError: The data are not a verdict.
    """
    e = _part(data, "evidence", dict)
    evidence = Evidence(
        rung=_word(e, "rung", Rung), examined=_part(e, "examined", int), quantity=_part(e, "quantity", str),
        observed=_optional(e, "observed"), allowed=_optional(e, "allowed"), unit=_part(e, "unit", str),
        message=_part(e, "message", str), witness=_mapping(e, "witness", _text), guarantee=_part(e, "guarantee", str),
        assumption=_part(e, "assumption", str), figures=_mapping(e, "figures", plain), notes=texts(e, "notes"),
    )  # fmt: skip
    return Verdict(
        check=_part(data, "check", str), subject=_part(data, "subject", str), kind=_part(data, "kind", str),
        outcome=_word(data, "outcome", Outcome), evidence=evidence, statement=_part(data, "statement", str),
        source=_part(data, "source", str), replay=_part(data, "replay", str), snippet=_part(data, "snippet", str),
        expected=_part(data, "expected", str),
    )  # fmt: skip


def number(value: float | int | str | None) -> Any:  # noqa: ANN401 - JSON data are of any type
    """A number or word as JSON data."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def plain(value: Any) -> float | int | str:  # noqa: ANN401 - JSON data are of any type
    """The number or word that `number` wrote."""
    if isinstance(value, dict) and value.keys() == {"float"} and value["float"] in ("inf", "-inf", "nan"):
        return float(value["float"])
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return value
    raise _unreadable(f"{str(value)[:60]!r} where a number or a word belongs")


def counts(data: Mapping[str, Any]) -> tuple[int, dict[str, float | int | str], tuple[str, ...]]:
    """What report data hold beside the verdicts: planned, settings, notes."""
    return _part(data, "planned", int), _mapping(data, "settings", plain), texts(data, "notes")


def verdicts(data: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The verdicts of report data."""
    return tuple(verdict_from_data(one) for one in _part(data, "verdicts", list))


def texts(data: Any, name: str) -> tuple[str, ...]:  # noqa: ANN401 - JSON data are of any type
    """A list of words of JSON data."""
    return tuple(_text(item) for item in _part(data, name, list))


def _part(data: Any, name: str, kind: type) -> Any:  # noqa: ANN401 - JSON data are of any type
    if not isinstance(data, dict) or name not in data:
        raise _unreadable(f"a report without {name!r}")
    value = data[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _unreadable(f"a report whose {name!r} is of type {type(value).__name__}")
    return value


def _optional(data: dict[str, Any], name: str) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    found = plain(value)
    if isinstance(found, str):
        raise _unreadable(f"a report whose {name!r} is a word")
    return found


def _word(data: Any, name: str, kind: Callable[[str], Any]) -> Any:  # noqa: ANN401 - an enum's member
    try:
        return kind(_part(data, name, str))
    except ValueError as error:
        raise _unreadable(f"a report with {error}") from error


def _mapping(data: Any, name: str, convert: Callable[[Any], Any]) -> dict[str, Any]:  # noqa: ANN401
    return {str(key): convert(value) for key, value in _part(data, name, dict).items()}


def _text(value: Any) -> str:  # noqa: ANN401 - JSON data are of any type
    if not isinstance(value, str):
        raise _unreadable(f"{str(value)[:60]!r} where a word belongs")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _unreadable(given: str) -> UsageError:
    return UsageError(
        given=given, expected=f"a report that this version of genverify wrote ({SCHEMA}, version {VERSION})",
        do="write it again with genverify verify --json FILE",
    )  # fmt: skip
