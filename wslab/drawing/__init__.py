"""How something is laid out and painted, as text, HTML and SVG; knows no bytes and no WebSocket."""
