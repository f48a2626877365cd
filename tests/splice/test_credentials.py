"""No credential of Jupyter's, of a hub's or of a proxy's reaches a lab through the splice, and all else does."""

from __future__ import annotations

import time

import pytest
from credential_table import HEADERS, ORDINARY, PARTS, SECRET

from wslab.splice import head

HOST = "127.0.0.1:1"


def passed(*lines: tuple[str, str]) -> list[tuple[str, str]]:
    return head.headers([*lines, ("Via", "1.1 hub")], HOST, "login-cookie")


@pytest.mark.parametrize(("who", "name"), [(who, name) for who, names in HEADERS.items() for name in names])
def test_a_header_that_logs_in_does_not_pass(who: str, name: str) -> None:
    for written in (name, name.title(), name.lower(), name.upper()):
        assert passed((written, SECRET)) == [("Via", "1.1 hub")], who


@pytest.mark.parametrize(("name", "value", "left"), PARTS)
def test_of_a_header_that_holds_a_credential_the_rest_passes(name: str, value: str, left: str | None) -> None:
    assert SECRET in value
    expected = [] if left is None else [(name, left)]
    assert passed((name, value)) == [*expected, ("Via", "1.1 hub")]


@pytest.mark.parametrize(("name", "value"), ORDINARY.items())
def test_an_ordinary_header_passes_as_it_is(name: str, value: str) -> None:
    assert passed((name, value)) == [(name, value), ("Via", "1.1 hub")]


@pytest.mark.parametrize("parameter", ["token", "_xsrf", "%74oken", "%5Fxsrf"])
def test_no_parameter_of_jupyters_stays_in_the_request_target(parameter: str) -> None:
    uri = f"/user/ann/wslab/k/chat?room=1&{parameter}={SECRET}&b&next=/%3F{parameter}={SECRET}"
    assert head.behind(uri, "/wslab/k") == "/chat?room=1&b"


@pytest.mark.parametrize("query", ["code=1&state=2", "secret=1", "mytoken=1&token1=2", "a=token=1", "x=%26&tokens"])
def test_what_only_a_lab_knows_stays_in_the_request_target(query: str) -> None:
    assert head.behind(f"/wslab/k/?{query}", "/wslab/k") == f"/?{query}"


def test_a_cookie_that_remembers_an_address_with_a_token_does_not_pass() -> None:
    for cookie in (f"next=/lab?token={SECRET}", f"back=%2Flab%3Fa%3D1%26token%3D{SECRET}"):
        assert passed(("Cookie", f"colour=red; {cookie}"))[0] == ("Cookie", "colour=red")


def test_addresses_escaped_over_and_over_take_no_time() -> None:
    begun = time.process_time()
    passed(("Referer", "http://a/?" + "%25" * 20_000 + "&x" * 1000), ("Cookie", "a=" + "?" * 60_000))
    assert time.process_time() - begun < 5


def test_the_login_cookie_of_this_server_does_not_pass_whatever_it_is_called() -> None:
    assert passed(("Cookie", f"colour=red; login-cookie={SECRET}"))[0] == ("Cookie", "colour=red")
