"""``ByteInspector``: every byte of what is pasted, explained."""
