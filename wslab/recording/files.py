"""A trace as one file: a zip archive that holds the kept bytes, the packed logs and what is kept beside them.

``trace.json``   sizes, first entry numbers, connections (heads, states, closings), violations, texts, messages
``bytes.bin``    the ring's kept bytes, oldest first
``records.bin``  packed records, as ``wslab.anatomy.record`` describes them
``places.bin``   for each record its frame's index and its message's number
``chunks.bin``   packed chunks
``inflated.bin`` inflated payloads, one after another

Loading never runs anything that the file says; a file that is cut or lies is refused with a reason.
"""
