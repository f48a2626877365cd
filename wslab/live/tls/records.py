"""What TLS shows to whoever sees its bytes cross: the record layer, and the two hellos (RFC 8446 4.1, 5.1 and 5.2).

Theory. TLS cuts what it carries into records: one byte of type, two of version, two of length, and so many bytes more.
That header is never encrypted. What follows it is, from the ServerHello on (in TLS 1.2 from ChangeCipherSpec on). So
an eavesdropper reads the ClientHello, which names the wanted server (SNI) and the offered protocols (ALPN), and the
server's choice. Of all the rest, the eavesdropper learns who sent how much and when.

The fields of a record tile it with no gap, whatever the bytes are. Nothing here decrypts anything.
"""

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ...anatomy.explanation import Explanation
from ...anatomy.field import Field, Sender
from ...drawing.visible import count

_HEAD: Final = struct.Struct(">BHH")
HEADER: Final = _HEAD.size  # bytes of a record's header
# The longest record in TLS 1.2 (RFC 5246 6.2.3); what is longer is no TLS. In TLS 1.3 TLSCiphertext.length "MUST NOT
# exceed 2^14 + 256 bytes" (RFC 8446 5.2).
LONGEST = 2**14 + 2048

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
TLS_1_2, TLS_1_3 = 0x0303, 0x0304

CONTENT_TYPES = {  # ContentType (RFC 8446 5.1; 24 is RFC 6520's)
    CHANGE_CIPHER_SPEC: "change_cipher_spec", ALERT: "alert", HANDSHAKE: "handshake",
    APPLICATION_DATA: "application_data", 24: "heartbeat",
}  # fmt: skip
VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", TLS_1_2: "TLS 1.2", TLS_1_3: "TLS 1.3"}
HANDSHAKE_TYPES = {  # HandshakeType (RFC 8446 4, and RFC 5246 7.4)
    0: "hello_request", CLIENT_HELLO: "client_hello", SERVER_HELLO: "server_hello", 4: "new_session_ticket",
    5: "end_of_early_data", 8: "encrypted_extensions", 11: "certificate", 12: "server_key_exchange",
    13: "certificate_request", 14: "server_hello_done", 15: "certificate_verify", 16: "client_key_exchange",
    20: "finished", 22: "certificate_status", 24: "key_update", 25: "compressed_certificate", 254: "message_hash",
}  # fmt: skip
EXTENSIONS = {  # ExtensionType, as IANA lists them
    0: "server_name", 5: "status_request", 10: "supported_groups", 11: "ec_point_formats", 13: "signature_algorithms",
    16: "application_layer_protocol_negotiation", 18: "signed_certificate_timestamp", 21: "padding",
    22: "encrypt_then_mac", 23: "extended_master_secret", 27: "compress_certificate", 35: "session_ticket",
    41: "pre_shared_key", 42: "early_data", 43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes",
    47: "certificate_authorities", 49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share",
    17513: "application_settings", 17613: "application_settings", 65037: "encrypted_client_hello",
    65281: "renegotiation_info",
}  # fmt: skip
SERVER_NAME, ALPN, SUPPORTED_VERSIONS, KEY_SHARE = 0, 16, 43, 51
# Where the content of those that are read is specified.
EXTENSION_SECTIONS = {SERVER_NAME: "RFC 6066 3", ALPN: "RFC 7301 3.1", SUPPORTED_VERSIONS: "RFC 8446 4.2.1"}
CIPHER_SUITES = {  # those that today's libraries agree on; others are told by their number
    0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
    0x1301: "TLS_AES_128_GCM_SHA256", 0x1302: "TLS_AES_256_GCM_SHA384", 0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256", 0x1305: "TLS_AES_128_CCM_8_SHA256",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}  # fmt: skip
ALERT_LEVELS = {1: "warning", 2: "fatal"}
ALERTS = {  # AlertDescription (RFC 8446 6)
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
    46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
    51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension",
    112: "unrecognized_name", 113: "bad_certificate_status_response", 115: "unknown_psk_identity",
    116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip
# The Random of a ServerHello that asks for another ClientHello (RFC 8446 4.1.3).
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
PER_CONNECTION = "new in each connection"


class TlsRecord(NamedTuple):
    """One record as it crossed."""

    offset: int  # of its first byte in the sender's stream
    content_type: int
    version: int  # legacy_record_version: 0x0303 whatever is spoken (RFC 8446 5.1)
    length: int  # bytes after the header
    data: bytes  # the record, its header included

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
        return len(self._rest)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[TlsRecord]:
        """The records that ``data`` completes; read all of them."""
        if self.lost:
            return
        self._rest += data
        start = 0
        while len(self._rest) - start >= HEADER:
            content_type, version, length = _HEAD.unpack_from(self._rest, start)
            if content_type not in CONTENT_TYPES or version >> 8 != 3 or length > LONGEST:
                found = self._rest[start : start + HEADER].hex(" ")
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

    name: str  # ``ClientHello``, ``ServerHello`` or ``HelloRetryRequest``
    server_name: str | None = None
    protocols: tuple[str, ...] = ()  # by ALPN (RFC 7301)
    versions: tuple[int, ...] = ()  # those offered, the one preferred first; of a ServerHello the one chosen
    cipher_suites: tuple[int, ...] = ()


def read_hello(record: bytes) -> Hello | None:
    """The hello that a handshake record holds; None where it holds none. Never raises."""
    cursor = _Cursor(record)
    _record(cursor, protected=False)
    read = cursor.values
    if not cursor.hello:
        return None
    versions = tuple(read["version"] or read["legacy_version"])
    server, protocols = next(iter(read["host_name"]), None), tuple(read["protocol_name"])
    return Hello(cursor.hello, server, protocols, versions, tuple(read["cipher_suite"]))


def version_name(version: int) -> str:
    """``TLS 1.3``; the number in hex where it is none of TLS's."""
    return VERSIONS.get(version) or _grease(version) or f"0x{version:04x}"


def suite_name(suite: int) -> str:
    """``TLS_AES_128_GCM_SHA256``; the number in hex where it is another one."""
    return CIPHER_SUITES.get(suite) or _grease(suite) or f"0x{suite:04x}"


def _extension_name(number: int) -> str:
    return EXTENSIONS.get(number) or _grease(number) or f"extension {number}"


def _grease(number: int) -> str:
    """RFC 8701: numbers that mean nothing, which clients offer so that servers stay used to ignoring such."""
    return "GREASE" if number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF else ""


def explain_record(
    data: bytes, sender: Sender | None = None, *, offset: int = 0, protected: bool = False
) -> Explanation:
    """Every byte of one TLS record, as far as somebody without its keys can tell.

    Args:
        data: the record, its header included; what is cut off, or no record, is explained as far as it goes.
        offset: of its first byte in the stream of ``sender``.
        protected: whether it is encrypted though its type says ``handshake`` or ``alert``, as in TLS 1.2 after
            ChangeCipherSpec.
    """
    cursor = _Cursor(data)
    facts = _record(cursor, protected)
    name = cursor.hello or (CONTENT_TYPES.get(data[0], "no TLS") if data else "nothing")
    return Explanation(f"TLS record, {name}", data, tuple(cursor.fields), sender, offset, facts=facts)


def _bytes(number: int) -> str:
    return count(number, "byte")


class _Cursor:
    """Goes over bytes once and leaves a field for each; what is short or left over becomes a field as well."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.stop, self.section = data, 0, len(data), "RFC 8446 5.1"
        self.fields = list[Field]()
        self.values = defaultdict[str, list[Any]](list)  # by name, of the fields that are whole
        self.hello = ""

    @property
    def left(self) -> int:
        return self.stop - self.at

    @contextmanager
    def inside(self, size: int, section: str) -> Iterator[None]:
        """Read nothing but the next ``size`` bytes meanwhile, or as many as there are: that section tells of them."""
        outer = self.stop, self.section
        self.stop, self.section = min(self.stop, self.at + size), section
        yield
        self.stop, self.section = outer

    def take(
        self, name: str, size: int, meaning: str, section: str = "", *, text: bool = False, steady: str | None = None
    ) -> bytes:
        """The next ``size`` bytes as a field, or as many as there are before ``stop``."""
        raw = self.data[self.at : min(self.at + size, self.stop)]
        if raw:
            there = len(raw)
            value: Any = raw
            if text:
                value = raw.decode("ascii", "backslashreplace")
            elif there < 4:
                value = int.from_bytes(raw, "big")
            if there < size:
                meaning = f"{_bytes(there)} of {size}: the rest is missing, or in the next record"
            else:
                self.values[name].append(value)
            at = self.at * 8
            self.fields.append(Field(name, at, there * 8, raw, value, meaning, section or self.section, steady=steady))
            self.at += there
        return raw

    def number(self, name: str, size: int, say: Callable[[int], str] = _bytes, section: str = "") -> int:
        """The next ``size`` bytes as a number; 0 where there are fewer."""
        number = int.from_bytes(self.data[self.at : self.at + size], "big")
        return number if len(self.take(name, size, say(number), section)) == size else 0

    def vector(
        self, name: str, size: int, meaning: str, say: Callable[[int], str] = _bytes, *, text: bool = False,
        steady: str | None = None,
    ) -> None:  # fmt: skip
        """A length of ``size`` bytes, and what has that length."""
        self.take(name, self.number(f"{name}, length", size, say), meaning, text=text, steady=steady)

    def rest(self, name: str, meaning: str, section: str = "", *, steady: str | None = None) -> None:
        self.take(name, self.left, meaning, section, steady=steady)


def _record(cursor: _Cursor, protected: bool) -> tuple[tuple[str, str], ...]:
    """Reads a record; the facts that are to be told with it."""
    kind = cursor.number("type", 1, lambda n: CONTENT_TYPES.get(n, "no type of a TLS record"))
    legacy = "which says nothing about the version that is spoken"
    cursor.number("legacy_record_version", 2, lambda n: f"{version_name(n)}, {legacy}")
    length = cursor.number("length", 2, lambda n: f"{_bytes(n)} follow")
    if len(cursor.data) < HEADER:
        return (("not complete", f"a record's header is {_bytes(HEADER)}"),)
    with cursor.inside(length, cursor.section):
        if protected or kind not in (CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE):
            known = protected or kind == APPLICATION_DATA
            meaning = "encrypted: only its length can be told" if known else "not read"
            cursor.rest("encrypted_record", meaning, "RFC 8446 5.2", steady="(encrypted)")
        elif kind == CHANGE_CIPHER_SPEC:
            meaning = "TLS 1.2: what follows is encrypted. TLS 1.3: nothing, for the sake of old middleboxes"
            cursor.take("change_cipher_spec", 1, meaning, "RFC 8446 5")
        elif kind == ALERT:
            cursor.number("level", 1, lambda n: ALERT_LEVELS.get(n, "no level of an alert"), "RFC 8446 6")
            cursor.number("description", 1, lambda n: ALERTS.get(n, "an alert that is not listed"), "RFC 8446 6")
        else:
            _handshake(cursor)
        cursor.rest("fragment", "more than this record's messages need")
    cursor.rest("unread", "after the record's end")
    missing = HEADER + length - len(cursor.data)
    return (("not complete", f"{_bytes(missing)} of the record are missing"),) if missing > 0 else ()


def _handshake(cursor: _Cursor) -> None:
    unknown, section = "no handshake message that is listed", "RFC 8446 4"
    while cursor.left:
        readable = cursor.left >= 4
        kind = cursor.number("msg_type", 1, lambda n: HANDSHAKE_TYPES.get(n, unknown), section)
        length = cursor.number("length", 3, lambda n: f"{_bytes(n)} of message follow", section)
        with cursor.inside(length, section):
            if readable and kind in (CLIENT_HELLO, SERVER_HELLO):
                _hello(cursor, from_client=kind == CLIENT_HELLO)
            cursor.rest("message", f"{HANDSHAKE_TYPES.get(kind, 'a message')}, not read")


def _hello(cursor: _Cursor, *, from_client: bool) -> None:
    with cursor.inside(cursor.left, "RFC 8446 4.1.2" if from_client else "RFC 8446 4.1.3"):
        cursor.values["legacy_version"].clear()  # of an earlier hello in this record
        cursor.number("legacy_version", 2, lambda n: f"{version_name(n)}; supported_versions says more")
        random = cursor.take("random", 32, "32 random bytes", steady=PER_CONNECTION)
        cursor.hello = "ClientHello" if from_client else "HelloRetryRequest" if random == RETRY else "ServerHello"
        session = "legacy_session_id" if from_client else "legacy_session_id_echo"
        cursor.vector(session, 1, "random; for the sake of old middleboxes", steady=PER_CONNECTION)
        if from_client:
            length = cursor.number("cipher_suites, length", 2, lambda n: count(n // 2, "cipher suite"))
            with cursor.inside(length, cursor.section):
                while cursor.left >= 2:
                    cursor.number("cipher_suite", 2, suite_name, "RFC 8446 B.4")
                cursor.rest("cipher_suites", "half a cipher suite")
            methods, meaning = "legacy_compression_methods", "no compression, of TLS itself"
            cursor.vector(methods, 1, meaning, lambda n: count(n, "method"))
        else:
            cursor.number("cipher_suite", 2, suite_name, "RFC 8446 B.4")
            cursor.take("legacy_compression_method", 1, "no compression, of TLS itself")
    with cursor.inside(cursor.left, "RFC 8446 4.2"):
        cursor.number("extensions, length", 2, lambda n: f"{_bytes(n)} of extensions")
        while cursor.left:
            _extension(cursor, from_client)


def _extension(cursor: _Cursor, from_client: bool) -> None:
    kind = cursor.number("extension_type", 2, _extension_name)
    length = cursor.number("extension, length", 2)
    with cursor.inside(length, EXTENSION_SECTIONS.get(kind, "")):
        if kind == SERVER_NAME and from_client:
            cursor.number("server_name_list, length", 2)
            while cursor.left:
                cursor.number("name_type", 1, lambda n: "host_name" if n == 0 else "a type that is not listed")
                cursor.vector("host_name", 2, "the server that is wanted, for everybody to read", text=True)
        elif kind == ALPN:
            cursor.number("protocol_name_list, length", 2)
            while cursor.left:
                cursor.vector("protocol_name", 1, "a protocol to speak above TLS", text=True)
        elif kind == SUPPORTED_VERSIONS:
            if from_client:
                cursor.number("versions, length", 1, lambda n: count(n // 2, "version"))
            while cursor.left >= 2:
                cursor.number("version", 2, version_name)
        steady = PER_CONNECTION if kind == KEY_SHARE else None
        cursor.rest(_extension_name(kind), "not read here", "RFC 8446 4.2", steady=steady)
