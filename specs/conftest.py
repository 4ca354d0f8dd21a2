"""Every test of a spec proves, supports or refutes a registered claim; its status is shown beside its name."""

from __future__ import annotations

import pytest

from genverify.formulas.catalogue import find_claim


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Appends the claim's status to the test's node id, and refuses a test that names no claim."""
    for item in items:
        name = getattr(getattr(item, "function", None), "proves", None)
        if name is None:
            if "/specs/" in str(item.path).replace("\\", "/") and item.path.name != "test_index.py":
                raise pytest.UsageError(f"{item.nodeid} proves no claim: decorate it with @proves('topic.name')")
            continue
        item._nodeid += f" [{find_claim(name).status}]"
