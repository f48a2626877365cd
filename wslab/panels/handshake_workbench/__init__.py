"""``HandshakeWorkbench``: an opening handshake taken apart, changed and tried."""
