"""``BrowserPanel``: JavaScript in the learner's own page, beside what the page was told and what crossed the wire.

Theory. The code runs in the page; the kernel can only ask for it, and hears in batches what happened. Before that, the
lab admits the page's origin, and for a page on another machine a door lets the user's own Jupyter server pass the bytes
on untouched. Only the kernel has the recording, so it finds the record of each event.
"""

import asyncio
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from traitlets import Enum, Unicode

from ...anatomy.records import ladder, records_table
from ...drawing.blocks import DRAWN, READ, Block, Only, Table, Words
from ...drawing.sheet import Sheet
from ...drawing.table import Column
from ...drawing.visible import harmless
from ...live.article import CLIENT_SCRIPT
from ...live.article import PORT as ARTICLE_PORT
from ...live.carrier import ADDRESS
from ...live.estate import secret_of
from ...live.jupyter import doors
from ..kit.panel import Question
from ..kit.trace_panel import RecordsPanel
from .page_run import ConsoleLine, Entry, PageEvent, PageRun, Way

ROUTES = ("auto", "loopback", "jupyter")
MOST_CODE = 300_000  # characters of code, at most, that a page may send
PICTURED = 24  # events, and records, at most, on a picture
MOST_NAMED = 12  # events, at most, that the message of a ``TimeoutError`` names
ORIGIN = re.compile(r"https?://[^/\s]+", re.ASCII)

_EVENTS = (Column("no.", right=True), Column("what"), Column("told", wraps=True), Column("record", right=True))
_NO_SERVER = (
    "there is no server yet that a page could be led to: run `await lab.serve()` first, or name another one with "
    "also=[port]. No page reaches a lab in memory"
)


class BrowserPanel(RecordsPanel, sheets=["lab_panel/lab_panel.css"]):
    """A page's JavaScript in an editor, run in the learner's own page: its console, its sockets' events, and the wire.

    Args:
        lab: a ``Lab``, or what else has a ``trace`` and a ``port``, such as a relay.
        code: JavaScript, or a whole HTML page, of which the inline scripts run; the article's page by default.
        route: ``loopback``, directly to 127.0.0.1; ``jupyter``, through the user's own Jupyter server; ``auto``, the
            first for a page from this machine.
        also: further servers on 127.0.0.1 that the code may reach: ports, or what has a ``port``.

    A click on Run, or ``panel.run()``, runs the code. ``ws://localhost:PORT`` leads to the lab's server and those of
    ``also``; so does the article's port 1234, where none of them has it. The browser's own WebSocket does the work,
    within its limits. What the page opens under another name (``window.WebSocket``, a library, a worker) is not seen.
    Stop, another run, and the end of the last view close every socket.
    """

    code = Unicode(help="The JavaScript, or the HTML page, as the editor holds it.")
    route = Enum(ROUTES, "auto", help="How the page reaches the lab: auto, loopback or jupyter.")

    _page: dict[str, Any] | None = None  # that shows the panel, as ``_page_of`` reads it
    _wanted = False  # a cell asked for a run that no page has begun

    def __init__(self, lab: Any, code: str | None = None, route: str = "auto", also: Any = (), **kwargs: Any) -> None:
        self._doors: dict[int, doors.Door] = {}
        self._original = CLIENT_SCRIPT if code is None else code
        self._also: list[Any] = [also] if isinstance(also, int) or hasattr(also, "port") else [*also]
        for each in self._also:
            if not isinstance(getattr(each, "port", each), int):
                raise TypeError(f"also={each!r}: a port is wanted, or what has one, such as await lab.node()")
        self._untold: dict[int, int] = {}  # matches of events with records
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        super().__init__(lab, code=self._original, route=route, **kwargs)
        self._last = PageRun(0, self.trace)
        weakref.finalize(self, _close_doors, self._doors)

    @property
    def events(self) -> list[PageEvent]:
        """The last 500 of this run's socket events and of the calls that the code made, in order."""
        with self._lock:
            self._untold |= self._last.match()
            return self._last.events

    @property
    def console(self) -> list[ConsoleLine]:
        """What the code printed, and exceptions that it did not catch, as far as they are among the last 500."""
        with self._lock:
            return [entry for entry in self._last.entries if isinstance(entry, ConsoleLine)]

    @property
    def dropped(self) -> int:
        """How many events and lines of this run are no longer kept."""
        with self._lock:
            return self._last.dropped

    def run(self) -> None:
        """Tell the page, or the first that will show the panel, to run the code. Without a server: RuntimeError."""
        with self._lock:
            if not self._known():
                raise RuntimeError(_NO_SERVER)
            self._wanted = True
            if self._page is not None:
                self._start(self._page)

    def stop(self) -> None:
        """Tell the page to close what the code opened, and to end its timers."""
        self._wanted = False
        self.tell("stop")

    def restore(self) -> None:
        """Replace the code by that which the panel was made with."""
        self.code = self._original

    async def wait_for(self, what: str | Callable[[Entry], object], *, times: int = 1, timeout: float = 10.0) -> Entry:
        """Wait until something has happened ``times`` times in this run; the event or line that completes the number.

        Args:
            what: the name of an event or a call, such as ``"close"`` or ``"send()"``, or ``"console"``; or a
                function that takes an event or a line and returns whether it is meant.
            times: how often it must happen.
            timeout: seconds, after which TimeoutError names what happened instead.
        """
        fits = what if callable(what) else lambda entry: entry.what == what
        try:
            async with asyncio.timeout(timeout):
                while True:
                    heard = asyncio.Event()
                    with self._lock:
                        happened: list[Entry] = [*self.events, *self.console]
                        found = sorted(filter(fits, happened), key=lambda entry: entry.number)
                        if len(found) >= times:
                            return found[times - 1]
                        self._waiting[heard] = asyncio.get_running_loop()
                    try:
                        await heard.wait()
                    finally:
                        self._waiting.pop(heard, None)
        except TimeoutError:
            nothing = "nothing; no page shows this panel" if self._page is None else "nothing"
            names = [entry.what for entry in self._last.entries]
            names[MOST_NAMED:] = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
            name, did = repr(what) if isinstance(what, str) else "what is waited for", ", ".join(names) or nothing
            raise TimeoutError(f"after {timeout:g} s {name} has not happened; what did: {did}") from None

    def close(self) -> None:
        """Close the panel: its views disappear, and what the code opened is closed. The recording stays."""
        self.stop()
        _close_doors(self._doors)
        super().close()

    def _sheet(self) -> Sheet:
        with self._lock:
            self._untold |= self._last.match()
            records, dropped = self._last.records, self._last.dropped
            rows = [(number, what, self._steadied(said), record) for number, what, said, record in self._last.rows]
            code = "\n".join(map(harmless, self._steadied(self.code.rstrip()).expandtabs(2).split("\n")))
        left_out = f" (the first {dropped} were dropped)" if dropped else ""
        caption = f"What the page was told, and what it did{left_out}"
        blocks: list[Block] = [Only(["text"], [Words("The page's JavaScript")]), Words(code, code=True)]
        told = [Only(READ, [Table(_EVENTS, rows, caption)]), Only(DRAWN, [Table(_EVENTS, rows[:PICTURED], caption)])]
        blocks += told if rows else [Words("not run yet")]
        if records:
            crossed = records_table(records, "What crossed the wire")
            blocks += [Only(READ, [crossed]), Only(DRAWN, [ladder(records[:PICTURED])])]
        return Sheet("A browser as the peer", blocks, "browser")

    def _steadied(self, text: str) -> str:  # without the ports, which differ at each run
        for port, way in self._last.ways.items():
            if port != ARTICLE_PORT and way.to == port:
                text = re.sub(rf":{port}\b", ":PORT", text)
        return text

    def _servers(self) -> Iterator[tuple[Any, Way]]:
        """The recorded server and those of ``also``, and where their ports lead."""
        lab = self._open_lab
        server = getattr(lab, "server", lab)  # a relay is its own
        port = getattr(server, "port", None)
        if isinstance(port, int) and getattr(lab, "carrier", "tcp") != "memory":
            yield server, Way(port, "the lab's server" if hasattr(lab, "server") else "the relay", True)
        for each in self._also:
            port = int(getattr(each, "port", each))
            yield each, Way(port, f"port {port}", False)

    def _known(self) -> dict[int, Way]:
        """Where each port leads that the code may name."""
        ways: dict[int, Way] = {}
        for _, way in self._servers():
            ways.setdefault(way.to, way)
        if ways:
            ways.setdefault(ARTICLE_PORT, next(iter(ways.values())))
        return ways

    def _start(self, page: dict[str, Any]) -> None:
        ways = self._known()
        if not ways:
            raise RuntimeError(_NO_SERVER)
        directly = self.route == "loopback" or (self.route == "auto" and (page["loopback"] or not page["jupyter"]))
        for server, _ in self._servers():
            behind = getattr(getattr(server, "lab", None), "server", None)  # what a relay leads to, perhaps
            admit = getattr(server, "admit", None) or getattr(behind, "admit", None)
            if admit is not None:
                admit(page["origin"])
        paths = {way.to: None if directly else self._path(way.to) for way in ways.values()}
        ports = {
            str(port): {"port": to, "name": name, "path": paths[to], "secret": secret_of(ADDRESS, to)}
            for port, (to, name, _) in ways.items()
        }
        self._last = PageRun(self._last.number + 1, self.trace, page["origin"], ways)
        self._untold = {}
        self._tell_addresses()
        self.tell("run", page=page["page"], run=self._last.number, code=self.code, ports=ports)

    def _path(self, port: int) -> str:
        for server, way in self._servers():
            if way.recorded and way.to == port and hasattr(server, "door"):
                return str(server.door().path)
        if port not in self._doors:
            self._doors[port] = doors.open(port, secret=secret_of(ADDRESS, port))
        return self._doors[port].path

    def _look(self) -> None:
        super()._look()
        if self.closed:
            _close_doors(self._doors)

    def _tell_addresses(self) -> None:
        addresses = [{"port": port, **way._asdict()} for port, way in self._known().items()]
        if self.is_news("addresses", addresses):
            self.tell("addresses", addresses=addresses)

    def _push(self) -> bool:
        more = super()._push()
        with self._lock:
            self._tell_addresses()
            self._untold |= self._last.match()
            new, self._untold, last = [*self._untold.items()], {}, self._last
            if new:
                self.tell("matches", run=last.number, records=new, connections=last.connections)
        return more

    def _greeted(self, question: Question) -> None:
        page = self._page = _page_of(question)
        super()._greeted(question)
        with self._lock:
            last = self._last
            self.tell("log", page=page["page"], run=last.number, entries=[*last.told], next=last.next)
            self._tell_addresses()
            self.tell("matches", run=last.number, records=[*last.matches.items()], connections=last.connections)
            if self._wanted:
                self._start(page)

    def _answer_run(self, question: Question) -> None:
        with self._lock:
            page = self._page = _page_of(question)
            self.code = str(question["code"])[:MOST_CODE]
            self._wanted = False
            try:
                self._start(page)
            except Exception:
                self.tell("refused", page=page["page"])
                raise

    def _answer_events(self, question: Question) -> None:
        with self._lock:
            if question["run"] != self._last.number:
                return
            self._wanted = False
            for told in question["entries"]:
                self._last.note(told)
            waiting = [*self._waiting.items()]
        for heard, loop in waiting:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(heard.set)
        self.refresh()

    def _answer_left(self, question: Question) -> None:
        with self._lock:
            if self._page is not None and self._page["page"] == str(question["page"]):
                self._page = None

    answers: ClassVar[Mapping[str, Any]] = {
        **RecordsPanel.answers,
        "run": _answer_run,
        "events": _answer_events,
        "left": _answer_left,
        "restore": lambda self, _: self.restore(),
    }


def _page_of(question: Question) -> dict[str, Any]:
    """What a page says of itself. Raises ValueError where its origin is none."""
    origin = str(question["origin"])
    if not ORIGIN.fullmatch(origin):
        raise ValueError(f"a page says that its origin is {origin!r}; one like http://localhost:8888 is wanted")
    # Whether it comes from this machine, as far as it can tell, and whether it knows the address of its Jupyter server.
    loopback, jupyter = bool(question["loopback"]), bool(question["jupyter"])
    return {"page": str(question["page"]), "origin": origin, "loopback": loopback, "jupyter": jupyter}


def _close_doors(known: dict[int, doors.Door]) -> None:
    for port in [*known]:
        known.pop(port).close()
