"""``Panel``: the base of every panel. It answers its views, says problems in words, and shows itself as text too.

Theory. Questions and changes of traits arrive on a thread of their own, or on the cells' thread where the front end has
no subshells. So nothing here touches an event loop: a coroutine goes to the loop that owns what it works on. A page
that does not listen yet loses messages, so a view asks first. Nothing that grows is a trait: a trait is sent whole.
"""

import asyncio
import atexit
import functools
import sys
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, TypeVar

import anywidget
from traitlets import TraitType, Unicode

from ...drawing.cell import unattended
from ...drawing.sheet import Shown
from ...live.errors import complaint
from .module import FOLDER, css, esm

SNAPSHOT = 8_000  # characters, at most, of the text that the notebook keeps

P = ParamSpec("P")
S = TypeVar("S", bound="Panel")
T = TypeVar("T")
Question = Mapping[str, Any]

if "zmq" in sys.modules:  # in a kernel
    # Once pyzmq's exit function has run, it sends no more without a copy, as long messages are sent. Exit functions run
    # in the reverse of the order in which they were registered: this registers pyzmq's before ours.
    import zmq.utils.garbage  # noqa: F401
# Reentrant, since a collection may end a forgotten panel while another one sends, and what ends says so.
_sending = threading.RLock()
_over = False  # whether the interpreter ends, and nothing may be sent any more


@atexit.register
def _send_no_more() -> None:
    """Leave nothing to be sent when pyzmq ends, or ipykernel's thread writes a traceback for each long message."""
    global _over
    with _sending:
        _over = True
    if sys.stdout is not None:
        sys.stdout.flush()  # a kernel's waits until its thread has sent what was given to it before


def guarded(method: Callable[Concatenate[S, P], object]) -> Callable[Concatenate[S, P], None]:
    """Make a panel's method set the panel's problem line: to its exception's words, or to nothing."""

    @functools.wraps(method)
    def guard(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        self.problem = ""  # first, since work that it begins on another thread may fail before it returns
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.problem = complaint(error)

    return guard


class Underway(Generic[T]):
    """Work on another loop. It goes on by itself; ``await`` gives its result."""

    def __init__(self, future: Future[T]) -> None:
        self._future = future

    @property
    def done(self) -> bool:
        """Whether the work has ended."""
        return self._future.done()

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.wrap_future(self._future).__await__()


class Panel(Shown, anywidget.AnyWidget):
    """The base of every panel. A subclass gives ``answers`` and ``_sheet``, and its traits are shared with its views.

    Its JavaScript and style sheet lie beside its module and are called like it; ``sheets`` are further ones.
    """

    problem = Unicode("", help="What went wrong last, in words; empty when nothing did.")
    snapshot = Unicode("", read_only=True, help="The panel as text, for a notebook without a kernel.")

    # By the name of a question that a view asks: the method that answers it.
    answers: ClassVar[Mapping[str, Callable[[Any, Question], object]]] = {}

    def __init_subclass__(cls, sheets: Sequence[str] = (), **kwargs: Any) -> None:
        for trait in (*vars(Panel).values(), *vars(cls).values()):
            if isinstance(trait, TraitType):
                trait.tag(sync=True)
        name = cls.__module__.rpartition(".")[2]
        entry = f"{name}/{name}.js"
        if not hasattr(cls, "_esm") and (FOLDER / entry).exists():
            cls._esm, cls._css = esm(entry), css(f"{name}/{name}.css", *sheets)
        super().__init_subclass__(**kwargs)

    def __init__(self, **kwargs: Any) -> None:
        self._lock = threading.RLock()
        self._told: dict[str, Any] = {}
        super().__init__(**kwargs)
        self.on_msg(self._heard)

    def open(self) -> None:
        """Open the channel to the page, and answer each message on the thread that the page chose.

        From 7.4 on, ipykernel answers on the thread that last sent something. That is mostly the cells' thread, where a
        click would wait for a cell that computes (``subshell.js`` tells of worse).
        """
        super().open()
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = lambda _, subshell: subshell

    def close(self) -> None:
        """Close the panel: its views disappear."""
        if self.comm is not None:
            self.layout.close()  # ipywidgets makes one for each panel, and keeps it for ever
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: Any = super()._repr_mimebundle_(**kwargs)
        text = self._keep()
        self._shown()
        shown = {} if unattended() else bundle[0]  # where there is a widget, nbconvert shows nothing else
        return {**shown, "text/plain": text, "text/html": self._repr_html_()}, bundle[1]

    def _keep(self) -> str:
        """Put the panel's text into ``snapshot``; the text."""
        text = repr(self)
        self.set_trait("snapshot", text if len(text) <= SNAPSHOT else text[:SNAPSHOT] + "\n… cut here")
        return text

    def tell(self, what: str, buffers: Sequence[bytes] = (), **facts: Any) -> None:
        """Send ``{"tell": what, **facts}`` to all views."""
        with _sending:
            if self.comm is not None and not _over:
                self.send({"tell": what, **facts}, list(buffers))

    def is_news(self, what: str, facts: Any) -> bool:
        """Whether ``facts`` differ from what was told last under this name; from now on they are what was told."""
        with self._lock:
            news = what not in self._told or self._told[what] != facts
            self._told[what] = facts
            return news

    def _shown(self) -> None:
        """Called when the panel was displayed in a cell."""

    def _greeted(self, _: Question) -> None:
        """Called when a new view is there and listens."""
        with self._lock:
            self._told = {}  # everything is news to it
        self.tell("hello")

    def _file(self, _: str) -> tuple[str, bytes]:
        """Name and content of the file that a page asks for: the panel's picture."""
        picture = self.picture()
        return f"{picture.name}.svg", picture.svg.encode()

    @guarded
    def _heard(self, _: Any, question: Question, buffers: Any) -> None:
        name = str(question.get("ask"))
        if not self.snapshot:  # it is shown inside a layout, which asks nobody for a text
            self._keep()
        if name == "hello":
            self._greeted(question)
        elif name == "file":
            file, data = self._file(str(question["what"]))
            self.tell("file", [data], name=file, view=question["view"])
        elif name in self.answers:
            self.answers[name](self, question)
        else:
            raise ValueError(f"a view asked for {name!r}; {type(self).__name__} answers {', '.join(self.answers)}")

    def _run(
        self, loop: AbstractEventLoop, work: Coroutine[Any, Any, T], then: Callable[[T], object] = lambda _: None
    ) -> Underway[T]:
        """Run ``work`` on ``loop``, and ``then`` with its result, in that loop's thread, before an ``await`` ends.

        Thread-safe; returns at once. A failure becomes the problem line.
        """
        if loop.is_closed() or not loop.is_running():
            work.close()
            raise RuntimeError("the event loop of this connection has ended; run the cell that opened it again")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        done = guarded(lambda _, future: then(future.result()))
        future.add_done_callback(functools.partial(done, self))
        return Underway(future)
