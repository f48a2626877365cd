"""Holds the house to its plan: floors, public names, notebooks that were run, and files that say the same thing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import wslab

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "wslab"
FLOORS = ("drawing", "anatomy", "protocol", "recording", "live", "splice", "panels", "course", "cli")
STANDARD_LIBRARY_ONLY = ("drawing", "anatomy", "protocol")
MODULES = sorted(PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# What conda has to bring and pip does not know.
CONDA_ONLY = {"python", "pip", "nodejs"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def floor_of(module: str) -> str | None:
    """The floor of a dotted name; None for the package itself and for what is not ours."""
    parts = module.split(".")
    return parts[1] if parts[0] == "wslab" and len(parts) > 1 else None


def imports(path: Path, source: str | None = None) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a file imports, wherever in it the import stands.

    ``from .live import Lab`` in the package itself is ``wslab.live`` and ``wslab.live.Lab``: both are given, since only
    running it could tell whether the last name is a module.
    """
    parts = path.relative_to(ROOT).with_suffix("").parts
    tree = ast.parse(source if source is not None else path.read_text(encoding="utf-8"))
    if path == PACKAGE / "__init__.py":
        # The public face names every floor, for the type checker alone: when it runs, names load on first use.
        tree.body = [node for node in tree.body if "TYPE_CHECKING" not in ast.unparse(getattr(node, "test", node))]
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                base = ".".join(parts[: len(parts) - node.level]) if node.level else ""
                module = ".".join(filter(None, [base, node.module]))
                if module != "wslab":
                    yield node.lineno, module
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[first, *_]):
                if isinstance(first, ast.Constant):
                    yield node.lineno, str(first.value)


def upward_imports(path: Path, source: str | None = None) -> list[str]:
    """What a file imports that is not below it, one line each."""
    own = floor_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    # The public names are a lazy table of strings: the package itself imports no floor.
    height = -1 if path == PACKAGE / "__init__.py" else FLOORS.index(own or "")
    found = []
    for line, module in imports(path, source):
        floor = floor_of(module)
        # The package's public names are no floor's to use: they live on all of them.
        public = height >= 0 and own != "cli" and (module == "wslab" or (floor is not None and floor not in FLOORS))
        if public or (floor in FLOORS and FLOORS.index(floor) > height):
            found.append(f"{name_of(path)}:{line} imports {module}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_floor_imports_only_from_floors_below(path: Path) -> None:
    assert upward_imports(path) == []


@pytest.mark.parametrize(
    ("module", "source", "faults"),
    [
        ("anatomy/x.py", "def f():\n    from ..protocol import frame", 2),
        ("anatomy/x.py", "from . import field\nimport json", 0),
        ("protocol/x.py", "import wslab.live.lab", 1),
        ("protocol/x.py", "from wslab import Lab", 1),
        ("panels/x.py", "import wslab", 1),
        ("panels/x.py", "from .. import live", 0),
        ("recording/x.py", "from ..protocol.frame import Frame\nfrom ..anatomy import Field", 0),
        ("live/x.py", "import importlib\nimportlib.import_module('wslab.panels')", 1),
        ("__init__.py", "from .anatomy import Field", 2),
        ("__init__.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .anatomy import Field", 0),
        ("anatomy/x.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..live import Lab", 2),
        ("cli.py", "from .live import Lab", 0),
    ],
)
def test_the_floor_test_sees_every_way_to_import(module: str, source: str, faults: int) -> None:
    assert len(upward_imports(PACKAGE / module, source)) == faults


def test_every_module_stands_on_a_floor() -> None:
    strays = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - {*FLOORS, "__init__"}
    assert strays == set()


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name in STANDARD_LIBRARY_ONLY], ids=name_of)
def test_the_lowest_floors_need_nothing_but_python(path: Path) -> None:
    outside = {module.split(".")[0] for _, module in imports(path)} - sys.stdlib_module_names - {"wslab", ""}
    assert outside == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_opens_with_a_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "there is no docstring"
    assert re.match(r"[^\n]{10,}[.:!?](\n|$)", docstring.split("\n\n")[0].replace("\n", " ")), docstring.split("\n")[0]


def test_nothing_is_called_utils() -> None:
    vague = {"utils", "util", "helpers", "misc", "common"}
    assert [name_of(path) for path in PACKAGE.rglob("*") if path.stem in vague] == []


def test_importing_wslab_is_light() -> None:
    """It loads no floor, no widgets and no server; those come with the first name that is used."""
    program = "import sys, wslab; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "wslab" in loaded
    assert {"anywidget", "ipywidgets", "jupyterlab", "IPython", "numpy", "traitlets"} & set(loaded) == set()


def test_the_terminal_commands_load_nothing_early() -> None:
    program = "import sys, wslab.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert {"websockets", "asyncio", "anywidget"} & set(loaded) == set()


@pytest.mark.parametrize("name", wslab.__all__)
def test_a_public_name_resolves_and_is_documented(name: str) -> None:
    thing = getattr(wslab, name)
    assert thing.__module__.startswith("wslab.")
    # A class's own docstring, not one that it inherits.
    docstring = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
    assert (docstring or "").strip()
    assert name in dir(wslab)


def test_the_type_checker_is_told_every_public_name() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    told = {
        (alias.asname, f".{node.module}")
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == set(wslab._HOME.items())


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Labb"):
        wslab.Labb  # noqa: B018


@pytest.mark.parametrize(
    "path", sorted(path for path in PACKAGE.rglob("*.js") if "node_modules" not in path.parts), ids=name_of
)
def test_scripts_never_turn_text_into_markup(path: Path) -> None:
    """What crossed the wire is hostile: it is shown with textContent."""
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function",
        path.read_text(encoding="utf-8"),
    )
    assert found == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_was_run_from_top_to_bottom(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    counts = [
        cell["execution_count"] for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()
    ]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_hides_nothing_from_nbval(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    tags = [tag for cell in code for tag in cell["metadata"].get("tags", [])]
    assert [tag for tag in tags if tag.lower().startswith("nbval")] == []
    comments = "\n".join("".join(cell["source"]) for cell in code)
    assert re.findall(r"#\s*(?:NBVAL_|PYTEST_VALIDATE_)\w+", comments, re.IGNORECASE) == []


def test_there_are_notebooks() -> None:
    assert "00-start-here.ipynb" in [path.name for path in NOTEBOOKS]


def environment() -> tuple[dict[str, Any], dict[str, str]]:
    """environment.yml, and its conda packages: name to the rest of the spec."""
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    specs = {}
    for line in content["dependencies"]:
        if isinstance(line, str):
            match = re.fullmatch(r"([a-z0-9][a-z0-9._-]*)\s*([<>=!~].*)?", line)
            assert match, f"no conda spec: {line!r}"
            specs[match[1]] = match[2] or ""
    return content, specs


def test_conda_and_pip_are_told_the_same() -> None:
    _, specs = environment()
    project = PYPROJECT["project"]
    requirements = [Requirement(line) for line in project["dependencies"]]
    requirements += [
        requirement
        for line in project["optional-dependencies"]["test"]
        if (requirement := Requirement(line)).name == "nbval"
    ]
    by_conda = {name: SpecifierSet(spec) for name, spec in specs.items() if name not in CONDA_ONLY}
    assert by_conda == {requirement.name: requirement.specifier for requirement in requirements}


def pinned() -> dict[str, list[tuple[str, str]]]:
    """tests/requirements.txt: each name's versions, one for each kind of platform, with its lines."""
    pins: dict[str, list[tuple[str, str]]] = {}
    text = (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        requirement = Requirement(line.split("--hash")[0])
        (version,) = requirement.specifier
        if requirement.marker is None or requirement.marker.evaluate():
            pins.setdefault(requirement.name, []).append((version.version, line))
    return pins


def test_the_lock_fits_the_project() -> None:
    pins = pinned()
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = PYPROJECT["project"]["dependencies"] + extras["test"] + extras["docs"]
    wanted += PYPROJECT["dependency-groups"]["build"] + PYPROJECT["build-system"]["requires"]
    for requirement in map(Requirement, wanted):
        if requirement.name != "wslab" and (requirement.marker is None or requirement.marker.evaluate()):
            ((pin, _),) = pins[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(pin), f"{requirement}: {pin}; run `python3 run.py lock`"


def test_every_pin_has_its_hashes() -> None:
    for name, lines in pinned().items():
        assert len(lines) == 1, f"{name} is pinned twice for this platform"
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", lines[0][1]), name


def test_the_whole_run_uses_the_lock() -> None:
    if os.environ.get("WSLAB_REQUIRE_ALL") == "1":
        installed = {canonicalize_name(name): version(name) for name in {one.name for one in distributions()}}
        different = {name: installed.get(name) for name, ((pin, _),) in pinned().items() if installed.get(name) != pin}
        assert different == {}


def test_environment_suits_repo2docker() -> None:
    content, specs = environment()
    assert content["channels"] == ["conda-forge"]
    # repo2docker assumes Python 3.10 unless told otherwise.
    assert specs["python"] == "=3.12"
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains("3.12")
    assert set(specs) >= CONDA_ONLY
    assert [line["pip"] for line in content["dependencies"] if isinstance(line, dict)] == [["-e .[course]"]]
    # A folder of that name would hide this file from repo2docker.
    assert not (ROOT / "binder").exists()
    assert not (ROOT / ".binder").exists()


def test_changelog_and_project_have_one_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)
    assert versions[0] == PYPROJECT["project"]["version"] == wslab.__version__
    assert "## [Unreleased]" in changelog


def test_every_dependency_is_explained_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([\w-]+)`", readme, re.MULTILINE))
    assert rows >= {Requirement(line).name for line in PYPROJECT["project"]["dependencies"]}
