"""The command line. A stranger's code runs in a child process; what it answers is data."""

from __future__ import annotations

from genverify.cli.app import app, main

__all__ = ["app", "main"]
