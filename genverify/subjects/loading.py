"""Where the command line finds a subject: ``package.module:attr`` or ``path/to/file.py:attr``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from genverify.errors import UsageError, nearest

__all__ = ["load"]


def load(target: str) -> Any:  # noqa: ANN401 - whatever stands there
    """The object that a target names; dots after the colon reach into it.

    Raises:
        UsageError: There is no such module, file or attribute, or importing it fails.

    >>> load("math:pi")
    3.141592653589793
    """
    where, colon, attributes = target.rpartition(":")
    if not colon or not where or not attributes:
        raise UsageError(
            given=f"target {target!r}", expected="package.module:attr or path/to/file.py:attr",
            do="name the module or file, a colon, and the object in it",
        )  # fmt: skip
    found: Any = _file(where) if where.endswith(".py") else _module(where)
    path = where
    for name in attributes.split("."):
        found = _attribute(found, name, path)
        path = f"{path}:{name}" if ":" not in path else f"{path}.{name}"
    return found


def _attribute(owner: Any, name: str, path: str) -> Any:  # noqa: ANN401
    try:
        return getattr(owner, name)
    except AttributeError as error:
        raise UsageError(
            given=f"attribute {name!r} of {path}", expected="a name defined there", do=_suggestion(owner, name)
        ) from error


def _suggestion(owner: Any, name: str) -> str:  # noqa: ANN401
    """The nearest name; failing that the names that the file defines itself, not those that it imports."""
    public = [known for known in dir(owner) if not known.startswith("_")]
    near = nearest(name, public)
    if near.startswith("did you mean"):
        return near
    home = getattr(owner, "__name__", "")
    own = [known for known in public if getattr(getattr(owner, known, None), "__module__", "") == home]
    return nearest(name, own or public)


def _module(name: str) -> ModuleType:
    _first_on_path(str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise _unknown_module(name, error.name) from error
        raise _import_failed(name, error) from error
    except (Exception, SystemExit) as error:  # the module's own code runs here
        raise _import_failed(name, error) from error


def _unknown_module(name: str, missing: str) -> UsageError:
    parent, _, last = missing.rpartition(".")
    siblings: list[str] = []
    if parent and hasattr(sys.modules.get(parent), "__path__"):
        import pkgutil

        siblings = [module.name for module in pkgutil.iter_modules(sys.modules[parent].__path__)]
    else:
        siblings = [path.stem for path in Path.cwd().glob("*.py")]
    suggestion = nearest(last, siblings) if siblings else ""
    return UsageError(
        given=f"module {name!r}" + (f" ({missing!r} does not exist)" if missing != name else ""),
        expected="a module that Python finds from here",
        do=suggestion if suggestion.startswith("did you mean") else "run it where it can be imported, or name the file",
    )  # fmt: skip


def _file(where: str) -> ModuleType:
    path = Path(where).resolve()
    if not path.is_file():
        folder = path.parent
        near = nearest(path.name, [p.name for p in folder.glob("*.py")]) if folder.is_dir() else ""
        do = near if near.startswith("did") else "check the path; it is relative to the current directory"
        raise UsageError(given=f"file {where!r}", expected="a Python file", do=do)
    # A file imports its neighbours as it would when it is run, and is known under a name that shadows nobody's.
    _first_on_path(str(path.parent))
    name = path.stem
    if name in sys.modules or importlib.util.find_spec(name) is None or not name.isidentifier():
        name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(given=f"file {where!r}", expected="a Python file", do="rename it to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the file's own code runs here
        del sys.modules[name]
        raise _import_failed(where, error) from error
    return module


def _first_on_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _import_failed(where: str, error: BaseException) -> UsageError:
    what = " ".join(str(error).split())[:200]
    return UsageError(
        given=f"{where!r}, whose import raises {type(error).__name__}: {what}", expected="code that can be imported",
        do="run `python -c 'import …'` on it first",
    )  # fmt: skip
