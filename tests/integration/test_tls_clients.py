"""Clients over TLS: the command, the Python clients, grpc-js and tritonclient, against a server that asks who calls."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import cli
import tensorferry
from certificates import Authority, Files, Pair
from harness import PROTO, TIMEOUT_S, Server
from oip.environments import NEWEST, OLD, run_source
from test_node import NODE_MODULES, PROGRAM

ARRAY = np.array([1, -2, 300], ">i2")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def client(authority: Authority) -> Pair:
    return authority.sign("client", kind="client")


@pytest.fixture(scope="module")
def files(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"), authority.sign("server"))


@pytest.fixture(scope="module")
def mutual(files: Files, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks callers over TCP for a certificate; its second address is a Unix socket."""
    path = f"unix:{tmp_path_factory.mktemp('socket')}/s"
    with Server(*files.flags, "--tls-client-ca", str(authority.certificate), "--listen", path) as server:
        yield server
        assert server.stop() == 0


@pytest.fixture(scope="module")
def one_way(files: Files) -> Iterator[Server]:
    """A server that takes every caller."""
    with Server(*files.flags) as server:
        yield server
        assert server.stop() == 0


def tls_environment(authority: Authority, client: Pair) -> dict[str, str]:
    return {
        "TENSORFERRY_CA": str(authority.certificate),
        "TENSORFERRY_CERT": str(client.certificate),
        "TENSORFERRY_KEY": str(client.key),
    }


def run(*words: str | Path, server: Server, environment: dict[str, str] | None = None, index: int = 0) -> cli.Ran:
    return cli.run(*words, server=server.addresses[index], environment=environment)


BENCH = ("bench", "--duration", "100ms", "--warmup", "0s", "--size", "64B")


@pytest.mark.parametrize("words", [("info",), ("models",), ("ping", "--ready"), BENCH], ids=lambda words: words[0])
def test_the_command(words: tuple[str, ...], mutual: Server, authority: Authority, client: Pair) -> None:
    flags = ["--ca", authority.certificate, "--cert", client.certificate, "--key", client.key]
    assert run(*words, *flags, server=mutual).code == cli.OK
    assert run(*words, server=mutual, environment=tls_environment(authority, client)).code == cli.OK
    for wrong in ([], ["--tls"], flags[:2]):  # In the clear, without trust, without a certificate.
        ran = run(*words, *wrong, server=mutual)
        assert ran.code == cli.UNREACHABLE
        cli.check_message(ran, mutual.address)


def test_the_command_converts(mutual: Server, authority: Authority, client: Pair, tmp_path: Path) -> None:
    environment = tls_environment(authority, client)
    ran = run("convert", cli.save(tmp_path / "x.npy", ARRAY), "--json", server=mutual, environment=environment)
    assert ran.code == cli.OK
    assert ran.json()["tensors"][0]["digest_equal"] is True


def test_the_environment_asks_no_unix_socket_for_tls(mutual: Server, authority: Authority, client: Pair) -> None:
    environment = tls_environment(authority, client)
    assert run("info", server=mutual, environment=environment, index=1).code == cli.OK
    ran = run("info", "--tls", server=mutual, index=1)
    assert ran.code == cli.USAGE
    cli.check_message(ran, "servers with a host and port")


def test_the_environment_may_be_overruled(one_way: Server, authority: Authority, server: Server) -> None:
    ca = {"TENSORFERRY_CA": str(authority.certificate)}
    assert run("info", server=one_way, environment=ca).code == cli.OK
    assert run("info", server=server, environment={**ca, "TENSORFERRY_TLS": "off"}).code == cli.OK
    ran = run("info", server=server, environment={"TENSORFERRY_TLS": "maybe"})
    assert ran.code == cli.USAGE
    cli.check_message(ran, "TENSORFERRY_TLS", "'maybe'")


def test_files_that_the_command_cannot_use(one_way: Server, client: Pair, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no PEM")
    for flags, mentioned in [
        (["--ca", tmp_path / "absent"], "absent"),
        (["--ca", text], "no certificate in PEM form"),
        (["--cert", client.certificate, "--key", client.certificate], "no private key in PEM form"),
        (["--cert", client.certificate], "a certificate and its key"),
        (["--key", client.key], "a certificate and its key"),
    ]:
        ran = run("info", *flags, server=one_way)
        assert ran.code == cli.USAGE
        cli.check_message(ran, mentioned)


def test_the_python_client(mutual: Server, authority: Authority, client: Pair) -> None:
    tls = tensorferry.TLS(ca=authority.certificate, cert=client.certificate, key=client.key)
    with tensorferry.Client(mutual.address, tls=tls) as connected:
        assert connected.convert(ARRAY).digest_equal
        assert "tls" in connected.server_info().features
    for wrong in (False, True, tensorferry.TLS(ca=authority.certificate)):
        with tensorferry.Client(mutual.address, tls=wrong) as stranger, pytest.raises(tensorferry.TransportError):
            stranger.server_info(timeout=TIMEOUT_S)


def test_the_asyncio_client(mutual: Server, authority: Authority, client: Pair) -> None:
    async def convert() -> bool:
        tls = tensorferry.TLS(ca=authority.certificate, cert=client.certificate, key=client.key)
        async with tensorferry.aio.Client(mutual.address, tls=tls) as connected:
            return (await connected.convert(ARRAY)).digest_equal

    assert asyncio.run(convert())


def test_the_python_client_from_the_environment(
    mutual: Server, authority: Authority, client: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in tls_environment(authority, client).items():
        monkeypatch.setenv(name, value)
    for address in mutual.addresses:
        with tensorferry.Client(address) as connected:
            assert connected.convert(ARRAY).digest_equal


def test_what_the_python_client_cannot_use(client: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text"
    text.write_text("no PEM")
    for tls, error, message in [
        (tensorferry.TLS(ca=tmp_path / "absent"), ValueError, "No such file"),
        (tensorferry.TLS(ca=text), ValueError, "not in PEM form"),
        (tensorferry.TLS(cert=client.certificate), ValueError, "given together"),
        (tensorferry.TLS(ca=1.5), TypeError, "ca is a path"),
        ("ca.pem", TypeError, "tls is True, False or tensorferry.TLS"),
    ]:
        with pytest.raises(error, match=message):
            tensorferry.Client("localhost:1", tls=tls)
    with pytest.raises(ValueError, match="two ways"):
        tensorferry.Client("localhost:1", tls=True, credentials=grpc.ssl_channel_credentials())
    monkeypatch.setenv("TENSORFERRY_TLS", "maybe")
    with pytest.raises(ValueError, match="TENSORFERRY_TLS is on or off, not 'maybe'"):
        tensorferry.Client("localhost:1")


def test_node(mutual: Server, authority: Authority, client: Pair) -> None:
    def convert(**environment: Path) -> dict[str, object]:
        done = subprocess.run(
            ["node", str(PROGRAM), mutual.address, str(PROTO), ">i2", "3"],
            env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES), **environment},
            input=ARRAY.tobytes(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    assert convert(CA=authority.certificate, CERT=client.certificate, KEY=client.key)["dtype_equal"] is True
    assert convert(CA=authority.certificate)["code"] == grpc.StatusCode.UNAVAILABLE.value[0]


TRITON = """
import sys
import numpy
import tritonclient.grpc as triton
address, ca, key, certificate = sys.argv[1:]
client = triton.InferenceServerClient(
    address, ssl=True, root_certificates=ca, private_key=key, certificate_chain=certificate
)
assert client.is_server_ready()
array = numpy.array([1, -2, 300], numpy.int16)
given = triton.InferInput("x", [3], "INT16")
given.set_data_from_numpy(array)
assert (client.infer("identity", [given]).as_numpy("x") == array).all()
"""


@pytest.mark.parametrize("environment", [NEWEST, OLD])
def test_tritonclient(environment: str, mutual: Server, authority: Authority, client: Pair) -> None:
    files = [authority.certificate, client.key, client.certificate]
    run_source(environment, TRITON, mutual.address, *files)
