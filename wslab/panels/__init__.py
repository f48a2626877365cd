"""What a person touches: live panels, each a folder with one class, its ``.js`` and its ``.css``.

======================= =========================================================================
``lab_panel``           the recording as a ladder, and every byte of the selected record
``browser_panel``       JavaScript in the learner's page, beside what crossed the wire
``byte_inspector``      every byte of what is pasted, explained
``closing_panel``       how each endpoint ended a connection, step by step
``composer``            messages, frames and raw bytes that a client of a lab sends
``frame_builder``       the sixteen bits of a frame header as switches, and two judges
``handshake_workbench`` an opening handshake taken apart, changed and tried
``node_panel``          a script in Node that talks to a lab
``page_panel``          a page that a lab serves
``kit``                 what they share: base classes, the joining of modules, JavaScript and CSS
``notebook``            which panel shows what, told to IPython by names
======================= =========================================================================

Nothing is imported here: ``import wslab`` loads ``wslab.panels.notebook``, and no widget before one is shown.
"""
