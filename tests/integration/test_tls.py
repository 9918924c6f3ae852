"""TLS: certificates that openssl made, seen by gRPC's own client, Python's ssl and grpc-js."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

import oracle
from certificates import Authority, Files, Pair
from harness import TIMEOUT_S, Server, becomes_true, connect_stub, run_to_exit
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, convert_unary, request

DATA = oracle.random_bytes("<f4", 4)
GOOD = request(array("<f4", (4,), DATA))
EXPECTED = oracle.expect("<f4", (4,), DATA)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("tls") / "stranger")


@pytest.fixture(scope="module")
def good(authority: Authority) -> Pair:
    return authority.sign("good")


@pytest.fixture
def files(tmp_path: Path, good: Pair) -> Files:
    return Files(tmp_path, good)


@contextmanager
def connect_tls(address: str, ca: Path, client: Pair | None = None) -> Iterator[TensorServiceStub]:
    """A new connection over TLS."""
    credentials = grpc.ssl_channel_credentials(
        ca.read_bytes(),
        client.key.read_bytes() if client else None,
        client.certificate.read_bytes() if client else None,
    )
    with grpc.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield TensorServiceStub(channel)


def convert_tls(address: str, ca: Path, client: Pair | None = None) -> None:
    with connect_tls(address, ca, client) as stub:
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)


def check_not_connected(address: str, ca: Path, client: Pair | None = None) -> None:
    with connect_tls(address, ca, client) as stub, pytest.raises(grpc.RpcError) as raised:
        stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def handshake(address: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    host, port = address.rsplit(":", 1)
    context.set_alpn_protocols(["h2"])
    plain = socket.create_connection((host, int(port)), TIMEOUT_S)
    return context.wrap_socket(plain, server_hostname="localhost")


def served_serial(address: str, ca: Path) -> int:
    """The number of the certificate that a new connection gets."""
    with handshake(address, ssl.create_default_context(cafile=str(ca))) as connected:
        return int(connected.getpeercert()["serialNumber"], 16)


def check_becomes_served(serial: int, address: str, ca: Path) -> None:
    assert becomes_true(lambda: served_serial(address, ca) == serial)


def warnings(server: Server) -> list[str]:
    return [line for line in server.log().splitlines() if " warning " in line]


def test_converts_over_tls(files: Files, authority: Authority) -> None:
    with Server(*files.flags) as server:
        convert_tls(server.address, authority.certificate)
        with connect_tls(server.address, authority.certificate) as stub:
            assert "tls" in stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S).features
        assert server.stop() == 0


def test_a_certificate_without_a_subject(tmp_path: Path, authority: Authority) -> None:
    """The names are in the subjectAltName, and many tools leave the subject empty."""
    with Server(*Files(tmp_path, authority.sign("no-subject", subject="/")).flags) as server:
        convert_tls(server.address, authority.certificate)


def test_a_server_in_the_clear_does_not_say_tls(stub: TensorServiceStub) -> None:
    assert "tls" not in stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S).features


def test_a_unix_socket_stays_plain_beside_tls(files: Files, authority: Authority, tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/socket"
    with Server(*files.flags, "--listen", path) as server:
        convert_tls(server.address, authority.certificate)
        with connect_stub(path) as stub:
            oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)


def test_every_address_of_a_name_serves_tls(files: Files, authority: Authority) -> None:
    with Server(*files.flags, "--listen", "localhost:0") as server:
        port = server.addresses[1].rsplit(":", 1)[1]
        hosts = {found[4][0] for found in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
        assert hosts
        for host in hosts:
            convert_tls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", authority.certificate)


def test_plain_and_distrustful_callers_do_not_get_in(files: Files, authority: Authority, stranger: Authority) -> None:
    with Server(*files.flags) as server:
        with connect_stub(server.address) as plain, pytest.raises(grpc.RpcError) as raised:
            plain.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        check_not_connected(server.address, stranger.certificate)
        convert_tls(server.address, authority.certificate)
        assert " error " not in server.log()  # Callers could fill the log.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_is_1_2_or_later(version: ssl.TLSVersion, files: Files, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.set_ciphers("ALL:@SECLEVEL=0")  # Else OpenSSL would offer no TLS before 1.2.
    context.minimum_version = context.maximum_version = version
    with Server(*files.flags) as server:
        if version < ssl.TLSVersion.TLSv1_2:
            with pytest.raises(ssl.SSLError):
                handshake(server.address, context)
        else:
            with handshake(server.address, context) as connected:
                assert connected.version() == version.name.replace("_", ".")
                assert connected.selected_alpn_protocol() == "h2"


def test_clients_need_a_certificate(files: Files, authority: Authority, stranger: Authority) -> None:
    client, foreign = authority.sign("client", kind="client"), stranger.sign("foreign", kind="client")
    with Server(*files.flags, "--tls-client-ca", str(authority.certificate)) as server:
        convert_tls(server.address, authority.certificate, client)
        check_not_connected(server.address, authority.certificate)
        check_not_connected(server.address, authority.certificate, foreign)
        convert_tls(server.address, authority.certificate, client)


def test_the_clients_ca_changes(files: Files, authority: Authority, stranger: Authority, tmp_path: Path) -> None:
    client, foreign = authority.sign("client-1", kind="client"), stranger.sign("foreign-1", kind="client")
    ca = tmp_path / "clients.pem"
    shutil.copyfile(authority.certificate, ca)
    with Server(*files.flags, "--tls-client-ca", str(ca)) as server:
        convert_tls(server.address, authority.certificate, client)
        shutil.copyfile(stranger.certificate, ca)
        assert becomes_true(lambda: "reloaded" in server.log())
        convert_tls(server.address, authority.certificate, foreign)
        check_not_connected(server.address, authority.certificate, client)


def write_wrong(name: str, files: Files, authority: Authority) -> str:
    """Puts wrong material into the files. Returns what the server must say of it."""
    if name == "other key":
        shutil.copyfile(authority.sign("other").key, files.key)
        return f"--tls-key {files.key}: the key is not that of the first certificate in --tls-cert"
    if name == "expired":
        files.replace(authority.sign("expired", end="20210101000000Z"))
        return f"--tls-cert {files.certificate}: the certificate has expired at 2021-01-01 00:00:00 UTC"
    if name == "not yet valid":
        files.replace(authority.sign("early", begin="20980101000000Z"))
        return f"--tls-cert {files.certificate}: the certificate is not valid before 2098-01-01 00:00:00 UTC"
    if name == "half certificate":
        text = files.certificate.read_text()
        files.certificate.write_text(text[: len(text) // 2])
        return f"--tls-cert {files.certificate}: certificate 1 of it cannot be parsed"
    if name == "half chain":
        text = files.certificate.read_text()
        files.certificate.write_text(text + text[: len(text) // 2])
        return f"--tls-cert {files.certificate}: certificate 2 of it cannot be parsed"
    if name == "half key":
        text = files.key.read_text()
        files.key.write_text(text[: len(text) // 2])
        return f"--tls-key {files.key}: it holds no private key in PEM form that can be parsed"
    if name == "encrypted key":
        files.replace(authority.sign("encrypted", new_key=("-newkey", "rsa:2048", "-passout", "pass:word")))
        return f"--tls-key {files.key}: the key is encrypted"
    if name == "weak key":
        files.replace(authority.sign("weak", new_key=("-newkey", "rsa:1024", "-nodes")))
        return f"--tls-cert {files.certificate}: OpenSSL does not take it: ee key too small"
    if name == "empty":
        files.certificate.write_text("")
        return f"--tls-cert {files.certificate}: it holds no certificate in PEM form"
    if name == "too large":
        with files.key.open("a") as file:
            file.truncate(1 << 21)
        return f"--tls-key {files.key}: it has more than the 1048576 bytes that are read"
    if name == "pipe":
        files.key.unlink()
        os.mkfifo(files.key)
        return f"--tls-key {files.key}: it is no regular file"
    assert name == "absent"
    files.certificate.unlink()
    return f"--tls-cert {files.certificate}: No such file or directory"


WRONG = [
    "other key", "expired", "not yet valid", "half certificate", "half chain", "half key", "encrypted key", "weak key",
    "empty", "too large", "pipe", "absent",
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_end_the_start(name: str, files: Files, authority: Authority) -> None:
    problem = write_wrong(name, files, authority)
    ended = run_to_exit(*files.flags)
    assert (ended.returncode, ended.stdout) == (5, "")
    (line,) = ended.stderr.splitlines()
    assert problem in line
    assert "PRIVATE KEY" not in line


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_change_nothing(name: str, files: Files, good: Pair, authority: Authority) -> None:
    with Server(*files.flags) as server:
        problem = write_wrong(name, files, authority)
        # Files that are replaced one after the other may be seen in between.
        assert becomes_true(lambda: any(problem in line for line in warnings(server)))
        for _ in range(3):  # The log does not tell the same again.
            server.terminate(signal.SIGHUP)
        assert becomes_true(lambda: server.log().count("SIGHUP") >= 1)
        assert served_serial(server.address, authority.certificate) == good.serial
        convert_tls(server.address, authority.certificate)
        assert sum(problem in line for line in warnings(server)) == 1
        assert "PRIVATE KEY" not in server.log()


def test_wrong_client_cas_end_the_start(files: Files, tmp_path: Path) -> None:
    ca = tmp_path / "clients.pem"
    ca.write_text("no PEM\n")
    ended = run_to_exit(*files.flags, "--tls-client-ca", str(ca))
    assert ended.returncode == 5
    assert f"--tls-client-ca {ca}: it holds no certificate in PEM form" in ended.stderr


def test_good_files_are_taken_after_wrong_ones(files: Files, authority: Authority) -> None:
    other = authority.sign("after")
    with Server(*files.flags) as server:
        write_wrong("half certificate", files, authority)
        assert becomes_true(lambda: warnings(server) != [])
        files.replace(other)
        check_becomes_served(other.serial, server.address, authority.certificate)


def test_a_directory_is_swapped_by_a_link(tmp_path: Path, good: Pair, authority: Authority) -> None:
    """Kubernetes keeps a secret's files in a folder that a link names, and swaps the link."""
    other = authority.sign("swapped")
    for number, pair in enumerate([good, other]):
        (tmp_path / f"..{number}").mkdir()
        Files(tmp_path / f"..{number}", pair)
    (tmp_path / "..data").symlink_to("..0")
    flags = []
    for flag, name in [("--tls-cert", "tls.crt"), ("--tls-key", "tls.key")]:
        (tmp_path / name).symlink_to(f"..data/{name}")
        flags += [flag, str(tmp_path / name)]
    with Server(*flags) as server:
        assert served_serial(server.address, authority.certificate) == good.serial
        (tmp_path / "..data_tmp").symlink_to("..1")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        check_becomes_served(other.serial, server.address, authority.certificate)
        assert warnings(server) == []


def test_an_open_connection_outlives_its_certificate(files: Files, authority: Authority) -> None:
    other = authority.sign("newer")
    with Server(*files.flags) as server, connect_tls(server.address, authority.certificate) as stub:
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        files.replace(other)
        server.terminate(signal.SIGHUP)
        check_becomes_served(other.serial, server.address, authority.certificate)
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        assert server.stop() == 0  # SIGHUP has not stopped it, and SIGTERM does.


ROTATIONS = 100


def test_certificates_rotate_under_load(files: Files, good: Pair, authority: Authority) -> None:
    pairs = [good, *(authority.sign(f"rotated-{number}") for number in range(4))]
    serials = [pair.serial for pair in pairs]
    ended = threading.Event()
    calls, failures = [0, 0, 0], []

    def call(index: int, *, keep: bool) -> None:
        while not ended.is_set():
            with connect_tls(server.address, authority.certificate) as stub:
                try:
                    while True:
                        stub.Convert(GOOD, timeout=TIMEOUT_S)
                        calls[index] += 1
                        if not keep or ended.is_set():
                            break
                except grpc.RpcError as error:
                    failures.append(error)
                    return

    with Server(*files.flags, "--listen", "localhost:0") as server:
        threads = [threading.Thread(target=call, args=(index,), kwargs={"keep": index == 0}) for index in range(3)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(1, ROTATIONS + 1):
                files.replace(pairs[turn % len(pairs)])
                server.terminate(signal.SIGHUP)
                for address in server.addresses:
                    check_becomes_served(serials[turn % len(pairs)], address, authority.certificate)
        finally:
            ended.set()
            for thread in threads:
                thread.join(TIMEOUT_S)
        assert failures == []
        assert min(calls) > 0
        assert server.stop() == 0
