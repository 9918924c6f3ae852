"""Clients with tokens: the command and the Python clients, against a server that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import cli
import tensorferry
from harness import Server

TOKENS = {"infer": "tf-infer-2f9c", "admin": "tf-admin-77d1"}
NOT_A_TOKEN = "the call brings no token: send 'authorization: Bearer TOKEN', once"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text("".join(f"{role} {token}\n" for role, token in TOKENS.items()))
    with Server("--auth-token-file", str(file)) as server:
        yield server
        assert server.stop() == 0


def run(*words: str | Path, server: Server, **environment: str) -> cli.Ran:
    return cli.run(*words, server=server.address, environment=environment)


BENCH = ("bench", "--duration", "100ms", "--warmup", "0s", "--size", "64B")


@pytest.mark.parametrize(
    "words", [("info",), ("models",), BENCH, (*BENCH, "--mode", "stream")], ids=["info", "models", "bench", "stream"]
)
def test_the_command(words: tuple[str, ...], guarded: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKENS["infer"] + "\n")
    assert run(*words, "--token-file", file, server=guarded).code == cli.OK
    assert run(*words, server=guarded, TENSORFERRY_TOKEN=TOKENS["infer"]).code == cli.OK
    ran = run(*words, server=guarded)
    assert ran.code == cli.REFUSED
    cli.check_message(ran, NOT_A_TOKEN)


def test_the_command_converts(guarded: Server, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "x.npy", cli.FLOATS)
    ran = run("convert", file, "--json", server=guarded, TENSORFERRY_TOKEN=TOKENS["admin"])
    assert ran.code == cli.OK
    ran = run("convert", file, "--json", server=guarded, TENSORFERRY_TOKEN="wrong-token")
    assert ran.code == cli.REFUSED
    assert "wrong-token" not in ran.stdout + ran.stderr


def test_the_command_pings_without_a_token(guarded: Server) -> None:
    assert run("ping", "--ready", server=guarded).code == cli.OK


@pytest.mark.parametrize("text", ["", "two tokens", "line\nline", "tökén"])
def test_token_files_that_the_command_cannot_use(text: str, guarded: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    ran = run("info", "--token-file", file, server=guarded)
    assert ran.code == cli.USAGE
    cli.check_message(ran, str(file))


def test_the_python_clients(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    token = TOKENS["infer"]
    with tensorferry.Client(guarded.address, token=token) as client:
        assert client.convert([1, 2, 3]).digest_equal
        assert token not in repr(client)
    with tensorferry.Client(guarded.address) as client, pytest.raises(tensorferry.RefusedError) as raised:
        client.server_info()
    assert raised.value.reason == "UNAUTHENTICATED"
    monkeypatch.setenv("TENSORFERRY_TOKEN", token)
    with tensorferry.Client(guarded.address) as client:
        assert client.convert([1, 2, 3]).digest_equal
    with pytest.raises(ValueError, match="token") as wrong:
        tensorferry.Client(guarded.address, token="two tokens")
    assert "two tokens" not in str(wrong.value)
