"""Plain functions x → y or x → (y, logabsdet), with inverse and logabsdet given beside them."""

from __future__ import annotations

import functools
from typing import Any

from genverify.adapters.adapter import adapter
from genverify.adapters.bijection_maps import Raw, call, prepare_maps, signature_names
from genverify.errors import UsageError
from genverify.subjects.bijection import Bijection

__all__ = ["plain_map"]


def _convention(thing: Any) -> tuple[Raw, Raw | None]:  # noqa: ANN401
    def there(x: Any, c: Any) -> Any:  # noqa: ANN401
        return call(thing, x, c)

    flag = next((n for n in signature_names(thing) if n in ("inverse", "reverse", "rev", "invert")), None)
    if flag is None:
        return there, None
    back = functools.partial(thing, **{flag: True})
    return there, lambda y, c: call(back, y, c)


@adapter("function x → y or x → (y, logabsdet)", "bijection", callable, rank=90)
def plain_map(subject: Bijection) -> Bijection:
    """Functions, lambdas, bound methods, and callable objects; a flag ``inverse=True`` is understood.

    Raises:
        UsageError: A class was given, not an instance of it.
    """
    if isinstance(subject.f, type):
        raise UsageError(
            given=f"the class {subject.label}", expected="an instance, or a function",
            do=f"construct it: Bijection({subject.label}(…), event_shape=…)",
        )  # fmt: skip
    return prepare_maps(subject, _convention)
