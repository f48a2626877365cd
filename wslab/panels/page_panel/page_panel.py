"""``PagePanel``: the link by which a page that the lab serves is opened in a tab of its own, and the page's text."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from ...anatomy.picture import sheet, words_figure
from ...drawing.visible import count, harmless
from ..kit.module import css, esm
from ..kit.panel import Panel, Question

if TYPE_CHECKING:
    from ...anatomy.picture import Picture
    from ...live.jupyter.pages import Page
    from ...live.lab import Server


class PagePanel(Panel):
    """A link to a page that a lab's server serves, and what the page says.

    Args:
        server: the server, as ``lab.serve`` returns it.
        page: the page, as ``Server.page`` makes it.

    The link leads to the lab's own port where the notebook's page comes from the same machine. Where it comes from
    another, the link leads through the user's Jupyter server, to a door that is opened when somebody looks.
    """

    _esm = esm("page_panel/page_panel.js")
    _css = css("page_panel/page_panel.css")

    closed = traitlets.Bool(False, help="Whether the lab is closed, so that the link leads nowhere.").tag(sync=True)
    html = traitlets.Unicode(read_only=True, help="The page, with the port that its author wrote.").tag(sync=True)

    port = traitlets.Int(
        0, read_only=True, help="That port, in place of which the page is served with the lab's own."
    ).tag(sync=True)

    def __init__(self, server: Server, page: Page, **kwargs: Any) -> None:
        self._server, self._page = server, page
        super().__init__(**kwargs)
        self.set_trait("html", page.html)
        self.set_trait("port", page.written_port)

    def picture(self) -> Picture:
        """The page's text as a standalone picture (SVG)."""
        return sheet("A page that the lab serves", words_figure(_lines(self.html)))

    def _text(self) -> str:
        size = count(len(self.html.splitlines()), "line")
        return f"{size} of HTML, served by the lab with its own port in place of {self.port}\n\n{_lines(self.html)}"

    def _html(self) -> str:
        return f"<pre>{escape(self._text())}</pre>"

    def _answer_address(self, question: Question) -> None:
        """Tell a view where its link leads, and let the page in that is opened there."""
        if self._server.lab.closed or not self._server.is_serving():
            self.closed = True
        elif question["loopback"] or not question["jupyter"]:
            self.tell("address", address=self._page.uri, view=question["view"])
        else:
            self._server.admit(str(question["origin"]))
            self.tell("address", address=self._server.door().path, view=question["view"])

    answers: ClassVar[Mapping[str, Any]] = {"address": _answer_address}


def _lines(text: str) -> str:
    return "\n".join(harmless(line) for line in text.split("\n"))
