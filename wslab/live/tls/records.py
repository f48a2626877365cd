"""What TLS shows to whoever sees its bytes cross: the record layer, and the two hellos (RFC 8446 4.1, 5.1 and 5.2).

Theory. TLS cuts what it carries into records: one byte of type, two of version, two of length, and so many bytes more.
That header is never encrypted. What follows it is, from the ServerHello on (in TLS 1.2 from ChangeCipherSpec on). So
whoever stands between reads the ClientHello, which names the server that is wanted (SNI) and the protocols that are
offered (ALPN), reads the server's choice, and of all the rest who sent how much and when.

``TlsReader`` cuts a stream into records. ``explain_record`` names every byte of one: fields tile it with no gap,
whatever the bytes are. ``read_hello`` gives a hello's content as values. Nothing here decrypts anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ...anatomy.explanation import Explanation
from ...anatomy.field import Field, Sender
from ...drawing.visible import count

HEADER = 5
"""Bytes of a record's header."""
LONGEST = 2**14 + 256
"""The longest record: TLSCiphertext.length "MUST NOT exceed 2^14 + 256 bytes" (RFC 8446 5.2)."""
LONGEST_1_2 = 2**14 + 2048
"""The same in TLS 1.2 (RFC 5246 6.2.3); what is longer is no TLS."""

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
TLS_1_2, TLS_1_3 = 0x0303, 0x0304

CONTENT_TYPES = {
    CHANGE_CIPHER_SPEC: "change_cipher_spec",
    ALERT: "alert",
    HANDSHAKE: "handshake",
    APPLICATION_DATA: "application_data",
    24: "heartbeat",
}
"""ContentType (RFC 8446 5.1; 24 is RFC 6520's)."""
VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", TLS_1_2: "TLS 1.2", TLS_1_3: "TLS 1.3"}
HANDSHAKE_TYPES = {
    0: "hello_request", CLIENT_HELLO: "client_hello", SERVER_HELLO: "server_hello", 4: "new_session_ticket",
    5: "end_of_early_data", 8: "encrypted_extensions", 11: "certificate", 12: "server_key_exchange",
    13: "certificate_request", 14: "server_hello_done", 15: "certificate_verify", 16: "client_key_exchange",
    20: "finished", 22: "certificate_status", 24: "key_update", 25: "compressed_certificate", 254: "message_hash",
}  # fmt: skip
"""HandshakeType (RFC 8446 4, and RFC 5246 7.4)."""
EXTENSIONS = {
    0: "server_name", 5: "status_request", 10: "supported_groups", 11: "ec_point_formats", 13: "signature_algorithms",
    16: "application_layer_protocol_negotiation", 18: "signed_certificate_timestamp", 21: "padding",
    22: "encrypt_then_mac", 23: "extended_master_secret", 27: "compress_certificate", 35: "session_ticket",
    41: "pre_shared_key", 42: "early_data", 43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes",
    47: "certificate_authorities", 49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share",
    17513: "application_settings", 17613: "application_settings", 65037: "encrypted_client_hello",
    65281: "renegotiation_info",
}  # fmt: skip
"""ExtensionType, as IANA lists them."""
SERVER_NAME, ALPN, SUPPORTED_VERSIONS, KEY_SHARE, PADDING = 0, 16, 43, 51, 21
CIPHER_SUITES = {
    0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}
"""Those that today's libraries agree on; others are told by their number."""
ALERT_LEVELS = {1: "warning", 2: "fatal"}
ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
    46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
    51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension",
    112: "unrecognized_name", 113: "bad_certificate_status_response", 115: "unknown_psk_identity",
    116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip
"""AlertDescription (RFC 8446 6)."""
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The Random of a ServerHello that asks for another ClientHello (RFC 8446 4.1.3)."""
PER_CONNECTION = "new in each connection"


class TlsRecord(NamedTuple):
    """One record as it crossed."""

    offset: int
    """Of its first byte in the sender's stream."""
    content_type: int
    version: int
    """legacy_record_version: 0x0303 whatever is spoken (RFC 8446 5.1)."""
    length: int
    """Bytes after the header."""
    data: bytes
    """The record, its header included."""

    @property
    def stop(self) -> int:
        """One past its last byte in the sender's stream."""
        return self.offset + HEADER + self.length


class TlsReader:
    """Cuts one direction's stream into records, however it arrives. Never raises; after what is no TLS it reads none.

    ``lost`` then says what it met, and where.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._offset = 0
        self.lost = ""

    @property
    def waiting(self) -> int:
        """Bytes of a record that is not complete yet."""
        return 0 if self.lost else len(self._rest)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[TlsRecord]:
        """The records that ``data`` completes; read all of them."""
        if self.lost:
            return
        self._rest += data
        start = 0
        while len(self._rest) - start >= HEADER:
            content_type = self._rest[start]
            version, length = (int.from_bytes(self._rest[start + at : start + at + 2], "big") for at in (1, 3))
            if content_type not in CONTENT_TYPES or version >> 8 != 3 or length > LONGEST_1_2:
                found = bytes(self._rest[start : start + HEADER]).hex(" ")
                self.lost = f"byte {self._offset} begins no TLS record: {found}"
                self._rest.clear()
                return
            stop = start + HEADER + length
            if len(self._rest) < stop:
                break
            yield TlsRecord(self._offset, content_type, version, length, bytes(self._rest[start:stop]))
            self._offset += stop - start
            start = stop
        del self._rest[:start]


@dataclass(frozen=True)
class Hello:
    """What a ClientHello offers, or a ServerHello chooses, as far as it could be read."""

    name: str
    """``ClientHello``, ``ServerHello`` or ``HelloRetryRequest``."""
    server_name: str | None = None
    protocols: tuple[str, ...] = ()
    """By ALPN (RFC 7301)."""
    versions: tuple[int, ...] = ()
    """Those offered, the one preferred first; of a ServerHello the one chosen."""
    cipher_suites: tuple[int, ...] = ()


@dataclass
class _HelloSoFar:
    """A hello while it is read."""

    name: str = ""
    server_name: str | None = None
    protocols: list[str] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    legacy_version: int | None = None
    cipher_suites: list[int] = field(default_factory=list)


def read_hello(record: bytes) -> Hello | None:
    """The hello that a handshake record holds; None where it holds none. Never raises."""
    cursor = _Cursor(record)
    _record(cursor, protected=False)
    found = cursor.found
    if not found.name:
        return None
    versions = found.versions or ([] if found.legacy_version is None else [found.legacy_version])
    return Hello(
        found.name, found.server_name, tuple(found.protocols), tuple(versions), tuple(found.cipher_suites)
    )  # fmt: skip


def version_name(version: int) -> str:
    """``TLS 1.3``; the number in hex where it is none of TLS's."""
    return VERSIONS.get(version) or _grease(version) or f"0x{version:04x}"


def suite_name(suite: int) -> str:
    """``TLS_AES_128_GCM_SHA256``; the number in hex where it is another one."""
    return CIPHER_SUITES.get(suite) or _grease(suite) or f"0x{suite:04x}"


def _grease(number: int) -> str:
    """RFC 8701: numbers that mean nothing, which clients offer so that servers stay used to ignoring such."""
    return "GREASE" if number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF else ""


def explain_record(
    data: bytes, sender: Sender | None = None, *, offset: int = 0, protected: bool = False
) -> Explanation:
    """Every byte of one TLS record, as far as somebody without its keys can tell.

    Args:
        data: the record, its header included; what is cut off, or no record, is explained as far as it goes.
        sender: who sent it.
        offset: of its first byte in the sender's stream.
        protected: whether it is encrypted though its type says ``handshake`` or ``alert``, as in TLS 1.2 after
            ChangeCipherSpec.
    """
    cursor = _Cursor(data)
    facts = _record(cursor, protected)
    name = CONTENT_TYPES.get(data[0], "no TLS") if data else "nothing"
    return Explanation(
        title=f"TLS record, {cursor.found.name or name}",
        data=data,
        fields=tuple(cursor.fields),
        sender=sender,
        offset=offset,
        facts=tuple(facts),
    )


class _Cursor:
    """Goes over bytes once and leaves a field for each; what is short or left over becomes a field as well."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.fields = data, 0, list[Field]()
        self.found = _HelloSoFar()

    def left(self, stop: int) -> int:
        """Bytes up to ``stop``, as far as there are that many."""
        return max(0, min(stop, len(self.data)) - self.at)

    def take(
        self,
        name: str,
        size: int,
        stop: int,
        say: Callable[[bytes], str],
        section: str,
        *,
        text: bool = False,
        steady: str | None = None,
    ) -> bytes | None:
        """The next ``size`` bytes as a field; None where there are fewer before ``stop``, which are a field then."""
        there = min(size, self.left(stop))
        raw = self.data[self.at : self.at + there]
        if raw:
            if there < size:
                meaning = f"{count(there, 'byte')} of {size}: the rest is missing, or in the next record"
            else:
                meaning = say(raw)
            value = (
                raw.decode("ascii", "backslashreplace") if text else int.from_bytes(raw, "big") if there < 4 else raw
            )
            start, width = self.at * 8, there * 8
            self.fields.append(Field(name, start, width, raw, value, meaning, section, steady=steady))
        self.at += there
        return raw if there == size else None

    def number(self, name: str, size: int, stop: int, say: Callable[[int], str], section: str) -> int | None:
        """The next ``size`` bytes as a number."""
        raw = self.take(name, size, stop, lambda raw: say(int.from_bytes(raw, "big")), section)
        return None if raw is None else int.from_bytes(raw, "big")

    def rest(self, name: str, stop: int, meaning: str, section: str, *, steady: str | None = None) -> None:
        """All that is left before ``stop`` as one field."""
        self.take(name, self.left(stop), stop, lambda raw: meaning, section, steady=steady)


def _record(cursor: _Cursor, protected: bool) -> list[tuple[str, str]]:
    end = len(cursor.data)
    kind = cursor.number("type", 1, end, lambda n: CONTENT_TYPES.get(n, "no type of a TLS record"), "RFC 8446 5.1")
    cursor.number(
        "legacy_record_version", 2, end,
        lambda n: f"{version_name(n)}, which says nothing about the version that is spoken", "RFC 8446 5.1",
    )  # fmt: skip
    length = cursor.number("length", 2, end, lambda n: f"{count(n, 'byte')} follow", "RFC 8446 5.1")
    if length is None or kind is None:
        return [("not complete", f"a record's header is {count(HEADER, 'byte')}")]
    stop = HEADER + length
    opaque = protected or kind not in READERS
    if opaque:
        meaning = "encrypted: only its length can be told" if protected or kind == APPLICATION_DATA else "not read"
        cursor.rest("encrypted_record", stop, meaning, "RFC 8446 5.2", steady="(encrypted)")
    else:
        READERS[kind](cursor, stop)
        cursor.rest("fragment", stop, "more than this record's messages need", "RFC 8446 5.1")
    facts = []
    if len(cursor.data) < stop:
        facts.append(("not complete", f"{count(stop - len(cursor.data), 'byte')} of the record are missing"))
    cursor.rest("unread", end, "after the record's end", "RFC 8446 5.1")
    return facts


def _alert(cursor: _Cursor, stop: int) -> None:
    cursor.number("level", 1, stop, lambda n: ALERT_LEVELS.get(n, "no level of an alert"), "RFC 8446 6")
    cursor.number("description", 1, stop, lambda n: ALERTS.get(n, "an alert that is not listed"), "RFC 8446 6")


def _change_cipher_spec(cursor: _Cursor, stop: int) -> None:
    cursor.number(
        "change_cipher_spec", 1, stop,
        lambda n: "TLS 1.2: what follows is encrypted. TLS 1.3: nothing, for the sake of old middleboxes",
        "RFC 8446 5",
    )  # fmt: skip


def _handshake(cursor: _Cursor, stop: int) -> None:
    while cursor.left(stop):
        kind = cursor.number(
            "msg_type", 1, stop, lambda n: HANDSHAKE_TYPES.get(n, "no handshake message that is listed"), "RFC 8446 4"
        )
        length = cursor.number("length", 3, stop, lambda n: f"{count(n, 'byte')} of message follow", "RFC 8446 4")
        if length is None:
            return
        end = min(stop, cursor.at + length)
        if kind == CLIENT_HELLO:
            _client_hello(cursor, end)
        elif kind == SERVER_HELLO:
            _server_hello(cursor, end)
        cursor.rest("message", end, f"{HANDSHAKE_TYPES.get(kind or 0, 'a message')}, not read", "RFC 8446 4")


READERS: dict[int, Callable[[_Cursor, int], None]] = {
    CHANGE_CIPHER_SPEC: _change_cipher_spec,
    ALERT: _alert,
    HANDSHAKE: _handshake,
}


def _client_hello(cursor: _Cursor, stop: int) -> None:
    section, found = "RFC 8446 4.1.2", cursor.found
    found.name = "ClientHello"
    found.legacy_version = cursor.number(
        "legacy_version", 2, stop, lambda n: f"{version_name(n)}; supported_versions says more", section
    )
    cursor.take("random", 32, stop, lambda raw: "32 random bytes", section, steady=PER_CONNECTION)
    _session_id(cursor, stop, "legacy_session_id", section)
    length = cursor.number("cipher_suites, length", 2, stop, lambda n: count(n // 2, "cipher suite"), section)
    end = min(stop, cursor.at + (length or 0))
    while cursor.left(end) >= 2:
        suite = cursor.number("cipher_suite", 2, end, suite_name, "RFC 8446 B.4")
        found.cipher_suites.append(suite or 0)
    cursor.rest("cipher_suites", end, "half a cipher suite", section)
    length = cursor.number("legacy_compression_methods, length", 1, stop, lambda n: count(n, "method"), section)
    cursor.take("legacy_compression_methods", length or 0, stop, lambda raw: "no compression, of TLS itself", section)
    _extensions(cursor, stop, from_client=True)


def _server_hello(cursor: _Cursor, stop: int) -> None:
    section, found = "RFC 8446 4.1.3", cursor.found
    found.name = "ServerHello"
    found.legacy_version = cursor.number(
        "legacy_version", 2, stop, lambda n: f"{version_name(n)}; supported_versions says more", section
    )
    random = cursor.take("random", 32, stop, lambda raw: "32 random bytes", section, steady=PER_CONNECTION)
    if random == RETRY:
        found.name = "HelloRetryRequest"
    _session_id(cursor, stop, "legacy_session_id_echo", section)
    suite = cursor.number("cipher_suite", 2, stop, suite_name, "RFC 8446 B.4")
    found.cipher_suites += [] if suite is None else [suite]
    cursor.number("legacy_compression_method", 1, stop, lambda n: "no compression, of TLS itself", section)
    _extensions(cursor, stop, from_client=False)


def _session_id(cursor: _Cursor, stop: int, name: str, section: str) -> None:
    length = cursor.number(f"{name}, length", 1, stop, lambda n: count(n, "byte"), section)
    cursor.take(
        name, length or 0, stop, lambda raw: "random; for the sake of old middleboxes", section, steady=PER_CONNECTION
    )


def _extensions(cursor: _Cursor, stop: int, *, from_client: bool) -> None:
    cursor.number("extensions, length", 2, stop, lambda n: f"{count(n, 'byte')} of extensions", "RFC 8446 4.2")
    while cursor.left(stop):
        kind = cursor.number("extension_type", 2, stop, _extension_name, "RFC 8446 4.2")
        length = cursor.number("extension, length", 2, stop, lambda n: count(n, "byte"), "RFC 8446 4.2")
        if kind is None or length is None:
            return
        end = min(stop, cursor.at + length)
        if from_client and kind == SERVER_NAME:
            _server_name(cursor, end)
        elif kind == ALPN:
            _alpn(cursor, end)
        elif kind == SUPPORTED_VERSIONS:
            _supported_versions(cursor, end, from_client)
        steady = PER_CONNECTION if kind == KEY_SHARE else None
        cursor.rest(_extension_name(kind), end, "not read here", "RFC 8446 4.2", steady=steady)


def _extension_name(number: int) -> str:
    return EXTENSIONS.get(number) or _grease(number) or f"extension {number}"


def _server_name(cursor: _Cursor, stop: int) -> None:
    section = "RFC 6066 3"
    cursor.number("server_name_list, length", 2, stop, lambda n: count(n, "byte"), section)
    while cursor.left(stop):
        cursor.number("name_type", 1, stop, lambda n: "host_name" if n == 0 else "a type that is not listed", section)
        length = cursor.number("host_name, length", 2, stop, lambda n: count(n, "byte"), section)
        name = cursor.take(
            "host_name", length or 0, stop, lambda raw: "the server that is wanted, for everybody to read", section,
            text=True,
        )  # fmt: skip
        if name is None:
            return
        if cursor.found.server_name is None and name:
            cursor.found.server_name = name.decode("ascii", "backslashreplace")


def _alpn(cursor: _Cursor, stop: int) -> None:
    section = "RFC 7301 3.1"
    cursor.number("protocol_name_list, length", 2, stop, lambda n: count(n, "byte"), section)
    while cursor.left(stop):
        length = cursor.number("protocol_name, length", 1, stop, lambda n: count(n, "byte"), section)
        name = cursor.take(
            "protocol_name", length or 0, stop, lambda raw: "a protocol to speak above TLS", section, text=True
        )
        if name is None:
            return
        if name:
            cursor.found.protocols.append(name.decode("ascii", "backslashreplace"))


def _supported_versions(cursor: _Cursor, stop: int, from_client: bool) -> None:
    section = "RFC 8446 4.2.1"
    if from_client:
        cursor.number("versions, length", 1, stop, lambda n: count(n // 2, "version"), section)
    while cursor.left(stop) >= 2:
        version = cursor.number("version", 2, stop, version_name, section)
        cursor.found.versions += [version or 0]
