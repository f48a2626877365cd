"""One file for the page out of several: the modules and style sheets of a panel, joined.

anywidget takes one ECMAScript module and one style sheet for a widget, and relative imports do not resolve there. So a
panel's modules, which Node and an editor read as they lie here, are put into one: each becomes a function that returns
what the module exports, in the order in which they import each other. What this asks of them is little:
``import { a, b } from "./x.js";`` in one line, ``export`` before ``const``, ``function`` or ``class``, nothing fancier.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import (\{[^}\n]*\}) from "\./([a-z_]+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class)\b\*? ?(\w+))", re.MULTILINE)


@cache
def esm(entry: str) -> str:
    """The module ``entry`` of this folder with everything that it imports, as one module. Its exports stay exports."""
    modules: dict[str, str] = {}
    body = _with_imports(entry.removesuffix(".js"), modules)
    return "\n".join([*modules.values(), body])


def _with_imports(name: str, modules: dict[str, str]) -> str:
    """The text of a module with its imports taken from constants, which this puts into ``modules``, in order."""
    source = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
    for _, other in IMPORT.findall(source):
        if other not in modules:
            inner = _with_imports(other, modules)
            names = ", ".join(EXPORT.findall(inner))
            modules[other] = f"const {other}_js = (() => {{\n{EXPORT.sub('', inner)}\nreturn {{ {names} }};\n}})();"
    return IMPORT.sub(r"const \1 = \2_js;", source)


@cache
def css(*names: str) -> str:
    """The look that all panels share and that of explained bytes, and these style sheets of this folder after them.

    Every panel's sheet is in force in the whole page. So what is one panel's alone is held to that panel, whose class
    the first name tells: ``lab_panel.css`` is ``.wslab-lab``'s, ``frame_builder.css`` is ``.wslab-frame-builder``'s.
    The sheets are nested in that class; ``&&`` in them is the panel itself, and outdoes what all panels share.
    """
    shared, own = ("".join(map(_sheet, group)) for group in (("panel.css", "inspector.css"), names))
    panel = names[0].removesuffix(".css").removesuffix("_panel").replace("_", "-") if names else ""
    return f"{shared}.wslab-{panel} {{\n{own}}}\n" if names else shared


def _sheet(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
