"""A server for whose user the system has few threads: it says which one it lacks and ends, or it serves and drains."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from admin import ADMIN, ask
from harness import MIB, READY_LINE, SERVER, TIMEOUT_S, clean_environment, connect_stub, server_command
from served_models import Echo, infer, put
from wire import array, convert_stream, convert_unary, request

MOST_LIMITS = 100  # With so many threads any server is ready.
NO_THREAD = 71
FIRST_USER = 61_000  # Users whom nobody else is, as the limit counts the threads of all processes of a user.


def is_open_to_all(program: Path) -> bool:
    """Whether any user may start the program where it lies."""
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become a user who has no other threads"),
    pytest.mark.skipif(
        not is_open_to_all(SERVER.resolve()), reason="the program lies where no other user may start it"
    ),
]


def first_user() -> int:
    worker = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    return FIRST_USER + (int(worker[0]) if worker else 0)


@contextmanager
def limited_server(limit: int, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """A server with a model `echo`, of a user who may have `limit` threads."""
    user = first_user()
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user, user)
        put(Path(folder) / "repository/echo", Echo())
        for made in Path(folder).rglob("*"):
            made.chmod(0o755)
        process = subprocess.Popen(
            ["prlimit", f"--nproc={limit}", *server_command("--model-dir", f"{folder}/repository", *flags)],
            env=clean_environment({"TMPDIR": folder}),
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            group=user,
            extra_groups=[],
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    """The ready line; empty if the process has ended."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], TIMEOUT_S)
    assert readable, "neither ready nor ended"
    return process.stdout.readline()


def use(address: str) -> None:
    """Calls of all kinds, large ones and ones that a model runs among them. Those that need a thread may be refused."""
    with connect_stub(address) as stub:
        for convert in (convert_unary, convert_stream):
            assert convert(stub, request(array("|u1", (3,), b"abc"))).refusal is None
            assert convert(stub, request(array("|u1", (5 * MIB,), bytes(5 * MIB)))).refusal is None
            for model in ("identity", "echo"):
                convert(stub, infer(model, {"x": torch.ones(2, 4)}))


def what_it_lacks(limit: int, isolation: str = "none") -> str:
    """For what a server with this limit has no thread, as it says at its end; empty if it serves, and drains."""
    with limited_server(limit, *ADMIN, "--threads", "2", "--isolation", isolation) as process:
        line = first_line(process)
        if ready := READY_LINE.fullmatch(line):
            assert ask(ready[2], "/readyz").status == 200
            use(ready[1].split()[0].removeprefix("grpc="))
            process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=TIMEOUT_S)
        if ready:
            assert process.returncode == 0, log
            return ""
        assert line == ""
        assert process.returncode == NO_THREAD, log
        (lacking,) = re.findall(
            r"error +cannot start a thread for ([a-zA-Z ]+): Resource temporarily unavailable;", log
        )
        return str(lacking)


@pytest.fixture(scope="module")
def first_limit() -> int:
    """The least limit, or nearly, with which a server is ready. With smaller ones it says what it lacks."""
    seen: list[str] = []
    limit = 1
    while lacking := what_it_lacks(limit):
        seen.append(lacking)
        # gRPC needs a dozen threads, and the server looks for all of them at once.
        limit += 5 if lacking == "gRPC" else 1
        assert limit < MOST_LIMITS, seen
    assert len(set(seen)) > 5, seen
    assert {"writing the log", "loading models", "gRPC"} <= set(seen)
    return limit


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize("spare", [0, 1, 2, 4])
def test_it_says_what_it_lacks_or_serves_and_drains(spare: int, isolation: str, first_limit: int) -> None:
    what_it_lacks(first_limit + spare, isolation)
