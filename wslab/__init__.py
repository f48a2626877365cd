"""wslab: a laboratory for WebSocket that lives in a notebook."""
