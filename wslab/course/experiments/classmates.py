"""Endpoints of classmates, each wrong in another way, and what a real classmate's notebook holds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..exercises import ExerciseVerdict, Trial
from ..stranger import Stranger
from .endpoint import Endpoint
from .endpoint_parts import (
    RIGHT,
    Begun,
    EndpointParts,
    FrameParser,
    fault,
    key_in,
    reassemble,
    short_frame,
)
from .lesson16 import article_stage, climb, stops_at


def _no_guid(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()


def _with_case(head: bytes) -> str | None:
    return key_in(head) if b"\r\nSec-WebSocket-Key: " in head else None


def _no_fin(opcode: int, payload: bytes) -> bytes:
    return bytes([opcode]) + short_frame(opcode, payload)[1:]


def _four_bytes(payload: bytes, key: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(payload, key, strict=False))


def _always_eight(opcode: int, payload: bytes) -> bytes:
    return bytes([0x80 | opcode, 0x7F]) + len(payload).to_bytes(8, "big") + payload


class _Forgetful(FrameParser):
    def feed(self, data: bytes) -> list[tuple[int, bytes, bytes]]:
        self.rest = b""
        return super().feed(data)


def _answers_pongs(opcode: int, payload: bytes) -> tuple[int, bytes] | None:
    return 10, payload


def _each_fragment(begun: Begun | None, first: int, payload: bytes) -> tuple[Begun | None, str | bytes | None]:
    if first & 0x0F == 1:
        payload.decode()
    return reassemble(begun, first, payload)


def _always_1000(payload: bytes) -> bytes:
    return b"\x03\xe8" if payload else b""


def _any_code(first: int, masked: bool, payload: bytes, begun: Begun | None) -> int | None:
    return None if first & 0x0F == 8 else fault(first, masked, payload, begun)


def _mates(changes: Mapping[str, tuple[str, Any]]) -> dict[str, EndpointParts]:
    return {said: RIGHT._replace(**{part: made}) for said, (part, made) in changes.items()}


TEN = _mates(
    {
        "its accept_key leaves the GUID out": ("accept_key", _no_guid),
        "its key_in looks for `Sec-WebSocket-Key` as it stands": ("key_in", _with_case),
        "its short_frame sets no FIN": ("short_frame", _no_fin),
        "its unmask stops with the key": ("unmask", _four_bytes),
        "its long_frame always writes eight bytes of length": ("long_frame", _always_eight),
        "its FrameParser forgets half a frame": ("FrameParser", _Forgetful),
        "its reply answers pongs, too": ("reply", _answers_pongs),
        "its reassemble decodes each fragment": ("reassemble", _each_fragment),
        "its close_reply always says 1000": ("close_reply", _always_1000),
        "its fault looks at no close frame": ("fault", _any_code),
    }
)
"""Ten endpoints, each with a mistake in another part; in the order of the stages."""


# Four whose mistakes come to light where nobody looks for them.


class _MaskInLength(FrameParser):
    def feed(self, data: bytes) -> list[tuple[int, bytes, bytes]]:
        self.rest += data
        if len(self.rest) < 2 or len(self.rest) < 6 + self.rest[1]:  # it takes the MASK bit for a part of the length
            return []
        frames, self.rest = [(self.rest[0], self.rest[2:6], self.rest[6 : 6 + self.rest[1]])], b""
        return frames


def _only_bytes(begun: Begun | None, first: int, payload: bytes) -> tuple[Begun | None, str | bytes | None]:
    begun, message = reassemble(begun, first, payload)
    return begun, message.encode() if isinstance(message, str) else message


def _text_by_frame(first: int, masked: bool, payload: bytes, begun: Begun | None) -> int | None:
    try:
        payload.decode() if first & 0x0F == 1 else None
    except UnicodeDecodeError:
        return 1007
    return fault(first, masked, payload, begun)


FOUR = _mates(
    {
        "Ada's FrameParser takes the whole second byte for the length": ("FrameParser", _MaskInLength),
        "Bo's reassemble returns each message as bytes": ("reassemble", _only_bytes),
        "Chi's long_frame always writes eight bytes of length": ("long_frame", _always_eight),
        "Dan's fault wants each frame of a text to be UTF-8": ("fault", _text_by_frame),
    }
)


async def caught(mates: Mapping[str, EndpointParts]) -> dict[str, str]:
    """By classmate, the name of the stage at which the endpoint is caught; ``never`` where it passes all."""
    return {said: stops_at(await climb(partial(Endpoint, parts), Trial("mates"))) for said, parts in mates.items()}


async def of_notebook(path: str) -> ExerciseVerdict:
    """Judge the endpoint of a classmate's notebook. Its code runs in a process of its own.

    Args:
        path: of the notebook, which defines ``endpoint``.

    Raises:
        OSError: the file cannot be read.
    """
    text = await asyncio.to_thread(Path(path).read_text, encoding="utf-8")
    with Stranger(text) as stranger:
        return await article_stage.check(stranger.answer("endpoint"), kept=False)
