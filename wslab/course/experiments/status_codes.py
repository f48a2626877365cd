"""Status codes of a close frame: which of them two libraries accept, who may send them, and what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

from ...drawing import pen, style
from ...drawing.blocks import Table, Words
from ...drawing.sheet import Sheet, Shown
from ...live.judges.judge import judge
from ...protocol import build_close

KEY = bytes(4)  # a masking key that leaves the payload as it is: for lessons only
LAST = 5000  # the line of codes ends here
WIDTH = 640  # pixels of the line, so few that its letters stay readable in a narrow window
PAGES = (
    "A page's script may hand only 1000 and 3000 to 4999 to close(). The others are for an endpoint itself to say, and "
    "there the endpoint is the browser."
)


def word(data: bytes, who: str) -> str:
    """What one judge makes of a client's frame: "accepted", that it waits, or the status code of its refusal."""
    verdict = next(one for one in judge(data, handshake=False).verdicts if one.judge == who)
    return str(verdict.code) if not verdict.accepted else "accepted" if verdict.events else "waits"


def accepted_by(code: int) -> tuple[str, ...]:
    """Which judges accept a close frame with this code."""
    frame = build_close(code, mask=KEY)
    return tuple(verdict.judge for verdict in judge(frame, handshake=False).verdicts if verdict.accepted)


def may_carry(codes: Iterable[str]) -> dict[str, str]:
    """For each code: whether both judges accept a close frame that carries it."""
    return {code: "yes" if len(accepted_by(int(code))) == 2 else "no" for code in codes}


class Codes(NamedTuple):
    """A run of status codes that are treated alike."""

    first: int
    last: int
    judges: tuple[str, ...]  # those that accept it
    page: bool  # whether a page's close() takes it

    @property
    def name(self) -> str:
        """The codes, in digits."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def who(self) -> str:
        """Who may send it, in words."""
        if not self.judges:
            return "nobody"
        if len(self.judges) == 1:
            return f"only {self.judges[0]} takes it"
        return "endpoints, and pages" if self.page else "endpoints"


MEANINGS = {
    999: "not used",
    1000: "normal: what the connection was for is done",
    1003: "going away, protocol error, a kind of data that is not accepted",
    1006: "1004 has no meaning; 1005 and 1006 are what programs report where no code, or no close frame, came",
    1013: "wrong data, policy, too big, extension missing, unexpected; 1012 and 1013 are from the registry",
    1014: "bad gateway: in the registry, and later than some libraries",
    2999: "1015 is what programs report where TLS failed; the rest is reserved",
    4999: "3000 to 3999 are for libraries, and registered; 4000 to 4999 are yours",
    LAST: "outside",
}  # by the last code of a run: what the codes up to it are (RFC 6455 7.4)


class CodeLine(Shown):
    """The codes from 0 to 5000 as a line: who may send which. Every code was put to both judges."""

    def __init__(self) -> None:
        # What a page may say is the browsers' rule (WHATWG WebSockets); lesson 09 tries it.
        asked = [(code, accepted_by(code), code == 1000 or 3000 <= code <= 4999) for code in range(LAST + 1)]
        self.runs = [
            Codes(codes[0][0], codes[-1][0], *treated)
            for treated, codes in ((key, list(some)) for key, some in groupby(asked, lambda one: one[1:]))
        ]

    def _sheet(self) -> Sheet:
        rows = [
            (run.name, run.who, next(said for last, said in MEANINGS.items() if run.last <= last)) for run in self.runs
        ]
        title = "Status codes of a close frame: who may send which"
        table = Table(("codes", "may be sent by", "what they are"), rows, title, row_heading=0)
        return Sheet(title, [table, Words(PAGES)])

    def _repr_html_(self) -> str:
        return self.svg() + self._sheet().html()

    def svg(self) -> str:
        """The line, and below it the codes from 1000 to 1015, as a picture."""
        parts = [*self._strip(0, LAST + 1, 40, (0, 1000, 2000, 3000, 4000, 5000))]
        parts += self._strip(1000, 1016, 130, range(1000, 1016))
        x = 0.0
        for said in ("endpoints, and pages", "endpoints", "only websockets takes it", "nobody"):
            parts.append(pen.rect(x, 178, 14, 14, _look(said)) + pen.text(x + 20, 190, said))
            x += 40 + pen.text_width(said)
        described = "; ".join(f"{run.name}: {run.who}" for run in self.runs)
        return style.themed(
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="206" '
            f'viewBox="0 0 {WIDTH} 206" font-family="{pen.SANS}"><title>Status codes</title>'
            f"<desc>{described}</desc>{''.join(parts)}</svg>"
        )

    def _strip(self, first: int, stop: int, y: float, named: Iterable[int]) -> list[str]:
        scale = WIDTH / (stop - first)
        parts = [pen.text(0, y - 22, f"{first} to {stop - 1}", weight=700)]
        for run in self.runs:
            start, end = max(run.first, first), min(run.last + 1, stop)
            if start < end:
                parts.append(pen.rect((start - first) * scale, y, (end - start) * scale, 22, _look(run.who)))
        for code in named:
            middle = scale / 2 if stop - first < 100 else 0
            x = min((code - first) * scale + middle, WIDTH - 14)
            parts.append(pen.text(max(x, 14), y - 5, str(code), size=10, anchor="middle", ink=style.SOFT))
        return parts


def _look(who: str) -> str:
    """How a run is drawn: filled, hollow or red, so that colour alone tells nothing."""
    fill, stroke = {
        "endpoints, and pages": (style.LANE_INKS[0], style.LANE_INKS[0]),
        "endpoints": (style.TINT2, style.LANE_INKS[0]),
        "nobody": (style.PAPER, style.RED),
    }.get(who, (style.TINT2, style.RED))
    return f'fill="{fill}" stroke="{stroke}" stroke-width="1"'


def code_line() -> CodeLine:
    """The codes from 0 to 5000, each put to both judges."""
    return CodeLine()


class TwoOpinions(Shown):
    """What both judges make of several frames of a client."""

    def __init__(self, frames: Mapping[str, bytes]) -> None:
        self.words = {case: (word(data, "websockets"), word(data, "wsproto")) for case, data in frames.items()}

    def _sheet(self) -> Sheet:
        rows = [(case, *words) for case, words in self.words.items()]
        title = "What two libraries make of it"
        return Sheet(title, [Table(("a client's close frame", "websockets", "wsproto"), rows, title, row_heading=0)])


def two_opinions(frames: Mapping[str, bytes]) -> TwoOpinions:
    """What both judges make of each frame: "accepted", or the code of the refusal."""
    return TwoOpinions(frames)
