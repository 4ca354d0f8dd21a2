"""Known mistakes that any rule can be written with: each turns a right recurrence into the wrong one that names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_rule import Dialect

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["slips"]

_Turn = Callable[["Recurrence"], "Recurrence"]


def slips(around: Dialect, values: Mapping[str, Any]) -> Iterator[Dialect]:
    """The dialects that follow when one known mistake is made in `around`."""
    from genverify.oracles.recurrences import symbol

    lr, t = symbol("lr"), symbol("t")
    turns: dict[str, _Turn] = {
        "the sign of the step": lambda r: r.replace(lr=-lr),
        "a learning rate that is doubled": lambda r: r.replace(lr=2 * lr),
        "a learning rate that is halved": lambda r: r.replace(lr=lr / 2),
        "a learning rate that is applied twice": lambda r: r.replace(lr=lr * lr),
        "a step moved by the old buffers, which are updated after it": lambda r: r.theta_first(),
    }
    made = around.make(values)
    lines = getattr(made, "base", made).lines
    if any("beta2" in map(str, expression.free_symbols) for _, expression in lines):
        one, two = symbol("beta1"), symbol("beta2")
        turns["β₁ and β₂ swapped"] = lambda r: r.replace(beta1=two, beta2=one)
        turns["a step count that begins at 0 (t - 1 for t)"] = lambda r: r.replace(t=t - 1)
        turns["a step count that is ahead (t + 1 for t)"] = lambda r: r.replace(t=t + 1)
    for words, turn in turns.items():
        yield replace(around, standing="slip", distinct=words, make=_turned(around, turn))


def _turned(around: Dialect, turn: _Turn) -> Callable[[Mapping[str, Any]], Recurrence]:
    return lambda flags: turn(around.make(flags))
