"""A page without a browser, for the tests of panels: what it hears of a panel, and what it asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from wslab.panels.kit.panel import Panel


class FakePage:
    """What a browser would hear of a panel. ``who`` goes along with each question."""

    def __init__(self, panel: Panel, **who: Any) -> None:
        self.panel, self.who = panel, who
        self.told: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        """Of each message."""
        self._came = threading.Condition()
        panel.send = self._hear  # type: ignore[method-assign]
        panel.observe(self._changed)

    def _hear(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        with self._came:
            self.told.append(content)
            self.buffers.append(buffers or [])
            self._came.notify_all()

    def _changed(self, _: object) -> None:
        with self._came:
            self._came.notify_all()

    def ask(self, ask: str, **facts: Any) -> None:
        """On a thread of its own, as JupyterLab's subshells do it."""
        question = {"ask": ask, **self.who, **facts}
        asker = threading.Thread(target=self.panel._handle_custom_msg, args=(question, []), name="subshell-1")
        asker.start()
        asker.join(10)
        assert not asker.is_alive(), "a callback must not wait"

    def change(self, name: str, value: Any) -> None:
        self.ask("change", name=name, value=value)

    def all(self, what: str) -> list[dict[str, Any]]:
        """Every message of that name, in order."""
        return [message for message in list(self.told) if message["tell"] == what]

    def last(self, what: str) -> dict[str, Any]:
        return self.all(what)[-1]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds, which is looked at whenever something was heard or a trait has changed."""
        with self._came:
            assert self._came.wait_for(condition, 10), (self.panel.problem, self.told)
