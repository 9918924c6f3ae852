"""The log never stops the server: not when nobody reads it, not on a full disk; and callers do not fill it."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness import TIMEOUT_S, Server, becomes_true, connect, connect_stub, server_command, starting
from http2 import connect_raw
from served_models import infer, put
from wire import convert_unary

CALLS = 1000
HEALTH = "/grpc.health.v1.Health/Check"
LEFT_OUT = re.compile(r"(\d+) lines of the log are left out here")


class Failing(nn.Module):
    """Fails with a text that makes CALLS lines of the log more than a pipe and the server hold."""

    def forward(self, x: Tensor) -> Tensor:
        text = "failed "
        for _ in range(10):
            text += text
        assert bool(x.sum() > 0), text
        return x


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    put(root / "failing", Failing())
    return root


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def fail(server: Server, calls: int = CALLS) -> None:
    with connect_stub(server.address) as stub:
        for _ in range(calls):
            assert convert_unary(stub, infer("failing", {"x": torch.zeros(4)})).reason == "MODEL_FAILED"


def check_serves(server: Server) -> None:
    with connect(server.address) as channel:
        assert channel.unary_unary(HEALTH)(b"", timeout=TIMEOUT_S) == b"\x08\x01"  # status: SERVING


def fill(writer: int) -> None:
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"\n"):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)


def test_nobody_reads_the_log(repository: Path, pipe: tuple[int, int]) -> None:
    flags = ("--model-dir", str(repository), "--log-level", "debug")
    with Server(*flags, log_to=pipe[1]) as server:
        fail(server)
        check_serves(server)
        assert server.stop() == 0


def test_lines_that_nobody_read_in_time_are_counted(repository: Path) -> None:
    flags = ("--model-dir", str(repository), "--log-level", "debug", "--log-format", "json")
    reader, writer = os.pipe()
    with Server(*flags, log_to=writer) as server, open(reader) as log:
        os.close(writer)
        fail(server)
        lines: list[dict[str, str]] = []
        reading = threading.Thread(target=lambda: lines.extend(map(json.loads, log)))
        reading.start()
        assert server.stop() == 0
        reading.join(TIMEOUT_S)
    messages = [line["msg"] for line in lines]
    left_out = [int(match[1]) for message in messages if (match := LEFT_OUT.match(message))]
    failures = sum("MODEL_FAILED" in message for message in messages)
    assert 0 < failures < CALLS
    assert failures + sum(left_out) >= CALLS
    assert messages[-1] == "stopped"


def test_a_second_signal_ends_a_server_whose_log_nobody_reads(pipe: tuple[int, int]) -> None:
    fill(pipe[1])
    with Server("--drain-delay", "1h", log_to=pipe[1]) as server:
        for _ in range(2):
            server.terminate()
            assert becomes_true(lambda: not server.has_pending_signals())  # Two that wait at once are one.
        assert server.wait() == 128 + signal.SIGTERM


def test_nobody_reads_standard_output() -> None:
    """The ready line waits there, and the server serves."""
    reader, writer = os.pipe()
    log_reader, log_writer = os.pipe()
    fill(writer)
    with (
        open(reader, "rb") as output,
        open(log_reader) as log,
        starting(server_command(), stdout=writer, stderr=log_writer) as process,
    ):
        os.close(writer)
        os.close(log_writer)
        assert any("serving with a memory budget" in line for line in log)
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0
        assert output.read().strip(b"\n") == b""


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_full_disk(level: str, repository: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with Server("--model-dir", str(repository), "--log-level", level, log_to=full) as server:
            fail(server, 300)
            check_serves(server)
            assert server.stop() == 0
    finally:
        os.close(full)


def test_callers_do_not_decide_how_many_failures_are_warnings(repository: Path) -> None:
    with Server("--model-dir", str(repository)) as server:
        fail(server, 100)
        assert server.stop() == 0
        warnings = [line for line in server.log().splitlines() if " warning " in line and "MODEL_FAILED" in line]
        assert 1 <= len(warnings) <= 20  # Two minutes' worth.


@pytest.mark.parametrize(
    "header", [("grpc-timeout", "soon"), ("grpc-encoding", "no-such"), ("grpc-previous-rpc-attempts", "many")]
)
def test_bad_headers_leave_no_line(header: tuple[str, str]) -> None:
    with Server() as server:
        before = server.log().count("\n")
        with connect_raw(server.address) as connection:
            for _ in range(CALLS):
                connection.call(HEALTH, b"", header)
        assert server.stop() == 0
        added = server.log().splitlines()[before:]
        assert not [line for line in added if " grpc: " in line]


def test_the_last_lines_before_a_crash_come_out(repository: Path) -> None:
    """The signal of a crash comes while the lines of many failures wait for the reader."""
    reader, writer = os.pipe()
    with Server("--model-dir", str(repository), "--log-level", "debug", log_to=writer) as server, open(reader) as log:
        os.close(writer)
        fail(server, 100)
        lines: list[str] = []
        reading = threading.Thread(target=lambda: lines.extend(log))
        server.terminate(signal.SIGABRT)
        reading.start()
        assert server.wait() == -signal.SIGABRT
        reading.join(TIMEOUT_S)
    assert sum("Convert: MODEL_FAILED" in line for line in lines) == 100


def test_a_crash_waits_for_no_reader(pipe: tuple[int, int]) -> None:
    fill(pipe[1])
    with Server(log_to=pipe[1]) as server:
        server.terminate(signal.SIGABRT)
        assert server.wait() == -signal.SIGABRT
