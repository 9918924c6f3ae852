"""The server as a process: ready line, exit codes, configuration, logs, and how it stops."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

import oracle
from harness import MIB, REPO_ROOT, TIMEOUT_S, Server, connect, connect_stub, run_to_exit
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import Outcome, Refusal, array, chunked_parts, converse, convert_unary, request

DATA = oracle.random_bytes("<f4", 4)
GOOD = request(array("<f4", (4,), DATA))
EXPECTED = oracle.expect("<f4", (4,), DATA)


def max_message_bytes(server: Server) -> int:
    with connect_stub(server.address) as stub:
        return stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S).max_message_bytes


STOPPING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
# Signals that would end a process that does nothing about them, and that are no crash.
IGNORED = [
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
    signal.SIGSTKFLT,
    signal.SIGXFSZ,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
]


@pytest.mark.parametrize("signum", STOPPING)
def test_stops_cleanly_having_printed_the_ready_line_alone(signum: signal.Signals) -> None:
    with Server() as server:
        with connect_stub(server.address) as stub:
            assert convert_unary(stub, GOOD).refusal is None
        server.terminate(signum)
        assert server.wait() == 0
        assert server.trailing_stdout == ""


@pytest.mark.parametrize(
    "signums", [*([signum] for signum in STOPPING), [signal.SIGTERM, signal.SIGHUP], [signal.SIGHUP, signal.SIGHUP]]
)
def test_a_running_call_is_finished_before_the_end(signums: list[signal.Signals]) -> None:
    with Server() as server:
        check_answered(*signal_during_a_call(server, signums))
        assert server.wait() == 0


def test_a_second_signal_ends_a_running_call() -> None:
    with Server() as server:
        _, ended = signal_during_a_call(server, [signal.SIGHUP, signal.SIGTERM, signal.SIGINT], wait_for_the_end=True)
        assert ended is not None
        assert server.wait() in (128 + signal.SIGTERM, 128 + signal.SIGINT)  # Of two that wait, either may come first.


def test_other_signals_change_nothing() -> None:
    with Server() as server:
        check_answered(*signal_during_a_call(server, IGNORED))
        assert server.stop() == 0


def test_nohup_is_obeyed() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # A server inherits it, as it does from nohup.
    try:
        with Server() as server:
            check_answered(*signal_during_a_call(server, [signal.SIGHUP]))
            assert server.stop() == 0
            assert "Hangup" not in server.log()
    finally:
        signal.signal(signal.SIGHUP, former)


LARGE = bytes(64 * MIB)


def check_answered(outcomes: list[Outcome], ended: Refusal | None) -> None:
    assert ended is None
    oracle.check_converted(outcomes[0], oracle.expect("|u1", (len(LARGE),), LARGE))


def signal_during_a_call(
    server: Server, signums: Iterable[int], *, wait_for_the_end: bool = False
) -> tuple[list[Outcome], Refusal | None]:
    """Sends the signals while the chunks of LARGE are still coming: the answers, and why the call ended."""
    midway, signalled = threading.Event(), threading.Event()

    def parts() -> Iterator[pb.ConvertStreamRequest]:
        for number, part in enumerate(chunked_parts(request(array("|u1", (len(LARGE),), LARGE)), MIB)):
            if number == 32:  # Flow control let these through, so the server has read the request.
                midway.set()
                signalled.wait(TIMEOUT_S)
            yield part

    with connect_stub(server.address) as stub, ThreadPoolExecutor() as pool:
        conversation = pool.submit(converse, stub, parts())
        assert midway.wait(TIMEOUT_S)
        for signum in signums:
            server.process.send_signal(signum)
        if wait_for_the_end:
            server.process.wait(TIMEOUT_S)
        signalled.set()
        return conversation.result()


def test_listens_on_several_addresses(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/socket"
    with Server("--listen", path) as server:
        assert server.addresses[1] == path
        for address in server.addresses:
            with connect_stub(address) as stub:
                oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)


def test_a_path_belongs_to_the_server_that_listens_there(tmp_path: Path) -> None:
    """gRPC would take it over, and the first server would wait for callers in vain."""
    path = f"unix:{tmp_path}/socket"
    with Server("--listen", path) as first:
        check_refused_to_listen(path, "address already in use")
        with connect_stub(path) as stub:
            oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        first.kill()
    with Server("--listen", path), connect_stub(path) as stub:  # The path is there, and nobody listens.
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)


def check_refused_to_listen(address: str, reason: str, starter: Sequence[str] = ()) -> None:
    """The start ends with one line, which says which address and why."""
    ended = run_to_exit("--listen", address, "--allow-open", starter=starter)
    assert (ended.returncode, ended.stdout) == (4, "")
    (line,) = ended.stderr.splitlines()
    assert line.endswith(f"error   cannot listen on {address}: {reason}")


def test_a_port_is_never_shared() -> None:
    with Server() as server:
        check_refused_to_listen(server.address, "address already in use")


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("192.0.2.1:0", errno.EADDRNOTAVAIL),  # An address for documents, which no machine has.
        ("unix:{folder}/absent/socket", errno.ENOENT),
        ("unix:{folder}/file/socket", errno.ENOTDIR),
        ("unix:/sys/socket", errno.EPERM if os.geteuid() == 0 else errno.EACCES),
    ],
)
def test_an_address_that_cannot_be_listened_on(address: str, error: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_refused_to_listen(address.format(folder=tmp_path), os.strerror(error).lower())


def test_a_path_that_is_no_socket(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    check_refused_to_listen(f"unix:{file}", "the path is there, and is no socket")
    assert file.read_text() == "kept"


# Root has the right to listen on every port, unless it is taken away.
WITHOUT_THE_RIGHT = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
FIRST_FREE_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@pytest.mark.skipif(int(FIRST_FREE_PORT.read_text()) <= 1, reason="the system lets everybody listen on every port")
def test_a_port_that_needs_a_right() -> None:
    check_refused_to_listen("127.0.0.1:1", "permission denied", WITHOUT_THE_RIGHT if os.geteuid() == 0 else [])


def test_a_host_that_is_not_there() -> None:
    ended = run_to_exit("--listen", "no-such-host.invalid:0", "--allow-open")
    assert (ended.returncode, ended.stdout) == (4, "")
    (line,) = ended.stderr.splitlines()
    with pytest.raises(socket.gaierror) as raised:
        socket.getaddrinfo("no-such-host.invalid", 0)
    assert line.lower().endswith(f"cannot listen on no-such-host.invalid:0: {raised.value.strerror.lower()}")


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        ("--max-mesage-bytes=1MiB", "--max-message-bytes"),
        ("--strictstart", "--strict-start"),
        ("--modle=a=b", "--model"),
    ],
)
def test_an_unknown_flag_names_the_nearest(flag: str, nearest: str) -> None:
    ended = run_to_exit(flag)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.search(rf"{nearest}\b", ended.stderr)


@pytest.mark.parametrize(
    "content",
    [
        "not toml at all [",
        'max-mesage-bytes = "1MiB"\n',
        'max-message-bytes = "many"\n',
        "max-message-bytes = -1\n",
    ],
    ids=["syntax", "unknown-key", "bad-value", "negative"],
)
def test_a_bad_configuration_file_ends_the_start(content: str, tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(content)
    ended = run_to_exit("--config", str(file))
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.strip()


def test_a_missing_configuration_file_ends_the_start(tmp_path: Path) -> None:
    assert run_to_exit("--config", str(tmp_path / "absent.toml")).returncode == 3


def test_flag_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('max-message-bytes = "5MiB"\n')
    in_file = ["--config", str(file)]
    in_environment = {"TENSORFERRY_MAX_MESSAGE_BYTES": "6MiB"}
    layers: list[tuple[list[str], dict[str, str], int, str]] = [
        ([], {}, 64 * MIB, "default"),
        (in_file, {}, 5 * MIB, "file"),
        (in_file, in_environment, 6 * MIB, "environment"),
        ([*in_file, "--max-message-bytes", "7MiB"], in_environment, 7 * MIB, "flag"),
    ]
    for flags, environment, expected, source in layers:
        with Server(*flags, environment=environment) as server:
            assert max_message_bytes(server) == expected

        printed = run_to_exit(*flags, "--print-config", environment=environment)
        assert printed.returncode == 0
        (line,) = [line for line in printed.stdout.splitlines() if "max-message-bytes" in line]
        assert source in line


def test_json_logs_are_one_object_a_line() -> None:
    with Server("--log-format", "json", "--log-level", "debug") as server:
        with connect_stub(server.address) as stub:
            assert convert_unary(stub, request(array("!f4", name='"quoted" \\ \u2028'))).reason == "BAD_DTYPE"
        server.terminate()
        server.process.wait(TIMEOUT_S)
        lines = server.log().strip().split("\n")
        assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_corrupt_model_ends_a_strict_start(tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.pt"
    corrupt.write_bytes(b"not a model")
    ended = run_to_exit("--model", f"broken={corrupt}", "--strict-start")
    assert (ended.returncode, ended.stdout) == (6, "")
    assert "broken" in ended.stderr


def loads_libtorch(server: Server) -> bool:
    """Packages of torch's wheel with CUDA need libtorch.so, and find it only if the server has it."""
    return "/libtorch.so\n" in Path(f"/proc/{server.pid}/maps").read_text()


def test_libtorch_is_there_for_packages() -> None:
    with Server() as server:
        assert loads_libtorch(server)


def test_installed_programs_run(tmp_path: Path) -> None:
    install = ["cmake", "--install", REPO_ROOT / "build/release", "--prefix", tmp_path]
    subprocess.run(install, check=True, capture_output=True, timeout=5 * TIMEOUT_S)
    for command in (["tensorferry-server", "--version"], ["tensorferry", "version"]):
        program = [tmp_path / "bin" / command[0], command[1]]
        ran = subprocess.run(program, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert re.search(r"\d+\.\d+\.\d+", ran.stdout)
    with Server(program=tmp_path / "bin/tensorferry-server") as server:
        assert loads_libtorch(server)


def test_new_connections_are_refused_after_the_end() -> None:
    with Server() as server:
        assert server.stop() == 0
        with connect(server.address) as channel, pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/tensorferry.v1.TensorService/Convert")(b"", timeout=TIMEOUT_S)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
