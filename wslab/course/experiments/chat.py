"""What a chat of lesson 14 needs around it: the page that members join by, and who a connection says it is."""

from __future__ import annotations

import sys
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection

LONGEST_NAME = 20  # characters

# The page keeps the number of the last message that it has seen, and names it when it connects again. It waits longer
# after each failure, and for a time that differs from page to page, so that not all come back in the same moment.
CHAT_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A chat</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1rem 0; }
label { display: grid; }
#say label { flex: 1; }
input, button { font: inherit; padding: .3rem .6rem; }
ol { list-style: none; padding: .75rem; margin: 1rem 0; min-height: 12rem; border: 1px solid #8888; }
li::before { content: attr(data-number); display: inline-block; min-width: 2.5em; opacity: .65; }
</style>
</head>
<body>
<h1>A chat</h1>
<form id="join">
<label>Room <input id="room" value="garden" required pattern="[a-z0-9]+"></label>
<label>Your name <input id="name" required maxlength="20"></label>
<button>Join</button>
</form>
<p id="state" role="status">You have not joined yet.</p>
<p id="here"></p>
<ol id="log" role="log" aria-label="What was said"></ol>
<form id="say">
<label>Message <input id="text" autocomplete="off"></label>
<button>Send</button>
<button type="button" id="leave">Leave</button>
</form>
<script>
const at = (id) => document.getElementById(id);
let socket = null;
let last = null; // the number of the last message that was seen
let wait = 200; // milliseconds before the next try
let wanted = false;
let room = ""; // the room whose messages are shown

function connect() {
  const query = new URLSearchParams({ name: at("name").value });
  if (last !== null) query.set("last", last);
  socket = new WebSocket("ws://localhost:1234/" + room + "?" + query);
  socket.onopen = () => {
    wait = 200;
    at("state").textContent = "You are in the room.";
  };
  socket.onmessage = ({ data }) => {
    const [, number, text] = data.match(/^(\\d+) ([^]*)$/);
    last = number;
    const line = document.createElement("li");
    line.dataset.number = number;
    line.textContent = text;
    at("log").append(line);
    const present = text.match(/^[^:]* (?:joins|leaves): (.*)$/);
    if (present) at("here").textContent = "Here now: " + (present[1] || "nobody");
  };
  socket.onclose = ({ code }) => {
    at("here").textContent = "";
    at("state").textContent = `The connection is closed (${code}).` + (wanted ? " Trying again." : "");
    if (wanted) setTimeout(connect, wait * (0.5 + Math.random()));
    wait = Math.min(2 * wait, 5000);
  };
}

at("join").onsubmit = (event) => {
  event.preventDefault();
  if (socket !== null && socket.readyState < WebSocket.CLOSING) return;
  if (at("room").value !== room) {
    room = at("room").value;
    last = null;
    at("log").replaceChildren();
  }
  wanted = true;
  connect();
};
at("say").onsubmit = (event) => {
  event.preventDefault();
  if (socket !== null && socket.readyState === WebSocket.OPEN && at("text").value) {
    socket.send(at("text").value);
    at("text").value = "";
  }
};
at("leave").onclick = () => {
  wanted = false;
  if (socket !== null) socket.close();
};
</script>
</body>
</html>
"""


class PageMember(NamedTuple):
    """Who a connection says it is, by the path and the query of its request: ``/garden?name=Ada&last=7``."""

    room: str
    name: str
    last: int  # the number of the last message that it has seen; larger than every number where it names none


def visitor(connection: ServerConnection) -> PageMember:
    """Read who connects. A name has 20 characters at most and no colon; who gives none is called ``somebody``."""
    assert connection.request is not None
    parts = urlsplit(connection.request.path)
    asked = parse_qs(parts.query)
    name = " ".join(asked.get("name", [""])[0].replace(":", " ").split())[:LONGEST_NAME]
    last = asked.get("last", [""])[0]
    seen = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else sys.maxsize
    return PageMember(parts.path, name or "somebody", seen)
