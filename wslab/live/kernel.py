"""What is asked of the kernel around a cell: that interrupts arrive, which cell runs, how errors are shown, scripts."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import types
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from websockets.exceptions import ConnectionClosed

from ..anatomy.hex_text import HexError
from ..drawing.cell import running_cell, shell
from . import errors

T = TypeVar("T")
PATIENCE = 0.5  # seconds after an interrupt in which a cell that awaits ends; later it counts as one that computes
SOON = 0.05  # seconds until an interrupt that got lost comes again
_armed: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


def let_interrupts_arrive(loop: asyncio.AbstractEventLoop) -> bool:
    """Let an interrupt reach a cell that awaits on ``loop``; whether that was arranged.

    Python runs a signal's handler between two instructions of the main thread, which a loop that waits for the network
    does not reach. A handler of the loop's own, for whichever signal, makes asyncio wake the loop at every signal. Done
    once a loop, in a kernel's main thread only; a handler that somebody set for SIGUSR2 is left alone.
    """
    if loop in _armed:
        return True
    usr2 = getattr(signal, "SIGUSR2", None)
    here = threading.current_thread() is threading.main_thread() and shell() is not None
    if usr2 is None or not here or signal.getsignal(usr2) is not signal.SIG_DFL:
        return False
    try:
        loop.add_signal_handler(usr2, lambda: None)
    except (NotImplementedError, RuntimeError, ValueError):  # a loop without signals, such as Windows' or Pyodide's
        return False
    _armed.add(loop)
    shell().events.register("pre_run_cell", lambda *_: _interrupt_what_computes(loop))
    _interrupt_what_computes(loop)
    sys.unraisablehook = partial(_come_again, sys.unraisablehook)
    return True


def _come_again(tell: Callable[[Any], object], lost: Any) -> None:
    """Interrupt again where Python could not raise KeyboardInterrupt, as in a weak reference's callback; tell others.

    A computing cell spends a part of its time on collecting garbage, and an interrupt may arrive in what that calls.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        tell(lost)
    elif callable(handler := signal.getsignal(signal.SIGINT)):
        threading.Timer(SOON, _press_again, (handler,)).start()


def _press_again(handler: Callable[..., object]) -> None:
    """Interrupt again, unless ``handler`` is gone, as it is when the cell has ended: then the kernel would end, too."""
    if signal.getsignal(signal.SIGINT) is handler:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _interrupt_what_computes(loop: asyncio.AbstractEventLoop) -> None:
    """Let an interrupt also reach the running cell where that has ``await`` in it and computes.

    At an interrupt ipykernel cancels such a cell, and a cancelled task ends when the loop takes its next turn, which it
    never does while the cell computes. Then a second interrupt raises KeyboardInterrupt in the cell's own code. At the
    cell's end ipykernel takes the handler away.
    """
    cancel, here, main, late = signal.getsignal(signal.SIGINT), shell(), threading.main_thread(), False
    if not callable(cancel) or cancel is signal.default_int_handler or threading.current_thread() is not main:
        return  # a cell without ``await``, in which Python itself raises it, or one on a thread of its own

    def interrupted(number: int, frame: types.FrameType | None) -> None:
        nonlocal late
        if not late:
            late = True
            cancel(number, frame)
            again = threading.Timer(PATIENCE, _press_again, (interrupted,))
            again.start()
            # ipykernel cancels the task one turn after this. What runs before that in either turn may compute for ever.
            loop.call_soon_threadsafe(loop.call_soon, again.cancel)
            return
        while frame is not None and frame.f_back is not None:
            # Elsewhere nothing would catch it, and the kernel's loop would end.
            if frame.f_back.f_code is type(here).run_code.__code__ and frame.f_globals is here.user_ns:
                raise KeyboardInterrupt
            frame = frame.f_back

    signal.signal(signal.SIGINT, interrupted)


# What is told in a few lines: what wslab raises, and that a connection was closed.
_OURS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
TOLD = (HexError, ConnectionClosed, *_OURS)
INTERNAL_ERROR = 1011  # RFC 6455 7.4.1: the server met "an unexpected condition", such as a handler that raised


def few_lines(error: BaseException) -> list[str]:
    """What a learner is told of an error: its message, the line of the cell, and the handler's failure behind it."""
    lines = [errors.complaint(error)]
    if (place := errors.place_of(error)) is not None:
        lines.append(f"at line {place.line} of your code: {place.source}")
    if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code == INTERNAL_ERROR and errors.failures:
        lines.append(f"The server's handler raised {errors.failures[-1]}. The server told the client so by 1011.")
    return [*lines, "(%tb shows the whole traceback.)"]


def tell_errors_shortly() -> None:
    """Have this kernel tell ``TOLD`` in a few lines, unless somebody else has a say in how errors are shown."""
    here = shell()
    if here is None or getattr(here, "custom_exceptions", None) != ():
        return

    def show(shell: Any, kind: Any, error: BaseException, traceback: Any, tb_offset: Any = None) -> None:
        sys.last_type, sys.last_value, sys.last_traceback = kind, error, traceback  # what %tb shows
        shell._showtraceback(kind, error, few_lines(error))

    here.set_custom_exc(TOLD, show)


def paste_scripts() -> None:
    """Let ``asyncio.run()`` work in this notebook, where a loop already runs.

    Call it once, in a cell, before the pasted script. It applies ``nest_asyncio2`` to the running loop. That has its
    price: echo becomes some 18 % slower in this process, what waits inside a nested ``run`` holds up everything outside
    it, and only restarting the kernel undoes it. Top-level ``await`` needs none of this. Raises RuntimeError where no
    loop runs, so that a script needs no help, or where loops cannot be nested (Pyodide).
    """
    if sys.platform == "emscripten":
        raise RuntimeError("a browser's event loop cannot be nested: replace asyncio.run(main()) by await main()")
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("no event loop runs here: asyncio.run(main()) works as it is") from None
    import nest_asyncio2  # here and not above: it is never needed at import

    nest_asyncio2.apply(loop)


class Cells(Generic[T]):
    """What each cell's last run made, as long as it lives: IPython's ``Out`` may hold it for ever."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[str, list[weakref.ref[Any]]]] = {}

    def replaced(self, thing: T) -> list[T]:
        """What an earlier run of the running cell made; what was made now is ``thing``."""
        running = running_cell()
        if running is None:
            return []
        cell, execution = running
        last, made = self._made.get(cell, ("", []))
        self._made[cell] = (execution, [*(made if last == execution else []), weakref.ref(thing)])
        return [] if last == execution else [each for one in made if (each := one()) is not None]
