"""What bytes mean: RFC 6455 and RFC 7692 as functions from bytes to fields, by the standard library alone.

Bottom up: ``words`` (opcodes, status codes), ``header`` (a frame's), ``head`` (a handshake's, read and explained),
``dissector`` (where things begin and end), ``rules`` (what must be), ``frame``, ``deflate``, ``states``, ``connection``
(both directions and all of that), ``dissection`` (bytes in, everything out). ``builder`` and ``handshake`` go the other
way and refuse nothing.
"""

from .builder import BuildError, build_close, build_frame
from .connection import Connection, Unread
from .dissection import Dissection, dissect, explain
from .dissector import Dissector
from .frame import Frame, explain_frame, parse_frame
from .handshake import accept_key, build_request, build_response
from .head import Head, explain_head, parse_head
from .header import FrameHeader
from .message import Message
from .rules import RULES
from .states import TRANSITIONS, Event, State, Transition

__all__ = [
    "RULES", "TRANSITIONS", "BuildError", "Connection", "Dissection", "Dissector", "Event", "Frame", "FrameHeader",
    "Head", "Message", "State", "Transition", "Unread", "accept_key", "build_close", "build_frame", "build_request",
    "build_response", "dissect", "explain", "explain_frame", "explain_head", "parse_frame", "parse_head",
]  # fmt: skip
