"""Who may ask the admin port for what: every path and every role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from admin import ADMIN, ask, bearer
from harness import Server, becomes_true
from test_tokens import TOKENS, write_tokens

HEALTH = ("/livez", "/readyz", "/startupz")
EVERYBODY = {"none", "wrong", "infer", "admin", "metrics"}
ALLOWED = {
    "/": EVERYBODY,
    **dict.fromkeys(HEALTH, EVERYBODY),
    "/version": {"infer", "admin", "metrics"},
    "/metrics": {"admin", "metrics"},
    "/configz": {"admin"},
    "/debug/requests": {"admin"},
}
PRESENT = {"/metrics": {200, 404}}  # 404 where the server keeps no metrics.


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    tokens = write_tokens(tmp_path_factory.mktemp("tokens") / "tokens")
    with Server(*ADMIN, "--auth-token-file", str(tokens), "--log-level", "trace") as server:
        yield server
        assert server.stop() == 0
        for token in TOKENS.values():
            assert token not in server.log()


def test_there_is_a_rule_for_each_path(guarded: Server) -> None:
    """A path that is added has to be added above."""
    listed = {route["path"]: set(route["for"].split(", ")) for route in ask(guarded, "/").json()["routes"]}
    assert listed.keys() == ALLOWED.keys() - {"/"}
    for path, roles in listed.items():
        assert roles == ({"everybody"} if ALLOWED[path] == EVERYBODY else ALLOWED[path])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("role", sorted(EVERYBODY))
@pytest.mark.parametrize("path", ALLOWED)
def test_a_path_is_for_its_roles(guarded: Server, path: str, role: str, method: str) -> None:
    headers = {} if role == "none" else bearer(TOKENS.get(role, "tf-nobody"))
    answer = ask(guarded, path, method=method, headers=headers)
    if role in ALLOWED[path]:
        assert answer.status in PRESENT.get(path, {200})
        return
    assert answer.status == (403 if role in TOKENS else 401)
    challenge = {"none": "Bearer", "wrong": 'Bearer error="invalid_token"'}
    assert answer.fields["WWW-Authenticate"] == challenge.get(role, 'Bearer error="insufficient_scope"')
    if method == "GET":
        error = answer.error()
        if role in TOKENS:
            assert (set(error["expected"].split(", ")), error["actual"]) == (
                ALLOWED[path] - {"admin"} or {"admin"},
                role,
            )
        assert not any(token in answer.body.decode() for token in [*TOKENS.values(), "tf-nobody"])


def test_no_path_shows_a_token(guarded: Server) -> None:
    for path in ALLOWED:
        body = ask(guarded, path, headers=bearer(TOKENS["admin"])).body.decode()
        assert not any(token in body for token in TOKENS.values())


def test_tokens_that_are_replaced(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens", "admin first\n")
    with Server(*ADMIN, "--auth-token-file", str(tokens)) as server:
        assert ask(server, "/configz", headers=bearer("first")).status == 200
        write_tokens(tokens, "admin second\n")
        assert becomes_true(lambda: ask(server, "/configz", headers=bearer("second")).status == 200)
        assert ask(server, "/configz", headers=bearer("first")).status == 401


def test_without_tokens_every_path_is_open() -> None:
    with Server(*ADMIN) as server:
        for path in ALLOWED:
            assert ask(server, path).status in PRESENT.get(path, {200})


def test_a_page_of_another_site_reads_nothing_through_a_browser() -> None:
    """A page whose host was made to mean 127.0.0.1 asks for its own host: only health is told."""
    with Server(*ADMIN, "--admin-host", "here.example") as server:
        for path in ALLOWED.keys() - {"/"}:
            for host, told in (("evil.example:8002", path in HEALTH), ("here.example", True), ("localhost:1", True)):
                answer = ask(server, path, headers={"Host": host})
                assert answer.status == (200 if told else 421), (path, host)
                if not told:
                    assert "--admin-host" in answer.error()["message"]
                    assert answer.error()["actual"] == "evil.example"


def test_an_open_port_and_one_with_tokens_answer_for_every_host(guarded: Server) -> None:
    headers = {"Host": "server.example", **bearer(TOKENS["admin"])}
    assert ask(guarded, "/configz", headers=headers).status == 200
    with Server("--admin-listen", "0.0.0.0:0", "--allow-open") as server:
        assert ask(server, "/configz", headers={"Host": "server.example"}).status == 200
