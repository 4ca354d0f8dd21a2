"""The border between genverify's code and the subject's: an exception on the far side is the subject's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from genverify.errors import GenverifyError, SubjectRaised

__all__ = ["entry_of", "subject_code"]


def entry_of(f: Any) -> Any:  # noqa: ANN401 - any callable
    """What says which arguments a call takes: of a module `forward`, or its own `__call__` where it has no `forward`.

    Of a class of modules the function, with `self`.

    >>> class Loss(nn.Module):
    ...     def __call__(self, prediction): ...
    >>> entry_of(Loss()).__name__, entry_of(nn.ReLU()).__name__
    ('__call__', 'forward')
    """
    if inspect.isclass(f):
        if not issubclass(f, nn.Module):
            return getattr(f, "__call__", None)  # noqa: B004
        return f.__call__ if f.forward is nn.Module.forward else f.forward
    if not isinstance(f, nn.Module):
        return f
    return f.__call__ if getattr(f.forward, "__func__", f.forward) is nn.Module.forward else f.forward


@contextmanager
def subject_code() -> Iterator[None]:
    """Everything inside is the subject's code; what it raises becomes `SubjectRaised`.

    Errors that genverify raises on purpose (a tape that does not match, say) pass through unchanged, and its warnings
    are printed, never raised.

    >>> with subject_code():
    ...     1 / 0
    Traceback (most recent call last):
        ...
    genverify.errors.SubjectRaised: the subject raised ZeroDivisionError: division by zero
    """
    try:
        # Where warnings are errors, as in many a test suite, a stranger's warning is still no wrong answer.
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    except GenverifyError:
        raise
    except (Exception, SystemExit) as error:  # any Exception at all: the code is a stranger's
        raise SubjectRaised(error) from error
