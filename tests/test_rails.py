"""Holds the house in shape: no circle of imports, one meaning a class name, no reading of privates, lines a file.

What is broken today stands in the tables ``LEFT_...``. They may only shrink: a test fails as well where an entry is
no longer needed.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from test_house import MODULES, PACKAGE, ROOT, name_of

LONGEST = 400
"""Lines of a file that a person reads from top to bottom."""
BUDGETS = {
    "wslab/__init__.py": 80,
    "wslab/protocol/rules.py": 785,
    "wslab/protocol/connection.py": 451,
    "wslab/protocol/head.py": 546,
    "wslab/recording/reading.py": 404,
}
"""Files that may be longer, or must be shorter, since what they hold belongs together."""
LEFT_LONGER: dict[str, int] = {}
"""Files over their budget, and their lines today."""
LEFT_IN_CIRCLES: set[str] = set()
"""Modules that import themselves by way of others."""
LEFT_NAMED_TWICE: set[str] = set()
"""Class names, without a leading underscore, that mean more than one thing."""
LEFT_PRYING: dict[str, int] = {}
"""How often a module reads private attributes or names that another module defines."""
PRYING_ALLOWED: dict[str, str] = {
    "wslab/panels/kit/panel.py: _reply_subshell_for": "ipykernel has no other way to say which thread answers",
    "wslab/live/judges/wsproto_judge.py: _nonce": "wsproto draws its key itself, and has no other way to be given one",
    "wslab/live/kernel.py: _showtraceback": "IPython has no other way to send an error's lines to the front end",
}
"""At most five ``module: attribute`` that stay, and why."""

DOTTED = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(name: str, path: Path, tree: ast.Module | None = None) -> set[str]:
    """The modules of wslab that a module imports, wherever in it the import stands: lazy ones, those for the type
    checker alone, ``import_module("...")``, ``sys.modules["..."]`` and the tables of package faces."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree or tree_of(path)):
        match node:
            case ast.Import():
                found |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
                module = ".".join(filter(None, [base, node.module]))
                names = {f"{module}.{alias.name}" for alias in node.names}
                # ``from . import a`` takes a module from a package and nothing from the package's own face.
                found |= names if names <= set(DOTTED) else {module, *names}
            case ast.Constant(value=str(text)) if text.startswith("wslab."):
                found.add(text)
            case ast.Constant(value=str(text)) if path.name == "__init__.py" and text.startswith("."):
                found.add(package + text)
    return {module for module in found if module in DOTTED and module != name}


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules from which imports lead back to themselves."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for other in graph.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    return {name for name in graph if name in reach(name)}


@pytest.mark.lengthy
def test_nothing_imports_itself_by_way_of_others() -> None:
    graph = {name: imported(name, path) for name, path in DOTTED.items()}
    assert circles(graph) == LEFT_IN_CIRCLES
    if not LEFT_IN_CIRCLES:
        TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    "source",
    [
        "from .b import x",
        "from wslab.anatomy import b",
        "import wslab.anatomy.b",
        "def f():\n    from . import b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import X",
        "import importlib\nimportlib.import_module('wslab.anatomy.b')",
        "import sys\nsys.modules.get('wslab.anatomy.b')",
    ],
)
def test_every_way_to_import_is_seen(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOTTED, "wslab.anatomy.b", PACKAGE / "anatomy/b.py")
    graph = {
        "wslab.anatomy.a": imported("wslab.anatomy.a", PACKAGE / "anatomy/a.py", ast.parse(source)),
        "wslab.anatomy.b": {"wslab.anatomy.a"},
    }
    assert circles(graph) == {"wslab.anatomy.a", "wslab.anatomy.b"}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def test_a_class_name_means_one_thing() -> None:
    names = Counter(
        node.name.lstrip("_") for path in MODULES for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)
    )
    assert {name for name, times in names.items() if times > 1} == LEFT_NAMED_TWICE


def test_a_file_is_no_longer_than_its_budget() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert set(BUDGETS) <= set(lines), "a budget names a file that is not there"
    longer = {name: length for name, length in lines.items() if length > BUDGETS.get(name, LONGEST)}
    assert set(longer) == set(LEFT_LONGER)
    assert {name: length for name, length in longer.items() if length > LEFT_LONGER[name]} == {}


MOST_LINES = 22_480
"""Of Python in the package, without ``course/``."""
MOST_STATEMENTS = 14_690
"""Of that Python: nodes of its syntax trees."""
MOST_WEB_LINES = 8_160
"""Of JavaScript and CSS."""
WIDEST = 120
"""Columns of a line of JavaScript; the formatter does not break comments and long texts."""


def lines_of(*patterns: str) -> list[str]:
    paths = [path for pattern in patterns for path in PACKAGE.rglob(pattern) if "node_modules" not in path.parts]
    kept = [path for path in paths if path.relative_to(PACKAGE).parts[0] != "course"]
    return [line for path in kept for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_package_is_small() -> None:
    assert len(lines_of("*.py")) <= MOST_LINES
    assert len(lines_of("*.js", "*.css")) <= MOST_WEB_LINES
    own = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] != "course"]
    assert sum(isinstance(node, ast.stmt) for path in own for node in ast.walk(tree_of(path))) <= MOST_STATEMENTS


def test_javascript_can_be_read_without_scrolling_sideways() -> None:
    assert [line for line in lines_of("*.js") if len(line) > WIDEST] == []


PUBLIC_BY_CUSTOM = {"_replace", "_asdict", "_fields", "_make", "_field_defaults"}
"""What ``NamedTuple`` has for everybody."""


def private(name: str) -> bool:
    # A name that ends in an underscore too, such as _repr_html_, is Jupyter's own.
    return (
        name.startswith("_") and not name.startswith("__") and not name.endswith("_") and name not in PUBLIC_BY_CUSTOM
    )


def prying(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of every private attribute or name that a module reads and does not define itself."""
    own = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Store()):
                own.add(node.id)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                own.add(node.attr)
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=names)):
                own |= {name.value for name in names if isinstance(name, ast.Constant)}
    for node in ast.walk(tree):
        match node:
            case (
                ast.Attribute(value=ast.Name(id="self" | "cls"))
                | ast.Attribute(value=ast.Call(func=ast.Name(id="super")))
            ):
                pass
            case ast.Attribute() if private(node.attr) and node.attr not in own:
                yield node.lineno, node.attr
            case ast.ImportFrom() if node.level or (node.module or "").startswith("wslab"):
                yield from ((node.lineno, alias.name) for alias in node.names if private(alias.name))


@pytest.mark.lengthy
def test_nobody_reads_anothers_privates() -> None:
    found = {
        name_of(path): [
            (line, name) for line, name in prying(tree_of(path)) if f"{name_of(path)}: {name}" not in PRYING_ALLOWED
        ]
        for path in MODULES
    }
    counts = {path: len(reads) for path, reads in found.items() if reads}
    assert counts == LEFT_PRYING, "\n".join(
        f"{path}:{line} {name}" for path, reads in found.items() for line, name in reads
    )


def test_few_are_allowed_to_read_privates() -> None:
    assert len(PRYING_ALLOWED) <= 5
    assert all(len(reason) > 20 for reason in PRYING_ALLOWED.values())


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(x):\n    return x._ring", ["_ring"]),
        ("from .trace import _read", ["_read"]),
        ("class A:\n    def f(self, other):\n        return self._x + other._y", ["_y"]),
        ("class A:\n    def __init__(self, other):\n        self._x = other._x", []),
        ("class A:\n    def f(self):\n        return super()._keep()", []),
        ("def f(t):\n    return t._replace(a=1)", []),
    ],
)
def test_prying_is_seen(source: str, names: list[str]) -> None:
    assert [name for _, name in prying(ast.parse(source))] == names


@pytest.mark.lengthy
def test_one_place_knows_the_forms_of_a_length() -> None:
    """126 and 127 announce an extended payload length (RFC 6455 5.2)."""
    written = {
        name_of(path)
        for path in MODULES
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.NUMBER and token.string in ("126", "127")
    }
    # The exercises of lessons 05, 15 and 16 are to read and to write them, and are tried with lengths on both sides.
    names = ("lesson05", "lesson15", "endpoint_parts", "stage_mistakes", "stages")
    assert written == {"wslab/protocol/header.py", *(f"wslab/course/experiments/{name}.py" for name in names)}
