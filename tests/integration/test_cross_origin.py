"""Pages of other origins that ask the HTTP ports through a browser: who may, and what the browser is told."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from grpc_web import CONVERT, Answer, ask, frames
from harness import Server
from wire import array, request

PAGE = "https://page.example:8443"
BODY = frames(request(array("|u1", (3,), b"abc")))


@pytest.fixture(scope="module")
def closed() -> Iterator[str]:
    with Server("--http-listen", "127.0.0.1:0") as server:
        assert server.http is not None
        yield server.http


@pytest.fixture(scope="module")
def opened() -> Iterator[str]:
    with Server("--http-listen", "127.0.0.1:0", "--http-origin", PAGE) as server:
        assert server.http is not None
        yield server.http


def preflight(address: str, origin: str) -> Answer:
    """What a browser asks before it sends a page's call."""
    asks = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type,x-grpc-web"}
    return ask(address, CONVERT, b"", method="OPTIONS", Origin=origin, **asks)


@pytest.mark.parametrize("origin", [PAGE, "null", "http://127.0.0.1", "https://127.0.0.1.page.example"])
def test_no_page_of_another_origin_may_ask(origin: str, closed: str) -> None:
    for answer in (ask(closed, CONVERT, BODY, Origin=origin), preflight(closed, origin)):
        assert answer.status == 403
        assert json.loads(answer.body)["details"]["actual"] == origin
        assert not [name for name in answer.fields if name.startswith("access-control")]


def test_the_pages_of_the_port_itself_may(closed: str) -> None:
    for scheme in ("http", "https"):
        assert ask(closed, CONVERT, BODY, Origin=f"{scheme}://{closed}").trailers()["grpc-status"] == "0"


def test_a_page_of_a_given_origin_may(opened: str) -> None:
    allowed = preflight(opened, PAGE)
    assert (allowed.status, allowed.body) == (204, b"")
    assert allowed.fields["access-control-allow-origin"] == PAGE
    assert "POST" in allowed.fields["access-control-allow-methods"]
    assert allowed.fields["access-control-allow-headers"] == "content-type,x-grpc-web"
    answer = ask(opened, CONVERT, BODY, Origin=PAGE)
    assert answer.trailers()["grpc-status"] == "0"
    assert answer.fields["access-control-allow-origin"] == PAGE
    assert answer.fields["vary"] == "Origin"
    wrong = ask(opened, CONVERT, b"", Origin=PAGE)  # A page can read why its call was refused.
    assert (wrong.status, wrong.fields["access-control-allow-origin"]) == (400, PAGE)
    assert ask(opened, "/nothing", b"", Origin=PAGE).fields["access-control-allow-origin"] == PAGE


def test_others_may_not(opened: str) -> None:
    assert preflight(opened, "https://page.example").status == 403
    assert ask(opened, CONVERT, BODY, Origin="https://other.example:8443").status == 403
    plain = ask(opened, CONVERT, BODY)  # No page asks here.
    assert (plain.status, plain.fields["vary"]) == (200, "Origin")


def test_a_name_that_was_made_to_mean_this_machine(closed: str) -> None:
    """A browser sends the name that its page has; without tokens and TLS the port answers its own machine's alone."""
    answer = ask(closed, CONVERT, BODY, Host="page.example:80", Origin="http://page.example:80")
    assert answer.status == 421
