"""A trace loses no byte, keeps offsets, is bounded and safe, and comes back from a file as it was."""

import contextlib
import sys
import threading
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslab.anatomy.field import Sender
from wslab.anatomy.record import PACKED, Kind
from wslab.anatomy.records import ladder
from wslab.drawing.text import text_of
from wslab.protocol.builder import build_close, build_frame
from wslab.protocol.handshake import accept_key, build_request, build_response
from wslab.protocol.states import State
from wslab.recording.archive import TraceFileError
from wslab.recording.ledger import PLACE
from wslab.recording.reading import Reading
from wslab.recording.trace import Trace

CLIENT, SERVER = Sender.CLIENT, Sender.SERVER
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = bytes.fromhex("37fa213d")


def request(extra: str = "") -> bytes:
    return (
        "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:4321\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()


def response(extra: str = "") -> bytes:
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(KEY)}\r\n{extra}\r\n"
    ).encode()


class Ends:
    """Both taps of one connection, with what each sends reaching the other at once unless told otherwise."""

    def __init__(self, trace: Trace, key: object = "k") -> None:
        self.client, self.server = trace.join(CLIENT, key), trace.join(SERVER, key)

    def client_sends(self, data: bytes, *reads: int) -> None:
        self.client.sent(data)
        self._deliver(self.server, data, reads)

    def server_sends(self, data: bytes, *reads: int) -> None:
        self.server.sent(data)
        self._deliver(self.client, data, reads)

    def _deliver(self, tap, data, reads):
        at = 0
        for size in (*reads, len(data)):
            tap.received(data[at : at + size])
            at += size


def conversation(trace: Trace, *, cookie: str = "") -> Ends:
    ends = Ends(trace)
    ends.client_sends(request(f"Cookie: {cookie}\r\n" if cookie else ""))
    ends.server_sends(response())
    ends.client_sends(build_frame("Hello server!", mask=MASK), 1, 5)
    ends.server_sends(build_frame("Hello client!"))
    ends.client_sends(build_frame("Hel", fin=False, mask=MASK) + build_frame("lo", opcode=0, mask=MASK))
    ends.client_sends(build_close(1000, "bye", mask=MASK))
    ends.server_sends(build_close(1000, "bye"))
    ends.server.fin_sent()
    ends.client.fin_received()
    ends.client.fin_sent()
    ends.server.fin_received()
    ends.client.closed(1000, "bye")
    ends.server.closed(1000, "bye")
    return ends


def test_a_conversation_becomes_records_frames_messages_and_states():
    trace = Trace()
    conversation(trace)
    assert [(r.sender, r.kind) for r in trace.records] == [
        (CLIENT, Kind.REQUEST), (SERVER, Kind.RESPONSE), (CLIENT, Kind.FRAME), (SERVER, Kind.FRAME),
        (CLIENT, Kind.FRAME), (CLIENT, Kind.FRAME), (CLIENT, Kind.FRAME), (SERVER, Kind.FRAME),
        (SERVER, Kind.FIN), (CLIENT, Kind.FIN),
    ]  # fmt: skip
    assert [m.data for m in trace.messages_of(0, CLIENT)] == [b"Hello server!", b"Hello"]
    assert [m.data for m in trace.messages_of(0, SERVER)] == [b"Hello client!"]
    assert trace.states(0) == {CLIENT: State.CLOSED, SERVER: State.CLOSED}
    assert trace.violations == []
    assert [f.data for f in trace.frames][:2] == [b"Hello server!", b"Hello client!"]
    assert [f.close_reason for f in trace.frames][-2:] == ["bye", "bye"]
    assert {end: (r.code, r.reason) for end, r in trace.closings(0).items()} == dict.fromkeys(Sender, (1000, "bye"))


def test_every_byte_is_kept_once_and_read_edges_are_kept_beside():
    trace = Trace()
    conversation(trace)
    sent = b"".join(
        (
            request(), build_frame("Hello server!", mask=MASK), build_frame("Hel", fin=False, mask=MASK),
            build_frame("lo", opcode=0, mask=MASK), build_close(1000, "bye", mask=MASK),
        )
    )  # fmt: skip
    assert trace.bytes_sent(0, CLIENT) == sent
    assert trace.tape.kept().start + len(trace.tape.kept().data) == len(sent) + len(trace.bytes_sent(0, SERVER))
    head = len(request())
    reads = [(c.offset - head, c.length) for c in trace.chunks if c.sender is CLIENT and c.seen_by is SERVER]
    assert reads[1:4] == [(0, 1), (1, 5), (6, 13)]


def test_frames_keep_their_offsets_into_the_stream():
    trace = Trace()
    conversation(trace)
    for frame in trace.frames:
        whole = trace.bytes_sent(
            0, frame.sender, frame.offset, frame.offset + frame.header_length + frame.payload_length
        )
        assert whole[0] == frame.first
        assert whole[frame.header_length :] == frame.payload


def test_an_outside_client_is_known_from_what_the_server_reads():
    trace = Trace()
    server = trace.join(SERVER, "outside")
    stream = request() + build_frame("from outside", mask=MASK)
    for at in range(len(stream)):
        server.received(stream[at : at + 1])
        if at == len(request()) - 1:
            server.sent(response())
    assert trace.bytes_sent(0, CLIENT) == stream
    assert [m.data for m in trace.messages] == [b"from outside"]


def test_both_ends_telling_of_the_same_fin_make_one_record():
    trace = Trace()
    conversation(trace)
    assert sum(r.kind is Kind.FIN for r in trace.records) == 2


def test_a_cut_frame_is_told_when_the_stream_ends():
    trace = Trace()
    ends = Ends(trace)
    ends.client_sends(request())
    ends.server_sends(response())
    ends.client_sends(build_frame("never whole", mask=MASK)[:-3])
    ends.client.reset_sent()
    assert [r.kind for r in trace.records][-2:] == [Kind.UNREAD, Kind.RESET]


def test_the_same_ports_used_again_are_another_connection():
    trace = Trace()
    conversation(trace)
    conversation(trace)
    assert trace.connections == [0, 1]
    assert trace.bytes_sent(0, CLIENT) == trace.bytes_sent(1, CLIENT)


def test_a_server_that_hears_of_a_client_after_it_left_joins_its_connection():
    trace = Trace()
    client = trace.join(CLIENT, "k")
    client.closed()
    assert trace.join(SERVER, "k").connection == client.connection


def test_what_is_told_in_words_stands_where_the_stream_was() -> None:
    """Also when it is derived only after more has crossed."""
    trace = Trace()
    ends = Ends(trace)
    ends.client_sends(request())
    ends.client.note("it failed here")
    ends.client.bend("flip bit 0")
    ends.client_sends(build_frame(b"Hello", mask=MASK))
    places = {record.kind: record.offset for record in trace}
    assert places[Kind.ERROR] == places[Kind.BEND] == places[Kind.FRAME] == len(request())


def test_a_note_is_a_record_that_keeps_its_whole_text():
    trace = Trace()
    tap = trace.join(SERVER, "k")
    tap.note("ZeroDivisionError: division by zero, and a long story after it")
    assert trace.record(0).kind is Kind.ERROR
    assert "a long story after it" in str(trace.explain(0))


def test_a_bounded_trace_counts_what_it_drops_and_keeps_offsets():
    trace = Trace(max_bytes=4096, max_entries=50)
    ends = Ends(trace)
    ends.client_sends(request())
    ends.server_sends(response())
    frames = [build_frame(f"message {n}", mask=MASK) for n in range(500)]
    for frame in frames:
        ends.client_sends(frame)
    assert trace.total == 502
    assert trace.first == 452
    assert len(trace.records) == 50
    dropped = trace.dropped
    assert dropped.records == 452
    assert dropped.bytes == len(request()) + len(response()) + sum(map(len, frames)) - 4096
    last = trace.record(501)
    assert last.offset == len(request()) + sum(map(len, frames[:-1]))
    assert trace.frame(501).data == b"message 499"
    with pytest.raises(IndexError, match="records 452 to 501"):
        trace.record(451)
    with pytest.raises(LookupError, match="max_bytes"):
        trace.bytes_sent(0, CLIENT)
    assert "452 records" in repr(trace)


def test_a_record_whose_bytes_are_gone_says_so():
    trace = Trace(max_bytes=1024, max_entries=1000)
    ends = Ends(trace)
    ends.client_sends(request())
    ends.server_sends(response())
    for _ in range(100):
        ends.client_sends(build_frame("x" * 100, mask=MASK))
    assert "dropped" in str(trace.explain(2))
    assert trace.frame(2).payload is None


def test_a_chunk_larger_than_the_ring_is_still_understood():
    trace = Trace(max_bytes=2048)
    ends = Ends(trace)
    ends.client_sends(request())
    ends.server_sends(response())
    ends.client_sends(build_frame(b"\x01" * 50_000, opcode=2, mask=MASK) + build_frame("after", mask=MASK))
    assert [r.payload_length for r in trace.records if r.kind is Kind.FRAME] == [50_000, 5]
    assert trace.frame(3).data == b"after"


def test_records_stay_in_step_while_threads_write_and_others_read():
    trace = Trace(max_bytes=2**16)
    connections, each = 6, 400
    payloads = {n: [f"{n}:{i}".encode() for i in range(each)] for n in range(connections)}
    seen: dict[int, list[bytes]] = {}
    stop = threading.Event()

    def write(number: int) -> None:
        tap = trace.join(SERVER, number)
        tap.received(request())
        tap.sent(response())
        for payload in payloads[number]:
            tap.received(build_frame(payload, opcode=2, mask=MASK))
        tap.note(f"thread {number} is tap {tap.connection}")

    def read() -> None:
        at = 0
        while not stop.is_set() or at < trace.total:
            for record in trace.between(at, trace.total):
                assert record.number == at, "a record is numbered by its place"
                at += 1
                if record.kind is Kind.FRAME:
                    seen.setdefault(record.connection, []).append(record.preview)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(n,)) for n in range(connections)]
    reader.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert sorted(seen.values()) == sorted(payloads.values())
    assert trace.violations == []


@pytest.mark.slow
def test_every_reader_may_read_while_others_write_and_derive() -> None:
    trace = Trace(max_bytes=2**14, max_entries=300)
    stop, problems = threading.Event(), []

    def payload(number: int) -> bytes:
        return f"{number:06}".encode() * 20  # a torn read would mix two of them

    def write() -> None:
        ends = Ends(trace)
        ends.client_sends(request())
        ends.server_sends(response())
        for number in range(4000):
            ends.client_sends(build_frame(payload(number), opcode=2, mask=MASK))
            ends.server_sends(build_frame(payload(number), rsv2=True))
        stop.set()

    def read(look: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                look()
        except Exception as error:
            problems.append(repr(error))

    def frames() -> None:
        for frame in trace.frames:
            if frame.data is not None:
                assert frame.data == frame.data[:6] * 20, "bytes of another frame"
                assert frame.preview == frame.data[:28]

    def explanations() -> None:
        for record in trace[-20:]:
            with contextlib.suppress(IndexError):  # dropped meanwhile
                trace.explain(record.number)

    looks = (frames, explanations, lambda: trace.messages, lambda: trace.violations, lambda: trace.handshakes)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=(look,)) for look in looks)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert problems == []
    assert trace.total == 8002
    assert len(trace.ledger.places.slice(0, trace.total)) == PLACE.size * len(trace.records)


def test_a_subscriber_is_woken_once_until_somebody_reads():
    trace = Trace()
    calls: list[int] = []
    unsubscribe = trace.subscribe(lambda: calls.append(1))
    tap = trace.join(SERVER, "k")
    tap.received(request())
    tap.sent(response())
    assert len(calls) == 1
    trace.update()
    tap.received(build_frame("x", mask=MASK))
    assert len(calls) == 2
    trace.update()
    unsubscribe()
    tap.received(build_frame("y", mask=MASK))
    assert len(calls) == 2


def test_packed_records_are_the_records():
    trace = Trace()
    conversation(trace)
    assert trace.packed() == b"".join(record.pack() for record in trace.records)
    assert len(trace.packed(3, 5)) == 2 * PACKED.size


def test_slices_show_themselves():
    trace = Trace()
    conversation(trace)
    assert len(trace[2:4]) == 2
    assert "Hello client!" in repr(trace[2:4])
    assert "101" not in repr(trace[2:4])
    assert text_of([ladder(trace[2:4].records)]).splitlines()[1] in unescape(trace[2:4].svg())
    assert "Payload len" in trace.explain(2).svg()
    with pytest.raises(ValueError, match="step"):
        trace[::2]


def test_no_connection_of_that_number_is_told_with_those_there_are():
    trace = Trace()
    conversation(trace)
    with pytest.raises(IndexError, match="there are: 0"):
        trace.states(7)
    for number in range(500):
        trace.join(CLIENT, number)
    with pytest.raises(IndexError, match=r"there are: 0, 1, 2, .*, 11 and 489 more$") as caught:
        trace.conversation(9_999)
    assert len(str(caught.value)) < 200


def test_a_record_that_there_is_not_is_told_with_those_there_are():
    trace = Trace()
    with pytest.raises(IndexError, match="the trace holds no records"):
        trace.explain(0)
    conversation(trace)
    with pytest.raises(IndexError, match=r"no record 1000000: the trace holds records 0 to \d+$"):
        trace.explain(10**6)


def test_a_handshake_that_was_not_recorded_says_so():
    trace = Trace()
    trace.join(CLIENT, 1)
    assert "no opening handshake was recorded" in repr(trace.handshake(0))
    assert "no opening handshake was recorded" in trace.handshake(0)._repr_html_()


@pytest.mark.parametrize("length", [1, 3, 9])
def test_what_is_no_whole_frame_is_explained_in_a_page_too(length: int):
    """Where no field is known of it, there is no ruler."""
    trace = Trace()
    client = trace.join(CLIENT, 1, heads=(False, False))
    client.sent(build_frame("half of it", mask=bytes(4))[:length])
    client.fin_sent()
    (number,) = (record.number for record in trace.records if record.kind is Kind.UNREAD)
    shown = trace.explain(number)
    assert shown.facts[-1][1] in shown._repr_html_()
    assert ("The first bits" in shown._repr_html_()) is bool(shown.fields)
    assert shown.svg().startswith("<svg")


# --- files -------------------------------------------------------------------------------


def everything(trace: Trace) -> list[object]:
    return [
        trace.packed(), trace.chunks, trace.frames, trace.messages, trace.handshakes, trace.violations, trace.dropped,
        [trace.states(c) for c in trace.connections], [trace.transitions(c) for c in trace.connections],
        [trace.closings(c) for c in trace.connections], [str(trace.explain(r.number)) for r in trace.records],
        repr(trace), trace._repr_html_(),
    ]  # fmt: skip


def compressed(trace: Trace) -> None:
    """Two compressed messages, the second in the first one's context (RFC 7692 7.2.3.2)."""
    from websockets.extensions.permessage_deflate import PerMessageDeflate
    from websockets.frames import Frame, Opcode

    ends = Ends(trace, "compressed")
    ends.client_sends(request("Sec-WebSocket-Extensions: permessage-deflate\r\n"))
    ends.server_sends(response("Sec-WebSocket-Extensions: permessage-deflate\r\n"))
    extension = PerMessageDeflate(False, False, 15, 15)
    for _ in range(2):
        ends.server_sends(Frame(Opcode.TEXT, b"again and again").serialize(mask=False, extensions=[extension]))


@pytest.mark.parametrize("bounds", [{}, {"max_bytes": 1024, "max_entries": 16}])
def test_a_file_gives_an_equal_trace_back(tmp_path: Path, bounds: dict[str, int]):
    trace = Trace(**bounds)
    conversation(trace)
    compressed(trace)
    trace.note("an error", connection=0)
    broken = Ends(trace, "broken")
    broken.client_sends(request())
    broken.server_sends(response())
    broken.client_sends(build_frame("unmasked"))
    trace.save(tmp_path / "a.wslab")
    loaded = Trace.load(tmp_path / "a.wslab")
    assert everything(loaded) == everything(trace)
    loaded.save(tmp_path / "b.wslab")
    assert (tmp_path / "a.wslab").read_bytes() == (tmp_path / "b.wslab").read_bytes()


def test_inflated_payloads_survive(tmp_path: Path):
    trace = Trace()
    compressed(trace)
    assert [m.data for m in trace.messages] == [b"again and again"] * 2
    assert trace.frame(3).payload_length < trace.frame(2).payload_length
    trace.save(tmp_path / "t")
    assert [m.data for m in Trace.load(tmp_path / "t").messages] == [b"again and again"] * 2


def test_credentials_leave_in_a_file_only_when_asked(tmp_path: Path):
    trace = Trace()
    conversation(trace, cookie="session=very-secret")
    assert b"very-secret" in trace.bytes_sent(0, CLIENT)
    assert "very-secret" not in repr(trace) + trace._repr_html_() + str(trace.explain(0))
    for reveal in (False, True):
        trace.save(tmp_path / "t", reveal=reveal)
        with zipfile.ZipFile(tmp_path / "t") as archive:
            everything_in_it = b"".join(archive.read(name) for name in archive.namelist())
        hexed = b"very-secret".hex().encode()
        assert (b"very-secret" in everything_in_it or hexed in everything_in_it) is reveal
        loaded = Trace.load(tmp_path / "t")
        assert len(loaded.bytes_sent(0, CLIENT)) == len(trace.bytes_sent(0, CLIENT))
        assert [m.data for m in loaded.messages] == [m.data for m in trace.messages]


def test_a_file_of_the_format_before_is_read_without_what_it_lacks(tmp_path: Path):
    trace = Trace()
    conversation(trace)
    trace.save(tmp_path / "new")
    with zipfile.ZipFile(tmp_path / "new") as new, zipfile.ZipFile(tmp_path / "old", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            if name == "trace.json":
                content = content.replace(b"wslab trace 2", b"wslab trace 1")
            if name == "records.bin":
                content = b"".join(content[at : at + 72] for at in range(0, len(content), 76))
            old.writestr(name, content)
    assert list(Trace.load(tmp_path / "old")) == [record._replace(received=None) for record in trace]


@pytest.mark.lengthy
@given(st.data())
def test_a_damaged_file_is_refused_in_words_or_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    path = tmp_path_factory.mktemp("damaged") / "t"
    trace = Trace()
    conversation(trace)
    trace.save(path)
    content = bytearray(path.read_bytes())
    place = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(content))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    told = ""
    try:
        list(Trace.load(path))
    except TraceFileError as error:
        told = str(error)
    assert not told or str(path) in told


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda story: story.update(format="wslab trace 9"), "wslab trace 9"),
        (lambda story: story.update(max_bytes=2**60), "claims to keep"),
        (lambda story: story.pop("connections"), "connections"),
        (lambda story: story["connections"][0]["states"].update(client="DREAMING"), "DREAMING"),
        (lambda story: story["connections"][0].update(heads=["zz", None]), "expected a file that Trace.save wrote"),
    ],
)
def test_a_lying_file_is_refused_with_the_reason(tmp_path: Path, change, says: str):
    import json

    trace = Trace()
    conversation(trace)
    trace.save(tmp_path / "good")
    with zipfile.ZipFile(tmp_path / "good") as good, zipfile.ZipFile(tmp_path / "bad", "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name == "trace.json":
                story = json.loads(content)
                change(story)
                content = json.dumps(story).encode()
            bad.writestr(name, content)
    with pytest.raises(TraceFileError, match=says):
        Trace.load(tmp_path / "bad")


@pytest.mark.slow
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9, 0.97, 0.98, 0.99, 0.995, 0.999])
def test_every_value_of_a_damaged_byte_is_survived(tmp_path: Path, place: float):
    trace = Trace()
    conversation(trace)
    trace.save(tmp_path / "good")
    content = (tmp_path / "good").read_bytes()
    for change in range(1, 256):
        damaged = bytearray(content)
        damaged[int(place * len(content))] ^= change
        (tmp_path / "bad").write_bytes(damaged)
        with contextlib.suppress(TraceFileError):
            list(Trace.load(tmp_path / "bad"))


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(TraceFileError, match="no such file"):
        Trace.load(tmp_path / "nothing")


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_what_would_be_sent_is_judged_in_its_place_and_not_recorded(compression: str | None) -> None:
    agreed = "" if compression is None else "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    trace = Trace()
    client, server = trace.join(CLIENT, "one"), trace.join(SERVER, "one")
    client.sent(request(agreed))
    server.sent(response(agreed))
    half = "é".encode()
    server.sent(build_frame(half[:1], fin=False))
    before = trace.total
    writes = [build_frame(half[1:], opcode=0), build_frame("x", rsv1=True), build_frame("", opcode=0)]
    for _ in range(2):
        (last,), (compressed,), (astray,) = trace.foresee(0, SERVER, writes)
        assert last.violations == (), "it goes on in the middle of a character"
        assert ("rsv-not-agreed" in {v.rule for v in compressed.violations}) is (compression is None)
        assert [v.rule for v in astray.violations] == ["continuation-without-message"]
        assert trace.total == before
    server.sent(writes[0])
    assert trace.frame(before).violations == ()
    with pytest.raises(IndexError, match="no connection 1"):
        trace.foresee(1, SERVER, writes)


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_public_names_of_a_recordings_parts_are_those_that_were_weighed():
    trace = Trace()
    writing = {"join", "now", "note", "subscribe"}
    exporting = {
        "bytes_at", "completed", "conversation", "frame_of", "lacking", "ledger", "left_out", "raw", "still", "tape",
    }  # fmt: skip
    asking = {
        "began", "between", "bytes_sent", "chunks", "closings", "connections", "dropped", "explain", "first", "foresee",
        "frame", "frames", "handshakes", "heads", "held", "lanes", "messages", "messages_of",
        "notes", "on_its_way", "packed", "rebuilt", "record", "records", "states", "states_at", "steps", "total",
        "transitions", "update", "violations",
    }  # fmt: skip
    views = {"closing", "connection", "handshake", "picture"}
    files = {"from_har", "from_pcapng", "load", "open", "save", "to_dataframe", "to_har", "to_pcapng"}
    assert public(Reading()) == writing | exporting | asking
    assert public(trace) == writing | exporting | asking | views | files
    assert public(trace.tape) == {
        # for taps
        "join", "leave", "note", "now", "subscribe", "tell", "wire", "write",
        # for derive
        "forget", "joined", "left", "take", "waiting",
        # for readers
        "begins", "dropped", "entries", "hold", "max_bytes", "max_entries", "near", "read", "wires",
        # for files
        "kept", "next_connection", "restore",
    }  # fmt: skip
    assert public(trace.ledger) == {
        "broken", "busy", "conversations", "forget", "inflated", "keep_inflated", "keep_message", "message", "messages",
        "note_reception", "note_steps", "places", "receptions", "records", "steps", "texts", "violations",
    }  # fmt: skip


def test_what_is_kept_of_connections_that_are_over_is_bounded():
    trace = Trace(max_entries=40_000)
    living = trace.join(CLIENT, "living")
    for number in range(1000):
        client, server = trace.join(CLIENT, number), trace.join(SERVER, number)
        client.sent(request())
        server.received(request())
        client.closed()
        if number % 2:  # the accepting side is told of the connection when the client has gone already
            trace.update()
        server.closed()
    assert trace.connections[0] == living.connection == 0
    assert trace.connections[1:] == list(range(901, 1001)), "one for each 400 records that may be kept"
    assert trace.total == trace.record(999).number + 1 == 1000, "records are kept longer"
    assert "GET" in str(trace.explain(0))
    assert trace.handshake(1000).request is not None


def test_two_requests_are_explained_each_and_withheld_both(tmp_path: Path) -> None:
    """A 401, and the same again with credentials, on one connection."""
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nSet-Cookie: sweet=third-secret\r\n\r\nno"
    first = build_request("/one", {"Cookie": "a=first-secret"})
    second = build_request("/two", {"Authorization": "Basic second-secret"})
    trace = Trace()
    client, server = (trace.join(end, "both") for end in Sender)
    for own, other, data in (
        (client, server, first),
        (server, client, refused),
        (client, server, second),
        (server, client, build_response()),
    ):
        own.sent(data)
        other.received(data)
    assert [record.kind.name for record in trace.records] == ["REQUEST", "RESPONSE", "UNREAD", "REQUEST", "RESPONSE"]
    assert trace.record(2).summary.startswith("HTTP body: ")
    for number, words in ((0, "/one"), (1, "401"), (3, "/two"), (4, "101")):
        record, explained = trace.record(number), trace.explain(number)
        assert words in str(explained)
        assert explained.data == trace.bytes_sent(0, record.sender, record.offset, record.offset + record.header_length)
    assert "the right answer to the request's key" in str(trace.explain(4))
    assert len(trace.handshakes) == 4
    for write in (trace.save, trace.to_pcapng, trace.to_har):
        path = tmp_path / write.__name__
        write(path)
        content = path.read_bytes()
        if write == trace.save:
            with zipfile.ZipFile(path) as archive:
                content = b"".join(map(archive.read, archive.namelist()))
        for secret in (b"first-secret", b"second-secret", b"third-secret"):
            assert secret not in content
            assert secret.hex().encode() not in content
    loaded = Trace.load(tmp_path / "save")
    assert [str(loaded.explain(number).title) for number in range(5)] == [
        str(trace.explain(number).title) for number in range(5)
    ]
    trace.save(tmp_path / "whole", reveal=True)
    assert [Trace.load(tmp_path / "whole").explain(n) for n in range(5)] == [trace.explain(n) for n in range(5)]


@pytest.mark.parametrize("refusals", [1, 2, 3])
def test_a_later_head_is_said_to_stand_where_it_stands(refusals: int):
    trace = Trace()
    client, server = trace.join(Sender.CLIENT, "one"), trace.join(Sender.SERVER, "one")
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    for answer in (*[refusal] * refusals, build_response()):
        client.sent(build_request())
        server.sent(answer)
    explained = [trace.explain(number) for number in range(2 * refusals + 2)]
    assert [one.offset for one in explained[::2]] == [len(build_request()) * n for n in range(refusals + 1)]
    assert [one.offset for one in explained[1::2]] == [len(refusal) * n for n in range(refusals + 1)]
