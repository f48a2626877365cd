"""``HandshakeWorkbench``: a request to edit and send, its answer explained, Accept step by step, and experiments.

What a view shows of a request is computed here at each change. The loop of the lab's server sends the requests.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from traitlets import Bool, Dict, Enum, List, TraitError, Unicode, observe, validate

from ...anatomy.explained import explanation_sheet
from ...drawing.blocks import READ, Block, Only, Pairs, Table, Title, Words
from ...drawing.sheet import Sheet
from ...drawing.table import Column
from ...drawing.visible import count, decode, hexed, quote, shows, visible
from ...live.errors import CLOSED, LabClosed, NoServer
from ...live.judges.attempt import FAILS, Attempt, attempt, explain_request, request_head, written
from ...protocol import build_request
from ...protocol.handshake import GUID, AcceptSteps
from ..kit.panel import Question, Underway, guarded
from ..kit.trace_panel import TracePanel
from .experiments import EXPERIMENTS, KEY, STATUSES, experiment, experiment_rows, predictable, tally

MOST_BODY = 2_000  # bytes of a response's body that are shown
_CHECKS = ("the client checks", "outcome", Column("found", wraps=True))
_TABLE = ("change", "predicted", "it was", "so", "why", "section")
_IN_TEXT = (
    Column("change", most=22), Column("predicted", most=9), Column("it was", most=6), Column("so", most=13), "why",
)  # fmt: skip


class HandshakeWorkbench(TracePanel):
    """A workbench for the opening handshake (RFC 6455 sections 4.1 and 4.2).

    Args:
        lab: a ``Lab``; requests go to its server, over connections that its trace records.
        request: what stands in the editor, and what the experiments change: the RFC's request if None.
        part: "request", "accept" or "experiments" shows this part alone; None shows all as tabs.

    A request is sent as it is written, right or wrong. If the server agrees, the connection is closed with 1000. A
    script says ``bench.predict("no-upgrade", 426)``, ``bench.run("no-upgrade")``. The notebook keeps what is typed,
    passwords included. Text, HTML and picture withhold Cookie and Authorization.
    """

    part = Enum((None, "request", "accept", "experiments"), None, help="The part that is shown alone.")
    request = Unicode(help="The request as text; line ends and the empty line are added.")
    exactly = Bool(False, help="Send what is typed and nothing else; there are escapes.")
    key = Unicode(None, allow_none=True, help="The key whose Accept is computed; None takes the request's.")
    predictions = Dict(help="By an experiment's name, the status that is expected.")
    results = Dict(read_only=True, help="By an experiment's name, what was measured: status, reason.")
    score = Unicode(read_only=True, help="How many predictions came true, in words.")
    underway: List[str] = List(read_only=True, help="What was sent and is not answered yet.")

    _default = ""  # the request in the editor until it is edited
    attempt: Attempt | None = None  # the request that was sent last, and its answer; None before the first

    def __init__(self, lab: Any, request: str | None = None, **kwargs: Any) -> None:
        if not hasattr(lab, "serve"):
            raise TypeError(f"HandshakeWorkbench({lab!r}): a Lab is wanted, for its server: HandshakeWorkbench(lab)")
        self._given = request
        super().__init__(lab, **kwargs)
        self.set_trait("score", tally(self.predictions, self.results))
        self._restore()

    @property
    def original(self) -> str:
        """The request that the experiments change: the one given, else the RFC's, to the lab's server."""
        if self._given is not None:
            return self._given
        server = None if self.lab is None else self.lab.server
        host = "127.0.0.1" if server is None else f"127.0.0.1:{server.port}"
        return build_request("/chat", host=host).decode().replace("\r\n", "\n").rstrip("\n")

    @property
    def steps(self) -> AcceptSteps:
        """How Accept is computed for ``key``, or for the request's key."""
        return AcceptSteps("".join(request_head(self._data).get(KEY)[:1]) if self.key is None else self.key)

    def send_request(self) -> Underway[Attempt]:
        """Send the request; awaited, the answer or the silence after 5 seconds. Raises LabClosed or NoServer."""
        return self._try("request", self._data, self._sent)

    def predict(self, name: str, status: int | None) -> None:
        """Predict an experiment's status, one of ``STATUSES``; None withdraws it. Raises KeyError or ValueError."""
        others = {other: old for other, old in self.predictions.items() if other != experiment(name).name}
        self.predictions = others if status is None else {**others, name: predictable(status)}

    def run(self, name: str) -> Underway[Attempt]:
        """Try an experiment, for ``results``. Raises KeyError, ValueError if not predicted, and as ``send_request``."""
        tried = experiment(name)
        if name not in self.predictions:
            raise ValueError(f"{tried.title}: predict first, for instance bench.predict({name!r}, 400)")
        return self._try(name, written(tried.apply(self.original)), lambda found: self._measured(name, found))

    def run_all(self) -> list[Underway[Attempt]]:
        """Run every experiment that has a prediction; see ``run``."""
        if not self.predictions:
            raise ValueError("nothing is predicted yet: choose a status in a row of the table first")
        return [self.run(name) for name in EXPERIMENTS if name in self.predictions]

    def start_again(self) -> None:
        """Forget all predictions and results."""
        with self._lock:
            self.set_trait("results", {})
            self.predictions = {}

    def _greeted(self, question: Question) -> None:
        super()._greeted(question)
        self._tell_request()
        self._tell_attempt()

    def _shown(self) -> None:
        """Push nothing for what crosses; only put the server's port into a request that was not edited."""
        if self.request == self._default:
            self._restore()

    def _restore(self) -> None:
        self._default = self.original
        self.request = self._default

    @property
    def _data(self) -> bytes:
        return written(self.request, exactly=self.exactly)

    @observe("request", "exactly", "key")
    @guarded
    def _tell_request(self, _: Any = None) -> None:
        steps, answered, (equal, compared) = self.steps, self._answered, self._compared()
        sound, answer = len(steps.nonce or b"") == 16, None if answered is None else visible(answered)
        key = {"key": visible(steps.key), "own": self.key is not None, "note": _nonce_note(steps), "sound": sound}
        computed = {"guid": GUID, "digest": hexed(steps.digest), "accept": steps.accept}
        accept = {**key, **computed, "answered": answer, "equal": equal, "compared": compared}
        experiments = [one.facts(self.original) for one in EXPERIMENTS.values()]
        shown, statuses = explain_request(self._data).to_json(), [*map(list, STATUSES.items())]
        self.tell("request", explanation=shown, accept=accept, experiments=experiments, statuses=statuses)

    def _tell_attempt(self) -> None:
        if (last := self.attempt) is None:
            return
        response, (meaning, section) = last.explain_response(), last.meaning
        line, said = "" if last.response is None else visible(last.response.start_line), _body_text(last)
        facts: dict[str, Any] = {"meaning": meaning, "section": section, "first_line": line, "body": said}
        facts |= {"connection": last.connection, "status": last.status, "accepted": last.accepted}
        facts |= {"checks": [*map(list, last.checks)], "explanation": None if response is None else response.to_json()}
        self.tell("attempt", **facts)

    @property
    def _answered(self) -> str | None:
        """The Sec-WebSocket-Accept of the last response."""
        response = None if self.attempt is None else self.attempt.response
        return next(iter(() if response is None else response.get("Sec-WebSocket-Accept")), None)

    def _compared(self) -> tuple[bool | None, str]:
        """Whether the last response's Accept equals the computed one (None without one), and that in words."""
        answered, steps = self._answered, self.steps
        if self.attempt is None or answered is None:
            return None, "the last answer has no Sec-WebSocket-Accept" if self.attempt else "nothing was sent yet"
        if answered == steps.accept:
            return True, "equal: whoever answered has read this key and knows the WebSocket Protocol"
        sent, fails = "".join(self.attempt.request.get(KEY)[:1]), "a client must fail this connection"
        return False, f"not equal: {fails if sent == steps.key else f'it answers the key that was sent, {quote(sent)}'}"

    def _try(self, name: str, data: bytes, then: Callable[[Attempt], None]) -> Underway[Attempt]:
        lab = self._open_lab
        if lab is None:
            raise LabClosed(CLOSED)
        if lab.server is None or not lab.server.is_serving():
            raise NoServer("this lab has no server: run `await lab.serve()` in a cell, and then try again")

        async def trying() -> Attempt:
            with self._lock:
                self.set_trait("underway", [*self.underway, name])
            try:
                found = await attempt(lab.raw, data)
                then(found)
                return found
            finally:
                with self._lock:
                    place = self.underway.index(name)
                    self.set_trait("underway", [*self.underway[:place], *self.underway[place + 1 :]])

        return self._run(lab.loop, trying())

    def _sent(self, found: Attempt) -> None:
        self.attempt = found
        records = [] if found.connection is None else self.trace.connection(found.connection).records
        answers = [record for record in records if record.status and record.kind.name == "RESPONSE"]
        self.selected = next((record.number for record in [*answers, *records]), None)
        self._tell_attempt()
        self._tell_request()

    def _measured(self, name: str, found: Attempt) -> None:
        with self._lock:
            if name in self.predictions:
                outcome = {"status": found.status, "reason": visible(found.reason), "connection": found.connection}
                self._keep_results({**self.results, name: outcome})

    @observe("predictions")
    def _predicted(self, change: Any) -> None:
        """Keep a result only beside the prediction that it was run for."""
        with self._lock:
            old = change["old"] if isinstance(change["old"], dict) else {}
            same = {name for name, status in self.predictions.items() if old.get(name) == status}
            self._keep_results({name: found for name, found in self.results.items() if name in same})

    def _keep_results(self, results: dict[str, Any]) -> None:
        self.set_trait("results", results)
        self.set_trait("score", tally(self.predictions, results))

    @validate("predictions")
    def _only_what_there_is(self, proposal: Any) -> dict[str, int]:
        try:
            return {experiment(name).name: predictable(status) for name, status in proposal["value"].items()}
        except ValueError as error:
            raise TraitError(str(error)) from None

    def _sheet(self) -> Sheet:
        last = self.attempt
        heads = [explain_request(self._data)] if last is None else [last.explain_request(), last.explain_response()]
        request = [block for head in heads if head is not None for block in explanation_sheet(head).blocks]
        if last is not None:
            request += [Pairs(_verdict(last)), Table(_CHECKS, last.checks, row_heading=0)]
        rows = experiment_rows(self.predictions, self.results)
        narrow = [(*row[:-2], f"{row[-2]} [{row[-1]}]".lstrip()) for row in rows]
        experiments = "One change, which status?"
        parts: dict[str, list[Block]] = {
            "request": request,
            "accept": [Table(("step", "", "section"), self._step_rows(), "Accept, step by step", row_heading=0)],
            "experiments": [
                Only(["text"], [Table(_IN_TEXT, narrow, experiments)]),
                Only(["html"], [Table(_TABLE, rows, experiments, row_heading=0)]),
                Only(READ, [Words(self.score, close=True)]),
            ],
        }
        shown = parts.values() if self.part is None else [parts[self.part]]
        title: list[Block] = [Only(READ, [Title("Handshake workbench")])]
        return Sheet("The opening handshake", sum(shown, title), "handshake-workbench")

    def _step_rows(self) -> list[tuple[str, str, str]]:
        steps, (equal, compared) = self.steps, self._compared()
        return [
            ("key", f"{quote(steps.key)}, {_nonce_note(steps)}", "RFC 6455 4.1"),
            ("GUID", GUID, "RFC 6455 1.3"),
            ("joined", visible(steps.joined), "RFC 6455 4.2.2"),
            ("SHA-1", hexed(steps.digest), "RFC 3174 6.1"),
            ("base64", steps.accept, "RFC 4648 4"),
            ("answered", compared if equal is None else f"{visible(self._answered or '')}, {compared}", "RFC 6455 4.1"),
        ]

    def _asked_to_send(self, question: Question) -> None:
        self.exactly = bool(question.get("exactly", self.exactly))
        self.request = str(question.get("request", self.request))
        self.send_request()

    def _asked_to_restore(self, _: Question) -> None:
        self.exactly, self.key = False, None
        self._restore()

    def _asked_to_load(self, question: Question) -> None:
        self.exactly = False
        self.request = experiment(str(question["name"])).apply(self.original)

    answers: ClassVar[Mapping[str, Any]] = {
        "send": _asked_to_send,
        "restore": _asked_to_restore,
        "load": _asked_to_load,
        "run": lambda self, question: self.run(str(question["name"])),
        "run_all": lambda self, _: self.run_all(),
        "start_again": lambda self, _: self.start_again(),
    }


def _nonce_note(steps: AcceptSteps) -> str:
    nonce = steps.nonce
    if not steps.key:
        return "there is no key"
    if nonce is None:
        return "no base64, so it stands for no bytes; a server must refuse it, and the sum goes on all the same"
    text = nonce.decode("latin-1")
    said = f', "{text}" as ASCII' if nonce and text.isascii() and shows(text) else ""
    wrong = "" if len(nonce) == 16 else "; it must be 16, a server must refuse it, and the sum goes on all the same"
    return f"{count(len(nonce), 'byte')} in base64: {hexed(nonce)}{said}{wrong}"


def _body_text(last: Attempt) -> str:
    lines = decode(last.body[:MOST_BODY]).replace("\r\n", "\n").rstrip("\n").split("\n")
    cut = f"… {count(len(last.body), 'byte')}" if len(last.body) > MOST_BODY else ""
    return "\n".join(map(visible, lines)) + cut


def _verdict(last: Attempt) -> list[tuple[str, str]]:
    (meaning, section), body = last.meaning, _body_text(last)
    failed = next((check.what for check in last.checks if check.outcome == FAILS), "")
    so = "the client takes the connection as open"
    return [
        ("The server", f"{meaning} [{section}]"),
        *([("its words" if last.response else "what came", body)] if body else []),
        ("So", so if last.accepted else f"no WebSocket connection: the check fails that {failed}"),
    ]
