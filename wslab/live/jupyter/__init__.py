"""The Jupyter server around a lab: the notebook's own WebSocket, doors through the server, served pages."""
