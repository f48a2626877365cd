"""What can be looked at, ``Field`` and ``Record``, and how it is drawn as text, HTML and SVG; knows no protocol."""
