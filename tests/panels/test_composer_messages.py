"""The composer's kernel side, without a browser: what it shows is what it sends, and what it cannot send it says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import traitlets
from fake_page import FakePage
from waits import until
from wsproto.connection import Connection as Peer
from wsproto.connection import ConnectionType
from wsproto.events import Ping, TextMessage

from wslab.anatomy.field import Sender
from wslab.live.errors import CannotSend, LibraryRefuses, NoServer
from wslab.live.lab import Lab
from wslab.live.tap import SAMPLE_MASK
from wslab.panels.composer.composer import MOST_PAYLOAD, PAUSE, Composer
from wslab.panels.composer.composition import Series, close_body, split
from wslab.panels.kit.frame_fields import CannotCompose, from_hex
from wslab.panels.lab_panel.lab_panel import LabPanel
from wslab.protocol import parse_frame
from wslab.recording.trace import Trace

Test = Callable[[Lab, Composer], Coroutine[Any, Any, None]]


def run(test: Test, seed: Any = None, carrier: str = "memory") -> None:
    """A lab with one client, and a composer for it."""

    async def main() -> None:
        async with asyncio.timeout(15), Lab(seed, carrier=carrier) as lab:
            await lab.serve()
            client = await lab.connect()
            await until(lambda: len(lab.ends) == 2)
            composer = Composer(lab)
            assert client.close_code is None
            await test(lab, composer)
            composer.close()

    asyncio.run(main())


class Page(FakePage):
    """A page that shows a composer."""

    def __init__(self, composer: Composer) -> None:
        super().__init__(composer)
        self.ask("hello")

    @property
    def preview(self) -> dict[str, Any]:
        return self.last("preview")


def sent(lab: Lab, sender: Sender = Sender.CLIENT, connection: int = 0) -> bytes:
    return lab.trace.bytes_sent(connection, sender).partition(b"\r\n\r\n")[2]


# What is made of the settings.


@pytest.mark.parametrize(("size", "parts"), [(0, 1), (0, 3), (1, 3), (10, 3), (10, 10), (65536, 64)])
def test_a_payload_is_split_evenly(size: int, parts: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    pieces = split(payload, parts)
    assert (len(pieces), b"".join(pieces)) == (parts, payload)
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("masked", [True, False])
def test_another_library_reads_a_series_as_one_message(masked: bool) -> None:
    series = Series("grüße".encode(), 1, True, False, False, False, masked, None, None, 4)
    frames = series.frames(lambda index: bytes([index] * 4))
    peer = Peer(ConnectionType.SERVER if masked else ConnectionType.CLIENT)
    for frame in frames:
        peer.receive_data(frame)
    events = list(peer.events())
    assert all(isinstance(event, TextMessage) for event in events)
    assert "".join(event.data for event in events if isinstance(event, TextMessage)) == "grüße"
    assert [event.message_finished for event in events if isinstance(event, TextMessage)][-1] is True
    assert [frame[0] for frame in frames] == [0x01, 0x00, 0x00, 0x80]


def test_a_length_that_does_not_fit_is_told() -> None:
    def lies(size: int, form: int | None) -> str:
        return Series(bytes(size), 2, True, False, False, False, False, None, form, 1).lies

    assert lies(125, 7) == lies(65535, 16) == lies(65536, 64) == lies(65536, None) == ""
    assert "300 bytes do not fit into 7 bits, which take the low bits: 44" in lies(300, 7)
    assert "65,536 bytes do not fit into 16 bits, which take the low bits: 0" in lies(65536, 16)


@pytest.mark.parametrize("text", ["48656c", "48 65 6c", "48:65:6C", "48,65\n6c", " 0x48 65 6c "])
def test_hex_is_read_as_people_write_it(text: str) -> None:
    assert from_hex(text) == b"Hel"


@pytest.mark.parametrize(
    ("code", "reason", "body"), [(1000, "ok", b"\x03\xe8ok"), (None, "é", b"\xc3\xa9"), (0, "", b"\0\0")]
)
def test_a_close_body_is_code_and_reason(code: int | None, reason: str, body: bytes) -> None:
    assert close_body(code, reason) == body


# What is shown is what is sent.


@pytest.mark.parametrize("target", ["client 0", "server 0"])
@pytest.mark.parametrize("seed", [None, 1])
def test_what_is_shown_is_what_is_sent_and_then_other_keys_are_drawn(target: str, seed: Any) -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        for name, value in {"target": target, "mask": "fresh", "fragments": 2, "opcode": 2, "payload": "ab"}.items():
            page.change(name, value)
        before = sent(lab, Sender.CLIENT if target[0] == "c" else Sender.SERVER)
        shown = bytes.fromhex("".join(frame["hex"] for frame in page.preview["frames"]))
        assert shown == b"".join(composer.frames)
        number = await composer.send_bytes()
        after = sent(lab, Sender.CLIENT if target[0] == "c" else Sender.SERVER)
        assert after.startswith(before + shown)
        assert number is not None
        assert (composer.selected, LabPanel(lab).selected) == (number, number)
        assert lab.trace.frame(number).data == b"a"
        again = b"".join(composer.frames)
        keys = {frame[2:6] for frame in (shown[:7], shown[7:], again[:7], again[7:])}
        assert len(keys) == 4

    run(test, seed)


def test_a_seed_gives_the_same_keys() -> None:
    seen = []

    async def test(lab: Lab, composer: Composer) -> None:
        seen.append(b"".join(composer.frames))
        await composer.send_bytes()
        seen.append(b"".join(composer.frames))

    for seed in (1, 1, 2, "rfc"):
        run(test, seed)
    assert seen[:2] == seen[2:4] != seen[4:6]
    assert seen[6] == seen[7] == bytes.fromhex("818537fa213d7f9f4d5158"), "the RFC's own Hello (5.7)"
    assert SAMPLE_MASK in seen[6]


@pytest.mark.parametrize("target", ["client 0", "server 0"])
def test_by_itself_it_does_as_a_library_would(target: str) -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        composer.target = target
        (data,) = composer.frames
        assert parse_frame(data, sender=composer.end.end).violations == ()
        assert composer.explain().violations == ()
        composer.rsv1, composer.fragments, composer.mask, composer.length_form, composer.opcode = True, 3, "none", 64, 9
        assert composer.explain().violations != ()
        composer.reset()
        assert len(composer.frames) == 1
        assert composer.explain().violations == ()

    run(test)


def test_an_illegal_frame_is_told_before_and_the_peer_fails_the_connection() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        page.change("mask", "none")
        broken = page.preview["explanation"]["violations"]
        assert [(v["rule"], v["section"]) for v in broken] == [("client-frame-not-masked", "RFC 6455 5.1")]
        assert page.preview["frames"][0]["broken"] == 1
        page.ask("send bytes")
        await until(lambda: any(frame.status_code == 1002 for frame in lab.trace.frames))
        await until(lambda: "its connection is over" in page.last("ends")["why"])
        page.ask("send bytes")
        assert "connection is over" in composer.problem
        close = page.last("answer")["records"][0]
        assert close["words"].startswith("CLOSE 1002")
        assert (close["sender"], close["meaning"], close["where"]) == ("server", "protocol error", "RFC 6455 7.4.1")
        (row,) = page.last("sent")["sent"]
        assert page.last("answer")["sent"] == row
        assert (row["what"], row["sender"], row["how"]) == ("TEXT, 7 bytes", "client", "exact bytes")
        assert lab.trace.record(row["number"]).violations == 1

    run(test)


def test_a_status_code_is_told_as_the_senders() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        page.change("payload_as", "close")
        page.change("code", 1011)
        assert page.preview["meaning"][0] == (
            "the client met an unexpected condition, and the code is defined for a server"
        )

    run(test)


def test_a_ping_goes_between_fragments_that_are_sent_one_by_one() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        page.change("fragments", 3)
        before = len(sent(lab))
        composer.payload = "Fragments"
        await composer.send_bytes(alone=True)
        assert (composer.picked, [frame["sent"] for frame in page.preview["frames"]]) == (
            1,
            [True, False, False],
        )
        assert page.preview["explanation"]["offset"] == lab.trace.record(composer.selected).offset + 9
        assert all(not frame["broken"] for frame in page.preview["frames"]), "judged in the place where they come"
        await composer.ping()
        await composer.send_bytes()
        assert [frame["sent"] for frame in page.preview["frames"]] == [False] * 3
        await until(lambda: bool(lab.trace.messages_of(0, Sender.SERVER)))
        assert lab.trace.messages_of(0, Sender.SERVER)[0].data == b"Fragments", "the echo"
        peer = Peer(ConnectionType.SERVER)
        peer.receive_data(sent(lab)[before:])
        events = list(peer.events())
        assert [type(event) for event in events] == [TextMessage, Ping, TextMessage, TextMessage]

    run(test)


def test_another_series_begins_anew() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        composer.fragments = 3
        await composer.send_bytes(alone=True)
        assert len(composer.frames) == 2
        composer.payload = "other"
        assert (len(composer.frames), composer.picked) == (3, 0)
        page = Page(composer)
        assert [v["rule"] for v in page.preview["explanation"]["violations"]] == ["message-inside-message"]

    run(test)


# What makes no bytes, and what is refused.


@pytest.mark.parametrize(
    ("settings", "field", "said"),
    [
        ({"payload_as": "hex", "payload": "4x"}, "payload", "'x' is no hex digit"),
        ({"payload_as": "hex", "payload": "481"}, "payload", "the digit '1' stands alone"),
        ({"payload": "x" * (MOST_PAYLOAD + 1)}, "payload", "65,536"),
        ({"payload": "\ud800"}, "payload", "surrogate"),
        ({"mask": "key", "masking_key": "37 fa"}, "masking key", "2 bytes given"),
        ({"payload_as": "close", "code": 65536}, "status code and reason", "0 to 65535; 65536 was given"),
    ],
)
def test_what_makes_no_bytes_is_told_in_words(settings: dict[str, Any], field: str, said: str) -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        for name, value in settings.items():
            page.change(name, value)
        assert (page.preview["field"], page.preview["frames"]) == (field, [])
        assert said in page.preview["trouble"]
        assert said in repr(composer)
        before = sent(lab)
        page.ask("send bytes")
        assert said in composer.problem
        with pytest.raises(CannotCompose):
            composer.send_bytes()
        assert sent(lab) == before
        composer.picture()

    run(test)


def test_what_the_library_refuses_is_told_and_goes_as_bytes() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        page.change("code", 1006)
        assert page.preview["meaning"] == [
            "closed without a close frame; never sent, only reported",
            "RFC 6455 7.4.1",
        ]
        page.ask("close")
        await until(lambda: bool(composer.problem))
        assert "CLOSE 1006" in composer.problem
        assert "exact bytes" in composer.problem
        with pytest.raises(LibraryRefuses):
            await composer.close_connection()
        page.change("payload_as", "close")
        page.change("opcode", 8)
        assert composer.problem == ""
        assert any("not told of these bytes" in note for note in page.preview["notes"])
        number = await composer.send_bytes()
        assert number is not None
        assert lab.trace.frame(number).status_code == 1006

    run(test)


def test_close_with_a_code_and_a_reason_goes_through_the_library() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        composer.target, composer.code, composer.reason = "server 0", 4001, "lesson over"
        number = await composer.close_connection()
        assert number is not None
        frame = lab.trace.frame(number)
        assert (frame.sender, frame.status_code, frame.close_reason) == (Sender.SERVER, 4001, "lesson over")
        await until(lambda: lab.ends == ())
        assert [report.code for report in lab.trace.closings(0).values()] == [4001, 4001]

    run(test)


@pytest.mark.lengthy
@pytest.mark.parametrize("what", ["send", "ping", "pong", "open client", "open raw", "reset"])
def test_a_page_has_every_action(what: str) -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        before = lab.trace.total
        page.ask(what)
        assert composer.problem == ""
        if what != "reset":
            await until(lambda: lab.trace.total > before)
        if what.startswith("open"):
            await until(lambda: composer.target == "client 1")

    run(test, carrier="tcp")


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("name", "value"),
    [("opcode", 16), ("opcode", "TEXT"), ("fragments", 0), ("mask", "always"), ("_lock", 1), ("closed", 1)],
)
def test_a_page_cannot_set_what_may_not_be(name: str, value: Any) -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        page.change(name, value)
        assert name in composer.problem
        page.change("opcode", 2)
        assert composer.problem == ""
        if name in composer.trait_names() and name != "closed":
            with pytest.raises(traitlets.TraitError, match=name):
                setattr(composer, name, value)

    run(test)


def test_a_page_changes_the_way_and_the_payload_stays() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        page.change("payload", "é")
        page.change("payload_as", "hex")
        assert (composer.payload, page.preview["payload"]) == ("c3 a9", 2)
        page.change("payload_as", "text")
        assert composer.payload == "é"
        page.change("payload_as", "close")
        page.change("payload_as", "hex")
        assert (composer.payload, page.preview["payload"]) == ("c3 a9", 2)
        page.change("payload", "c3")
        page.change("payload_as", "text")
        assert "no UTF-8" in composer.problem
        assert (composer.payload, composer.payload_as) == ("c3", "hex")
        composer.payload_as = "text"
        assert (composer.payload, composer.problem) == ("c3", ""), "Python sets what it sets"

    run(test)


# Whom it sends by.


@pytest.mark.lengthy
def test_the_first_open_end_is_taken_and_new_ends_appear() -> None:
    async def main() -> None:
        async with asyncio.timeout(15), Lab(carrier="memory") as lab:
            composer = Composer(lab)
            page = Page(composer)
            assert "no open connection yet" in page.last("ends")["why"]
            assert page.last("ends")["serving"] is False
            with pytest.raises(NoServer, match=r"await lab\.serve"):
                composer.open_client()
            await lab.serve()
            client = await lab.connect()
            await until(lambda: [end["key"] for end in page.last("ends")["ends"]] == ["client 0", "server 0"])
            await until(lambda: composer.target == "client 0")
            await client.close()
            await until(lambda: "its connection is over" in page.last("ends")["why"])
            (gone,) = page.last("ends")["ends"]
            assert (gone["key"], gone["open"], gone["state"]) == ("client 0", False, "CLOSED")
            with pytest.raises(CannotSend, match="● client of connection 0"):
                composer.send_bytes()
            composer.target = "nobody"
            assert "names no end" in page.last("ends")["why"]

    asyncio.run(main())


def test_ends_that_it_opens_live_with_the_lab() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        end = await composer.open_client()
        assert (end.loop, composer.target) == (lab.loop, "client 1")
        await composer.send_message()
        await until(lambda: bool(lab.trace.messages_of(1, Sender.SERVER)))
        raw = await composer.open_raw()
        assert (raw.kind, composer.target) == ("raw", "client 2")
        assert await composer.ping() is not None
        assert "● client of connection 2, raw" in repr(composer)

    run(test, carrier="tcp")


def test_a_closed_lab_is_told_and_stays_readable() -> None:
    async def main() -> None:
        lab = Lab(1, carrier="memory")
        await lab.serve()
        await lab.connect()
        composer = Composer(lab)
        await composer.send_bytes()
        await lab.close()
        composer.refresh()
        assert composer.closed
        with pytest.raises(CannotSend):
            composer.ping()
        with pytest.raises(CannotSend, match="closed"):
            composer.open_client()
        assert "TEXT, 11 bytes" in repr(composer)
        assert "● client of connection 0, gone" in repr(composer)

    asyncio.run(main())


def test_other_threads_may_drive_it() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        for _ in range(2):
            before = lab.trace.total
            thread = threading.Thread(target=lambda: page.ask("send bytes"), name="subshell-x")
            thread.start()
            await until(lambda before=before: lab.trace.total > before)  # type: ignore[misc]
            thread.join(5)
        assert composer.problem == ""

    run(test, carrier="tcp")


def test_much_traffic_is_looked_at_few_times_and_to_its_end() -> None:
    async def test(lab: Lab, composer: Composer) -> None:
        page = Page(composer)
        looks = []
        look = composer._compute
        composer._compute = lambda: (looks.append(1), look())[1]  # type: ignore[func-returns-value, method-assign]
        started = time.monotonic()
        end = composer.end
        assert end is not None
        for _ in range(600):
            await end.pong()
        pushed, took = len(looks), time.monotonic() - started
        assert pushed <= took / PAUSE + 2
        await until(lambda: page.preview["explanation"]["offset"] == lab.trace.record(lab.trace.total - 1).offset + 6)

    run(test)


def test_a_trace_alone_holds_nobody() -> None:
    with pytest.raises(TypeError, match="a Lab is wanted"):
        Composer(Trace())


# How it shows itself.


def test_text_and_html_are_steady_and_harmless() -> None:
    texts = []

    async def test(lab: Lab, composer: Composer) -> None:
        composer.payload = "<script>alert('\u202e')</script>"
        assert "<script>" not in composer._repr_html_()
        assert "\u202e" not in composer._repr_html_() + repr(composer)
        assert "<script>" not in str(composer.picture())
        composer.payload = "a payload that one reads"
        await composer.send_bytes()
        key = composer.frames[0][2:6]
        for shown in (repr(composer), composer._repr_html_()):
            assert "a fresh masking key" in shown
            assert key.hex(" ") not in shown
            assert "a payload that one reads" in shown
        texts.append((repr(composer), composer._repr_html_()))
        assert "a payload that one reads" in str(composer.picture())

    run(test)
    run(test)
    assert texts[0] == texts[1]
