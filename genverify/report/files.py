"""Reports as files: whole or not at all, and a path that cannot be written is known before the run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from genverify.errors import UsageError

__all__ = ["require_writable", "write"]


def require_writable(path: str | Path) -> None:
    """Makes sure that a file can be put there, and leaves nothing behind.

    Raises:
        UsageError: The folder does not exist or cannot be written, or the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(
            given=f"report path {str(path)!r}, a folder", expected="a file", do=f"write {path / 'report'}.json"
        )
    try:
        handle, name = tempfile.mkstemp(prefix=".genverify-", dir=path.parent)
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        raise UsageError(
            given=f"report path {str(path)!r} ({error.strerror or error})",
            expected="a file in a folder that can be written",
            do="make the folder first, or choose another path",
        ) from error  # fmt: skip
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(
            given=f"report path {str(path)!r}, which is write-protected", expected="a file that can be written",
            do="choose another path",
        )  # fmt: skip


def write(path: str | Path, text: str) -> None:
    """Puts the whole text there in one step: a reader sees the old file or the new one, never a part."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=".genverify-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
        # mkstemp makes files private; a report is as readable as any other file of its user's.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
