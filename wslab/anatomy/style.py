"""The one style sheet of all static HTML: JupyterLab's variables, each with a literal fallback.

Every rule begins with ``.wsv``, the class of the one outer element, so that nothing else on a page is touched. Nothing
is said by style alone: with the sheet stripped, as GitHub does, tables, lists and preformatted text remain.
The two endpoints' colours, and the red of a broken rule, have a contrast of at least 4.5 to 1 on every ground used.
"""

from __future__ import annotations

_LIGHT = (
    "--wsv-ink:var(--jp-content-font-color0,#1a1a1a);--wsv-soft:#545454;--wsv-paper:var(--jp-layout-color0,#fff);"
    "--wsv-tint:#f1f3f5;--wsv-tint2:#e3e7ea;--wsv-rule:#9aa0a6;"
    "--wsv-client:var(--wslab-client,#0b57a4);--wsv-server:var(--wslab-server,#9a3d00);--wsv-red:#b3001b"
)
_DARK = (
    "--wsv-ink:var(--jp-content-font-color0,#f0f0f0);--wsv-soft:#b9bdc1;--wsv-paper:var(--jp-layout-color0,#111);"
    "--wsv-tint:#22262a;--wsv-tint2:#30363c;--wsv-rule:#7a8087;"
    "--wsv-client:var(--wslab-client,#7fb8f5);--wsv-server:var(--wslab-server,#ffb070);--wsv-red:#ff8f8f"
)

CSS = f"""
.wsv{{{_LIGHT};color:var(--wsv-ink);background:var(--wsv-paper);line-height:1.4;max-width:62em;
font-family:var(--jp-content-font-family,system-ui,sans-serif);font-size:var(--jp-content-font-size1,14px)}}
[data-jp-theme-light="false"] .wsv,.vscode-dark .wsv,[data-theme="dark"] .wsv{{{_DARK}}}
@media (prefers-color-scheme:dark){{body:not([data-jp-theme-light]):not([class*="vscode"]) .wsv{{{_DARK}}}}}
.wsv p,.wsv ul,.wsv dl,.wsv blockquote{{margin:0 0 .3em;padding:0;border:0;color:inherit}}
.wsv code,.wsv pre{{font-family:var(--jp-code-font-family,ui-monospace,monospace);
font-size:var(--jp-code-font-size,13px);color:inherit;background:none;padding:0;margin:0;border:0}}
.wsv pre{{line-height:1.45;overflow-x:auto;white-space:pre}}
.wsv code{{overflow-wrap:anywhere;white-space:pre-wrap}}
.wsv a{{color:inherit;text-decoration:underline;text-decoration-color:var(--wsv-rule);white-space:nowrap}}
.wsv-part{{margin:0 0 1.1em}}
.wsv .wsv-title{{margin:0 0 1em}}
.wsv-title strong{{font-size:1.2em;font-weight:600}}
.wsv-c{{color:var(--wsv-client)}}.wsv-s{{color:var(--wsv-server)}}
.wsv-c,.wsv-s{{font-weight:600}}
.wsv-red,.wsv .wsv-red th,.wsv .wsv-red strong{{color:var(--wsv-red)}}
.wsv table{{border-collapse:collapse;border:0;margin:0;table-layout:auto;font-size:inherit;color:inherit}}
.wsv .wsv-table{{border-bottom:1px solid var(--wsv-rule)}}
.wsv caption,.wsv-head{{text-align:left;caption-side:top;color:var(--wsv-soft);font-size:1em;font-weight:400;
font-style:italic;padding:0 0 .35em;margin:0}}
.wsv tr,.wsv tbody tr:nth-child(n),.wsv tbody tr:nth-child(n):hover{{background:none;border:0}}
.wsv th,.wsv td{{text-align:left;vertical-align:baseline;padding:.22em 1.1em .22em 0;border:0;font-weight:400;
max-width:none;white-space:normal}}
.wsv thead th{{font-size:.88em;color:var(--wsv-soft);border-bottom:1px solid var(--wsv-rule);vertical-align:bottom}}
.wsv .wsv-number{{text-align:right;font-variant-numeric:tabular-nums}}
.wsv-wide .wsv-table{{width:100%}}
.wsv .wsv-ruler{{table-layout:fixed;width:46em;max-width:100%;border:0}}
.wsv .wsv-ruler thead th{{font-size:.8em;border:0;padding:0 0 .15em;text-align:left;font-variant-numeric:tabular-nums}}
.wsv .wsv-ruler .wsv-at{{width:3.2em;text-align:right;padding:.2em .6em 0 0;font-size:.8em;color:var(--wsv-soft);
white-space:nowrap;vertical-align:top}}
.wsv .wsv-ruler td{{border:1px solid var(--wsv-rule);padding:.3em .15em;text-align:center;vertical-align:bottom;
line-height:1.3;font-size:.88em;overflow:hidden}}
.wsv .wsv-ruler td.wsv-on{{border-bottom-style:dashed}}.wsv .wsv-ruler td.wsv-up{{border-top-style:dashed}}
.wsv-ruler td br{{display:none}}
.wsv-ruler td>*{{display:block}}
.wsv-ruler code{{display:block;font-size:1em;white-space:nowrap}}
.wsv-name{{margin-bottom:.2em}}
.wsv-bit .wsv-name{{writing-mode:vertical-rl;margin:0 auto .35em;line-height:1;letter-spacing:.02em}}
.wsv-even{{background:var(--wsv-tint)}}
.wsv-wrong{{background:none;box-shadow:inset 0 -3px var(--wsv-red)}}
.wsv-dim{{color:var(--wsv-soft)}}
.wsv dt{{margin:.55em 0 0;font-weight:400}}
.wsv dd{{margin:0 0 0 2em;color:var(--wsv-soft)}}
.wsv .wsv-lines dt{{border-left:3px solid var(--wsv-tint2);padding-left:.6em}}
.wsv .wsv-facts{{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1.1em}}
.wsv .wsv-facts dt{{margin:0;color:var(--wsv-soft)}}.wsv .wsv-facts dd{{margin:0;color:inherit}}
.wsv .wsv-broken{{list-style:none}}
.wsv .wsv-broken li{{margin:0 0 .8em;padding-left:.9em;border-left:3px solid var(--wsv-red)}}
.wsv-broken blockquote{{font-style:italic}}
.wsv .wsv-ladder{{width:100%;border:0}}
.wsv .wsv-ladder th,.wsv .wsv-ladder td{{padding:0;vertical-align:middle;height:1.9em}}
.wsv .wsv-ladder thead th{{border:0;font-size:1em;height:auto;padding-bottom:.2em}}
.wsv .wsv-ladder .wsv-no{{width:1%;padding-right:.9em;color:var(--wsv-soft);font-size:.88em;
text-align:right;white-space:nowrap}}
.wsv .wsv-ladder .wsv-lane{{width:1%;min-width:1.2em;text-align:center;white-space:nowrap}}
.wsv-arrow{{display:flex;align-items:center;gap:.4em}}
.wsv-forth .wsv-arrow{{color:var(--wsv-client)}}.wsv-back .wsv-arrow{{color:var(--wsv-server)}}
.wsv .wsv-arrow code{{color:var(--wsv-ink)}}
.wsv-shaft{{flex:1;min-width:1em;border-top:1px solid;margin:0 -.4em 0 0}}.wsv-back .wsv-shaft{{margin:0 0 0 -.4em}}
.wsv-ends .wsv-shaft{{border-top-style:dashed}}.wsv-note .wsv-shaft{{border:0}}
""".replace("\n", "")
