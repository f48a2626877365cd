"""TLS as somebody without keys reads it: real hellos, bytes that are none, and that fields tile whatever comes."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslab.anatomy.explanation import Explanation
from wslab.anatomy.field import Sender
from wslab.live.tls.records import (
    APPLICATION_DATA,
    HANDSHAKE,
    HEADER,
    RETRY,
    TLS_1_2,
    TLS_1_3,
    Hello,
    TlsReader,
    TlsRecord,
    explain_record,
    read_hello,
)


def client_hello(name: str | None = "localhost", *protocols: str, newest: ssl.TLSVersion | None = None) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    if protocols:
        context.set_alpn_protocols([*protocols])
    if newest is not None:
        context.maximum_version = newest
    sent = ssl.MemoryBIO()
    end = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        end.do_handshake()
    return sent.read()


def vector(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def server_hello(random: bytes = bytes(32), version: int | None = TLS_1_3) -> bytes:
    """By hand, from the structures of RFC 8446 4.1.3 and 4.2.1."""
    extensions = b"" if version is None else bytes.fromhex("002b0002") + version.to_bytes(2, "big")
    body = bytes.fromhex("0303") + random + vector(b"\x07" * 32, 1) + bytes.fromhex("130100") + vector(extensions, 2)
    return record(HANDSHAKE, b"\x02" + vector(body, 3))


def record(content_type: int, fragment: bytes) -> bytes:
    return bytes([content_type, 3, 3]) + vector(fragment, 2)


def check_tiles(explained: Explanation) -> None:
    at = 0
    for field in explained.fields:
        assert field.start == at
        assert field.width == 8 * len(field.raw) > 0
        at = field.stop
    assert b"".join(field.raw for field in explained.fields) == explained.data


class TestHellos:
    def test_a_client_names_whom_it_calls_and_what_it_offers(self) -> None:
        data = client_hello("localhost", "http/1.1", "chat")
        hello = read_hello(data)
        assert hello is not None
        assert (hello.name, hello.server_name, hello.protocols) == ("ClientHello", "localhost", ("http/1.1", "chat"))
        assert hello.versions == (TLS_1_3, TLS_1_2)
        assert 0x1301 in hello.cipher_suites
        check_tiles(explain_record(data))

    def test_an_address_is_not_named(self) -> None:
        """RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."."""
        hello = read_hello(client_hello("127.0.0.1"))
        assert hello is not None
        assert hello.server_name is None
        assert hello.protocols == ()

    def test_an_older_client_says_its_version_in_the_legacy_field(self) -> None:
        hello = read_hello(client_hello(newest=ssl.TLSVersion.TLSv1_2))
        assert hello is not None
        assert hello.versions == (TLS_1_2,)

    def test_the_servers_choice(self) -> None:
        assert read_hello(server_hello()) == Hello("ServerHello", versions=(TLS_1_3,), cipher_suites=(0x1301,))
        assert read_hello(server_hello(version=None)) == Hello("ServerHello", None, (), (TLS_1_2,), (0x1301,))
        retry = read_hello(server_hello(RETRY))
        assert retry is not None
        assert retry.name == "HelloRetryRequest"

    def test_what_changes_in_each_connection_is_not_in_the_text(self) -> None:
        texts = {str(explain_record(client_hello("localhost", "http/1.1"))) for _ in range(3)}
        assert len(texts) == 1
        assert "the server that" in texts.pop()

    def test_a_name_that_is_hostile_is_shown_harmless(self) -> None:
        name = b"\x1b[31m<b>\xff"
        extension = bytes.fromhex("0000") + vector(vector(b"\x00" + vector(name, 2), 2), 2)
        body = bytes.fromhex("0303") + bytes(32) + b"\x00" + vector(b"\x13\x01", 2) + b"\x01\x00" + vector(extension, 2)
        data = record(HANDSHAKE, b"\x01" + vector(body, 3))
        explained = explain_record(data)
        check_tiles(explained)
        assert "\x1b" not in str(explained)
        assert "<b>" not in explained._repr_html_()
        hello = read_hello(data)
        assert hello is not None
        assert hello.server_name == "\x1b[31m<b>\\xff"


class TestRecords:
    def test_application_data_is_opaque(self) -> None:
        explained = explain_record(record(APPLICATION_DATA, b"secret\n"), Sender.CLIENT, offset=7)
        assert [field.name for field in explained] == ["type", "legacy_record_version", "length", "encrypted_record"]
        assert explained["length"].value == 7
        assert explained["encrypted_record"].meaning == "encrypted: only its length can be told"
        assert "client, 12 bytes from byte 7" in str(explained)
        assert "73 65" not in str(explained)

    def test_an_alert_in_the_clear_and_one_that_is_not(self) -> None:
        alert = record(21, b"\x02\x30")
        assert explain_record(alert)["description"].meaning == "unknown_ca"
        assert explain_record(alert)["level"].meaning == "fatal"
        assert [field.name for field in explain_record(alert, protected=True)][-1] == "encrypted_record"

    def test_change_cipher_spec(self) -> None:
        assert "middleboxes" in explain_record(record(20, b"\x01"))["change_cipher_spec"].meaning

    def test_what_is_cut_off_is_said(self) -> None:
        data = client_hello()
        for stop in range(len(data)):
            explained = explain_record(data[:stop])
            check_tiles(explained)
            assert explained.facts[0][0] == "not complete"

    def test_a_message_that_goes_on_in_the_next_record(self) -> None:
        explained = explain_record(record(HANDSHAKE, b"\x0b\x00\x10\x00abc"))
        check_tiles(explained)
        assert explained["message"].raw == b"abc"


class TestReader:
    def test_records_come_out_however_the_stream_is_cut(self) -> None:
        records = [record(HANDSHAKE, b"a"), record(APPLICATION_DATA, bytes(300)), record(APPLICATION_DATA, b"")]
        stream = b"".join(records)
        whole = [*TlsReader().feed(stream)]
        assert [each.data for each in whole] == records
        assert [each.length for each in whole] == [1, 300, 0]
        assert [each.stop for each in whole] == [6, 311, 316]
        reader = TlsReader()
        assert [each for byte in stream for each in reader.feed(bytes([byte]))] == whole
        assert (reader.waiting, reader.lost) == (0, "")

    @pytest.mark.parametrize(
        "stray", [b"GET / HTTP/1.1\r\n", b"\x81\x05Hello", bytes.fromhex("1603016000"), bytes.fromhex("1702000001")]
    )
    def test_what_is_no_tls_is_said_once(self, stray: bytes) -> None:
        reader = TlsReader()
        assert len([*reader.feed(record(APPLICATION_DATA, b"x") + stray)]) == 1
        assert reader.lost == f"byte 6 begins no TLS record: {stray[:HEADER].hex(' ')}"
        assert [*reader.feed(record(APPLICATION_DATA, b"x"))] == []
        assert reader.waiting == 0

    def test_a_record_is_waited_for(self) -> None:
        reader = TlsReader()
        assert [*reader.feed(record(APPLICATION_DATA, b"xyz")[:-1])] == []
        assert reader.waiting == 7
        assert [*reader.feed(b"z")] == [TlsRecord(0, 23, 0x0303, 3, record(APPLICATION_DATA, b"xyz"))]


HELLO = client_hello("localhost", "http/1.1")
BEGINNINGS = st.sampled_from([b"", b"\x16\x03\x01", b"\x16\x03\x03\x00\x40\x02", HELLO[:60], HELLO, server_hello()])


@given(st.binary(max_size=300), BEGINNINGS, st.booleans())
def test_fields_tile_any_bytes(data: bytes, beginning: bytes, protected: bool) -> None:
    explained = explain_record(beginning + data, protected=protected)
    check_tiles(explained)
    str(explained)
    explained._repr_html_()


@given(st.integers(0, len(HELLO) - 1), st.integers(0, 255))
def test_fields_tile_a_hello_with_any_byte_changed(place: int, value: int) -> None:
    data = HELLO[:place] + bytes([value]) + HELLO[place + 1 :]
    check_tiles(explain_record(data))
    read_hello(data)


@given(st.lists(st.binary(max_size=40)))
def test_a_reader_never_raises(chunks: list[bytes]) -> None:
    reader = TlsReader()
    for chunk in chunks:
        for each in reader.feed(chunk):
            assert each.data[HEADER:] == each.data[-each.length :] if each.length else True
