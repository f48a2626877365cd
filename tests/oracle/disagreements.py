"""What the judges said last of the vectors (``verdicts.json``), and the page of the docs that tells where they err.

    python tests/oracle/disagreements.py

asks all of them anew and rewrites both. It needs Node with ``ws`` (``wslab node``) and Chromium.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / folder) for folder in ("protocol", "oracle", "browser", "."))]

from vector_judges import by_chromium, by_node, by_websockets, by_wsproto, versions  # noqa: E402
from vector_wire import NOT_ASKED, REFUSES, TAKES  # noqa: E402
from vectors import VECTORS, Vector  # noqa: E402

VERDICTS = Path(__file__).with_name("verdicts.json")
PAGE = ROOT / "docs" / "disagreements.md"
JUDGES = ("websockets", "wsproto", "ws", "Chromium")
COMMAND = "python tests/oracle/disagreements.py"


class Kind(NamedTuple):
    """Disagreements that have one cause."""

    title: str
    why: str
    judges: tuple[str, ...]
    about: tuple[str, ...]
    """The rules that are let through, or the names of controls that are refused."""
    named: tuple[str, ...] = ()
    """Vectors that are meant and no others of these rules."""

    def holds(self, vector: Vector, judge: str) -> bool:
        """Whether it explains what this judge makes of that vector."""
        about = set(vector.rules) & set(self.about) or vector.name in self.about
        return judge in self.judges and bool(about) and (not self.named or vector.name in self.named)


KINDS = (
    Kind(
        "Host and the request target are left to others",
        "The judge looks at the headers of the handshake. What Host and the target say it leaves to the program, or to "
        "a server of HTTP before it. Below wsproto a parser of HTTP sees that there is one Host, and not what it says.",
        ("websockets", "wsproto", "ws"),
        ("request-target", "request-target-fragment", "host-missing", "host-doubled", "host-invalid", "host-differs"),
    ),
    Kind(
        "The sentence lets a reader choose: LF alone",
        "Who writes a head ends its lines in CRLF. Who reads it may take LF alone, as the parser of HTTP below wsproto "
        "does.",
        ("wsproto",),
        ("line-ends-in-bare-lf",),
    ),
    Kind(
        "The sentence binds the sender: folded lines and an empty one in front",
        "Who reads a head may put a blank in the place of a fold (RFC 9112 5.2), and should skip an empty line before "
        "a request (RFC 9112 2.2).",
        ("wsproto", "ws", "Chromium"),
        ("line-folded", "request-prefaced"),
    ),
    Kind(
        "The version of HTTP is not looked at",
        "The judge reads the request whatever version its first line names.",
        ("wsproto", "ws"),
        ("request-http-version",),
    ),
    Kind(
        "The key is hashed as it stands",
        "An answer can be computed for any text, so wsproto does it and does not decode the key.",
        ("wsproto",),
        ("key-not-16-bytes",),
    ),
    Kind(
        "Lines are not counted",
        "Of several lines with one name the judge reads one, or joins them, and does not see that there were more.",
        ("wsproto", "ws"),
        ("key-doubled", "version-doubled", "origin-doubled", "accept-doubled", "subprotocol-doubled"),
    ),
    Kind(
        "Version 8 is taken, and numbers are read leniently",
        "`ws` still speaks version 8, a draft whose frames are those of RFC 6455. It turns the value into a number, so "
        "013 is 13.",
        ("ws",),
        ("version-not-13",),
    ),
    Kind(
        "The list of subprotocols is searched, not checked",
        "The judge looks in the list for names that it knows. websockets does not compare the names with each other; "
        "wsproto does not look at their characters either.",
        ("websockets", "wsproto"),
        ("subprotocols-malformed",),
    ),
    Kind(
        "The list of extensions is searched, not checked",
        "wsproto splits the line at commas and semicolons and looks for permessage-deflate. The rest may be anything.",
        ("wsproto",),
        ("extensions-malformed",),
    ),
    Kind(
        "The sentence binds the sender: early bytes",
        "A server reads what comes behind the request once it has sent its 101. It cannot tell that the client did not "
        "wait.",
        ("websockets", "wsproto", "ws"),
        ("client-frame-before-handshake",),
    ),
    Kind(
        "The first line, or a line of the head, is read leniently",
        "The RFC wants a blank behind the status code even where no reason follows, and a colon in each line. Parsers "
        "of HTTP forgive one or both.",
        ("wsproto", "ws", "Chromium"),
        ("response-malformed",),
    ),
    Kind(
        "Parameters of permessage-deflate are searched, not checked",
        "wsproto looks for the parameters that it knows, and takes them with any value, or twice. What it does not "
        "know it leaves out. `ws` turns a number with a zero in front into one without.",
        ("wsproto", "ws"),
        ("deflate-offer-invalid", "deflate-response-invalid"),
    ),
    Kind(
        "The answer is not compared with the offer",
        "The judge sets itself up by the answer. It can inflate what comes, so it does not mind that it asked for "
        "less.",
        ("wsproto", "ws"),
        ("takeover-limit-ignored", "window-limit-ignored"),
    ),
    Kind(
        "An extension that is named twice is read once",
        "The judge sets up one inflater, by one of the two.",
        ("wsproto", "ws"),
        ("deflate-accepted-twice",),
    ),
    Kind(
        "The sentence binds the sender: lengths",
        "A length in more bits than it needs can still be read, and the RFC asks nothing of who reads it.",
        ("websockets", "ws"),
        ("length-not-minimal",),
    ),
    Kind(
        "The sentence binds the sender: data behind a close frame",
        "The judge reads no further once it has read a close frame, so it sees no fault.",
        ("websockets", "wsproto", "ws", "Chromium"),
        ("data-after-close",),
    ),
    Kind(
        "Status codes that nobody may send",
        "Chromium answers the codes of this table with the same code. Of those that no endpoint may send it was "
        "asked about 1005, which it refuses.",
        ("Chromium",),
        ("close-code-out-of-range", "close-code-reserved"),
    ),
    Kind(
        "A reference behind the window's end",
        "All of them inflate with zlib. It reports a reference that is too far back only where it points before "
        "the window and also before the start of what is inflated in the same call.",
        ("websockets", "wsproto", "ws", "Chromium"),
        ("deflate-data-broken",),
        ("2,748 bytes back in a window of 9 bits", "2,748 bytes back in a server's window of 9 bits"),
    ),
    Kind(
        "A window that is kept all the same",
        "Chromium does not forget the last message where the server has given takeover up. It saves nothing by "
        "forgetting.",
        ("Chromium",),
        ("deflate-data-broken",),
        ("a second message of a server that refers to the first",),
    ),
    Kind(
        "HTTP/1.1 and no later version",
        'The RFC says "at least 1.1". The judge knows 1.1 and no other, and there is no HTTP/1.2.',
        ("websockets", "ws"),
        ("HTTP/1.2, which is more than 1.1",),
    ),
    Kind(
        "Upgrade names websocket and nothing else",
        "The RFC wants a value that includes the keyword. The judge wants the keyword alone, as every browser sends "
        "it.",
        ("websockets", "wsproto", "ws"),
        ("websocket beside another protocol",),
    ),
    Kind(
        "Empty elements in a list",
        "The RFC's list may have empty elements, which HTTP has a recipient ignore (RFC 9110 5.6.1). `ws` refuses "
        "them.",
        ("ws",),
        ("empty elements in the list",),
    ),
    Kind(
        "Values in quotes",
        "A value may stand in quotes (RFC 6455 9.1). wsproto reads the quotes as a part of it.",
        ("wsproto",),
        ("window bits in quotes",),
    ),
    Kind(
        "A subprotocol that was asked for and not chosen",
        "The RFC lets a server choose none. The standard for browsers has a page's connection fail then, and `ws` does "
        "as browsers do.",
        ("ws", "Chromium"),
        ("none, though one was asked for",),
    ),
    Kind(
        "A hint that is taken for a limit",
        "The client's number of window bits is a hint, which a server may ignore (RFC 7692 7.1.2.2). The judge takes a "
        "larger number in the answer for a fault.",
        ("websockets", "ws"),
        ("the client's window, larger than its hint",),
    ),
    Kind(
        "A close frame inside a message",
        "websockets wants the message finished first. The RFC says that an endpoint MAY put off its close frame until "
        "then, and not that it must.",
        ("websockets",),
        ("a close inside a message",),
    ),
    Kind(
        "A control frame inside a compressed message",
        "It makes wsproto forget that the message is compressed, so that the next fragment counts as text.",
        ("wsproto",),
        ("a ping inside a compressed message", "a ping inside a compressed message of a client"),
    ),
    Kind(
        "A status code that came later",
        "IANA's registry has had 1014 since 2014. wsproto does not know it.",
        ("wsproto",),
        ("status code 1014, which IANA lists",),
    ),
)


def differs(vector: Vector, said: str) -> bool:
    """Whether a judge lets a fault through, or refuses what is legal. Any server may decline any extension."""
    return said == (TAKES if vector.rules else REFUSES)


def kind_of(vector: Vector, judge: str) -> Kind:
    """The one kind that explains a disagreement."""
    found = [kind for kind in KINDS if kind.holds(vector, judge)]
    if len(found) != 1:
        raise LookupError(f"{judge} and {vector}: {len(found)} kinds explain it, and one is wanted in KINDS")
    return found[0]


def as_json(said: dict[str, list[str]]) -> dict[str, dict[str, str]]:
    """Each judge's verdicts by the vectors' names."""
    names = [vector.name for vector in VECTORS]
    return {judge: dict(zip(names, verdicts, strict=True)) for judge, verdicts in said.items()}


def cell(text: str) -> str:
    """Text as it stands in a table of Markdown."""
    return text.replace("|", "\\|").replace("_Fail", "\\_Fail").replace("Connection_", "Connection\\_")


def paragraph(text: str) -> Iterator[str]:
    """Text in lines, and an empty line."""
    yield from wrap(text, 120, break_long_words=False, break_on_hyphens=False)
    yield ""


def page(stored: dict[str, Any]) -> str:
    """The page, of what is stored."""
    verdicts: dict[str, dict[str, str]] = stored["verdicts"]
    faults = sum(bool(vector.rules) for vector in VECTORS)
    lines = [
        *paragraph("# Where implementations and the RFCs disagree"),
        *paragraph(
            f"A table of {len(VECTORS)} vectors was written from RFC 6455 (sections 4 to 7) and RFC 7692 (section 7), "
            f"in `tests/protocol/vectors.py`: requests, responses and frames, {faults} with one fault each and "
            f"{len(VECTORS) - faults} without. wslab names each of the faults, and accuses none of the others. Four "
            "implementations were asked too. Here is each vector on which one of them and the RFC differ, in bold what "
            "differs."
        ),
        *paragraph(
            "To differ is seldom a mistake. Many sentences bind who sends and ask nothing of who receives, and to be "
            "lenient is a choice. What matters to you: bytes that one peer takes may be refused by the next."
        ),
        "| Judge | Version | Vectors asked | Faults let through | Legal, and refused |",
        "|---|---|---|---|---|",
    ]
    for judge in JUDGES:
        asked = sum(said != NOT_ASKED for said in verdicts[judge].values())
        wrong = [vector for vector in VECTORS if differs(vector, verdicts[judge][vector.name])]
        through = sum(bool(vector.rules) for vector in wrong)
        lines.append(f"| `{judge}` | {stored['versions'][judge]} | {asked} | {through} | {len(wrong) - through} |")
    lines += [
        "",
        *paragraph(
            "`websockets` and `wsproto` were asked without a network, by their sans-I/O protocols; Node's `ws` at both "
            'ends of TCP; Chromium as a client, in a page. "Not asked" means that the judge cannot be given this '
            "vector: a browser cannot act as a server and chooses its own offers. Where the stream has ended, nothing "
            "is left to refuse, and nobody was asked. A server may decline any extension, so to decline a legal one is "
            "not counted here."
        ),
        *paragraph(
            f"`{COMMAND}` asks all of them anew and rewrites this page. It needs Node with `ws` (`wslab node`) and "
            "Chromium. Tests compare the page with what the judges say."
        ),
    ]
    for heading, are_faults in (("Faults that are let through", True), ("Legal, and refused", False)):
        lines += paragraph(f"## {heading}")
        for kind in KINDS:
            lines += kind_lines(kind, verdicts, are_faults)
    return "\n".join(lines).rstrip("\n") + "\n"


def kind_lines(kind: Kind, verdicts: dict[str, dict[str, str]], are_faults: bool) -> Iterator[str]:
    """A kind's part of the page, by sentences; nothing where it has none of these."""
    found: dict[str, list[str]] = {}
    for vector in VECTORS:
        said = [verdicts[judge][vector.name] for judge in JUDGES]
        wrong = [judge for judge, one in zip(JUDGES, said, strict=True) if differs(vector, one)]
        if bool(vector.rules) is are_faults and any(kind_of(vector, judge) is kind for judge in wrong):
            told = [f"**{one}**" if differs(vector, one) else one for one in said]
            rule = f"`{vector.rules[0]}`" if vector.rules else "none"
            row = (cell(vector.name), f"{vector.sender.label}'s {vector.what}", *told, rule)
            found.setdefault(f"> {vector.section}: “{cell(vector.sentence)}”", []).append(f"| {' | '.join(row)} |")
    if found:
        yield from (*paragraph(f"### {kind.title}"), *paragraph(kind.why))
    for sentence, rows in found.items():
        yield from (sentence, "")
        yield f"| Vector | What it is | {' | '.join(f'`{judge}`' for judge in JUDGES)} | Rule of wslab |"
        yield from ("|---|" + "---|" * (len(JUDGES) + 2), *rows, "")


def main() -> None:
    """Ask every judge, and write what they say."""
    from driver import chromium, launch
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright, chromium())
        said = {
            "websockets": [*map(by_websockets, VECTORS)],
            "wsproto": [*map(by_wsproto, VECTORS)],
            "Chromium": by_chromium(VECTORS, browser),
        }
        told = versions(browser)
        browser.close()
    said["ws"] = by_node(VECTORS)
    stored = {"versions": told, "verdicts": as_json({judge: said[judge] for judge in JUDGES})}
    VERDICTS.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(stored), encoding="utf-8")


if __name__ == "__main__":
    main()
