"""The architecture: who may import whom, what a file may be called, how long it may grow, which words it uses.

Every rule is a function from a tree of sources to the sentences it has to complain about. Each is run on this
repository, where it must be silent, and on a small house that breaks it, where it must not.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from beartype.roar import BeartypeCallHintViolation

from genverify.errors import nearest

ROOT = Path(__file__).resolve().parent.parent

LEAVES = {"verdict", "errors", "rooms", "numerics", "statistics", "noise"}
_JUDGES = {"checks", "strategies", "adapters"}
_BELOW_VERIFY = LEAVES | _JUDGES | {"subjects", "claims", "report", "reference", "oracles", "formulas"}
FACE = "__init__"

# Room → the rooms it may import besides itself. Imports for annotations only (TYPE_CHECKING) and imports inside
# functions count: an arrow is a dependency of thought, not of load order. A room missing here is a new room.
ARROWS: dict[str, set[str]] = {
    **{leaf: {"errors"} for leaf in LEAVES},
    **dict.fromkeys(("subjects", "claims", "report"), LEAVES),
    "reference": set(),
    "oracles": {"errors", "numerics", "noise"},
    **dict.fromkeys(_JUDGES, LEAVES | {"subjects"}),
    "formulas": LEAVES | {"oracles", "reference", "subjects", "claims"},
    "preparation": _BELOW_VERIFY,
    "verify": _BELOW_VERIFY | {"preparation"},
    "identification": _BELOW_VERIFY,
    "parity": (_BELOW_VERIFY - {"reference", "oracles"}) | {"preparation"},
    **dict.fromkeys(
        ("pytest_plugin", "cli"),
        (_BELOW_VERIFY - {"reference", "oracles"}) | {"verify", "identification", "parity", FACE},
    ),
    "parametrize": (_BELOW_VERIFY - {"reference", "oracles"}) | {"verify", "pytest_plugin", FACE},
    "__main__": {"cli"},
    FACE: _BELOW_VERIFY | {"verify", "identification", "parity", "pytest_plugin", "parametrize", "cli"},
}
NAMELESS = {"utils", "util", "helpers", "helper", "core", "base", "common", "misc"}
LONGEST = 400
# Torch says `logabsdet`. Reading a stranger's `x.log_det` is fine, binding a name of our own so is not.
_OTHER_LOGABSDET = re.compile(r"(?<![a-z])(log_?det|log_abs_?det|logabs_det|ldj|ladj)(?![a-z])")
_TOLERANCES = {"atol", "rtol", "abs_tol", "rel_tol", "tol", "tolerance"}


def _sources(root: Path, *rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    for room in rooms:
        for path in sorted((root / room).rglob("*.py")):
            yield path, _parsed(path, path.stat().st_mtime_ns)


@functools.cache
def _parsed(path: Path, when: int) -> ast.Module:
    """The tree of a file as it was then: every rule walks all of them."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _where(root: Path, path: Path, node: ast.AST | None = None) -> str:
    return f"{path.relative_to(root)}" + (f":{node.lineno}" if node is not None else "")  # type: ignore[attr-defined]


def _room(dotted: str) -> str:
    """The room of `genverify.room.file`; the face for `genverify` itself and for the names it re-exports."""
    room = [*dotted.split("."), FACE][1]
    return room if room in ARROWS else FACE


def _text(node: ast.expr) -> str:
    """What is known of a string before it runs: a constant, or an f-string up to its first hole."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0] if node.values else ast.Constant("")
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _imported(path: Path, root: Path, tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every module that a file names: absolute, relative, inside functions, and through importlib."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            # `from genverify import checks` names a room only in its second half.
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "genverify" else [module]
            yield from ((node, name) for name in names)
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__", "files_of"} and (name := _text(node.args[0])).strip("."):
                yield node, name.rstrip(".")


def broken_arrows(root: Path) -> list[str]:
    """Imports that the table of rooms does not allow."""
    complaints = []
    for path, tree in _sources(root, "genverify", "specs"):
        house, *inside = path.relative_to(root).with_suffix("").parts
        room = inside[0]
        if house == "genverify" and room not in ARROWS:
            complaints.append(f"{_where(root, path)}: a room that the table of arrows does not know: {room}")
            continue
        for node, name in _imported(path, root, tree):
            top = name.split(".")[0]
            if (top in {"specs", "tests"} and top != house) or (
                house == top == "genverify" and (to := _room(name)) != room and to not in ARROWS[room]
            ):
                complaints.append(f"{_where(root, path, node)}: {room} imports {name}")
    return complaints


def eager_face(root: Path) -> list[str]:
    """Imports that `import genverify` would carry out: of its own rooms, or of anything heavy."""
    path = root / "genverify" / "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    later = [node for node in later if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))]
    found = _imported(path, root, ast.Module(body=later, type_ignores=[]))
    return [
        f"{_where(root, path, node)}: {name} at import"
        for node, name in found
        if name.split(".")[0] not in sys.stdlib_module_names
    ]


def nameless_files(root: Path) -> list[str]:
    """Modules and folders whose name says nothing about what they hold."""
    complaints = []
    for path, _ in _sources(root, "genverify", "specs", "tests"):
        parts = [part.strip("_").removeprefix("test_") for part in path.relative_to(root).with_suffix("").parts]
        complaints += [f"{_where(root, path)}: {part!r} is no idea" for part in parts if part in NAMELESS]
    return complaints


def long_files(root: Path) -> list[str]:
    """Files that have outgrown one idea."""
    lengths = {
        path: path.read_text(encoding="utf-8").count("\n") for path, _ in _sources(root, "genverify", "specs", "tests")
    }
    return [f"{_where(root, path)}: {length} lines" for path, length in lengths.items() if length > LONGEST]


def _bound_names(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node, node.name
        elif isinstance(node, ast.arg):
            yield node, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node, node.asname


def misspelt_logabsdets(root: Path) -> list[str]:
    """Names of ours that spell the log-determinant in another way than torch."""
    return [
        f"{_where(root, path, node)}: {name}: say logabsdet"
        for path, tree in _sources(root, "genverify")
        for node, name in _bound_names(tree)
        if _OTHER_LOGABSDET.search(name.lower())
    ]


def _is_number(node: ast.expr | None) -> bool:
    """A nonzero number that is written down rather than derived: nothing in it has a name."""
    if node is None or any(isinstance(part, ast.Name | ast.Attribute | ast.Call) for part in ast.walk(node)):
        return False
    constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return any(isinstance(value, int | float) and not isinstance(value, bool) and value != 0 for value in constants)


def _settings(tree: ast.Module) -> Iterator[tuple[ast.AST, str, ast.expr | None]]:
    """(where, name, value) of keywords in calls, defaults of arguments, and assignments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            yield node, node.arg or "", node.value
        elif isinstance(node, ast.arguments):
            plain = [*node.posonlyargs, *node.args]
            given = zip(plain[len(plain) - len(node.defaults) :], node.defaults, strict=True)
            named = zip(node.kwonlyargs, node.kw_defaults, strict=True)
            yield from ((arg, arg.arg, default) for arg, default in [*given, *named])
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((node, target.id, node.value) for target in targets if isinstance(target, ast.Name))


def literal_tolerances(root: Path) -> list[str]:
    """Tolerances in a check that are a number instead of a derivation."""
    return [
        f"{_where(root, path, node)}: {name} is a literal: derive it"
        for path, tree in _sources(root, "genverify/checks")
        for node, name, value in _settings(tree)
        if name.lower() in _TOLERANCES and _is_number(value)
    ]


RULES = [broken_arrows, eager_face, nameless_files, long_files, misspelt_logabsdets, literal_tolerances]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule):
    assert len(list(_sources(ROOT, "genverify"))) > 10, "the walker looks at the wrong place"
    assert rule(ROOT) == []


def test_annotations_are_enforced_while_tests_run():
    with pytest.raises(BeartypeCallHintViolation):
        nearest(3, ["adam"])


def _a_house(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"genverify/__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


FORBIDDEN = sorted(
    (room, to)
    for room, allowed in ARROWS.items()
    for to in set(ARROWS) - allowed - {room}
    if (room, to) != ("__main__", FACE)  # python -m genverify imports its package whether it says so or not
)


@pytest.mark.parametrize(("room", "to"), FORBIDDEN, ids=lambda name: name)
def test_every_arrow_that_is_not_drawn_is_seen(tmp_path, room, to):
    line = "import genverify" if to == FACE else f"from genverify.{to} import anything"
    house = _a_house(tmp_path, {f"genverify/{room}.py": line})
    assert len(broken_arrows(house)) == 1


@pytest.mark.parametrize("room", sorted(ARROWS))
def test_every_arrow_that_is_drawn_is_allowed(tmp_path, room):
    lines = [f"import genverify.{to}" for to in sorted(ARROWS[room] - {FACE})]
    house = _a_house(tmp_path, {f"genverify/{room}.py": "\n".join([*lines, "import torch"])})
    assert broken_arrows(house) == []


IMPORTS = {
    "absolute": "import genverify.reference.flows as flows",
    "second in a line": "import math, genverify.reference",
    "from": "from genverify.reference.flows import coupling",
    "the room as a name": "from genverify import reference",
    "relative": "from ..reference import flows",
    "relative, the room as a name": "from .. import reference",
    "in a function": "def judge():\n    from genverify.reference import flows",
    "for annotations": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import genverify.reference",
    "through importlib": "import importlib\nimportlib.import_module('genverify.reference.flows')",
    "through importlib, in part": "import importlib\nimportlib.import_module(f'genverify.reference.{name}')",
    "all the files of a room": "from genverify.rooms import files_of\nfiles_of('genverify.reference')",
    "through the builtin": "__import__('genverify.reference')",
    "through the face": "import genverify as gv",
    "a re-export of the face": "from genverify import verify, Case",
    "of the specs": "import specs.flows",
    "of the tests": "from tests.mutants import flows",
}


@pytest.mark.parametrize("line", IMPORTS.values(), ids=list(IMPORTS))
def test_an_import_is_seen_however_it_is_written(tmp_path, line):
    assert broken_arrows(_a_house(tmp_path, {"genverify/checks/bijection.py": line}))


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (broken_arrows, "genverify/attic/lumber.py", ""),
        (broken_arrows, "specs/flows.py", "import tests.mutants.flows"),
        (eager_face, "genverify/__init__.py", "from genverify.verify import verify"),
        (eager_face, "genverify/__init__.py", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
        (nameless_files, "genverify/checks/utils.py", ""),
        (nameless_files, "genverify/core/flows.py", ""),
        (nameless_files, "tests/noise/_helpers.py", ""),
        (long_files, "genverify/checks/everything.py", "x = 1\n" * (LONGEST + 1)),
        (misspelt_logabsdets, "genverify/checks/flow.py", "log_det = 0"),
        (misspelt_logabsdets, "genverify/checks/flow.py", "def f(sum_logdet): ..."),
        (misspelt_logabsdets, "genverify/adapters/flow.py", "self.ldj = 0"),
        (literal_tolerances, "genverify/checks/flow.py", "assert_close(a, b, atol=1e-4)"),
        (literal_tolerances, "genverify/checks/flow.py", "def judge(x, rtol=10 ** -6): ..."),
        (literal_tolerances, "genverify/checks/flow.py", "def judge(x, *, tol: float = 1e-6): ..."),
        (literal_tolerances, "genverify/checks/flow.py", "ATOL = 1e-5"),
    ],
)
def test_a_broken_rule_is_seen(tmp_path, rule, name, text):
    assert len(rule(_a_house(tmp_path, {name: text}))) == 1


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (broken_arrows, "specs/flows.py", "import genverify.reference\nimport genverify.oracles\nimport specs.figures"),
        (eager_face, "genverify/__init__.py", "import importlib\ndef __getattr__(name):\n    import torch"),
        (misspelt_logabsdets, "genverify/adapters/flow.py", "logabsdet = theirs.log_det\nALIASES = ('ldj', 'logdet')"),
        (misspelt_logabsdets, "genverify/checks/flow.py", "from torch.linalg import slogdet\nslogdet(x)"),
        (literal_tolerances, "genverify/checks/flow.py", "assert_close(a, b, rtol=0, atol=allowance(a.dtype))"),
        (long_files, "genverify/checks/flow.py", "x = 1\n" * LONGEST),
    ],
)
def test_what_a_rule_allows_is_spared(tmp_path, rule, name, text):
    assert rule(_a_house(tmp_path, {name: text})) == []


_QUIET_IMPORT = """
import locale, os, random, signal, sys, warnings
import numpy, torch

def state():
    return [
        torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.get_num_threads(),
        torch.get_rng_state().tolist(), torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(), torch.is_anomaly_enabled(), torch.__dict__.keys() - {"torch"},
        torch.Tensor.__dict__.keys(), torch.nn.Module.__call__, torch.optim.Optimizer.step,
        random.getstate(), str(numpy.random.get_state()), numpy.geterr(), warnings.filters[:], dict(os.environ),
        sys.path[:], sys.meta_path[:], sys.path_hooks[:], sys.excepthook, sys.displayhook, sys.getrecursionlimit(),
        os.getcwd(), locale.setlocale(locale.LC_ALL), [signal.getsignal(s) for s in signal.valid_signals()],
    ]

opened = []
before, modules = state(), set(sys.modules)
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import genverify
after = state()
assert before == after, [(b, a) for b, a in zip(before, after) if b != a]
heavy = {"pytest", "sympy", "hypothesis", "scipy", "typer", "rich", "jinja2", "jaxtyping", "beartype"}
loaded = {name.partition(".")[0] for name in set(sys.modules) - modules}
assert not loaded & heavy, loaded & heavy
assert not (files := [name for name in opened if ".py" not in os.path.basename(name)]), files
assert opened, "the audit hook saw nothing, not even genverify/__init__.py"
"""


def test_importing_genverify_changes_nothing_and_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", _QUIET_IMPORT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_check_has_a_mutant_and_every_mutant_a_check():
    import importlib

    from genverify.checks.check import all_checks
    from tests.mutants.matrix import families

    mutants = [one for family in families() for one in importlib.import_module(f"tests.mutants.{family}").MUTANTS]
    assert set(all_checks()) == {one.killed_by for one in mutants}
