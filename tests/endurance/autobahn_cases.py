"""Autobahn's cases, by way of ``kosoku``, against a lab with recording on and against plain ``websockets``, in one run.

Both are tried as servers and as clients, with permessage-deflate. A lab may do no worse on any case, and its recording
is held to what the judges say: where an endpoint failed the connection with 1002 or 1007, a rule is named as broken by
the peer; where the verdict is OK and nothing was failed, none is. ``--write`` puts the table into ``docs/autobahn.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from functools import partial
from importlib.metadata import version
from typing import Any

import kosoku
import paths
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from wslab.anatomy.field import Sender
from wslab.live.lab import Lab
from wslab.recording.trace import Trace

PAGE = paths.ROOT / "docs" / "autobahn.md"
QUICK = ("1.1.1", "1.1.6", "1.2.7", "2.*", "3.*", "4.1.*", "4.2.5", "5.*", "6.2.*", "6.3.1", "7.1.*", "7.3.*", "7.5.1",
         "7.7.1", "7.9.*", "12.1.1")  # fmt: skip
"""What CI runs."""
RANKS = (
    "OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT", "FAILED",
    "ERROR",
)  # fmt: skip
"""Verdicts, the best one first."""
AGAIN = 2
"""How often a case is tried once more where a lab does worse: some verdicts depend on when bytes arrive."""
TOGETHER = 24
HEAVY = "9.", "12.", "13."
"""Cases of many megabytes. They have time limits, so few of them run at once."""
OPTIONS: dict[str, Any] = {"max_size": None, "ping_interval": None, "compression": "deflate"}
IGNORED = {"7.1.4": "data-after-close"}
"""Rules that kosoku breaks in a case in which an endpoint does right to let that pass without a word."""
# The groups of the Autobahn test suite, by the first number.
GROUPS = {
    "1": "Framing", "2": "Pings and pongs", "3": "Reserved bits", "4": "Opcodes", "5": "Fragmentation",
    "6": "UTF-8", "7": "Closing", "9": "Limits and performance", "10": "Auto-fragmentation",
    "12": "Compression, many sizes", "13": "Compression, many parameters",
}  # fmt: skip

quiet = logging.Logger("quiet")
quiet.addHandler(logging.NullHandler())


@dataclass
class Judged:
    """One case's verdicts, and the rules that the recording names as broken by kosoku; None where nothing recorded."""

    case: str
    behavior: str
    close: str
    why: str
    code: int | None
    rules: Sequence[str] | None = None

    @property
    def rank(self) -> int:
        return max(RANKS.index(self.behavior), RANKS.index(self.close))

    @property
    def verdict(self) -> str:
        """The worse of both."""
        return RANKS[self.rank]


@dataclass
class Table:
    """What a run found, by ``(role, who)`` and case; what is wrong with it."""

    judged: dict[tuple[str, str], dict[str, Judged]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


async def echo(connection: Any) -> None:
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass


def at_once(cases: Sequence[str]) -> int:
    return 2 if any(case.startswith(HEAVY) for case in cases) else TOGETHER


@asynccontextmanager
async def plain_server(_: Lab) -> AsyncIterator[str]:
    async with serve(echo, "127.0.0.1", 0, logger=quiet, **OPTIONS) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@asynccontextmanager
async def lab_server(lab: Lab) -> AsyncIterator[str]:
    async with await lab.serve(echo, **OPTIONS) as server:
        yield server.uri


async def judge_server(cases: Sequence[str], serving: Callable[[Lab], Any], lab: Lab) -> list[Any]:
    """The results of a server under test."""
    free = asyncio.Semaphore(at_once(cases))
    async with serving(lab) as uri:

        async def one(case: str) -> list[Any]:
            async with free:
                try:
                    return await kosoku.run_fuzzingclient(f"{uri}?case={case}", [case])
                except kosoku.FailureError as failure:
                    return failure.results

        return [result for results in await asyncio.gather(*map(one, cases)) for result in results]


async def judge_client(cases: Sequence[str], connecting: Callable[[Lab], Callable[..., Any]], lab: Lab) -> list[Any]:
    """The results of a client under test."""
    joining = connecting(lab)
    async with kosoku.run_fuzzingserver(cases, port=0) as server:
        base = f"ws://{server.address}:{server.port}"
        async with connect(f"{base}/getCaseCount", logger=quiet) as client:
            number = int(await client.recv())
        free = asyncio.Semaphore(at_once(cases))

        async def one(case: int) -> None:
            async with free:
                try:
                    async with joining(f"{base}/runCase?case={case}&agent=x", **OPTIONS) as client:
                        await echo(client)
                except (ConnectionClosed, OSError):
                    pass

        await asyncio.gather(*map(one, range(1, number + 1)))
        async with connect(f"{base}/updateReports?agent=x", logger=quiet) as client:
            await client.wait_closed()
        try:
            return await server.get_result()
        except kosoku.FailureError as failure:
            return failure.results


def plain_client(_: Lab) -> Callable[..., Any]:
    return partial(connect, logger=quiet)


ROLES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "server": (judge_server, {"websockets": plain_server, "wslab": lab_server}),
    "client": (judge_client, {"websockets": plain_client, "wslab": lambda lab: lab.connect}),
}


def chosen(patterns: Sequence[str]) -> list[str]:
    """The cases whose numbers fit."""
    from kosoku.cases import CASES

    return [case for case in CASES if any(fnmatch(case, pattern) for pattern in patterns)]


async def judge(role: str, who: str, cases: Sequence[str]) -> list[Judged]:
    """Run some cases against one endpoint."""
    run, endpoints = ROLES[role]
    trace = Trace(max_bytes=2**26, max_entries=2_000_000)
    async with Lab(trace=trace) as lab:
        results = await run(cases, endpoints[who], lab)
        await lab.settled()
    found = [
        Judged(one.case_id, one.behavior.value, one.behavior_close.value, why(one), failed_with(one)) for one in results
    ]
    if who == "wslab":
        recorded, peer = by_case(trace), Sender.CLIENT if role == "server" else Sender.SERVER
        for one, result in zip(found, results, strict=True):
            number = recorded.get(one.case if role == "server" else str(result.case_index))
            one.rules = None if number is None else rules_of(trace, number, peer)
    return found


def failed_with(result: Any) -> int | None:
    """The code with which the endpoint failed the connection; None where it did not, or gave kosoku's own back."""
    code = result.remote_close_code
    answered = result.closed_by_me and code == result.local_close_code
    return code if code in (1002, 1007) and not answered else None


def why(result: Any) -> str:
    """What kosoku says of a verdict that is not OK."""
    verdicts = (result.result, result.behavior), (result.result_close, result.behavior_close)
    said = dict.fromkeys(text for text, value in verdicts if value.value != "OK")
    return re.sub(r"\s+", " ", " ".join(f"{text.rstrip(' .')}." for text in said))


CASE = re.compile(r"[?&]case=([0-9.]+)")


def by_case(trace: Trace) -> dict[str, int]:
    """The connections by what their targets call the case: its number for a server, its place for a client."""
    heads = {number: trace.heads(number)[0] for number in trace.connections}
    return {found[1]: number for number, head in heads.items() if head and (found := CASE.search(head.start_line))}


def rules_of(trace: Trace, number: int, peer: Sender) -> tuple[str, ...]:
    """The rules that ``peer`` broke on a connection; its recording must be able to show itself."""
    repr(trace.connection(number)), repr(trace.closing(number)), trace.handshake(number)._repr_html_()
    explained = [trace.explain(one.number) for one in trace.connection(number) if one.sender is peer and one.violations]
    for one in explained:
        repr(one), one._repr_html_()
    broken = dict.fromkeys(violation.rule for one in explained for violation in one.violations)
    # When kosoku has seen what it waited for it ends TCP, and sends no Close.
    return tuple(rule for rule in broken if rule != "close-not-answered")


async def measure(patterns: Sequence[str], *, tell: Callable[[str], object] = str) -> Table:
    """Run the cases against everything, and compare."""
    table, cases = Table(), chosen(patterns)
    light = [case for case in cases if not case.startswith(HEAVY)]
    heavy = [case for case in cases if case.startswith(HEAVY)]
    # One recording for all the light cases, and one each for a few heavy ones.
    batches = [*filter(None, [light]), *(heavy[at : at + 6] for at in range(0, len(heavy), 6))]
    for role, (_, endpoints) in ROLES.items():
        for who in endpoints:
            there = table.judged.setdefault((role, who), {})
            for batch in batches:
                there |= {one.case: one for one in await judge(role, who, batch)}
                tell(f"{role}, {who}: {len(there)} of {len(cases)} cases")
        await _compare(table, role, cases)
    return table


async def _compare(table: Table, role: str, cases: Sequence[str]) -> None:
    plain, own = table.judged[role, "websockets"], table.judged[role, "wslab"]
    for case in cases:
        if case not in plain or case not in own:
            table.wrong.append(f"{role} {case}: no verdict")
            continue
        for _ in range(AGAIN):
            if own[case].rank <= plain[case].rank:
                break
            own[case] = (await judge(role, "wslab", [case]))[0]
        if own[case].rank > plain[case].rank:
            table.wrong.append(f"{role} {case}: {own[case].verdict}, and websockets alone {plain[case].verdict}")
        one = own[case]
        if one.rules is None:
            table.wrong.append(f"{role} {case}: it is not in the recording")
        elif one.code is not None and not one.rules:
            table.wrong.append(f"{role} {case}: failed with {one.code}, and no rule is named")
        elif one.code is None and set(one.rules) - {IGNORED.get(case)} and one.verdict == "OK":
            table.wrong.append(f"{role} {case}: the connection was not failed, and named are {', '.join(one.rules)}")


def kept(table: Table) -> Table:
    """The verdicts of this run and, for the other cases, of earlier runs with the same versions; all are kept."""
    name = f"autobahn-{version('kosoku')}-{version('websockets')}-{version('wslab')}.json"
    path = paths.BUILD / name
    earlier = json.loads(path.read_text()) if path.exists() else {}
    whole = Table(wrong=table.wrong)
    for (role, who), judged in table.judged.items():
        there = {case: Judged(**one) for case, one in earlier.get(f"{role}, {who}", {}).items()} | judged
        whole.judged[role, who] = {case: there[case] for case in chosen(["*"]) if case in there}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({", ".join(key): {case: asdict(one) for case, one in judged.items()}
                                for key, judged in whole.judged.items()}))  # fmt: skip
    return whole


def page(table: Table) -> str:
    """The page of the docs."""
    head = PAGE_HEAD.format(kosoku=version("kosoku"), websockets=version("websockets"))
    columns = [(role, who) for role, (_, endpoints) in ROLES.items() for who in endpoints]
    names = " | ".join(f"{role.capitalize()}: {who}" for role, who in columns)
    lines = [head, f"| Cases | What they try | Number | {names} |", "| --- | --- | --- | --- | --- | --- | --- |"]
    every = list(table.judged[columns[0]])
    for group, name in GROUPS.items():
        cases = [case for case in every if case.split(".")[0] == group]
        told = [counted(table.judged[column], cases) or "not run" for column in columns]
        known = sum(case.split(".")[0] == group for case in chosen(["*"]))
        number = known if len(cases) in (0, known) else f"{len(cases)} of {known}"
        lines.append(f"| {group} | {name} | {number} | {' | '.join(told)} |")
    told = (counted(table.judged[column], every) for column in columns)
    lines.append(f"| all that were run | | {len(every)} | {' | '.join(told)} |")
    heading = "| Case | websockets as server, client | wslab as server, client | What kosoku says |"
    lines += ["", "## Not OK", "", heading, "| --- | --- | --- | --- |"]
    for case in every:
        ones = {column: table.judged[column][case] for column in columns}
        if any(one.rank for one in ones.values()):
            verdicts = [", ".join(ones[role, who].verdict for role in ROLES) for who in ("websockets", "wslab")]
            said = dict.fromkeys(one.why for one in ones.values() if one.rank and one.why)
            lines.append(f"| {case} | {verdicts[0]} | {verdicts[1]} | {' / '.join(said).replace('|', '/')} |")
    named: dict[str, list[str]] = {}
    for role in ROLES:
        for case, one in table.judged[role, "wslab"].items():
            for rule in one.rules or ():
                if case not in named.setdefault(rule, []):
                    named[rule].append(case)
    lines += ["", "## Rules named in the recordings", "", "| Rule | Cases in which kosoku breaks it |", "| --- | --- |"]
    lines += [f"| {rule} | {ranges(every, cases)} |" for rule, cases in sorted(named.items())]
    return "\n".join(lines) + "\n"


def counted(judged: dict[str, Judged], cases: Sequence[str]) -> str:
    found = Counter(judged[case].verdict for case in cases)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in RANKS if found[verdict])


def ranges(every: Sequence[str], cases: Sequence[str]) -> str:
    """``3.1 to 3.7, 5.1``."""
    places = sorted(every.index(case) for case in cases)
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return ", ".join(every[run[0]] if len(run) == 1 else f"{every[run[0]]} to {every[run[-1]]}" for run in runs)


PAGE_HEAD = """# Autobahn's cases

The [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite) has been the usual judge of WebSocket
endpoints since 2011. `kosoku` {kosoku} runs its cases here. Each was run against a lab that records every byte and, in
the same run, against `websockets` {websockets} alone; as a server and as a client; with permessage-deflate. A lab must
do no worse on any case. The recording is judged too: where an endpoint failed a connection with 1002 or 1007, it names
the rule that kosoku broke, and where the verdict is OK and nothing was failed, it names none.

`python3 run.py endurance autobahn --write` writes this page; a test runs some of the cases.

INFORMATIONAL and NON-STRICT are verdicts that the test suite counts as passed: the RFC leaves the matter open, or the
endpoint was slower to fail than it could have been. Cases 9.3.1, 9.3.2, 9.4.1 and 9.4.2 send a message in more
fragments than the 4,096 that `websockets` takes (`WEBSOCKETS_MAX_FRAGMENTS`). Case 7.1.5 sends a close frame inside
a message: `websockets` wants the message finished first, as [the page on disagreements](disagreements.md) tells.
UNIMPLEMENTED means that the two agreed on no compression, so that the case had nothing to try.
"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endurance autobahn", description=__doc__)
    parser.add_argument("cases", nargs="*", default=["*"], help="case numbers, such as 1.1.1 or 9.*; all by default")
    parser.add_argument("--quick", action="store_true", help="the cases that CI runs")
    parser.add_argument(
        "--write", action="store_true", help="write docs/autobahn.md, with what earlier runs found of other cases"
    )
    options = parser.parse_args(argv)
    table = asyncio.run(measure(QUICK if options.quick else options.cases, tell=lambda text: print(text, flush=True)))
    text = page(kept(table) if options.write else table)
    if options.write:
        PAGE.write_text(text)
    print(text)
    print("\n".join(table.wrong) or "no worse on any case, and the recordings agree")
    return int(bool(table.wrong))
