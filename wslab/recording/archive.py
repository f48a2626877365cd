"""A trace as one file: a zip archive that holds the kept bytes, the packed logs and what is kept beside them.

``trace.json``    sizes, first numbers, connections (heads, states, reports), violations, messages, errors' texts
``bytes.bin``     the kept bytes, oldest first
``records.bin``   packed records, as ``wslab.anatomy.record`` lays them out
``places.bin``    for each record its frame's index and its message's number
``chunks.bin``    packed chunks, as ``wslab.recording.tape.ENTRY`` lays them out
``inflated.bin``  inflated payloads, one after another

Loading runs nothing that the file says; a file that is cut or lies is refused with a reason. A recording holds what
crossed, so values of Cookie and Authorization are overwritten with ``*`` on the way out unless asked otherwise.
"""

import json
import re
import struct
import zipfile
import zlib
from dataclasses import replace
from os import PathLike
from typing import Any, TypeVar

from ..anatomy.field import Sender, Violation
from ..anatomy.record import DELAY, DELAY_AT, PACKED, UNKNOWN, CloseReport, Kind
from ..drawing.visible import clip
from ..protocol.head import Head, explain_head, parse_head
from ..protocol.message import Message
from ..protocol.states import NEXT, Event, State, Transition
from .derive import FEWEST, RECORDS_EACH
from .ledger import PLACE, Cause, Conversation, by_record
from .reading import Reading
from .tape import ENTRY, Kept
from .work import watched, work, written

R = TypeVar("R", bound=Reading)

FORMAT = "wslab trace 2"
EARLIER = "wslab trace 1"  # its records end before ``delay``; wslab 0.1 wrote it
LARGEST = 2**31  # bytes that one part of a file may unpack to
PIECE = 2**20  # bytes of a part that are packed at once: an interrupt waits as long
LATEST = 253402300800  # seconds from 1970 to the year 10000
# A header's name, or the blank that a folded line begins with.
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[ \t]*|[ \t]+")
# What each kind but a frame may be the cause of, see ``Cause``.
_CAUSES = {Kind.REQUEST: "head", Kind.RESPONSE: "head", Kind.FIN: "end", Kind.RESET: "end"}
_CAUSES |= {Kind.UNREAD: "", Kind.ERROR: "", Kind.BEND: ""}
# What ``trace.json`` holds, as far as reading it does not find out by itself.
_VIOLATION = {"rule": str, "section": str, "sentence": str, "found": str, "start": int, "width": int}
_HEAD = {"offset": int, "data": str, "violations": [_VIOLATION]}
_STREAM = {"seen": (int, int), "ended": [int], "offsets": [int], "positions": [int]}
_SHAPE = {
    "began": float,
    "max_bytes": int,
    "max_entries": int,
    "first": {"byte": int, "record": int, "chunk": int},
    "next_connection": int,
    "connections": [{"number": int, "tapped": (bool, bool), "streams": [_STREAM]}],
    "violations": {str: [_VIOLATION]},
    "texts": {str: str},
    "inflated": {str: int},
}


class TraceFileError(ValueError):
    """The file is no trace, or a damaged one. The message says which file, what is wrong and what to do."""


def save(trace: Reading, path: str | PathLike[str], *, reveal: bool = False) -> None:
    """See ``Trace.save``."""
    tape, ledger = trace.tape, trace.ledger
    with trace.still(), tape.hold():
        kept = tape.kept()
        data = bytearray(kept.data)
        story = {
            "format": FORMAT,
            "began": trace.began,
            "notes": (*trace.notes, *trace.left_out),
            "rebuilt": trace.rebuilt,
            "max_bytes": tape.max_bytes,
            "max_entries": tape.max_entries,
            "first": {"byte": kept.start, "record": ledger.records.first, "chunk": kept.first},
            "next_connection": tape.next_connection,
            "connections": [_told(one, kept.start, data, reveal) for one in ledger.conversations.values()],
            "violations": {number: [v._asdict() for v in broken] for number, broken in ledger.violations.items()},
            "texts": dict(ledger.texts),
            "inflated": {number: len(one) for number, one in ledger.inflated.items()},
            "messages": [
                [number, message._asdict() | {"violations": [v._asdict() for v in message.violations]}]
                for _, number, message in map(ledger.message, range(ledger.messages.first, ledger.messages.total))
            ],
        }
        parts = {
            "bytes.bin": bytes(data),
            "records.bin": ledger.records.slice(),
            "places.bin": ledger.places.slice(),
            "chunks.bin": kept.entries,
            "inflated.bin": b"".join(ledger.inflated.values()),
        }
    with work("saving", path), written(path) as file, zipfile.ZipFile(file, "w") as archive:
        # Without indentation JSON is encoded in C, ten times as fast.
        for name, part in {"trace.json": json.dumps(story).encode(), **parts}.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # a fixed date: equal traces make equal files
            info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, len(part)
            with archive.open(info, "w") as inside:
                for at in watched(range(0, len(part), PIECE), f"packing {name}"):
                    inside.write(part[at : at + PIECE])


def load(path: str | PathLike[str], kind: type[R]) -> R:
    """The recording that a file holds, as one of that kind; see ``Trace.load``."""
    try:
        with work("opening", path), zipfile.ZipFile(path) as archive:
            return _load(archive, kind)
    except FileNotFoundError:
        raise TraceFileError(f"{path}: there is no such file; Trace.save writes one") from None
    except OSError as error:  # also what zipfile meets when a damaged directory points before the file's start
        reason = f"it cannot be read: {error}"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = f"it is cut or no archive: {error}"
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError, struct.error) as error:
        reason = f"{error.args[0]} is missing or unknown" if isinstance(error, KeyError) else str(error)
    raise TraceFileError(f"{path}: expected a file that Trace.save wrote, but {clip(reason, 200)}")


def unpacked(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """At most so many bytes of a file in an archive. Raises ValueError where it is packed in a way that zipfile
    unpacks without a bound, and KeyError where it is not there."""
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed by method {info.compress_type}, and 0 (stored) or 8 (deflate) is expected")
    with archive.open(info) as file:
        return file.read(most)


def _load(archive: zipfile.ZipFile, kind: type[R]) -> R:
    def part(name: str, layout: struct.Struct | None = None) -> bytes:
        if archive.getinfo(name).file_size > LARGEST:
            raise ValueError(f"{name} would unpack to more than {LARGEST} bytes")
        data = unpacked(archive, name, LARGEST)
        if layout is not None and len(data) % layout.size:
            raise ValueError(f"{name} ends in the middle of an entry")
        return data

    story = json.loads(part("trace.json"))
    if story["format"] not in (FORMAT, EARLIER):
        raise ValueError(f"its format is {story['format']!r}, and this wslab reads {FORMAT!r} and {EARLIER!r}")
    _check(story, _SHAPE, "trace.json")
    if not 1024 <= story["max_bytes"] <= LARGEST:
        raise ValueError(f"it claims to keep {story['max_bytes']} bytes")
    many = len(story["connections"])  # all of them stay, though they are over
    entries = max(story["max_entries"], RECORDS_EACH * many if many > FEWEST else 0)
    trace = kind(max_bytes=story["max_bytes"], max_entries=entries)
    tape, ledger, first = trace.tape, trace.ledger, story["first"]
    trace.began = story["began"]
    # wslab 0.1 wrote neither.
    trace.notes, trace.rebuilt = tuple(map(str, story.get("notes", ()))), bool(story.get("rebuilt", False))
    if story["format"] == FORMAT:
        records = part("records.bin", PACKED)
    else:
        earlier, unknown = part("records.bin"), DELAY.pack(UNKNOWN)
        records = b"".join(earlier[at : at + DELAY_AT] + unknown for at in range(0, len(earlier), DELAY_AT))
    ledger.records.restore(first["record"], records)
    ledger.places.restore(first["record"], part("places.bin", PLACE))
    tape.restore(Kept(first["byte"], part("bytes.bin"), first["chunk"], part("chunks.bin", ENTRY)))
    if ledger.records.total != ledger.places.total:
        raise ValueError("records.bin and places.bin differ in length")
    for connection in story["connections"]:
        _restore_connection(trace, connection)
    tape.next_connection = max(tape.next_connection, story["next_connection"])
    if tape.next_connection >= 2**31:
        raise ValueError(f"it numbers connections up to {tape.next_connection}")
    ledger.violations.update((int(number), _violations(broken)) for number, broken in story["violations"].items())
    ledger.texts.update((int(number), text) for number, text in story["texts"].items())
    inflated, at = part("inflated.bin"), 0
    for number, length in story["inflated"].items():
        ledger.keep_inflated(int(number), inflated[at : at + length])
        at += length
    for moment, _, sender, end, *_ in tape.entries():
        if sender > 1 or end > 1 or not 0 <= trace.began + moment < LATEST:
            raise ValueError("chunks.bin tells of a time or an end that there cannot be")
    caused: dict[int, dict[Cause, int]] = {}
    # Reads every record, so that a lying sender or kind is found.
    for place, record in enumerate(watched(trace, "reading records"), ledger.records.first):
        if record.number != place or not 0 <= trace.began + record.time < LATEST:
            raise ValueError("records.bin tells of a number or a time that there cannot be")
        cause = _CAUSES.get(record.kind, ledger.places[place][0])
        caused.setdefault(record.connection, {})[record.sender, cause] = place
    for number, conversation in ledger.conversations.items():
        conversation.causes.update(caused.get(number, {}))
        ledger.note_steps(conversation)
    ledger.steps.sort(key=by_record)
    for number, told in story["messages"]:
        told |= {"sender": Sender(told["sender"]), "violations": _violations(told["violations"])}
        message = Message(**told)
        completed = caused.get(number, {}).get((message.sender, message.last_frame), -1)
        ledger.keep_message(completed, number, message)
    return trace


def _check(value: Any, shape: Any, where: str) -> None:
    """Raise ValueError unless the value has the shape: a class, a list of one shape, one for each end, or an object."""
    fits = isinstance(value, dict if isinstance(shape, dict) else list)
    if isinstance(shape, type):
        fits = type(value) is shape and (not isinstance(value, int) or 0 <= value < 2**63)
    elif fits and isinstance(shape, dict):
        for key, one in dict.fromkeys(value, shape[str]).items() if str in shape else shape.items():
            _check(value[key], one, f"{where}.{key}")
    elif fits:
        fits = isinstance(shape, list) or len(value) == len(shape)
        for place, part in enumerate(value):
            _check(part, shape[0], f"{where}[{place}]")
    if not fits:
        raise ValueError(f"{where} cannot be {str(value)[:40]!r}")


def _violations(told: list[dict[str, Any]]) -> tuple[Violation, ...]:
    return tuple(Violation(**one) for one in told)


def _told(conversation: Conversation, start: int, kept: bytearray, reveal: bool) -> dict[str, Any]:
    """A connection as JSON. Secrets are overwritten among the kept bytes, which begin at ring position ``start``."""
    wire, protocol = conversation.wire, conversation.protocol
    heads: list[dict[str, Any]] = []
    for head in (*protocol.heads, *protocol.unfinished()):
        data, stream = head.data if reveal else withheld(head), conversation.streams[head.sender]
        stops = [*stream.offsets[1:], max(wire.seen[head.sender])]
        for first, stop, position in zip(stream.offsets, stops, stream.positions, strict=False):
            for at in range(max(first, head.offset), min(stop, head.offset + len(data))):
                place = position + at - first - start
                if 0 <= place < len(kept):
                    kept[place] = data[at - head.offset]
        broken = [violation._asdict() for violation in head.violations]
        heads.append({"sender": head.sender, "offset": head.offset, "data": data.hex(), "violations": broken})
    del heads[len(protocol.heads) :]
    return {
        "number": wire.number,
        "tapped": wire.tapped,
        "begins": wire.heads,
        "last_record": conversation.last_record,
        "streams": [
            {"seen": seen, "ended": sorted(s.ended), "offsets": s.offsets, "positions": s.positions}
            for seen, s in zip(wire.seen, conversation.streams, strict=True)
        ],
        "reports": [[report.sender, report.code, report.reason] for report in conversation.closings.values()],
        "heads": heads,
        "states": {sender.label: state.name for sender, state in protocol.states.items()},
        "transitions": [
            [t.endpoint, t.old.name, t.new.name, t.event.name, t.section, t.after] for t in protocol.transitions
        ],
    }


def withheld(head: Head) -> bytes:
    """The head's bytes with the values of Cookie, Authorization and their like overwritten with ``*``."""
    data = bytearray(head.data)
    for field in explain_head(head.data, head.sender):
        if field.secret:
            start, stop = field.start // 8, field.stop // 8
            # The name and the line's end stay, so that the head reads as one; a line that has no name goes whole.
            name = _NAME.match(data, start, stop)
            start = name.end() if name else start
            stop -= data.endswith(b"\n", start, stop)
            stop -= data.endswith(b"\r", start, stop)
            data[start:stop] = b"*" * (stop - start)
    return bytes(data)


def _restore_connection(trace: Reading, story: dict[str, Any]) -> None:
    wire = trace.tape.wire(number=story["number"])
    trace.tape.joined.clear()
    trace.tape.left.append(wire)
    conversation = trace.ledger.conversations[wire.number] = Conversation(wire, trace.ledger.records.first)
    wire.tapped, conversation.last_record = story["tapped"], int(story["last_record"])
    _check(begins := story.get("begins", [True, True]), (bool, bool), "begins")
    wire.heads = begins[0], begins[1]
    for sender, stream, told in zip(Sender, conversation.streams, story["streams"], strict=True):
        wire.seen[sender][:] = told["seen"]
        stream.offsets, stream.positions = told["offsets"], told["positions"]
        if len(stream.offsets) != len(stream.positions):
            raise ValueError(f"connection {wire.number} has chunks without a place")
        stream.ended = {Kind(kind) for kind in told["ended"]}
    for end, code, reason in story["reports"]:
        _check([] if code is None else [code], [int], "a report's code")
        _check(reason, str, "a report's reason")
        conversation.closings[Sender(end)] = CloseReport(Sender(end), code, reason)
    protocol = conversation.protocol
    for place, told in enumerate(story["heads"]):
        if told is not None:
            _check(told, _HEAD, "a head")
            # Earlier files hold the request and the response, and name no sender.
            sender = Sender(told.get("sender", place))
            head = parse_head(bytes.fromhex(told["data"]), sender, offset=told["offset"])
            protocol.heads.append(replace(head, violations=_violations(told["violations"])))
    protocol.states = {sender: State[story["states"][sender.label]] for sender in Sender}
    for end, old, _, event, _, after in story["transitions"]:
        if (rule := NEXT.get((State[old], Event[event]))) is None:
            raise ValueError(f"{event} is no event that ends the state {old}")
        cause = Sender(after[0]), after[1]
        protocol.transitions.append(Transition(Sender(end), rule.old, rule.new, rule.event, rule.section, cause))
