"""What can be looked at, ``Field`` and ``Record``, and how it is drawn as text, HTML and SVG; knows no protocol.

``field`` and ``record`` are the two currencies. ``visible`` makes what came from the wire harmless, ``view`` decides
what may be shown of an explanation: every drawing takes its words from there. ``wording``, ``summary`` and ``listing``
say it in words; ``ruler``, ``dump``, ``ladder``, ``closing`` and ``table`` lay it out. The doors for the floors above
are ``text``, ``html``, ``svg``, ``picture`` (standalone, for slides and print, made of what ``drawing`` and the figures
draw) and ``transport`` (JSON for the panels); all HTML shares ``style``.
"""
