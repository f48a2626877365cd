"""HAR: handshakes and messages as browsers' developer tools save them, written and read.

Theory. An HTTP Archive is JSON: one entry a request. For a WebSocket, Chrome's DevTools, Playwright and others add the
list ``_webSocketMessages`` to the entry of the handshake: ``type`` is "send" or "receive" (or "error"), ``time``
seconds since 1970 (Playwright: milliseconds), ``opcode`` 1 or 2, ``data`` a text, or base64 of bytes. HTTP Toolkit adds
``_webSocketClose``, whose time counts from when it began. Playwright can put the messages into a file beside the HAR
(``har_files``) or leave them out, as Firefox does; both, like mitmproxy of a refusal, list the handshake as any other
request. Nothing else of the protocol is in it.

Written, an archive says in its ``comment`` what it leaves out. Read, a message is told again as one whole frame in its
shortest form, from the client masked with a key of zeros, which leaves the payload as it is; the handshake is made of
the request and status lines and the headers that the file lists, and is left out where it lists none. These
bytes never crossed a wire like this. So ``Trace.rebuilt`` is true, and ``Trace.notes`` says so.
"""

import base64
import json
import re
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from os import PathLike
from typing import Any, Final, NamedTuple

from ...anatomy.field import Sender
from ...anatomy.record import Kind, Record
from ...drawing.visible import count, quote
from ...protocol.builder import build_frame
from ...protocol.handshake import is_host
from ...protocol.head import TOKEN, Head, parse_head
from ...protocol.words import BINARY, CLOSE, CONTINUATION, FIN, OPCODE, PING, PONG, TEXT
from ..archive import LATEST, R, TraceFileError, withheld
from ..reading import Reading
from ..work import watched, work, written
from .har_files import HarFiles, integer
from .imported import FileEvent, Problems, play

MESSAGES: Final = 1_000_000  # messages that are read
ZERO: Final = bytes(4)  # the masking key of rebuilt frames
_TYPES: Final = {"send": Sender.CLIENT, "receive": Sender.SERVER}
_OPCODES: Final = (TEXT, BINARY, CLOSE, PING, PONG)
DAY: Final = 86400  # seconds
HEADERS: Final = 1000  # header lines that are read
_VERSION: Final = re.compile(r"HTTP/1\.[01]")
# Authority, then path and query; no part can begin where another one goes on, so that matching is linear.
_TARGET: Final = re.compile(r"[A-Za-z]+://([^/?#\s]*)((?:[/?][!-\"$-~]*)?)(?:#.*)?")
_LINE: Final = re.compile(r"[^\r\n\0]*")
_UPGRADES: Final = ("upgrade", ":protocol")  # in HTTP/1.1, and in HTTP/2 (RFC 8441 5)
_ACCEPTED: Final = re.compile(rb"HTTP/1\.[01] 101 ")
SAID: Final = (
    "Handshakes and messages of a recording. HAR carries no masking keys, fragments, control frames, close codes, "
    "chunks or bytes that were not read; each entry's comment says what it leaves out. A recording does not tell "
    "whether TLS was below it, so a URL that is not the request's own begins with ws:."
)
REBUILT: Final = (
    "rebuilt from a HAR, which tells messages and no bytes: each is shown as one unfragmented frame, the client's with "
    "a masking key of zeros; how they were cut, masked and compressed, pings, pongs and how it was closed are not known"
)


def to_har(trace: Reading, path: str | PathLike[str] | None, *, reveal: bool) -> dict[str, Any]:
    """See ``Trace.to_har``."""
    with work("writing", path or "a HAR"), trace.still():
        records: dict[int, list[Record]] = {}
        for record in trace.records:
            records.setdefault(record.connection, []).append(record)
        ended = {record.number: record.time for some in records.values() for record in some}
        told: dict[int, list[dict[str, Any]]] = {}
        lost, broken = Counter[int](), Counter[int]()
        for number, connection, message in watched(trace.completed(), "joining messages", trace.ledger.messages.total):
            if (data := message.data) is None:
                lost[connection] += 1
                continue
            text = data.decode("utf-8", "replace") if message.opcode == TEXT else base64.b64encode(data).decode()
            broken[connection] += message.opcode == TEXT and text.encode() != data
            way = "send" if message.sender is Sender.CLIENT else "receive"
            line = {"type": way, "time": trace.began + ended.get(number, 0.0), "opcode": message.opcode, "data": text}
            told.setdefault(connection, []).append(line)
        log = {
            "version": "1.2",
            "creator": {"name": "wslab", "version": version("wslab")},
            "pages": [],
            "entries": [
                _entry(trace, one, records.get(one, []), told.get(one, []), (lost[one], broken[one]), reveal)
                for one in trace.connections
            ],
            "comment": SAID + trace.lacking(Kind.FIN, Kind.RESET, Kind.UNREAD, Kind.ERROR, Kind.BEND),
        }
        if path is not None:
            with written(path) as file:
                file.write(json.dumps({"log": log}).encode())
    return {"log": log}


def _entry(
    trace: Reading, number: int, records: list[Record], told: list[dict[str, Any]], lost: tuple[int, int], reveal: bool
) -> dict[str, Any]:
    request, response = (
        head if head is None or reveal else parse_head(withheld(head), head.sender) for head in trace.heads(number)
    )
    start = records[0].time if records else 0.0
    kinds = Counter(record.kind for record in records)
    frames = [record for record in records if record.kind is Kind.FRAME]
    heads = list(filter(None, (request, response)))
    left_out = (
        (sum(record.first & 0b1000 != 0 for record in frames), "control frame", ""),
        (sum(not one.first & FIN or one.first & OPCODE == CONTINUATION for one in frames), "fragment", ""),
        (kinds[Kind.REQUEST] + kinds[Kind.RESPONSE] - len(heads), "head", " of an earlier request or its response"),
        (sum(head.malformed is not None for head in heads), "head", " in part, where it is not HTTP"),
        (kinds[Kind.UNREAD], "run", " of unread bytes"),
        (kinds[Kind.ERROR] + kinds[Kind.BEND], "note", ""),
        (lost[0], "message", " whose bytes are no longer kept"),
        (lost[1], "text", " in part, where it is not UTF-8"),
    )
    lacks = ", ".join(count(many, noun) + rest for many, noun, rest in left_out if many > 0)
    said = (
        lacks and f"left out, since HAR does not carry it: {lacks}",
        "" if request else "no request was recorded: its method and URL are made up",
    )
    host = next(iter(request.get("Host")), "localhost") if request else "localhost"
    method, target = (request.method, request.target) if request else (None, None)
    url = target if target and _TARGET.fullmatch(target) else f"ws://{host}{target or '/'}"
    reason = "".join(response.start_line.split(" ", 2)[2:]) if response else ""
    responded = next((record.time for record in records if record.kind is Kind.RESPONSE), start)
    return {
        "startedDateTime": datetime.fromtimestamp(trace.began + start, UTC).isoformat().replace("+00:00", "Z"),
        "time": ((records[-1].time if records else 0.0) - start) * 1000,
        "request": {"method": method or "GET", "url": url, **_half(request), "queryString": []},
        "response": {
            "status": (response.status if response else None) or 0,
            "statusText": reason,
            **_half(response),
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
        },
        "cache": {},
        "timings": {"send": 0, "wait": (responded - start) * 1000, "receive": 0},
        "_resourceType": "websocket",
        "_webSocketMessages": told,
        "comment": "; ".join(filter(None, said)),
    }


def _half(head: Head | None) -> dict[str, Any]:
    version = "HTTP/{}.{}".format(*head.version) if head and head.version else ""
    headers = [{"name": name, "value": value} for name, value in head.headers] if head else []
    size = len(head.data) if head else -1
    return {"httpVersion": version, "cookies": [], "headers": headers, "headersSize": size, "bodySize": 0}


def from_har(path: str | PathLike[str], kind: type[R]) -> R:
    """The recording that a file tells of, as one of that kind; see ``Trace.from_har``."""
    with work("opening", path):
        return _read(path, HarFiles(path), kind)


def _read(path: str | PathLike[str], files: HarFiles, kind: type[R]) -> R:
    try:
        log = json.loads(files.data.decode("utf-8-sig"), parse_int=integer)["log"]
        entries = log["entries"]
    except RecursionError:
        raise TraceFileError(f"{path}: expected a HAR file, but this is nested far deeper than any HAR is") from None
    except (KeyError, TypeError):
        raise TraceFileError(f"{path}: expected a HAR file, but this JSON has no log with entries") from None
    except ValueError as error:
        raise TraceFileError(f"{path}: expected a HAR file, but it is no JSON: {error}") from None
    if not isinstance(entries, list):
        raise TraceFileError(f"{path}: expected a HAR file, but its entries are no list")
    files.data = b""
    trace, creator = read_har(entries, kind, files), log.get("creator")
    if trace.rebuilt and isinstance(creator, dict) and creator.get("name") == "Playwright":
        trace.notes += ("Playwright wrote the file, which leaves out messages without data",)
    return trace


class _Said(NamedTuple):
    time: float | None  # seconds since 1970
    sender: Sender
    what: bytes | str  # a message's frame, or a note


def read_har(entries: list[Any], kind: type[R], files: HarFiles | None = None) -> R:
    """The trace of a HAR's entries. Never raises on what they hold; see ``Trace.notes``."""
    problems = Problems()
    conversations: list[tuple[float | None, list[tuple[Sender, bytes]], list[_Said], list[bytes]]] = []
    others = read = 0
    ends_told = False
    for entry in entries:
        if not isinstance(entry, dict):
            problems.note("an entry is left out: it is no object")
            continue
        if not _of_websocket(entry):
            others += 1
            continue
        listed = _listed(entry, files, MESSAGES - read, problems)
        messages = (listed or [])[: MESSAGES - read]
        if len(messages) < len(listed or []):
            problems.note(f"only the first {MESSAGES:,} messages are read")
        read += len(messages)
        begun = _moment(entry.get("startedDateTime"))
        shown = watched(messages, "reading messages")
        said = [message for one in shown if (message := _message(one, problems, begun)) is not None]
        end = _closed(entry.get("_webSocketClose"), problems, begun)
        ends_told = ends_told or end is not None
        said += [one for one in (end, _failed(entry.get("response"))) if one is not None]
        frames = [one.what for one in said if isinstance(one.what, bytes)]
        conversations.append((begun, _heads(entry, bool(frames), problems), said, frames))
    if others:
        problems.note(f"{others:,} of {len(entries):,} entries left out: they are no WebSocket's")
    moments = [time for begun, _, said, _ in conversations for time in (begun, *(one.time for one in said))]
    base = min((moment for moment in moments if moment is not None), default=0.0)
    events: list[FileEvent] = []
    for number, (begun, heads, said, _) in enumerate(conversations):
        newest = 0.0 if begun is None else begun - base
        for time, sender, what in [*(_Said(None, *head) for head in heads), *said]:
            if time is not None and time - base < newest - 0.001:  # startedDateTime may be rounded
                problems.note("a time is earlier than that of what the file lists before it, and is told as the same")
            newest = newest if time is None else max(newest, time - base)
            events.append(FileEvent(len(events), newest, number, sender, sender, what))
    events.sort(key=lambda event: event.time)
    # What has neither heads nor frames was never open, as far as is known.
    headed = enumerate(bool(heads) or not frames for _, heads, _, frames in conversations)
    begins = {number: (begun, begun) for number, begun in headed}
    ends = [(number, end) for number in begins for end in Sender]
    trace = play(kind, events, ends, begins, source="har", began=base)
    trace.rebuilt = bool(conversations)
    told = REBUILT.replace("pings, pongs and how it was closed", "pings and pongs") if ends_told else REBUILT
    if any(frame[0] & 0b1000 for *_, frames in conversations for frame in frames):
        told = told.replace("are not known", "are known only as far as the file tells them")
    trace.notes = (*([told] if conversations else []), *problems.told())
    return trace


def _of_websocket(entry: dict[str, Any]) -> bool:
    """Whether an entry is a WebSocket's. Not every program says so."""
    url = request.get("url") if isinstance(request := entry.get("request"), dict) else None
    headers = request.get("headers") if isinstance(request, dict) else None
    listed = map(_header, headers if isinstance(headers, list) else ())
    return (
        entry.get("_webSocketMessages") is not None
        or entry.get("_resourceType") == "websocket"
        or (isinstance(url, str) and url[:6].lower().startswith(("ws://", "wss://")))
        or ("websocket" in (value.strip().lower() for name, value in listed if name.lower() in _UPGRADES))
    )


def _header(header: Any) -> tuple[str, str]:
    name, value = (header.get("name"), header.get("value")) if isinstance(header, dict) else (None, None)
    return (name, value) if isinstance(name, str) and isinstance(value, str) else ("", "")


def _listed(entry: dict[str, Any], files: HarFiles | None, most: int, problems: Problems) -> list[Any] | None:
    """The entry's messages; None where it lists none."""
    listed, response = entry.get("_webSocketMessages"), entry.get("response")
    if listed is not None:
        if isinstance(listed, list):
            return listed
        problems.note("an entry's _webSocketMessages are left out: they are no list")
        return None
    content = response.get("content") if isinstance(response, dict) else None
    name = content.get("_file") if isinstance(content, dict) else None
    status = response.get("status") if isinstance(response, dict) else 101
    if isinstance(name, str) and not (isinstance(status, int) and status >= 200):  # else it is a refusal's body
        found = files.attached(name, most + 1) if files is not None else "is missing"
        if not isinstance(found, str):
            return found
        problems.note(f"messages are left out: the file {quote(name[:80])} that an entry names {found}")
    elif status == 101:
        problems.note("the file lists no messages of a WebSocket: what wrote it left them out, or there were none")
    return None


def _message(told: Any, problems: Problems, begun: float | None) -> _Said | None:
    """One of ``_webSocketMessages``; None where it cannot be told as a frame."""
    if not isinstance(told, dict):
        problems.note("a message is left out: it is no object")
        return None
    kind, opcode, data = told.get("type"), told.get("opcode"), told.get("data")
    time = _seconds(told.get("time"), begun)
    if time is None:
        problems.note("a message has no usable time, and is given the time of the message before")
    if kind == "error":
        why = f": {data}" if isinstance(data, str) else " an error"
        return _Said(time, Sender.CLIENT, f"the browser reports{why}"[:4096])
    # JSON may hold anything in any place: a list as type, 1.0 as opcode.
    sender = _TYPES.get(kind) if isinstance(kind, str) else None
    if sender is None or not isinstance(data, str) or type(opcode) is not int or opcode not in _OPCODES:
        problems.note("a message is left out: its type, opcode or data are none that a HAR has")
        return None
    if opcode == TEXT:
        payload = data.encode("utf-8", "replace")
        if payload.decode() != data:
            problems.note("a text holds half a surrogate pair, which no UTF-8 can; it is told as '?'")
    else:
        try:
            payload = base64.b64decode(data, validate=True)
        except ValueError:
            problems.note("a message is left out: its data should be base64 and are not")
            return None
    if opcode >= CLOSE and len(payload) > 125:
        problems.note("a message is left out: a control frame cannot be as long")
        return None
    return _Said(time, sender, build_frame(payload, opcode=opcode, mask=ZERO if sender is Sender.CLIENT else None))


def _seconds(value: Any, begun: float | None = None) -> float | None:
    """Seconds since 1970, if that is what the value can be: from 0 to the year 9999. A number that is too large for
    seconds counts milliseconds, as Playwright does, or else microseconds. A time a day or more before the connection
    ``begun`` counts from another moment, such as when a program was started, and is none."""
    if type(value) not in (int, float) or not value >= 0:
        return None
    found = next((value / unit for unit in (1, 1e3, 1e6) if value < LATEST * unit), None)
    return None if found is None or (begun is not None and found < begun - DAY) else found


def _closed(told: Any, problems: Problems, begun: float | None) -> _Said | None:
    """What HTTP Toolkit tells of the end; it does not say who closed."""
    if told is None:
        return None
    if told in ("aborted", "disconnected"):
        return _Said(None, Sender.SERVER, "the file says: the connection ended without a close frame")
    code, reason = (told.get("code"), told.get("reason")) if isinstance(told, dict) else (0, None)
    if code is not None and (type(code) is not int or not 1000 <= code < 2**16):
        problems.note("a _webSocketClose is left out: it is none that HTTP Toolkit writes")
        return None
    because = f" {quote(reason[:125])}" if isinstance(reason, str) and reason else ""
    said = f"the file says: closed {'without a code' if code is None else f'with {code}'}{because}"
    if (time := _seconds(told.get("timestamp"), begun)) is None:
        problems.note("the end has no usable time, and is given the time of the message before")
    return _Said(time, Sender.SERVER, said)


def _failed(response: Any) -> _Said | None:
    """What Chromium and mitmproxy (``_error``) or Playwright (``_failureText``) tell of a failure."""
    told = (response.get("_failureText") or response.get("_error")) if isinstance(response, dict) else None
    return _Said(None, Sender.CLIENT, f"the file says: {told}"[:4096]) if isinstance(told, str) and told else None


def _moment(value: Any) -> float | None:
    with suppress(ValueError, OverflowError):
        if isinstance(value, str) and len(value) <= 64:
            return _seconds(datetime.fromisoformat(value).timestamp())
    return None


def _heads(entry: dict[str, Any], needed: bool, problems: Problems) -> list[tuple[Sender, bytes]]:
    """The handshake's heads, as far as the file tells them; none where messages would then lack the 101 before them."""
    request = _head(entry.get("request"), Sender.CLIENT, problems)
    response = _head(entry.get("response"), Sender.SERVER, problems)
    if request is None or (needed and response is None):
        problems.note("a handshake is left out: the file does not tell it whole")
        return []
    if needed and not _ACCEPTED.match(response or b""):
        problems.note("a handshake is left out: its answer is no 101, and yet messages follow")
        return []
    return [(Sender.CLIENT, request), *([(Sender.SERVER, response)] if response is not None else [])]


def _head(half: Any, sender: Sender, problems: Problems) -> bytes | None:
    if not isinstance(half, dict) or not isinstance(half.get("headers"), list) or not half["headers"]:
        return None
    version = half.get("httpVersion")
    version = version.upper() if isinstance(version, str) else ""
    if not _VERSION.fullmatch(version):
        problems.note(f"a head is left out: its HTTP version is {quote(version[:20])}, and HTTP/1.1 is expected")
        return None
    if sender is Sender.CLIENT:
        method, url = half.get("method"), half.get("url")
        target = _TARGET.fullmatch(url) if isinstance(url, str) else None
        if target is None or not isinstance(method, str) or not TOKEN.fullmatch(method):
            return None
        path = target[2] if target[2].startswith("/") else f"/{target[2]}"
        lines = [f"{method} {path} {version}"]
        if not any(_header(header)[0].lower() == "host" for header in half["headers"]):
            if not is_host(host := target[1].rpartition("@")[2]):
                return None  # a URL that no request can have had is no reason to accuse the client
            lines.append(f"Host: {host}")
            problems.note("a request's Host is that of its URL: the file lists none")
    else:
        status, reason = half.get("status"), half.get("statusText")
        if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status < 600:
            return None
        lines = [f"{version} {status} {reason if isinstance(reason, str) and _LINE.fullmatch(reason) else ''}"]
    if len(half["headers"]) > HEADERS:
        problems.note(f"only the first {HEADERS:,} header lines of a head are read")
    for header in half["headers"][:HEADERS]:
        name, value = _header(header)
        if not TOKEN.fullmatch(name):
            return None  # such as the :method of HTTP/2, where the handshake is another one (RFC 8441)
        # Browsers join the values of header lines of one name with a line feed.
        parts = value.split("\n")
        if all(map(_LINE.fullmatch, parts)):
            lines += [f"{name}: {part}" for part in parts]
        else:
            problems.note("a header line is left out: it holds a line's end or a null character")
    head = "\r\n".join([*lines, "", ""])
    if max(head) > "\xff":
        problems.note("a head holds characters beyond Latin-1, which are told as '?'")
    return head.encode("latin-1", "replace")
