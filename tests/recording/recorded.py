"""A conversation as two taps note it, for tests of what is told about a recording."""

from __future__ import annotations

from wslab.anatomy.field import Sender
from wslab.protocol import build_close, build_frame, build_request, build_response
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender


def conversation(trace: Trace, key: str = "one", reads: int = 1) -> None:
    """Handshake, a message in two fragments with a ping between, goodbye; the server's bytes are read piecemeal."""
    client, server = trace.join(CLIENT, key), trace.join(SERVER, key)
    fragments = build_frame("Hel", fin=False) + build_frame(b"?", opcode=9) + build_frame("lo", opcode=0)
    for writer, reader, data in (
        (client, server, bytes(build_request())),
        (server, client, bytes(build_response())),
        (server, client, fragments),
        (client, server, build_close(1000, mask=bytes(4))),
        (server, client, build_close(1000)),
    ):
        writer.sent(data)
        for at in range(0, len(data), reads):
            reader.received(data[at : at + reads])
    server.fin_sent()
    client.fin_received()
    client.fin_sent()
    server.fin_received()
    server.closed(1000)
    client.closed(1000)
