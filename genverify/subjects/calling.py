"""The border between genverify's code and the subject's: an exception on the far side is the subject's own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from genverify.errors import GenverifyError, SubjectRaised

__all__ = ["subject_code"]


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
