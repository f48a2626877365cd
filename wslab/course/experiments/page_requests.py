"""The requests that Chromium sends for a page over HTTP/1.1; ``tests/browser`` compares them with the browser's own."""

from __future__ import annotations

from ...live.carrier import ADDRESS

_AGENT = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
)
_BRAND = (
    'sec-ch-ua-platform: "Linux"',
    'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"',
    "sec-ch-ua-mobile: ?0",
)
_FETCH = ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")
_LANGUAGE = ("Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-US,en;q=0.9")
_FRESH = ("Pragma: no-cache", "Cache-Control: no-cache")
SOCKET_LINES = tuple(one.partition(": ")[::2] for one in (*_FRESH, *_AGENT, *_LANGUAGE))
"""What a browser adds to a WebSocket handshake, beside the lines that RFC 6455 asks for."""


def page_request(port: int, target: str, body: str | None = None) -> bytes:
    """What Chromium sends when a page fetches ``target``, opens it as an event stream, or posts a body."""
    stream, posts = target == "/events", body is not None
    lines = [
        f"{'POST' if posts else 'GET'} {target} HTTP/1.1",
        f"Host: {ADDRESS}:{port}",
        "Connection: keep-alive",
        *([f"Content-Length: {len(body or '')}"] if posts else []),
        *(_FRESH if stream else ()),
        *_BRAND[:1],
        *_AGENT,
        *(["Accept: text/event-stream"] if stream else []),
        *_BRAND[1:2],
        *(["Content-Type: text/plain;charset=UTF-8"] if posts else []),
        *_BRAND[2:],
        *([] if stream else ["Accept: */*"]),
        *([f"Origin: http://{ADDRESS}:{port}"] if posts else []),
        *_FETCH,
        f"Referer: http://{ADDRESS}:{port}/",
        *_LANGUAGE,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()
