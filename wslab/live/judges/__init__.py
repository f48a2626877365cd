"""What real implementations make of some bytes: two judges, and a handshake sent as it is written."""
