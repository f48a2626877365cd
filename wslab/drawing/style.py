"""The one style sheet of all static HTML: JupyterLab's variables, each with a literal fallback.

Every rule lies inside ``.wsv``, the class of the one outer element, so that it touches nothing else on the page. The
selector repeats the class three times, to win over JupyterLab's own rules for tables in outputs. Style alone says
nothing: where a site such as GitHub strips the sheet, tables, lists and preformatted text remain. The colours of the
two lanes and the red of what is wrong have a contrast of at least 4.5 to 1 on every ground used.
"""

import re

# Each colour: the page's own variable for it, what it is on light paper and what on dark.
_PALETTE = {
    "ink": ("--jp-content-font-color0", "#1a1a1a", "#f0f0f0"),
    "soft": ("", "#545454", "#b9bdc1"),
    "paper": ("--jp-layout-color0", "#fff", "#111"),
    "tint": ("", "#f1f3f5", "#22262a"),
    "tint2": ("", "#e3e7ea", "#30363c"),
    "rule": ("", "#9aa0a6", "#7a8087"),
    "client": ("--wslab-client", "#0b57a4", "#7fb8f5"),
    "server": ("--wslab-server", "#9a3d00", "#ffb070"),
    "red": ("", "#b3001b", "#ff8f8f"),
}

INK, SOFT, PAPER, TINT, TINT2, RULE, *LANE_INKS, RED = (light for _, light, _ in _PALETTE.values())
LANES = ("●", "■")  # the marks of the two lanes
MARKED = re.compile(rf"([{''.join(LANES)}]) \w+")  # a lane's mark and the word behind it, such as ``● client``


def lane_mark(lane: int, said: str) -> str:
    """``● client``."""
    return f"{LANES[lane]} {said}"


_LIGHT, _DARK = (
    ";".join(f"--wsv-{name}:" + (f"var({row[0]},{row[at]})" if row[0] else row[at]) for name, row in _PALETTE.items())
    for at in (1, 2)
)

_RULES = """
color:var(--wsv-ink);background:var(--wsv-paper);line-height:1.4;max-width:62em;margin:0 0 1em;padding-left:5px;
font-family:var(--jp-content-font-family,system-ui,sans-serif);font-size:var(--jp-content-font-size1,14px);
p,ul,ol,dl,blockquote,pre,table{margin:0 0 .3em;padding:0;border:0;color:inherit;text-align:left}
code,pre{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:var(--jp-code-font-size,13px);
color:inherit;background:none;padding:0;border:0;border-radius:0}
pre{line-height:1.5;overflow-x:auto;white-space:pre}code{overflow-wrap:break-word;white-space:pre-wrap}
a{color:inherit;text-decoration:underline;text-decoration-color:var(--wsv-rule);white-space:nowrap}
table{border-collapse:collapse;table-layout:auto;font-size:inherit}
caption{text-align:left;caption-side:top;color:var(--wsv-soft);font-size:1em;font-style:italic;padding:0 0 .3em}
thead,tbody,tr,tbody tr:nth-child(n),tbody tr:nth-child(n):hover{background:none;border:0}
th,td{text-align:left;vertical-align:baseline;padding:.22em 1.2em .22em 0;border:0;font-weight:400;max-width:none;
white-space:normal;line-height:1.35}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:.88em;color:var(--wsv-soft);vertical-align:bottom;white-space:nowrap}dt,dd{float:none;width:auto}
dt{margin:.55em 0 0;font-weight:400}dd{margin:0 0 0 2em;color:var(--wsv-soft)}
.wsv-part{margin:0 0 1.2em}.wsv-title{margin:0 0 1em}.wsv-title strong{font-size:1.2em;font-weight:600}
.wsv-head{color:var(--wsv-soft);font-style:italic}.wsv-red{color:var(--wsv-red)}
.wsv-c,.wsv-s{font-weight:600;color:var(--wsv-client)}.wsv-s{color:var(--wsv-server)}
.wsv-even{background:var(--wsv-tint)}.wsv-wrong{box-shadow:inset 0 -3px var(--wsv-red)}
.wsv-table{border-bottom:1px solid var(--wsv-rule)}.wsv-table thead th{border-bottom:1px solid var(--wsv-rule)}
.wsv-number{text-align:right;font-variant-numeric:tabular-nums}
.wsv-fields td:first-child,.wsv-records td:not(:last-child){white-space:nowrap}
.wsv-fields code{display:block;max-width:13em}
.wsv-ruler{table-layout:fixed;width:46em;max-width:100%}
.wsv-ruler thead th{font-size:.8em;padding:0 0 .2em;font-variant-numeric:tabular-nums}
.wsv-ruler .wsv-at{width:4em;text-align:right;padding:.3em .7em 0 0;font-size:.8em;color:var(--wsv-soft);
white-space:nowrap;vertical-align:top}
.wsv-ruler td{border:1px solid var(--wsv-rule);padding:.3em .1em;text-align:center;vertical-align:bottom;
line-height:1.35;font-size:.88em;overflow:hidden}
.wsv-ruler tfoot td{border:0;text-align:left;color:var(--wsv-soft)}
.wsv-ruler .wsv-on{border-bottom-style:dashed}.wsv-ruler .wsv-up{border-top-style:dashed}.wsv-ruler br{display:none}
.wsv-ruler code{display:block;font-size:1em;white-space:nowrap}.wsv-name{display:block;margin:0 0 .2em}
.wsv-bit .wsv-name{writing-mode:vertical-rl;margin:0 auto .4em;line-height:1;letter-spacing:.03em}
.wsv-mask th{text-align:right;color:var(--wsv-soft);padding-right:.8em}
.wsv-lines dt{border-left:3px solid var(--wsv-tint2);padding-left:.6em}
.wsv-facts{display:grid;grid-template-columns:fit-content(14em) 1fr;gap:.15em 1.2em}
.wsv-facts dt{margin:0;color:var(--wsv-soft)}.wsv-facts dd{margin:0;color:inherit;overflow-wrap:anywhere}
.wsv-broken{list-style:none}.wsv-broken li{margin:0 0 .9em;padding-left:.9em;border-left:3px solid var(--wsv-red)}
.wsv-broken blockquote{font-style:italic}
.wsv-ladder{width:100%}.wsv-ladder th,.wsv-ladder td{padding:.15em 0;vertical-align:middle}
.wsv-ladder .wsv-number{width:1%;padding-right:.8em;color:var(--wsv-soft);font-size:.88em;white-space:nowrap}
.wsv-ladder .wsv-lane{width:1.2em;text-align:center;line-height:1.2;
background:linear-gradient(var(--wsv-rule),var(--wsv-rule)) center/1.5px 100% no-repeat}
.wsv-forth .wsv-arrow{margin-right:-.35em}.wsv-back .wsv-arrow{margin-left:-.35em}
.wsv-ladder thead th:last-child{text-align:right}
.wsv-arrow{display:flex;align-items:center;gap:.4em;color:var(--wsv-client)}
.wsv-back .wsv-arrow{color:var(--wsv-server);justify-content:flex-end}.wsv-arrow code{color:var(--wsv-ink)}
.wsv-shaft{flex:1;min-width:1em;border-top:1px solid;margin-right:-.4em}.wsv-back .wsv-shaft{margin:0 0 0 -.4em}
.wsv-ends .wsv-shaft{border-top-style:dashed}.wsv-note .wsv-shaft{border:0}
.wsv-bent .wsv-shaft{border-top:3px double;opacity:.6}
"""


def variables(root: str) -> str:
    """The rules that give ``root``, a selector, its colours, light and dark."""
    pages = ('[data-jp-theme-light="false"]', ".vscode-dark", '[data-theme="dark"]')
    dark = ",".join(f"{page} {root}" for page in pages)
    alone = f'body:not([data-jp-theme-light]):not([class*="vscode"]) {root}'
    return f"{root}{{{_LIGHT}}}{dark}{{{_DARK}}}@media(prefers-color-scheme:dark){{{alone}{{{_DARK}}}}}"


CSS = variables(".wsv.wsv.wsv") + f".wsv.wsv.wsv{{{_RULES}}}".replace("\n", "")  # the style sheet, without line ends


def themed(svg: str) -> str:
    """A standalone picture made to take its colours from the page that it stands on, light or dark. Where a page strips
    the style sheet, the colours stay as they were."""
    for name, (_, light, _) in _PALETTE.items():
        svg = svg.replace(f'"{light}"', f'"var(--wsv-{name},{light})"')
    return svg.replace("<svg ", '<svg class="wsv-svg" ', 1).replace(
        "</desc>", f"</desc>\n<style>{variables('.wsv-svg')}.wsv-svg{{max-width:100%;height:auto}}</style>", 1
    )
