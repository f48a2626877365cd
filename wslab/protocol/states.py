"""The states of a connection, as a table: what moves each endpoint from CONNECTING to OPEN, CLOSING and CLOSED.

RFC 6455 speaks of one connection's state, as each endpoint knows it. The two do not know the same at the same time: a
server is OPEN when it has sent its 101, a client when it has received it. What is seen here is the wire, so what one
endpoint sends the other is taken to receive at once.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from ..anatomy.field import Sender


class State(Enum):
    """What an endpoint takes the connection to be."""

    CONNECTING = "CONNECTING"
    OPEN = "OPEN"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


class Event(Enum):
    """What happens to an endpoint, in the words of a diagram's arrow."""

    SENT_ACCEPTANCE = "sent 101"
    RECEIVED_ACCEPTANCE = "received 101"
    SENT_REFUSAL = "sent a response other than 101"
    RECEIVED_REFUSAL = "received a response other than 101"
    SENT_CLOSE = "sent a close frame"
    RECEIVED_CLOSE = "received a close frame"
    TCP_CLOSED = "TCP connection closed"


class StateRule(NamedTuple):
    """One row of the table."""

    old: State
    event: Event
    new: State
    section: str
    sentence: str  # the RFC's own


class Transition(NamedTuple):
    """One change that happened."""

    endpoint: Sender
    old: State
    new: State
    event: Event
    section: str
    # Who sent what caused it, and that frame's index; None for a head or the end of the TCP connection.
    after: tuple[Sender, int | None]


_SERVER_OPEN = (
    "This completes the server's handshake. If the server finishes these steps without aborting the WebSocket "
    "handshake, the server considers the WebSocket connection to be established and that the WebSocket connection is "
    "in the OPEN state."
)
_CLIENT_OPEN = (
    "If the server's response is validated as provided for above, it is said that _The WebSocket Connection is "
    "Established_ and that the WebSocket Connection is in the OPEN state."
)
_NOT_ESTABLISHED = (
    "If the WebSocket connection could not be established, it is also said that _The WebSocket Connection is Closed_, "
    "but not _cleanly_."
)
_CLOSING = (
    "Upon either sending or receiving a Close control frame, it is said that _The WebSocket Closing Handshake is "
    "Started_ and that the WebSocket connection is in the CLOSING state."
)
_CLOSED = (
    "When the underlying TCP connection is closed, it is said that _The WebSocket Connection is Closed_ and that the "
    "WebSocket connection is in the CLOSED state."
)

# Every change there is. An event without a row for the present state changes nothing.
TRANSITIONS: Final[tuple[StateRule, ...]] = (
    StateRule(State.CONNECTING, Event.SENT_ACCEPTANCE, State.OPEN, "RFC 6455 4.2.2", _SERVER_OPEN),
    StateRule(State.CONNECTING, Event.RECEIVED_ACCEPTANCE, State.OPEN, "RFC 6455 4.1", _CLIENT_OPEN),
    StateRule(State.CONNECTING, Event.SENT_REFUSAL, State.CLOSED, "RFC 6455 7.1.4", _NOT_ESTABLISHED),
    StateRule(State.CONNECTING, Event.RECEIVED_REFUSAL, State.CLOSED, "RFC 6455 7.1.4", _NOT_ESTABLISHED),
    StateRule(State.CONNECTING, Event.TCP_CLOSED, State.CLOSED, "RFC 6455 7.1.4", _NOT_ESTABLISHED),
    StateRule(State.OPEN, Event.SENT_CLOSE, State.CLOSING, "RFC 6455 7.1.3", _CLOSING),
    StateRule(State.OPEN, Event.RECEIVED_CLOSE, State.CLOSING, "RFC 6455 7.1.3", _CLOSING),
    StateRule(State.OPEN, Event.TCP_CLOSED, State.CLOSED, "RFC 6455 7.1.4", _CLOSED),
    StateRule(State.CLOSING, Event.TCP_CLOSED, State.CLOSED, "RFC 6455 7.1.4", _CLOSED),
)

NEXT: Final[dict[tuple[State, Event], StateRule]] = {(rule.old, rule.event): rule for rule in TRANSITIONS}
