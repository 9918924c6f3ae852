"""What the HTTP port tells browsers and others at `/`, and who may have there what the page shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from admin import Answer, ask, bearer
from harness import Server
from test_tokens import TOKENS, write_tokens

HTTP = ("--http-listen", "127.0.0.1:0")
OPEN = ("--http-listen", "0.0.0.0:0", "--allow-open")
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
# What operators read, and who may with tokens.
OPERATORS = {"/metrics": {"admin", "metrics"}, "/debug/requests": {"admin"}}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Server(*HTTP) as server:
        assert server.http is not None
        yield server.http


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tokens = write_tokens(tmp_path_factory.mktemp("tokens") / "tokens")
    with Server(*OPEN, "--auth-token-file", str(tokens)) as server:
        assert server.http is not None
        yield server.http


def test_browsers_get_the_page_and_others_the_list_of_paths(address: str) -> None:
    page = ask(address, "/", headers=BROWSER)
    assert (page.status, page.fields.get_content_type()) == (200, "text/html")
    assert b"<!doctype html>" in page.body
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        listed = {route["path"]: route["for"] for route in ask(address, "/", headers=headers).json()["routes"]}
        assert listed["/"] == listed["/page/{}"] == "everybody"
        assert {"/v2/models/{}/infer", *OPERATORS} < listed.keys()


def test_the_page_is_kept_apart_from_other_sites(address: str) -> None:
    fields = ask(address, "/", headers=BROWSER).fields
    assert {"default-src 'none'", "frame-ancestors 'none'"} < set(fields["Content-Security-Policy"].split("; "))
    assert "unsafe" not in fields["Content-Security-Policy"]
    assert fields.get_all("X-Content-Type-Options") == ["nosniff"]
    assert fields["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in fields
    assert not [name for name in fields if name.lower().startswith("access-control-")]


def test_a_browser_keeps_what_has_not_changed(address: str) -> None:
    first = ask(address, "/page/app.js")
    again = ask(address, "/page/app.js", headers={"If-None-Match": first.fields["ETag"]})
    assert (first.status, again.status, again.body) == (200, 304, b"")


@pytest.mark.parametrize("role", ["none", "infer", "metrics", "admin"])
@pytest.mark.parametrize("path", OPERATORS)
def test_what_operators_read_is_for_their_roles(guarded: str, path: str, role: str) -> None:
    answer = ask(guarded, path, headers=bearer(TOKENS[role]) if role in TOKENS else {})
    refused = 401 if role == "none" else 403
    assert answer.status == (200 if role in OPERATORS[path] else refused)


def test_refusals_are_kept_without_an_admin_port(address: str) -> None:
    assert ask(address, "/v2/models/nothing/infer", "POST", body=b'{"inputs":[]}').status == 404
    assert "MODEL_NOT_FOUND" in [call["reason"] for call in ask(address, "/debug/requests").json()["refusals"]]
    assert b'tensorferry_rejected_total{reason="MODEL_NOT_FOUND"} 1' in ask(address, "/metrics").body


def test_the_page_itself_is_for_everybody(guarded: str) -> None:
    assert ask(guarded, "/", headers=BROWSER).status == 200
    assert ask(guarded, "/page/page.css").status == 200


def statuses(server: Server) -> set[int]:
    assert server.http is not None
    return {ask(server.http, path).status for path in OPERATORS}


def test_without_tokens_an_open_port_tells_no_more_than_the_admin_port() -> None:
    """Other machines reach the first two HTTP ports, and the second admin port, too."""
    with Server(*OPEN) as server:
        assert statuses(server) == {403}
        message = ask(str(server.http), "/metrics").json()["error"]
        assert "without tokens" in message
    with Server(*OPEN, "--admin-listen", "0.0.0.0:0") as server:
        assert statuses(server) == {200}
    with Server(*HTTP, "--admin-host", "here.example") as server:
        assert statuses(server) == {200}
        hosts = {"evil.example:8000": 421, "localhost:1": 200, "here.example": 200}
        for host, status in hosts.items():
            for path in ("/v2", *OPERATORS):
                assert ask(str(server.http), path, headers={"Host": host}).status == status, (host, path)


def unload(address: str, headers: dict[str, str]) -> Answer:
    return ask(address, "/v2/repository/models/identity/unload", "POST", headers)


def test_a_page_of_another_origin_changes_nothing_through_a_browser(address: str) -> None:
    """A browser sends a plain POST for any page; only its own may ask for a change."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        refused = unload(address, headers)
        assert (refused.status, "another origin" in refused.json()["error"]) == (403, True)
    # This server takes no request to unload, and says so to those whom it hears.
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{address}"}, {}):
        heard = unload(address, headers)
        assert "another origin" not in heard.json()["error"]
