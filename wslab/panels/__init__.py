"""What a person touches: live panels over a Trace, each one class beside one ``.js`` and one ``.css``.

================= =======================================================================
``lab_panel``     ``LabPanel``: the ladder of records, and every byte of the selected one
``browser_panel`` ``BrowserPanel``: JavaScript in the learner's page beside the wire
``notebook``      ``Lab`` as a notebook uses it: it shows itself as a panel
================= =======================================================================

Nothing is imported here: ``wslab.panels.notebook`` must not load a widget before one is shown.
"""
