"""``FrameBuilder``: the sixteen bits of a frame header as switches, and two judges."""
