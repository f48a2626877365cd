"""The readers that are fuzzed: seeds from the tests' own builders, a mutation that keeps the form, and how each reads.

A reader returns what it read, or None where it refused the input with its documented exception.
"""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mutations
from every_view import View, shows, views_of
from packets import LINKS, enhanced, greeting, interface, jumbled, pcap, pcapng, section
from recorded import conversation
from test_har import entry, message
from test_trace import compressed
from wire_streams import CLIENT, REQUEST, RESPONSE, SERVER, random_stream

from wslab.anatomy.field import Sender
from wslab.protocol import build_close, build_frame, build_request, build_response, dissect
from wslab.protocol.head import END, explain_head, parse_head
from wslab.protocol.rules import judge_head
from wslab.recording.archive import TraceFileError
from wslab.recording.trace import Trace


@dataclass(frozen=True)
class Reader:
    """One reader: ``read`` gives the views of what it read, which are looked at for some inputs only."""

    seeds: Callable[[Path], list[bytes]]
    mutate: mutations.Mutation
    read: Callable[[bytes, Path], Iterator[View] | None]
    longest: int


def stream_seeds(_: Path) -> list[bytes]:
    rng = random.Random(6455)
    greetings = REQUEST + build_frame("Hello", mask=bytes(4)), RESPONSE + build_frame("Hello") + build_close(1000)
    # RFC 7692 7.2.3: "Hello" compressed, in two fragments, with no compression and with BFINAL.
    for packed in ("f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000"):
        greetings = (greetings[0], greetings[1] + build_frame(bytes.fromhex(packed), rsv1=True))
    return [
        mutations.streams(*greetings),
        *(mutations.streams(random_stream(rng, CLIENT), random_stream(rng, SERVER), n) for n in range(100)),
    ]


def read_streams(data: bytes, folder: Path) -> Iterator[View]:
    first, _, client, server = mutations.parted(data)
    extensions = (None, None, "", "permessage-deflate")[first >> 4 & 3]
    found = dissect(client, server, extensions=extensions)
    for sender, stream in ((CLIENT, client), (SERVER, server)):
        told = (
            *(len(head.data) for head in found.heads if head.sender is sender),
            *(frame.header_length + frame.payload_length for frame in found.frames if frame.sender is sender),
            *(rest.length for rest in found.unread if rest.sender is sender),
        )
        assert sum(told) == len(stream), f"{sum(told)} of {len(stream)} bytes are told"

    def views() -> Iterator[View]:
        yield from shows("dissection", found)
        yield "dissection, whole", lambda: str(found)
        yield from views_of(recorded(client, server, first), folder)

    return views()


def recorded(client: bytes, server: bytes, first: int = 0) -> Trace:
    """The streams as two taps note them."""
    trace = Trace()
    ends = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    for sender, stream in ((CLIENT, client), (SERVER, server)):
        for chunk in mutations.cuts(first, stream):
            ends[sender].sent(chunk)
            ends[sender.peer].received(chunk)
        ends[sender].fin_sent()
    return trace


def head_seeds(_: Path) -> list[bytes]:
    extension = {"Sec-WebSocket-Extensions": 'permessage-deflate; client_max_window_bits="10"; x=y, webkit'}
    lines = {
        "Cookie": "a=b; c=d", "Authorization": "Basic eA==", "Origin": "null", "Sec-WebSocket-Protocol": "chat, a",
        "Transfer-Encoding": "chunked", "Content-Length": "5", "Proxy-Authorization": "x", "Referer": "/?token=1",
    }  # fmt: skip
    heads = [
        *(build_request("/chat?room=1", {**extension, **lines}), build_response(headers={**extension, **lines})),
        *(build_request(), build_response()),
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"GET http://x/ HTTP/1.0\r\n folded: yes\r\n\tand\r\nno colon\r\n: no name\r\nA : b\r\nHost:\r\nHost: \xff"
        b"\r\n\r\n",
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="a"\r\nSet-Cookie: a=b; Secure\r\n\r\n',
        b"GET / HTTP/1.1\nHost: bare-lf\n\n",
    ]
    return [mutations.streams(b, a, n) for n, (a, b) in enumerate((a, b) for a in heads for b in heads)]


def read_heads(data: bytes, folder: Path) -> Iterator[View]:
    _, _, response, request = mutations.parted(data)
    asked, said = parse_head(request, Sender.CLIENT), parse_head(response, Sender.SERVER)
    explained = []
    for head in (asked, said):
        broken = judge_head(head)
        explained.append(explain_head(head.data, head.sender, request=asked, violations=broken))
        at = 0
        for field in explained[-1]:  # promised: with no gap and no overlap
            assert field.start == at, f"a field begins at bit {field.start} instead of {at}"
            at = field.stop
        assert at == 8 * len(head.data), f"the fields end at bit {at} of {8 * len(head.data)}"

    def views() -> Iterator[View]:
        for one in explained:
            yield from shows("head", one)
            yield "head, JSON", lambda one=one: json.dumps(one.to_json())
        yield from views_of(recorded(request + END, response + END), folder)

    return views()


def har_seeds(folder: Path) -> list[bytes]:
    said = [message("send", 1.0, 1, "Hello"), message("receive", 2.0, 2, "AP8="), message("send", 3.0, 8, "A+g=")]
    toolkit = {"_webSocketClose": {"code": 1000, "reason": "bye", "timestamp": 4.0}}
    omitted = entry(said, response={"status": 403, "headers": [], "content": {"text": "no", "size": 2}})
    trace = Trace()
    conversation(trace)
    logs = [[entry(said)], [entry(said, **toolkit)], [entry((), **toolkit), omitted], [omitted, entry(said), entry()]]
    return [json.dumps(one).encode() for one in (*({"log": {"entries": log}} for log in logs), trace.to_har())]


def capture_seeds(_: Path) -> list[bytes]:
    packets = greeting().packets
    rng = random.Random(7)
    links = [pcap([(time, wrap(one)) for time, one in packets], link=link) for link, wrap in LINKS.values()]
    blocks = section() + interface(resolution=9) + b"".join(enhanced(time, one, unit=1e9) for time, one in packets)
    return [pcap(packets), pcapng(packets), blocks, pcap(jumbled(rng)), pcap(jumbled(rng)), *links]


def archive_seeds(folder: Path) -> list[bytes]:
    found = []
    for make in (conversation, compressed):
        trace = Trace(max_bytes=4096)
        make(trace)
        server = trace.join(Sender.SERVER, "broken")
        server.sent(build_frame("masked", mask=bytes(4)))
        server.note("RuntimeError: no")
        trace.save(folder / "seed.wslab")
        with zipfile.ZipFile(folder / "seed.wslab") as archive:
            found.append(mutations.zipped({name: archive.read(name) for name in archive.namelist()}))
    return found


def read_file(data: bytes, folder: Path) -> Iterator[View] | None:
    path = folder / "input"
    path.write_bytes(data)
    try:
        trace = Trace.open(path)
    except TraceFileError:
        return None
    return views_of(trace, folder)


READERS = {
    "dissector": Reader(stream_seeds, mutations.other_streams, read_streams, 600),
    "heads": Reader(head_seeds, mutations.other_streams, read_heads, 1_200),
    "har": Reader(har_seeds, mutations.other_json, read_file, 6_000),
    "capture": Reader(capture_seeds, mutations.other_capture, read_file, 4_000),
    "archive": Reader(archive_seeds, mutations.other_archive, read_file, 20_000),
}
