"""A lab's authority: whom it vouches for, and that nobody trusts it but who was told."""

from __future__ import annotations

import gc
import ssl
import subprocess
from pathlib import Path

import pytest

from wslab.live.certificates import NAMES, Authority


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A TLS handshake in memory, with no socket; the client's end. Raises what either end would."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up, server_hostname=name), server.wrap_bio(up, down, server_side=True)]
    waiting = [*ends]
    for _ in range(8):
        for end in [*waiting]:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert not waiting
    return ends[0]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_was_told_trusts_the_certificate(authority: Authority, name: str) -> None:
    end = shake_hands(authority.client_context(), authority.server_context(), name)
    assert end.version() in ("TLSv1.2", "TLSv1.3")
    assert end.selected_alpn_protocol() == "http/1.1"


def test_another_name_is_not_vouched_for(authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"example\.com"):
        shake_hands(authority.client_context(), authority.server_context(), "example.com")


@pytest.mark.parametrize("client", [ssl.create_default_context(), Authority().client_context()])
def test_who_was_not_told_does_not_trust_it(authority: Authority, client: ssl.SSLContext) -> None:
    """Neither this system's own list, which nothing was added to, nor another lab's authority."""
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        shake_hands(client, authority.server_context(), "localhost")


def test_a_file_holds_the_certificate_and_no_key(authority: Authority, tmp_path: Path) -> None:
    path = authority.write(tmp_path / "authority.pem")
    text = path.read_text()
    assert text.encode() == authority.pem
    assert text.count("BEGIN") == text.count("BEGIN CERTIFICATE") == 1
    shake_hands(ssl.create_default_context(cafile=path), authority.server_context(), "localhost")


PIN = """
const key = new crypto.X509Certificate(fs.readFileSync(0)).publicKey.export({ type: 'spki', format: 'der' });
process.stdout.write(crypto.createHash('sha256').update(key).digest('base64'));
"""


@pytest.mark.oracle
def test_the_pin_is_of_the_servers_public_key(authority: Authority, node_path: str) -> None:
    end = shake_hands(authority.client_context(), authority.server_context(), "localhost")
    certificate = end.getpeercert(binary_form=True)
    done = subprocess.run([node_path, "--eval", PIN], input=certificate, capture_output=True, check=True)
    assert done.stdout.decode() == authority.spki


def test_it_says_how_it_is_trusted_and_shows_no_key(authority: Authority) -> None:
    for shown in (repr(authority), authority._repr_html_()):
        assert "--ignore-certificate-errors-spki-list" in shown
        assert "NODE_EXTRA_CA_CERTS" in shown
        assert authority.spki not in shown
        assert "BEGIN" not in shown
    assert max(map(len, repr(authority).splitlines())) <= 80


def test_its_file_goes_with_it() -> None:
    authority = Authority()
    path = authority.path
    assert path.read_bytes() == authority.pem
    del authority
    gc.collect()
    assert not path.parent.exists()
