"""The protocol's own words: opcodes and status codes with their meaning, and masking."""

from __future__ import annotations

from typing import Final

from ..anatomy.field import Sender

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
# What stands where in a frame's first byte and in its second (RFC 6455 section 5.2).
FIN, RSV1, RSV2, RSV3, OPCODE = 0b10000000, 0b01000000, 0b00100000, 0b00010000, 0b00001111
MASK, LENGTH = 0b10000000, 0b01111111

# Opcode to its name and what it says, RFC 6455 section 5.2.
OPCODES: Final[dict[int, tuple[str, str]]] = {
    CONTINUATION: ("CONTINUATION", "this frame goes on with the message that an earlier frame began"),
    TEXT: ("TEXT", "this frame begins a text message, encoded as UTF-8"),
    BINARY: ("BINARY", "this frame begins a binary message"),
    CLOSE: ("CLOSE", "this frame starts or answers the closing handshake"),
    PING: ("PING", "this frame asks the other endpoint for a pong"),
    PONG: ("PONG", "this frame answers a ping, or is a heartbeat that nobody asked for"),
}

# Status code to its meaning and where it is defined.
STATUS_CODES: Final[dict[int, tuple[str, str]]] = {
    1000: ("normal closure", "RFC 6455 7.4.1"),
    1001: ("going away", "RFC 6455 7.4.1"),
    1002: ("protocol error", "RFC 6455 7.4.1"),
    1003: ("data of a type that cannot be accepted", "RFC 6455 7.4.1"),
    1004: ("reserved, without a meaning so far", "RFC 6455 7.4.1"),
    1005: ("no status code was present; never sent, only reported", "RFC 6455 7.4.1"),
    1006: ("closed without a close frame; never sent, only reported", "RFC 6455 7.4.1"),
    1007: ("data that does not fit the message's type, such as bad UTF-8", "RFC 6455 7.4.1"),
    1008: ("policy violation", "RFC 6455 7.4.1"),
    1009: ("message too big", "RFC 6455 7.4.1"),
    1010: ("the client misses an extension", "RFC 6455 7.4.1"),
    1011: ("the server met an unexpected condition", "RFC 6455 7.4.1"),
    1012: ("service restart", "IANA WebSocket Close Code Number Registry"),
    1013: ("try again later", "IANA WebSocket Close Code Number Registry"),
    1014: ("bad gateway", "IANA WebSocket Close Code Number Registry"),
    1015: ("TLS handshake failed; never sent, only reported", "RFC 6455 7.4.1"),
}

# First code, last code and use of each range, RFC 6455 section 7.4.2.
STATUS_RANGES: Final[tuple[tuple[int, int, str], ...]] = (
    (0, 999, "not used"),
    (1000, 2999, "reserved for the protocol itself and not defined"),
    (3000, 3999, "for libraries, frameworks and applications, registered with IANA"),
    (4000, 4999, "for private use between applications"),
    (5000, 65535, "outside every range that the protocol defines"),
)


def opcode_name(opcode: int) -> str:
    """``"TEXT"``, or ``"reserved opcode 3"`` for one that RFC 6455 section 5.2 does not define."""
    return OPCODES[opcode][0] if opcode in OPCODES else f"reserved opcode {opcode}"


# The two that RFC 6455 section 7.4.1 defines for one endpoint only, and who that is.
STATUS_OF: Final = {1010: Sender.CLIENT, 1011: Sender.SERVER}


def status_meaning(code: int, sender: Sender | None = None) -> tuple[str, str]:
    """What a close status code says, and the section that says so (RFC 6455 sections 7.4.1 and 7.4.2). ``sender`` is
    who sent it, if known: a code that is defined for the other endpoint is told as this one's."""
    if code in STATUS_CODES:
        meaning, section = STATUS_CODES[code]
        if sender is not None and (meant := STATUS_OF.get(code, sender)) != sender:
            told = meaning.replace(meant.label, sender.label)
            meaning = f"{told}, and the code is defined for a {meant.label}"
        return meaning, section
    return next((use, "RFC 6455 7.4.2") for low, high, use in STATUS_RANGES if low <= code <= high)


def apply_mask(data: bytes | memoryview, key: bytes) -> bytes:
    """Mask or unmask ``data`` with the 4-byte masking key: the same operation undoes itself."""
    # "Octet i of the transformed data ("transformed-octet-i") is the XOR of octet i of the original data
    # ("original-octet-i") with octet at index i modulo 4 of the masking key ("masking-key-octet-j")" (RFC 6455 5.3)
    size = len(data)
    repeated = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")
