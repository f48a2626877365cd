"""One file for the page out of several: the modules and style sheets of a panel, joined.

anywidget takes one ECMAScript module and one style sheet for a widget, and relative imports do not resolve there. So
each module becomes a function that returns what it exports, in the order in which they import each other. A module may
say ``import { a, b } from "../kit/x.js";`` and ``export`` before ``const``, ``function`` or ``class``; no two have the
same file name.
"""

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1]
IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.[\w./]*/(\w+)\.js)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class)\b\*? ?(\w+))", re.MULTILINE)


@cache
def esm(entry: str) -> str:
    """The module ``entry`` of ``panels/`` with everything that it imports, as one module. Its exports stay exports."""
    modules: dict[Path, str] = {}
    body = _with_imports((FOLDER / entry).resolve(), modules)
    return "\n".join([*modules.values(), body])


def _with_imports(path: Path, modules: dict[Path, str]) -> str:
    """The text of a module with its imports taken from constants, which this puts into ``modules``, in order."""
    source = path.read_text(encoding="utf-8")
    for _, where, name in IMPORT.findall(source):
        other = (path.parent / where).resolve()
        if other not in modules:
            inner = _with_imports(other, modules)
            names = ", ".join(EXPORT.findall(inner))
            modules[other] = f"const {name}_js = (() => {{\n{EXPORT.sub('', inner)}\nreturn {{ {names} }};\n}})();"
    return IMPORT.sub(r"const \1 = \3_js;", source)


@cache
def css(*names: str) -> str:
    """The look that all panels share and that of explained bytes, and these style sheets of ``panels/`` after them.

    Every sheet is in force in the whole page. So a panel's own is nested in its class, which the first name tells:
    ``lab_panel.css`` is ``.wslab-lab``'s. ``&&`` in it is the panel itself, and outdoes what all panels share.
    """
    groups = ("kit/panel.css", "kit/inspector.css"), names
    shared, own = ("".join((FOLDER / name).read_text(encoding="utf-8") for name in group) for group in groups)
    panel = Path(names[0]).stem.removesuffix("_panel").replace("_", "-") if names else ""
    return f"{shared}.wslab-{panel} {{\n{own}}}\n" if names else shared
