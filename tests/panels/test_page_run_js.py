"""What runs a page's code notes what the browser's WebSocket does: here Node's own, which follows the same standard."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from wslab.live.article import CLIENT_PAGE, CLIENT_SCRIPT
from wslab.live.lab import Lab
from wslab.panels.kit.module import esm

pytestmark = pytest.mark.oracle

PAGE_RUN, PAGE_CONSOLE = esm("browser_panel/page_run.js"), esm("browser_panel/page_console.js")
PAGE_SOURCE = esm("kit/page_source.js")

RUN = """
import { readFileSync } from "node:fs";
const load = (text) => import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
const input = JSON.parse(readFileSync(0, "utf8"));
const { run } = await load(input.run);
const { destination } = await load(input.source);
const noted = [];
for (const name of ["log", "info", "warn", "error", "table"]) console[name] = () => {};
process.on("uncaughtException", () => {}); // a browser tells its window
const way = { ports: input.ports, root: null, page: "http://localhost/", token: "" };
const address = (written) => destination(written, way);
let ended;
const over = new Promise((resolve) => (ended = resolve));
const note = (entry) => {
  noted.push(entry);
  if (entry.text === "STOP") setTimeout(() => page.stop());
  if (entry.text === "END") ended();
};
const page = run(input.code, { number: 1, address, note });
await over;
process.stdout.write(JSON.stringify({ noted, isOver: page.isOver }), () => process.exit());
"""
READ = """
import { readFileSync } from "node:fs";
const load = (text) => import("data:text/javascript;base64," + Buffer.from(text).toString("base64"));
const input = JSON.parse(readFileSync(0, "utf8"));
const { scriptsOf, destination, isLoopback } = await load(input.source);
const { formatted, tableText } = await load(input.console);
const [cyclic, evil] = [{ name: "loop" }, {}];
cyclic.self = cyclic;
Object.defineProperty(evil, "x", { enumerable: true, get() { throw new TypeError("no"); } });
process.stdout.write(JSON.stringify({
  scripts: input.pages.map(scriptsOf),
  places: input.addresses.map(([written, way]) => destination(written, way)),
  loopback: input.hosts.map(isLoopback),
  said: [
    ["plain", 1, true, null, undefined, 10n, Symbol.iterator],
    ["%s is %d of %i, %f, %o%% %c.", "this", "7.9", "8 apples", "1.50", { a: ["b"] }, "color: red", "and more"],
    ["%s"], [{ a: 1, b: { c: { d: { e: 1 } } } }, [1, "two"], new Map([["k", 1]]), new Set()],
    [new Uint8Array([1, 2, 255]), new Float64Array(8).buffer, new Blob(["abc"]), new Error("bad"), function named() {}],
    [cyclic], [evil], [new Event("open")], ["x".repeat(5000)], [Array.from({ length: 40 }, (_, n) => n)],
  ].map(formatted),
  table: tableText([{ name: "a", value: 1 }, { name: "bb" }, 3]),
}));
"""


def node(path: str, script: str, **given: Any) -> dict[str, Any]:
    run = subprocess.run(
        [path, "--experimental-websocket", "--no-warnings", "--input-type=module", "-e", script],
        input=json.dumps(given), capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def in_page(node_path: str, code: str, handler: Any, **options: Any) -> tuple[list[dict[str, Any]], bool, Lab]:
    """What is noted of ``code`` until it prints END; whether it is over then."""

    async def conversation() -> tuple[dict[str, Any], Lab]:
        async with Lab() as lab:
            server = await lab.serve(handler, origins=None, **options)
            ports = {"1234": {"port": server.port, "path": None, "name": "the lab's server"}}
            given = {
                "run": PAGE_RUN,
                "source": PAGE_SOURCE,
                "code": code,
                "ports": ports,
            }
            return await asyncio.to_thread(node, node_path, RUN, **given), lab

    found, lab = asyncio.run(conversation())
    return found["noted"], found["isOver"], lab


async def talk(connection: ServerConnection) -> None:
    await connection.send("Hello client!")
    await connection.send(b"\x00\x01")
    async for message in connection:
        if message == "now":
            await connection.close(4002, "the server goes")


def test_a_fetch_of_a_known_port_is_led_there_as_a_socket_is(node_path: str) -> None:
    code = """
const told = async (from) => fetch(from).then(async (answer) => `${answer.status} ${await answer.text()}`, String);
console.log(await told("http://localhost:1234/chat"), await told("data:text/plain,here"), await told("ftp://x"));
console.log("END");
"""

    def answer(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(200, f"{request.path} by http")

    noted, _, _ = in_page(node_path, code, talk, process_request=answer)
    assert noted[0]["text"] == "200 /chat by http 200 here TypeError: fetch failed"


def test_the_articles_code_is_noted_event_by_event(node_path: str) -> None:
    code = (
        CLIENT_SCRIPT
        + """
clientSocket.addEventListener("message", ({ data }) => typeof data === "string" || clientSocket.send("now"));
clientSocket.onclose = () => console.log("END");
"""
    )
    noted, is_over, _ = in_page(node_path, code, talk)
    sockets = [entry for entry in noted if entry["what"] != "console"]
    assert [(entry["what"], entry["state"]) for entry in sockets] == [
        ("new WebSocket()", "CONNECTING"), ("open", "OPEN"), ("send()", "OPEN"), ("message", "OPEN"),
        ("message", "OPEN"), ("send()", "OPEN"), ("close", "CLOSED"),
    ]  # fmt: skip
    made, opened, sent, text, binary, asked, closed = sockets
    assert (made["url"], made["target"], made["to"]) == ("ws://localhost:1234", "/", "the lab's server")
    assert (opened["protocol"], opened["extensions"]) == ("", "")
    assert (sent["data"], sent["length"], sent["nth"], asked["nth"]) == ("Hello server!", 13, 0, 1)
    assert (text["data_type"], text["data"], text["nth"]) == ("string", "Hello client!", 0)
    assert (binary["data_type"], binary["length"], binary["nth"]) == ("Blob", 2, 1)
    assert (closed["code"], closed["reason"], closed["was_clean"]) == (4002, "the server goes", True)
    assert noted[0]["t"] == 0
    assert [entry["t"] for entry in noted] == sorted(entry["t"] for entry in noted)
    lines = [(entry["level"], entry["text"]) for entry in noted if entry["what"] == "console"]
    assert lines[0] == ("log", "Server: Hello client!")
    assert is_over


def test_what_the_standard_forbids_is_noted_as_it_throws_and_still_thrown(node_path: str) -> None:
    code = """
const socket = new WebSocket("ws://localhost:1234", ["chat"]);
const attempt = (act) => { try { act() } catch (error) { console.log(error.name) } };
attempt(() => socket.send("too early"));
attempt(() => new WebSocket("ws://localhost:1234", ["chat", "chat"]));
attempt(() => new WebSocket("not an address:"));
attempt(() => new WebSocket());
attempt(() => socket.close(1001));
attempt(() => socket.close(4000, "é".repeat(62)));
socket.onopen = () => socket.close(4001, "é".repeat(61));
socket.onclose = () => {
  socket.send("too late");
  console.log(socket instanceof WebSocket, WebSocket.OPEN, socket.readyState, socket.url);
  console.log("END");
};
"""
    noted, _, lab = in_page(node_path, code, talk, subprotocols=["chat"])
    thrown = [entry["thrown"].split(":")[0] for entry in noted if entry.get("thrown")]
    assert thrown == [
        "InvalidStateError", "SyntaxError", "SyntaxError", "TypeError", "InvalidAccessError", "SyntaxError",
    ]  # fmt: skip
    made = [entry["words"] for entry in noted if entry["what"] == "new WebSocket()"]
    assert made[0] == '"ws://localhost:1234" → the lab\'s server, offering "chat"'
    assert made[1].startswith('"ws://localhost:1234", offering "chat", "chat" throws SyntaxError: ')
    printed = [entry["text"] for entry in noted if entry["what"] == "console"]
    assert printed[: len(thrown)] == thrown
    assert printed[len(thrown) :] == ["true 1 3 ws://localhost:1234/", "END"]
    assert next(entry["protocol"] for entry in noted if entry["what"] == "open") == "chat"
    late = [entry for entry in noted if entry["what"] == "send()"][-1]
    assert (late["nth"], "goes nowhere" in late["words"]) == (None, True)
    summaries = [record.summary for record in lab.trace.records]
    assert sum(summary.startswith("CLOSE 4001") for summary in summaries) == 2


def test_stop_closes_what_runs_and_lets_nothing_begin_again(node_path: str) -> None:
    code = """
let count = 0;
const begin = () => {
  const socket = new WebSocket("ws://localhost:1234");
  socket.onopen = () => console.log("STOP");
  socket.onclose = ({ reason }) => {
    console.log(reason);
    try { begin() } catch (error) { console.log(error.name) }
    console.log("END");
  };
};
begin();
setInterval(() => count++, 1);
await new Promise((resolve) => setTimeout(resolve, 5));
console.log("awaited");
"""
    noted, _, lab = in_page(node_path, code, talk)
    printed = [entry["text"] for entry in noted if entry["what"] == "console"]
    assert "awaited" in printed
    assert printed[-3:] == ["stopped", "InvalidStateError", "END"]
    assert [entry["what"] for entry in noted].count("new WebSocket()") == 1
    closes = [record.summary for record in lab.trace.records if record.summary.startswith("CLOSE")]
    assert closes[0] == 'CLOSE 1000 "stopped"'


@pytest.mark.parametrize(
    ("code", "text", "line"),
    [
        ("const a = 1;\n\nnothing.there;", "ReferenceError: nothing is not defined", 3),
        ("await 0;\nthrow 'a text';", "a text", None),
        ("this is no JavaScript", "SyntaxError: ", None),
    ],
)
def test_what_nobody_catches_is_told_with_its_line(node_path: str, code: str, text: str, line: int | None) -> None:
    given = {"run": PAGE_RUN, "source": PAGE_SOURCE, "code": code, "ports": {}}
    (noted,) = node(
        node_path, RUN.replace("await over;", "await new Promise((resolve) => setTimeout(resolve));"), **given
    )["noted"]
    assert (noted["what"], noted["level"], noted["line"]) == ("console", "uncaught", line)
    assert noted["text"].startswith(text)


def test_pages_addresses_and_consoles_are_read_as_browsers_do(node_path: str) -> None:
    way = {
        "ports": {
            "1234": {"port": 5000, "path": None, "name": "the lab's server"},
            "80": {"port": 80, "path": None, "name": "the web"},
            "77": {"port": 77, "path": "wslab/key/", "name": "far"},
            "66": {"port": 66, "path": None, "name": "with a secret", "secret": "/secret-0f"},
        },
        "root": "wss://hub.example/user/x/", "page": "https://hub.example/user/x/lab", "token": "s&t",
    }  # fmt: skip
    pages = [
        CLIENT_SCRIPT,
        "<!-- hides -->\nlet a = 1",
        CLIENT_PAGE,
        CLIENT_PAGE.replace("</script>", "</ script>"),
        "<p>one</p><script>let a = 1</script><SCRIPT type='text/javascript'>a += 1</SCRIPT ><script src=x.js></script>",
        "<script type='module'>import 'x'</script>",
        "<script>let open = 1",
        "<p>nothing</p>",
    ]
    addresses = [
        "ws://localhost:1234", "ws://127.0.0.1:1234/chat?room=1", "ws://[::1]:1234/", "ws://localhost", "wss://localhost:9",
        "ws://example.org:1234", "http://localhost:1234/x", "::", "ws://localhost:77/a/b?c=d%20e", "ws://localhost:77",
        "ws://localhost:66", "ws://localhost:66/chat?room=1",
    ]  # fmt: skip
    hosts = [
        "localhost",
        "127.0.0.1",
        "127.9.9.9",
        "[::1]",
        "a.localhost",
        "localhost.evil.example",
        "hub.example",
        "128.0.0.1",
    ]
    found = node(
        node_path, READ, source=PAGE_SOURCE, console=PAGE_CONSOLE, pages=pages, hosts=hosts,
        addresses=[[each, way] for each in addresses],
    )  # fmt: skip
    assert found["loopback"] == [True] * 5 + [False] * 3
    assert [place["href"] for place in found["places"]] == [
        "ws://localhost:5000/", "ws://127.0.0.1:5000/chat?room=1", "ws://[::1]:5000/", "ws://localhost", "wss://localhost:9",
        "ws://example.org:1234", "http://localhost:5000/x", "::",
        "wss://hub.example/user/x/wslab/key/a/b?c=d%20e&token=s%26t", "wss://hub.example/user/x/wslab/key/?token=s%26t",
        "ws://localhost:66/secret-0f/", "ws://localhost:66/secret-0f/chat?room=1",
    ]  # fmt: skip
    assert [place["target"] for place in found["places"][-4:]] == ["/a/b?c=d%20e", "/", "/", "/chat?room=1"]

    scripts = found["scripts"]
    assert [script["code"] for script in scripts[:2]] == pages[:2]
    for script, page in zip(scripts, pages, strict=True):
        assert script["code"].count("\n") == page.count("\n"), "a line has moved"
    assert scripts[2]["code"].strip() == scripts[3]["code"].strip() == CLIENT_SCRIPT.strip()
    assert scripts[2]["notes"] == []
    assert scripts[3]["notes"][0].startswith("</ script> is no end tag")
    assert scripts[4]["code"].split() == ["let", "a", "=", "1", "a", "+=", "1"]
    notes = [" ".join(script["notes"]) for script in scripts[4:]]
    for note, words in zip(
        notes, ["x.js is not fetched", "type module", "no end tag", "no inline script"], strict=True
    ):
        assert words in note

    assert found["said"][:8] == [
        "plain 1 true null undefined 10n Symbol(Symbol.iterator)",
        'this is 7 of 8, 1.5, { a: ["b"] }% . and more',
        "%s",
        '{ a: 1, b: { c: { d: {…} } } } [1, "two"] Map { ["k", 1] } Set {}',
        "Uint8Array(3) 01 02 ff ArrayBuffer(64) " + "00 " * 24 + "… Blob(3) Error: bad function named",
        '{ name: "loop", self: { name: "loop", self: { name: "loop", self: {…} } } }',
        "[cannot be shown: TypeError]",
        "[Event open]",
    ]
    assert found["said"][8].endswith("… 1000 more characters")
    assert found["said"][9].endswith("29, … 10 more]")
    assert found["table"].splitlines() == [
        "(index)  name  value  value", '0        "a"   1', '1        "bb"', "2                     3",
    ]  # fmt: skip
