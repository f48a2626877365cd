"""``RecordFilter``: which records a panel shows. ``sieve.js`` decides the same in the page; a test compares both."""

from typing import NamedTuple

from ...anatomy.record import Kind, Record

DIRECTIONS = ("both", "client", "server")
# Opening handshake; data frames; control frames; the end of a TCP stream; what a program reports and bytes that are
# no frame; what a relay did.
KINDS = ("handshake", "data", "control", "tcp", "error", "bend")

# RFC 6455 5.5: "Control frames are identified by opcodes where the most significant bit of the opcode is 1."
CONTROL = 0b1000
# Of ``KINDS``, that of a record which is no frame.
GROUPS = {Kind.REQUEST: "handshake", Kind.RESPONSE: "handshake", Kind.FIN: "tcp", Kind.RESET: "tcp"}
GROUPS |= {Kind.ERROR: "error", Kind.UNREAD: "error", Kind.BEND: "bend"}


class RecordFilter(NamedTuple):
    """What a record has to be in order to be shown; the default takes every record."""

    direction: str = "both"
    kinds: tuple[str, ...] = KINDS
    opcode: int | None = None
    connection: int | None = None
    text: str = ""  # stands in the record's summary, in capitals or not
    broken: bool = False  # only records that break a rule

    def takes(self, record: Record) -> bool:
        """Whether this record is shown."""
        return (
            self.direction in ("both", record.sender.label)
            and (GROUPS.get(record.kind) or ("control" if record.first & CONTROL else "data")) in self.kinds
            and (self.opcode is None or (record.kind is Kind.FRAME and record.first & 0b1111 == self.opcode))
            and self.connection in (None, record.connection)
            and (not self.broken or record.violations > 0)
            and (not self.text or self.text.lower() in record.summary.lower())
        )
