"""Each panel's modules, joined into one: the page gets a module that Node can read, with nothing left to import."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from wslab.panels.module import FOLDER, css, esm

ENTRIES = sorted(
    path.name for path in FOLDER.glob("*.js") if re.search(r"^export default ", path.read_text(), re.MULTILINE)
)
LOAD = """
globalThis.document = {};
const module = await import(process.argv[1]);
console.log(typeof module.default, Object.keys(module.default()).sort().join());
"""


@pytest.mark.lengthy
@pytest.mark.parametrize("entry", ENTRIES)
def test_joined_it_is_a_module_of_its_own(entry: str, tmp_path: Path, node_path: str) -> None:
    joined = esm(entry)
    assert not re.search(r"^import |from \"\./", joined, re.MULTILINE)
    file = tmp_path / "panel.mjs"
    file.write_text(joined)
    done = subprocess.run([node_path, "--input-type=module", "-e", LOAD, file], capture_output=True, text=True)
    assert done.stdout == "function initialize,render\n", done.stderr


def test_every_module_belongs_to_a_panel() -> None:
    joined = "".join(map(esm, ENTRIES))
    assert [
        path.stem for path in FOLDER.glob("*.js") if path.name not in ENTRIES and f"{path.stem}_js" not in joined
    ] == []


@pytest.mark.parametrize("module", sorted(path.name for path in FOLDER.glob("*.js")))
def test_no_module_makes_markup_of_text(module: str) -> None:
    source = (FOLDER / module).read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_panels_own_sheet_comes_last_and_reaches_no_other_panel(entry: str) -> None:
    """All sheets are in force in the whole page, and many panels call many things alike."""
    shared = (FOLDER / "panel.css").read_text()
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
