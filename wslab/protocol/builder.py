"""Frames made to order, legal and illegal: any bit, any length form, any masking key. Nothing is refused."""

from __future__ import annotations

import secrets
from typing import Any

from .header import FORMS, write_header
from .words import CLOSE, FIN, RSV1, RSV2, RSV3, TEXT, apply_mask


class BuildError(ValueError):
    """What was asked for cannot be written as bits at all, legal or not."""


def build_frame(
    payload: bytes | str = b"",
    *,
    opcode: int = TEXT,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    mask: bytes | bool | None = None,
    length_form: int | None = None,
    length: int | None = None,
) -> bytes:
    """Write one frame (RFC 6455 section 5.2), whether or not the protocol allows it.

    Args:
        payload: the payload data before masking; a ``str`` is encoded as UTF-8.
        opcode: 0 to 15.
        fin: whether this frame is its message's last.
        rsv1, rsv2, rsv3: the reserved bits.
        mask: 4 bytes are the masking key; True draws a fresh random one; None and False leave the frame unmasked.
        length_form: 7, 16 or 64 bits for the length; None takes the shortest that holds it. Of a length that does not
            fit, the low bits are written.
        length: the length that the header states in place of the true one: a lie.

    Returns:
        The frame's bytes. The payload is written whole, whatever the header says about it.

    Raises:
        TypeError: the payload is neither text nor bytes.
        BuildError: an opcode of more than 4 bits, a masking key that is not 4 bytes, a negative length or
            one of more than 64 bits, a form that there is not.
    """
    data = _bytes(payload, "build_frame")
    stated = len(data) if length is None else length
    key = secrets.token_bytes(4) if mask is True else mask or b""
    if not 0 <= opcode <= 15:
        raise BuildError(f"an opcode is written in 4 bits, so it is 0 to 15; {opcode} was given")
    if isinstance(mask, bytes | bytearray) and len(mask) != 4:
        raise BuildError(f"a masking key is 4 bytes; {len(mask)} were given. True draws a random one")
    if not 0 <= stated < 1 << 64:
        raise BuildError(f"a length is written in at most 64 bits, so it is 0 to 2**64 - 1; {stated} was given")
    if length_form is not None and length_form not in FORMS:
        raise BuildError(f"a length is written in 7, 16 or 64 bits; {length_form} was given. None takes the shortest")
    first = (FIN * fin) | (RSV1 * rsv1) | (RSV2 * rsv2) | (RSV3 * rsv3) | opcode
    header = write_header(first, stated, key, None if length_form is None else FORMS[length_form])
    return header + (apply_mask(data, key) if key else data)


def build_close(code: int | None = None, reason: bytes | str = "", **kw: Any) -> bytes:
    """Write a close frame (RFC 6455 section 5.5.1), whether or not the protocol allows its status code.

    Args:
        code: 0 to 65535; None leaves it out, so that ``reason`` begins the body.
        reason: a ``str`` is encoded as UTF-8.
        kw: as ``build_frame`` takes them.

    Raises:
        BuildError: a code of more than 16 bits, and what ``build_frame`` cannot write.
    """
    if code is not None and not 0 <= code <= 0xFFFF:
        raise BuildError(f"a status code is written in 16 bits, so it is 0 to 65535; {code} was given")
    body = b"" if code is None else code.to_bytes(2, "big")
    return build_frame(body + _bytes(reason, "build_close"), **{"opcode": CLOSE, **kw})


def _bytes(text: object, call: str) -> bytes:
    """Text as UTF-8, and bytes as they are."""
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(text)
    raise TypeError(
        f"{call}({text!r}): text or bytes are wanted, such as {call}({str(text)!r}), which writes the digits"
    )
