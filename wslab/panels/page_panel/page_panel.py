"""``PagePanel``: the link by which a page that the lab serves is opened in a tab of its own, and the page's text."""

from collections.abc import Mapping
from typing import Any, ClassVar

from traitlets import Bool, Int, Unicode

from ...drawing.blocks import READ, Only, Words
from ...drawing.sheet import Sheet
from ...drawing.visible import count
from ...live.jupyter.pages import Page
from ..kit.panel import Panel, Question


class PagePanel(Panel):
    """A link to a page that a lab's server serves, as ``Server.page`` returns it, and what the page says.

    It leads to the lab's own port, or, where the notebook's page comes from another machine, through the user's Jupyter
    server, to a door that is opened when somebody looks.
    """

    closed = Bool(False, help="Whether the lab is closed, so that the link leads nowhere.")
    html = Unicode(read_only=True, help="The page, with the port that its author wrote.")
    port = Int(0, read_only=True, help="That port, in place of which the page is served with the lab's own.")

    def __init__(self, page: Page, **kwargs: Any) -> None:
        self._page = page
        super().__init__(**kwargs)
        self.set_trait("html", page.html)
        self.set_trait("port", page.written_port)

    def _sheet(self) -> Sheet:
        size = count(len(self.html.splitlines()), "line")
        said = f"{size} of HTML, served by the lab with its own port in place of {self.port}"
        return Sheet("A page that the lab serves", [Only(READ, [Words(said)]), Words(self.html, code=True)])

    def _answer_address(self, question: Question) -> None:
        """Tell a view where its link leads, and let the page in that is opened there."""
        server = self._page.server
        if server is None or not server.is_serving():
            self.closed = True
        elif question["loopback"] or not question["jupyter"]:
            self.tell("address", address=self._page.uri, view=question["view"])
        else:
            server.admit(str(question["origin"]))
            self.tell("address", address=server.door().path, view=question["view"])

    answers: ClassVar[Mapping[str, Any]] = {"address": _answer_address}
