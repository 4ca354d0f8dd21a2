"""Every annotation of genverify is enforced while its tests, doctests and specs run.

pytest loads the genverify plugin, and with it the package's empty face, before any conftest; the option
`--jaxtyping-packages` refuses a package that is already imported. Every other module is imported lazily,
hence after this hook, and is checked.
"""

import os

import jaxtyping

# Benchmarks time the code as a user runs it: tox -e bench sets this to 0.
if os.environ.get("GENVERIFY_ENFORCE", "1") != "0":
    jaxtyping.install_import_hook("genverify", "enforcement.enforced")
