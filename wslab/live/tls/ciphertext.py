"""How the encrypted bytes of a lab's connections are noted: below TLS, at the end that has the keys.

Theory. asyncio speaks TLS through an ``ssl.SSLObject`` between two buffers: it puts what the socket delivers into the
one, and sends what TLS leaves in the other. A context of ours makes objects that look into both buffers around each
step. So every byte that crosses is seen, in order, on the very connection that the trace shows, with nobody in between.
Each step also tells how many bytes of the ends' it put into records or got out of them: OpenSSL takes whole records,
one at a time.
"""

import ssl
from collections.abc import Callable
from typing import Any

from ...anatomy.field import Sender
from .eavesdropping import Ciphertext


class NotedObject(ssl.SSLObject):
    """TLS between two buffers, looked at."""

    ciphertext: Ciphertext

    def note(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, ciphertext: Ciphertext) -> None:
        """Told once what it works on."""
        self.ciphertext = ciphertext
        self._incoming, self._outgoing = incoming, outgoing
        self._own = Sender.SERVER if self.server_side else Sender.CLIENT
        self._left = self._got = self._records = 0

    def do_handshake(self) -> None:
        """A step of TLS's handshake."""
        try:
            self._step(super().do_handshake)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.ciphertext.failure = error.reason or str(error)
            raise

    def read(self, *args: Any) -> Any:
        """Decrypt."""
        result = self._step(super().read, *args)
        size = result if isinstance(result, int) else len(result)
        if size:
            self.ciphertext.carried(self._own.peer, size, stop=self._got - self._left)
        return result

    def write(self, data: Any) -> int:
        """Encrypt."""
        before = self._records
        size = self._step(super().write, data)
        if size:
            self.ciphertext.carried(self._own, size, last=self._records - before)
        return int(size)

    def unwrap(self) -> Any:
        """Say close_notify."""
        return self._step(super().unwrap)

    def _step(self, act: Callable[..., Any], *given: Any) -> Any:
        """Do it, and note what had come in before and what has gone out since."""
        if there := self._incoming.read():
            self._incoming.write(there)
            self._got += len(there) - self._left
            self.ciphertext.crossed(self._own.peer, there[self._left :])
        unsent = self._outgoing.pending
        try:
            return act(*given)
        finally:
            self._left = self._incoming.pending
            if self._outgoing.pending > unsent:
                out = self._outgoing.read()
                self._outgoing.write(out)
                self._records += self.ciphertext.crossed(self._own, out[unsent:])


class NotedContext(ssl.SSLContext):
    """A context whose connections note their encrypted bytes. ``begun`` makes the ``Ciphertext`` of each."""

    sslobject_class = NotedObject
    begun: Callable[[], Ciphertext]

    def wrap_bio(self, incoming: Any, outgoing: Any, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """The object that speaks TLS between two buffers (the standard library's)."""
        wrapped = super().wrap_bio(incoming, outgoing, *args, **kwargs)
        assert isinstance(wrapped, NotedObject)
        wrapped.note(incoming, outgoing, self.begun())
        return wrapped


def noted(begun: Callable[[], Ciphertext]) -> Callable[[int], NotedContext]:
    """What ``Authority`` makes contexts with, so that they note."""

    def make(protocol: int) -> NotedContext:
        context = NotedContext(protocol)
        context.begun = begun
        return context

    return make
