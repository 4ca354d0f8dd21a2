"""The rules of the catalogue, collected: every file ``optimizer_rules_<family>.py`` of this room has its RULES."""

from __future__ import annotations

from collections.abc import Iterator

from genverify.errors import UsageError, nearest
from genverify.formulas.optimizer_rule import Rule
from genverify.rooms import files_of

__all__ = ["RULES", "find_rule"]


def _collected() -> Iterator[Rule]:
    for module in files_of("genverify.formulas", "optimizer_rules_"):
        yield from module.RULES


RULES: dict[str, Rule] = {rule.name: rule for rule in _collected()}


def find_rule(name: str) -> Rule:
    """The rule of that name, with or without ``optimizer.`` before it, or of that alias.

    Raises:
        UsageError: There is no such rule.

    >>> find_rule("adam").name
    'optimizer.adam'
    """
    bare = name.removeprefix("optimizer.")
    known = {word: rule for rule in RULES.values() for word in (rule.name.removeprefix("optimizer."), *rule.aliases)}
    if bare not in known:
        raise UsageError(given=f"rule {name!r}", expected="a rule of the catalogue", do=nearest(bare, sorted(known)))
    return known[bare]
