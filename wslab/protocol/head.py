"""The opening handshake's two halves: ``Head`` parses a request or a response head, ``explain_head`` tells each line.

A head is parsed leniently: whatever is not HTTP as RFC 9112 writes it is named in ``Head.malformed`` and kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..anatomy.field import Explanation, Sender, Violation

END = b"\r\n\r\n"
"""An empty line ends a head (RFC 9112 section 2.1)."""

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token (RFC 9110 section 5.6.2): what a method, a header name, a subprotocol or an extension may be called."""

_REQUEST_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) HTTP/(\d)\.(\d)")
_STATUS_LINE = re.compile(r"HTTP/(\d)\.(\d) ([1-5]\d\d) ([\t\x20-\x7e\x80-\xff]*)")
_LOOSE_STATUS = re.compile(r"HTTP/\d\.\d (\d{3})\b")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_BEGINS_LIKE_A_HEAD = re.compile(rb"HTTP/|[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^ \r\n]+ HTTP/")


class HeaderLine(NamedTuple):
    """One header line of a head."""

    name: str
    value: str
    start: int
    """Offset of its first byte in the head."""
    stop: int
    """Offset after its CRLF."""


@dataclass(frozen=True, repr=False)
class Head:
    """A request head or a response head, up to and including its empty line.

    It does not hold a body, and ``data`` is empty where the bytes that came were no head at all.
    """

    sender: Sender
    data: bytes
    start_line: str
    headers: tuple[tuple[str, str], ...]
    """Name and value of each header line, in order, doubled ones included."""
    malformed: str | None = None
    """What is not HTTP about it, in plain words; None where all is."""
    offset: int = 0
    """Of its first byte in the sender's stream."""
    violations: tuple[Violation, ...] = ()

    def get(self, name: str) -> list[str]:
        """The values of every header line of that name, whose case does not count (RFC 6455 section 4.1)."""
        name = name.lower()
        return [value for key, value in self.headers if key.lower() == name]

    def tokens(self, name: str) -> list[str]:
        """The comma-separated elements of every header line of that name, without those that are empty."""
        return [token for value in self.get(name) for part in value.split(",") if (token := part.strip(" \t"))]

    @property
    def length(self) -> int:
        """Its bytes."""
        return len(self.data)

    @cached_property
    def request_line(self) -> tuple[str, str, tuple[int, int]] | None:
        """Method, Request-URI and HTTP version; None where the first line is no request line."""
        match = _REQUEST_LINE.fullmatch(self.start_line)
        return (match[1], match[2], (int(match[3]), int(match[4]))) if match else None

    @property
    def method(self) -> str | None:
        """``"GET"``; None in a response."""
        return self.request_line[0] if self.request_line else None

    @property
    def target(self) -> str | None:
        """The Request-URI; None in a response."""
        return self.request_line[1] if self.request_line else None

    @cached_property
    def version(self) -> tuple[int, int] | None:
        """The HTTP version, such as (1, 1)."""
        if self.request_line:
            return self.request_line[2]
        match = _STATUS_LINE.fullmatch(self.start_line)
        return (int(match[1]), int(match[2])) if match else None

    @cached_property
    def status(self) -> int | None:
        """The status code of a response, such as 101; None in a request."""
        match = _LOOSE_STATUS.match(self.start_line)
        return int(match[1]) if match else None

    @cached_property
    def lines(self) -> tuple[HeaderLine, ...]:
        """The header lines with the place of each."""
        return tuple(_lines(self.data))

    @property
    def announces_body(self) -> bool:
        """Whether bytes of HTTP follow that are no frames: a request's body, or that of a response other than 1xx."""
        if self.sender is Sender.SERVER:
            return self.status is None or self.status >= 200
        return bool(self.get("Transfer-Encoding")) or any(value.strip() != "0" for value in self.get("Content-Length"))

    def explain(self, *, request: Head | None = None) -> Explanation:
        """Its lines explained; see ``explain_head``."""
        return explain_head(self.data, self.sender, request=request, offset=self.offset, violations=self.violations)

    def __str__(self) -> str:
        return str(self.explain())

    __repr__ = __str__  # and not the dataclass's, which would show what Cookie and Authorization hold

    def _repr_html_(self) -> str:
        return self.explain()._repr_html_()


def begins_like_head(data: bytes) -> bool:
    """Whether ``data`` begins with a request line or a status line, and not with a frame."""
    return _BEGINS_LIKE_A_HEAD.match(data) is not None


def parse_head(data: bytes, sender: Sender, *, offset: int = 0) -> Head:
    """The head that ``data`` holds, up to its empty line. Never raises; what is wrong is in ``malformed``.

    Args:
        data: the head's bytes.
        sender: who sent it: a client sends a request, a server a response.
        offset: of its first byte in the sender's stream, in bytes.
    """
    start_line = data.partition(b"\r\n")[0].decode("latin-1")
    lines = list(_lines(data))
    return Head(
        sender=sender,
        data=data,
        start_line=start_line,
        headers=tuple((line.name, line.value) for line in lines),
        malformed=_malformed(start_line, lines, sender),
        offset=offset,
    )


def explain_head(
    data: bytes,
    sender: Sender,
    *,
    request: Head | None = None,
    offset: int = 0,
    violations: Iterable[Violation] = (),
) -> Explanation:
    """Tell what each line of a request head or response head says (RFC 6455 sections 4.1 and 4.2).

    Args:
        data: the head's bytes; a head that is cut off, or no head, is explained as far as it goes.
        sender: who sent it.
        request: the request that a response answers; with it, Sec-WebSocket-Accept is compared.
        offset: of the first byte in the sender's stream.
        violations: the rules it breaks, as ``wslab.protocol.rules`` found them.
    """
    from .headers import head_facts, head_fields

    head = parse_head(data, sender)
    return Explanation(
        title="Opening handshake, " + ("request" if sender is Sender.CLIENT else "response"),
        data=data,
        fields=tuple(head_fields(head, request)),
        sender=sender,
        offset=offset,
        violations=tuple(violations),
        facts=tuple(head_facts(head, request)),
    )


def _lines(data: bytes) -> Iterator[HeaderLine]:
    start = data.find(b"\r\n") + 2
    while start > 1 and start < len(data):
        found = data.find(b"\r\n", start)
        stop = len(data) if found < 0 else found + 2
        text = data[start:stop].removesuffix(b"\r\n").decode("latin-1")
        if not text and found >= 0:
            return
        name, colon, value = text.partition(":")
        yield HeaderLine(name, value.strip(" \t"), start, stop) if colon else HeaderLine("", text, start, stop)
        start = stop


def _malformed(start_line: str, lines: list[HeaderLine], sender: Sender) -> str | None:
    wanted, name = ((_REQUEST_LINE, "request line"), (_STATUS_LINE, "status line"))[sender]
    if not wanted.fullmatch(start_line):
        return f"the first line is no {name}"
    for number, line in enumerate(lines, 2):
        if not TOKEN.fullmatch(line.name):
            return f"line {number} does not begin with a header's name and a colon"
        if not _FIELD_VALUE.fullmatch(line.value):
            return f"the value of {line.name} in line {number} holds a control character"
    return None
