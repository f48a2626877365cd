"""Experiments with the opening handshake: requests changed in one thing each, and what was predicted of the answer."""

import difflib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from ...drawing.visible import visible

Lines = list[str]
Change = Callable[[Lines], Lines]

KEY = "Sec-WebSocket-Key"
_MADE_UP = "Sec-WebSocket-Extensions: x-made-up; level=9"
# The statuses that can be predicted.
STATUSES: Final = {status: f"{status} {HTTPStatus(status).phrase}" for status in (101, 400, 403, 405, 426, 505)}


class Experiment(NamedTuple):
    """One change to a good request."""

    name: str  # what a script calls it
    title: str
    change: Change
    section: str  # where a specification says how a server must answer it

    def apply(self, request: str) -> str:
        """The request, as text, with this change."""
        return "\n".join(self.change(request.split("\n")))

    def difference(self, request: str) -> tuple[Lines, Lines]:
        """The lines that go, and the lines that come."""
        before, after = request.split("\n"), self.change(request.split("\n"))
        blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        changed = [places for tag, *places in blocks if tag != "equal"]
        gone = [line for start, stop, _, _ in changed for line in before[start:stop]]
        return gone, [line for _, _, start, stop in changed for line in after[start:stop]]

    def facts(self, request: str) -> dict[str, Any]:
        """What a view shows of it, as JSON values."""
        gone, come = ([*map(visible, lines)] for lines in self.difference(request))
        return {"name": self.name, "title": self.title, "section": self.section, "gone": gone, "come": come}


def _name(line: str) -> str:
    return line.partition(":")[0].strip().lower()


def _without(name: str) -> Change:
    return lambda lines: [lines[0], *(line for line in lines[1:] if _name(line) != name.lower())]


def _with(line: str, *, twice: bool = False) -> Change:
    """``line`` in the place of the header of its name, or after all headers, also where it is to be there twice."""

    def change(lines: Lines) -> Lines:
        places = [] if twice else [index for index, each in enumerate(lines) if index and _name(each) == _name(line)]
        end = next((index for index, each in enumerate(lines) if not each), len(lines))
        return [*lines[: places[0]], line, *lines[places[0] + 1 :]] if places else [*lines[:end], line, *lines[end:]]

    return change


def _first_line(old: str, new: str) -> Change:
    return lambda lines: [lines[0].replace(old, new, 1), *lines[1:]]


def _lower_case_names(lines: Lines) -> Lines:
    parts = [line.partition(":") for line in lines[1:]]
    return [lines[0], *(name.lower() + colon + value for name, colon, value in parts)]


# By the name that a script calls it.
EXPERIMENTS: Final = {
    experiment.name: experiment
    for experiment in (
        Experiment("unchanged", "nothing changed", lambda lines: lines, "RFC 6455 4.2.2"),
        Experiment("no-upgrade", "no Upgrade", _without("Upgrade"), "RFC 6455 4.2.1"),
        Experiment("keep-alive", "Connection: keep-alive", _with("Connection: keep-alive"), "RFC 6455 4.2.1"),
        Experiment("version-12", "version 12", _with("Sec-WebSocket-Version: 12"), "RFC 6455 4.4"),
        Experiment("no-key", "no key", _without(KEY), "RFC 6455 4.2.1"),
        Experiment("short-key", "a key of 3 bytes", _with(f"{KEY}: a2V5"), "RFC 6455 4.2.1"),
        Experiment("two-keys", "two keys", _with(f"{KEY}: AQIDBAUGBwgJCgsMDQ4PEA==", twice=True), "RFC 6455 11.3.1"),
        Experiment("post", "POST instead of GET", _first_line("GET", "POST"), "RFC 6455 4.2.1"),
        Experiment("http-1.0", "HTTP/1.0", _first_line("HTTP/1.1", "HTTP/1.0"), "RFC 6455 4.2.1"),
        Experiment("foreign-origin", "a page of another site", _with("Origin: https://evil.example"), "RFC 6455 10.2"),
        Experiment("no-host", "no Host", _without("Host"), "RFC 9112 3.2"),
        Experiment("lower-case", "names in lower case", _lower_case_names, "RFC 9110 5.1"),
        Experiment("unknown-extension", "an unknown extension", _with(_MADE_UP), "RFC 6455 4.2.2"),
    )
}


def experiment(name: str) -> Experiment:
    """The experiment of that name. Raises KeyError, which says which there are."""
    try:
        return EXPERIMENTS[name]
    except KeyError:
        raise KeyError(f"no experiment {name!r}; there are {', '.join(EXPERIMENTS)}") from None


def predictable(status: Any) -> int:
    """``status``. Raises ValueError, which says what can be predicted, unless it is among ``STATUSES``."""
    if status not in STATUSES:
        raise ValueError(f"{status!r} cannot be predicted; there are {', '.join(map(str, STATUSES))}")
    return int(status)


def experiment_rows(predictions: Mapping[str, int], results: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Each experiment as its change, the prediction, the status, whether they agree, the reason, and a section."""
    rows: list[tuple[str, ...]] = []
    for name, each in EXPERIMENTS.items():
        guess, found = predictions.get(name), results.get(name)
        said, status, so, why = str(guess), "", "not run yet", ""
        if guess is None:
            said, so = "", "predict first"
        elif found is not None:
            status = "none" if found["status"] is None else str(found["status"])
            so, why = "as predicted" if found["status"] == guess else "surprise", found["reason"]
        rows.append((each.title, said, status, so, why, each.section))
    return rows


def tally(predictions: Mapping[str, int], results: Mapping[str, Mapping[str, Any]]) -> str:
    """How many predictions were right, and what is left to do."""
    shown = [name for name in EXPERIMENTS if name in results]
    right = sum(results[name]["status"] == predictions[name] for name in shown)
    to_run, left = len(predictions) - len(shown), len(EXPERIMENTS) - len(predictions)
    parts = {f"{right} of {len(shown)} predicted": shown, f"{to_run} to run": to_run, f"{left} to predict": left}
    return "; ".join(words for words, some in parts.items() if some)
