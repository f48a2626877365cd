"""``Explanation``: bytes with their fields and the rules that they break, as it shows itself and as JSON."""

from dataclasses import dataclass
from typing import Any

from ..drawing.sheet import Sheet, Shown
from .field import Explained


@dataclass(frozen=True, repr=False)
class Explanation(Shown, Explained):
    """Some bytes with their fields, the rules that they break, and facts that are not bits. It shows itself as text, as
    HTML and as a picture. A handshake's head reads as its lines, each explained; other bytes have a bit ruler, a dump
    and a table of fields. Secrets are withheld, and so are values that change from run to run."""

    def _sheet(self) -> Sheet:
        from .explained import explanation_sheet  # what lays out is loaded when something is shown

        return explanation_sheet(self)

    def svg(self, *, reveal: bool = False) -> str:
        """The bit ruler of its first bytes as a standalone SVG picture, for slides; its text is in ``<desc>``. Its
        colours follow the page that it is put on. ``reveal=True`` shows secrets."""
        from .explained import ruler_sheet

        return ruler_sheet(self, reveal).svg()

    def to_json(self, *, reveal: bool = False) -> dict[str, Any]:
        """The explanation as plain JSON values, for the panels.

        Bytes are hex, at most 4096 of them in ``data``, ``inflated`` and each ``raw`` and ``plain``; ``length`` and
        ``inflated_length`` say how many there are, the latter None like ``inflated`` where nothing was inflated. A
        secret field's bytes are ``··`` each and its value is ``(withheld)`` unless ``reveal``. Values that change from
        run to run are shown: a panel is alive.
        """
        from .explained import explanation_json

        return explanation_json(self, reveal)
