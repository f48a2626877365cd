"""Compares the stored outputs of the notebooks with those of another commit.

``python tests/notebooks/compare.py REVISION [--html]`` prints each cell whose stored text or stream differs, as a diff,
and says how many cells' HTML differs; it exits with 1 where a text or a stream does. Cells are matched by their place
among the cells that have a source of their own, so it is for commits whose notebooks have the same cells.
"""

from __future__ import annotations

import argparse
import difflib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def told(output: dict[str, Any], mime: str) -> str:
    """What an output says in that form: a stream and an error count as text."""
    if output["output_type"] == "stream":
        return f"[{output['name']}] " + "".join(output["text"]) if mime == "text/plain" else ""
    if output["output_type"] == "error":
        return f"[{output['ename']}] {output['evalue']}" if mime == "text/plain" else ""
    return "".join(output.get("data", {}).get(mime, ""))


def outputs(notebook: str, mime: str) -> Iterator[tuple[str, str]]:
    """Source and outputs of each code cell."""
    for cell in json.loads(notebook)["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(cell["source"]), "\n".join(told(output, mime) for output in cell["outputs"])


def main() -> int:
    """Compare all notebooks; 1 where a text differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("--html", action="store_true", help="print the differences of the HTML too")
    options = parser.parse_args()
    texts = html = 0
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        name = path.relative_to(ROOT).as_posix()
        shown = subprocess.run(["git", "show", f"{options.revision}:{name}"], cwd=ROOT, capture_output=True, text=True)
        if shown.returncode:
            print(f"{name} is new")
            continue
        for mime in ("text/plain", "text/html"):
            old, new = list(outputs(shown.stdout, mime)), list(outputs(path.read_text(encoding="utf-8"), mime))
            if len(old) != len(new):
                print(f"{name}: {len(old)} code cells before, {len(new)} now")
                texts += 1
                break
            for (_, before), (source, after) in zip(old, new, strict=True):
                if before == after:
                    continue
                texts, html = (texts + 1, html) if mime == "text/plain" else (texts, html + 1)
                if mime == "text/plain" or options.html:
                    print(f"== {name}, {mime}, the cell that begins {source.splitlines()[0]!r}")
                    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
                    print("\n".join(lines))
    print(f"{texts} cells' texts differ from {options.revision}, {html} cells' HTML")
    return 1 if texts else 0


if __name__ == "__main__":
    sys.exit(main())
