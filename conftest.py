"""Annotations of genverify, except those of functions inside functions, are enforced in its tests, doctests and specs.

pytest loads the genverify plugin, and with it the package's empty face, before any conftest; every other module is
imported lazily, hence after these hooks, and is checked. jaxtyping's, which relates the shapes of one call to each
other, costs some 50 µs a call, so it sees the modules that annotate shapes; beartype's sees all.
"""

import os
from pathlib import Path

from enforcement import enforce

_HERE = Path(__file__).resolve().parent


def _with_shapes() -> list[str]:
    found = [path for path in sorted(_HERE.glob("genverify/**/*.py")) if "from jaxtyping" in path.read_text("utf-8")]
    return [".".join(path.relative_to(_HERE).with_suffix("").parts) for path in found]


# Benchmarks time the code as a user runs it: tox -e bench sets this to 0.
if os.environ.get("GENVERIFY_ENFORCE", "1") != "0":
    enforce(_with_shapes())
