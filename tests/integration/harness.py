"""Starts real `tensorferry-server` processes on free ports and looks at them from outside, through /proc."""

from __future__ import annotations

import os
import random
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import grpc

from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

REPO_ROOT = Path(__file__).resolve().parents[2]
SERVER = Path(os.environ.get("TENSORFERRY_SERVER", REPO_ROOT / "build/release/bin/tensorferry-server"))
PROTO = REPO_ROOT / "proto/tensorferry/v1/tensor_service.proto"

MIB = 1 << 20
LISTENS = "0A"  # The state of a socket that listens, in /proc/net/tcp.
TIMEOUT_S = 60  # Until a hung server fails the test; nothing is expected to take that long.

READY_LINE = re.compile(r"tensorferry-server ready((?: grpc=\S+)+) admin=(\S+)(?: http=(\S+))?\n")


def server_command(*flags: str) -> list[str]:
    """The command line of a server on a free port. A later flag wins over `--admin-listen off`."""
    return [str(SERVER), "--listen", "127.0.0.1:0", "--admin-listen", "off", *flags]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, without what a server would take for its own configuration."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TENSORFERRY_")}
    return {**inherited, **(extra or {})}


@contextmanager
def server_environment(extra: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """What a server is started with. Unless `extra` names a folder for temporary files, there is one that goes with the
    block: a server that is killed leaves its own files behind."""
    with ExitStack() as stack:
        environment = clean_environment(extra)
        if "TMPDIR" not in (extra or {}):
            folder = tempfile.TemporaryDirectory(prefix="server-", ignore_cleanup_errors=True)
            environment["TMPDIR"] = stack.enter_context(folder)
        yield environment


@contextmanager
def starting(
    command: Sequence[str], *, stdout: int | None = None, stderr: int | IO[bytes] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A server that need not be ready. The end of the block kills it."""
    with server_environment() as environment:
        process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=TIMEOUT_S)


def run_to_exit(
    *flags: str, environment: Mapping[str, str] | None = None, starter: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a server that is expected to end by itself. `starter` is a command that runs the command it is given."""
    with server_environment(environment) as own:
        return subprocess.run(
            [*starter, *server_command(*flags)],
            env=own,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )


def own_ports() -> Iterator[int]:
    """Ports of this process's own, each of them once. They are none of those that the system gives out by itself, as a
    connection of another test would have such a port before long, nor those of a test process beside this one."""
    first_given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = list(range(first_given_out // 2 + worker, first_given_out, workers))
    random.shuffle(ports)
    yield from ports


_PORTS = own_ports()


def free_port() -> int:
    """A port for somebody who cannot be told to take any."""
    for port in _PORTS:
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port was used")


def becomes_true(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> bool:
    """Polls `condition`, for facts such as /proc's that announce no change of theirs."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Server:
    """A running server. Ready when constructed; `stop` or the end of the `with` block ends it.

    Its log goes to `log_to`, a descriptor, instead of what `log()` reads.
    """

    def __init__(
        self,
        *flags: str,
        environment: Mapping[str, str] | None = None,
        program: Path = SERVER,
        log_to: int | None = None,
    ) -> None:
        with ExitStack() as stack:
            self._log = stack.enter_context(tempfile.TemporaryFile())
            self.process = subprocess.Popen(
                [str(program), *server_command(*flags)[1:]],
                env=stack.enter_context(server_environment(environment)),
                stdout=subprocess.PIPE,
                stderr=self._log if log_to is None else log_to,
                text=True,
            )
            stack.callback(self._end_process)
            self.ready_line = self._first_line()
            match = READY_LINE.fullmatch(self.ready_line)
            if match is None:
                raise AssertionError(f"not a ready line: {self.ready_line!r}\n{self.log()}")
            self._ends = stack.pop_all()
        self.addresses = [word.removeprefix("grpc=") for word in match[1].split()]
        self.address = self.addresses[0]
        self.admin = match[2]  # The address of the admin port, or "off".
        self.http = match[3]  # The address for callers over HTTP, or None.

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], TIMEOUT_S)
        return self.process.stdout.readline() if readable else ""

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        """All that the server has logged until now."""
        becomes_true(self._log_is_written)
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode()

    def _log_is_written(self) -> bool:
        """Whether the thread that writes the log waits for lines; the server does not wait for it."""
        for task in Path(f"/proc/{self.pid}/task").glob("*"):
            try:
                name, _, state = (task / "stat").read_text().partition("(")[2].rpartition(") ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if name == "log-writer" and state.startswith(("R", "D")):
                return False
        return True

    def terminate(self, signum: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(signum)

    def wait(self) -> int:
        """The exit code, once the process has ended; what it still wrote to stdout goes to `trailing_stdout`."""
        self.trailing_stdout, _ = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode

    def stop(self) -> int:
        self.terminate()
        return self.wait()

    def kill(self) -> None:
        """Ends the process if it runs, and all that goes with it. `log` can be called no more."""
        self._ends.close()

    def _end_process(self) -> None:
        if self.alive():
            self.process.kill()
        self.process.wait(TIMEOUT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _status(self, key: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[1])

    def rss(self) -> int:
        """Resident memory, in bytes."""
        return self._status("VmRSS") * 1024

    def peak_rss(self) -> int:
        """The most memory that was ever resident, in bytes."""
        return self._status("VmHWM") * 1024

    def own_memory(self) -> int:
        """Resident memory that is no page of a file, in bytes."""
        return self._status("RssAnon") * 1024

    def threads(self) -> int:
        return self._status("Threads")

    def has_pending_signals(self) -> bool:
        """Whether the process has signals that no thread has taken yet; false once it has ended."""
        try:
            pending = re.search(r"^ShdPnd:\s+(\w+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return pending is not None and int(pending[1], 16) != 0

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def connections(self, address: str) -> int:
        """Those that peers have to one of its ports: 127.0.0.1:PORT. Other than its descriptors, nobody else's."""
        port = int(address.rpartition(":")[2])
        rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()]
        ours = [row for row in rows if row[1].endswith(f"0100007F:{port:04X}") and row[3] != LISTENS]
        sockets = {f"socket:[{row[9]}]" for row in ours}
        found = 0
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # It was closed meanwhile.
                found += os.readlink(descriptor) in sockets
        return found


@contextmanager
def connect(address: str) -> Iterator[grpc.Channel]:
    """A connection of its own (channels to one address share theirs by default), without message limits."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
    ]
    with grpc.insecure_channel(address, options) as channel:
        yield channel


@contextmanager
def connect_stub(address: str) -> Iterator[TensorServiceStub]:
    with connect(address) as channel:
        yield TensorServiceStub(channel)
