"""Every annotation of genverify is enforced while its tests, doctests and specs run.

pytest loads the genverify plugin, and with it the package's empty face, before any conftest; the option
`--jaxtyping-packages` refuses a package that is already imported. Every other module is imported lazily,
hence after this hook, and is checked.
"""

import jaxtyping

jaxtyping.install_import_hook("genverify", "enforcement.enforced")
