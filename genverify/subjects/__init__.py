"""What can be verified: frozen dataclasses that say what is claimed of an implementation."""

from __future__ import annotations

from genverify.subjects.budget import BUDGETS, Budget, Run
from genverify.subjects.case import Case
from genverify.subjects.subject import Subject

__all__ = ["BUDGETS", "Budget", "Case", "Run", "Subject"]
