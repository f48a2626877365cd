"""What a person touches: live panels, each a folder with one class, its ``.js`` and its ``.css``.

A folder's first line says what its panel shows. ``kit`` is what they share, and ``notebook`` tells IPython by names
which panel shows what. Nothing is imported here: ``import wslab`` loads ``wslab.panels.notebook``, and no widget before
one is shown.
"""
