"""What a run concluded, as people and machines read it: JSON, plain text, a rich table, HTML."""

from __future__ import annotations

from genverify.report.report import Report

__all__ = ["Report"]
