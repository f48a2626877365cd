"""Each panel's modules, joined into one: the page gets a module that Node can read, with nothing left to import."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from wslab.panels.kit.facts import FILE, facts_js
from wslab.panels.kit.module import FOLDER, css, esm

MODULES = {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.glob("*/*.js"))}
ENTRIES = [name for name, path in MODULES.items() if re.search(r"^export default ", path.read_text(), re.MULTILINE)]
LOAD = """
globalThis.document = {};
const module = await import(process.argv[1]);
console.log(typeof module.default, Object.keys(module.default()).sort().join());
"""


@pytest.mark.lengthy
@pytest.mark.parametrize("entry", ENTRIES)
def test_joined_it_is_a_module_of_its_own(entry: str, tmp_path: Path, node_path: str) -> None:
    joined = esm(entry)
    assert not re.search(r"^import |from \"\.", joined, re.MULTILINE)
    file = tmp_path / "panel.mjs"
    file.write_text(joined)
    done = subprocess.run([node_path, "--input-type=module", "-e", LOAD, file], capture_output=True, text=True)
    assert done.stdout == "function initialize,render\n", done.stderr


def test_every_module_belongs_to_a_panel() -> None:
    joined = "".join(map(esm, ENTRIES))
    assert [name for name, path in MODULES.items() if name not in ENTRIES and f"{path.stem}_js" not in joined] == []


def test_the_tables_that_both_languages_need_are_those_of_python() -> None:
    assert FILE.read_text(encoding="utf-8") == facts_js(), "run python -m wslab.panels.kit.facts"


def test_no_two_modules_have_one_name() -> None:
    """Joined, each is a constant that is named after its file."""
    assert len({path.stem for path in MODULES.values()}) == len(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_imports_lies_where_it_says(module: str) -> None:
    """A panel's module imports from its own folder and the kit, the kit from itself: no panel needs another's."""
    folder = MODULES[module].parent
    for where in re.findall(r'from "([^"]+)"', MODULES[module].read_text()):
        other = (folder / where).resolve()
        assert other in MODULES.values()
        assert other.parent.name in {folder.name, "kit"}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_makes_markup_of_text(module: str) -> None:
    source = MODULES[module].read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_panels_own_sheet_comes_last_and_reaches_no_other_panel(entry: str) -> None:
    """All sheets are in force in the whole page, and many panels call many things alike."""
    shared = (FOLDER / "kit/panel.css").read_text()
    joined = css(entry.replace(".js", ".css"))
    assert joined.startswith(shared)
    sheet = (FOLDER / entry.replace(".js", ".css")).read_text()
    assert sheet in joined
    name = re.search(r'^export default panel\("([a-z-]+)"', (FOLDER / entry).read_text(), re.MULTILINE)
    assert name is not None
    before, nested, own = joined.rpartition(f"\n.wslab-{name[1]} {{\n")
    assert nested, "the class that panel.js gives the panel"
    assert before.count("{") == before.count("}")
    assert own.count("{") == own.count("}") - 1, "it ends with the sheet"
    assert sheet in own
    assert "@keyframes" not in own
    assert ":scope" not in own
