"""How annotations are enforced in tests: by beartype everywhere, by jaxtyping, too, where shapes are annotated.

jaxtyping's own import hook wraps every function, at some 50 µs a call; most annotations here have no shape to relate to
another's. An int is accepted where a float is written (PEP 484).
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

_CONF = BeartypeConf(is_pep484_tower=True)
enforced = beartype(conf=_CONF)
_DECORATOR = "__enforced__"


def _known(function: Callable[..., Any]) -> bool:
    """Whether every name in the annotations exists when the program runs, not only for type checkers."""
    scope = {**vars(builtins), **getattr(function, "__globals__", {})}
    texts = [one for one in getattr(function, "__annotations__", {}).values() if isinstance(one, str)]
    names = {n.id for text in texts for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
    return all(name in scope for name in names)


def _enforce(thing: Any) -> Any:
    if isinstance(thing, type):
        if dataclasses.is_dataclass(thing) and "__init__" in vars(thing) and _known(thing.__init__):
            thing.__init__ = enforced(thing.__init__)
        return thing
    return enforced(thing) if _known(thing) else thing


class _Decorating(ast.NodeTransformer):
    """Decorates functions innermost, so that what registers them sees the checked ones, and classes outermost.

    What is defined inside of a function is left to pyright: it would be decorated anew, at a millisecond, each time
    that the function is called.
    """

    def _function(self, node: Any) -> Any:
        node.decorator_list.append(ast.copy_location(ast.Name(_DECORATOR, ast.Load()), node))
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.decorator_list.insert(0, ast.copy_location(ast.Name(_DECORATOR, ast.Load()), node))
        return node


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        """Compiled from the source every time: what Python keeps on disk is not decorated."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = _Decorating().visit(ast.parse(data, path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=_optimize)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _DECORATOR, _enforce)
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's usual specification, with our loader; None for other packages."""
        if not fullname.startswith("genverify."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def enforce(with_shapes: Iterable[str]) -> None:
    """Installs the hooks; what is imported from now on is checked at every call."""
    sys.meta_path.insert(0, _Finder())
    jaxtyping.install_import_hook(list(with_shapes), "enforcement.enforced")
