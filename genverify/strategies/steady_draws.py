"""Hypothesis draws that depend on the strategy and the seed alone, not on which files happen to be loaded.

One draw in twenty is a number of special interest. Hypothesis takes half of these from the source of every module that
is loaded and not installed: so the cases of a search would change when a file is edited, or when another test has run
before. Here all are of Hypothesis' own list. No setting says so, and an alternative backend reaches only some of the
draws: the method that chooses them is exchanged while a search runs, and put back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["steady_draws"]

_MOST_KEPT = 4_096


@functools.cache
def _exchanged() -> tuple[Any, Callable[..., Any]] | None:
    """The class whose method chooses, and the method for it; None under a version that has it otherwise."""
    try:
        from hypothesis.internal.conjecture import providers
        from hypothesis.internal.conjecture.choice import choice_constraints_key, choice_permitted

        chooses: Any = providers.HypothesisProvider
        listed: Any = providers.GLOBAL_CONSTANTS.set_for_type
        _ = chooses._maybe_draw_constant
    except (ImportError, AttributeError):
        return None
    permitted: dict[Any, tuple[Any, ...]] = {}

    def choose(self: Any, choice_type: Any, constraints: Any, *, p: float = 0.05) -> Any:  # noqa: ANN401
        if self._random.random() > p:
            return None
        key = (choice_type, choice_constraints_key(choice_type, constraints))
        if key not in permitted:
            if len(permitted) >= _MOST_KEPT:
                permitted.clear()
            permitted[key] = tuple(one for one in listed(choice_type) if choice_permitted(one, constraints))
        return self._random.choice(permitted[key]) if permitted[key] else None

    return chooses, choose


@contextmanager
def steady_draws() -> Iterator[None]:
    """Searches inside draw alike under the same seed, whatever is loaded.

    >>> import hypothesis
    >>> from hypothesis import strategies as st
    >>> drawn = []
    >>> test = hypothesis.settings(max_examples=3, database=None)(
    ...     hypothesis.seed(1)(hypothesis.given(st.floats())(lambda one: drawn.append(one)))
    ... )
    >>> with steady_draws():
    ...     test()
    >>> len(drawn)
    3
    """
    found = _exchanged()
    if found is None:
        yield
        return
    chooses, choose = found
    before = chooses._maybe_draw_constant
    chooses._maybe_draw_constant = choose
    try:
        yield
    finally:
        chooses._maybe_draw_constant = before
