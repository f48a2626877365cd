"""The ladder and the bit ruler as SVG drawings, each with its text as ``<title>`` and ``<desc>``."""
