"""``Authority``: a lab's own certificate authority, which a client trusts only where it is told to.

Theory. A client checks with TLS who vouches for a server's certificate: a chain of signatures must end in an authority
that the client trusts already (RFC 5280 6). Systems and browsers bring lists of such authorities. To add one to a list
is to trust it for every site. So a lab makes its own authority, keeps the key in memory, and changes no list: each
client trusts it for its own connections only, and it is gone with the lab. The library ``trustme`` makes it.
"""

import base64
import hashlib
import os
import shutil
import ssl
import tempfile
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final

from ..drawing.blocks import Pairs, Words
from ..drawing.sheet import Sheet, Shown
from ..drawing.visible import wrap

# The hosts that the server's certificate names. A client compares them with the host in its URI (RFC 6125 6).
NAMES: Final = ("localhost", "127.0.0.1", "::1")
# What both ends offer by ALPN (RFC 7301): the opening handshake of RFC 6455 is HTTP/1.1.
PROTOCOLS: Final = ["http/1.1"]

TITLE: Final = (
    f"A certificate authority of this lab alone, for {', '.join(NAMES)}. Nothing is installed anywhere: each client is "
    "told of it for its own connections, and it is gone with the lab."
)
# How a client comes to trust a lab's server.
INSTRUCTIONS: Final = (
    ("this lab", "`lab.connect()`, `lab.raw()`, `lab.relay()` and `lab.node()` know it already"),
    ("websockets",
     "`context = ssl.create_default_context(cafile=lab.authority.path)`, then `connect(server.uri, ssl=context)`"),
    ("Node",
     "`new WebSocket(uri, { ca: fs.readFileSync(path) })` with ws, or for a script as it is "
     "`NODE_EXTRA_CA_CERTS=path node script.js`; the path is `lab.authority.path`"),
    ("curl", "`curl --cacert path https://localhost:port/`"),
    ("a browser",
     "open `https://localhost:port/` once and accept what it warns of, since it cannot know this authority; until "
     "that was done a page's `new WebSocket` fails with 1006, and nobody is asked"),
    ("Chromium",
     "one of its own, for tests: `chromium --user-data-dir=folder --ignore-certificate-errors-spki-list=pin`; the "
     "pin is `lab.authority.spki`"),
    ("who is not told", "fails with `certificate verify failed` in Python, and sees no byte of what is inside"),
)  # fmt: skip


class Authority(Shown):
    """A private certificate authority, and its one certificate, for ``localhost``, ``127.0.0.1`` and ``::1``.

    Nothing is installed, and no private key outlives the object. Raises ImportError where ``trustme`` is missing.
    """

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError as error:
            raise ImportError("certificates are made by trustme: pip install trustme") from error
        self._authority = trustme.CA(organization_name="wslab")
        self._certificate = self._authority.issue_cert(*NAMES, organization_name="wslab")

    @property
    def pem(self) -> bytes:
        """The authority's certificate in PEM (RFC 7468): what a client must be told. There is no secret in it."""
        return self._authority.cert_pem.bytes()

    @cached_property
    def path(self) -> Path:
        """A file that holds ``pem``, for clients that read authorities from a file. It goes with this object."""
        folder = tempfile.mkdtemp(prefix="wslab-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return self.write(Path(folder) / "authority.pem")

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write ``pem`` to a file of yours; its path."""
        Path(path).write_bytes(self.pem)
        return Path(path)

    def server_context(self, make: Callable[[int], ssl.SSLContext] = ssl.SSLContext) -> ssl.SSLContext:
        """What a server gives its sockets: the certificate and its key, TLS 1.2 or newer, in a context of that make."""
        context = make(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        context.set_alpn_protocols(PROTOCOLS)
        return context

    def client_context(self) -> ssl.SSLContext:
        """What a client gives its sockets: it trusts this authority and no other, and compares names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.pem.decode("ascii"))
        context.set_alpn_protocols(PROTOCOLS)
        return context

    @cached_property
    def spki(self) -> str:
        """The SHA-256 of the server's public key in base64, by which Chromium accepts it (the pin of RFC 7469 2.4)."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        certificate = x509.load_pem_x509_certificate(self._certificate.cert_chain_pems[0].bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")

    def _sheet(self) -> Sheet:
        return Sheet(TITLE, [Words("\n".join(wrap(TITLE, 80))), Pairs(INSTRUCTIONS)])
