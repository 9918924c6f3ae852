"""`tensorferry.Server`, and the launcher of the wheel `tensorferry-server`."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import cli
import tensorferry
from harness import REPO_ROOT, SERVER, TIMEOUT_S, becomes_true

SMALL = np.array([0.5, -2])


def ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie whose parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # Before it is opened, and before it is read.
        return True


class Recorded:
    """A program that writes its process identifier down, and becomes the server, with these flags, too."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.program = folder / "recorded"
        self._pids = folder / "pids"
        self.program.write_text(f'#!/bin/sh\necho $$ >>{self._pids}\nexec {SERVER} "$@" {" ".join(flags)}\n')
        self.program.chmod(0o755)

    def pids(self) -> list[int]:
        return [int(line) for line in self._pids.read_text().splitlines()]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def converts(address: str) -> bool:
    with tensorferry.Client(address) as client:
        return client.convert(SMALL).digest_equal


def test_a_server_serves_within_the_block(files: dict[str, Path], recorded: Recorded) -> None:
    one = {"one": next(iter(files.values()))}
    own = tensorferry.Server(models=one, program=recorded.program)
    with own as address, tensorferry.Client(address) as client:
        assert client.convert(SMALL).digest_equal
        assert {model.name for model in client.models()} == {"identity", "one"}
        assert "serving" in own.log()
    assert all(map(ended, recorded.pids()))
    with pytest.raises(RuntimeError, match="log is gone"):
        own.log()


def test_a_server_serves_from_start_to_stop_and_again(recorded: Recorded) -> None:
    own = tensorferry.Server(program=recorded.program)
    own.stop()
    for _ in range(2):
        assert converts(own.start())
        with pytest.raises(RuntimeError, match="runs already"):
            own.start()
        assert not ended(recorded.pids()[-1])
        own.stop()
        own.stop()
        assert all(map(ended, recorded.pids()))
    assert len(recorded.pids()) == 2


def test_a_server_outlives_the_thread_that_has_started_it_and_all_variables(recorded: Recorded) -> None:
    addresses: list[str] = []
    starter = threading.Thread(target=lambda: addresses.append(tensorferry.Server(program=recorded.program).start()))
    starter.start()
    starter.join()
    gc.collect()
    (pid,) = recorded.pids()
    try:
        assert converts(addresses[0])
    finally:
        os.kill(pid, signal.SIGTERM)


def test_a_server_leaves_the_usual_ports_alone() -> None:
    own = tensorferry.Server(program=SERVER)
    with own:
        assert "admin port: 127.0.0.1:" in own.log()
        assert "127.0.0.1:8002" not in own.log()
    own = tensorferry.Server(program=SERVER, flags=["--admin-listen", "off"])
    with own:
        assert "admin port" not in own.log()


START = """
import os, sys, time
import tensorferry

own = tensorferry.Server(program=sys.argv[1])
print(own.start(), flush=True)
"""


@contextmanager
def python_with_a_server(
    recorded: Recorded, then: str = "sys.stdin.read()"
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python in a process group of its own, as a notebook's, that starts a server and does what `then` says."""
    python = subprocess.Popen(
        [sys.executable, "-c", START + then, recorded.program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert python.stdin is not None and python.stdout is not None
    try:
        yield python, python.stdout.readline().strip()
    finally:
        python.kill()
        python.wait()
        python.stdin.close()
        python.stdout.close()
        assert becomes_true(lambda: all(map(ended, recorded.pids())))


# A byte comes through a pipe, as a signal may be there just before a wait that it is meant to interrupt.
CATCH = """
import signal

interrupts, wakes = os.pipe()
os.set_blocking(wakes, False)
signal.signal(signal.SIGINT, lambda *_: None)
signal.set_wakeup_fd(wakes)
print("waits", flush=True)
os.read(interrupts, 1)
print("interrupted", flush=True)
sys.stdin.read()
"""


def test_an_interrupt_of_a_notebook_does_not_reach_the_server(recorded: Recorded) -> None:
    with python_with_a_server(recorded, CATCH) as (python, address):
        assert python.stdout is not None
        assert python.stdout.readline() == "waits\n"
        os.killpg(python.pid, signal.SIGINT)
        assert python.stdout.readline() == "interrupted\n"
        assert converts(address)


def test_a_server_ends_before_its_python(recorded: Recorded) -> None:
    with python_with_a_server(recorded, then="") as (python, _):
        assert python.wait(TIMEOUT_S) == 0
        assert all(map(ended, recorded.pids()))


# Python makes nothing of the signal where it is started without it, as from a shell's background.
STOP = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); own.stop()"


def test_who_interrupts_the_end_waits_no_longer_and_finds_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with python_with_a_server(Recorded(tmp_path, "--drain-delay", "1h"), STOP) as (python, address):
        assert becomes_true(lambda: cli.run("ping", server=address).stdout == "NOT_SERVING\n")
        python.send_signal(signal.SIGINT)
        assert python.wait(TIMEOUT_S) == -signal.SIGINT
        assert list(temporary.iterdir()) == []


# After a fork two processes have the object, and the pipe, of one server.
FORK = "child = os.fork() or (print(os.getpid(), flush=True), time.sleep(600))\n"


@pytest.mark.parametrize("forking", ["", FORK], ids=["alone", "with a forked process that lives on"])
def test_a_server_ends_with_a_killed_python(recorded: Recorded, forking: str) -> None:
    with python_with_a_server(recorded, f"{forking}sys.stdin.read()") as (python, address):
        assert python.stdout is not None
        assert converts(address)
        forked = int(python.stdout.readline()) if forking else None
        try:
            python.kill()
            assert becomes_true(lambda: all(map(ended, recorded.pids())))
            assert forked is None or not ended(forked)
        finally:
            if forked is not None:
                os.kill(forked, signal.SIGKILL)


def test_a_server_ends_with_the_process_group_of_a_notebook(recorded: Recorded) -> None:
    with python_with_a_server(recorded) as (python, _):
        os.killpg(python.pid, signal.SIGKILL)
        assert becomes_true(lambda: all(map(ended, recorded.pids())))


def test_a_server_is_the_parents_after_a_fork(recorded: Recorded) -> None:
    forked = "if os.fork() == 0: own.stop(); sys.exit()\nprint(os.wait()[1], flush=True); sys.stdin.read()"
    with python_with_a_server(recorded, forked) as (python, address):
        assert python.stdout is not None
        assert python.stdout.readline() == "0\n"
        assert converts(address)


def test_a_folder_is_a_repository(files: dict[str, Path], tmp_path: Path) -> None:
    name, file = next(iter(files.items()))
    (tmp_path / f"{name}.pt").write_bytes(file.read_bytes())
    with tensorferry.Server(tmp_path, program=SERVER) as address, tensorferry.Client(address) as client:
        assert name in {model.name for model in client.models()}


def test_settings_of_the_environment_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORFERRY_DRAIN_GRACE", "no time")
    with tensorferry.Server(program=SERVER) as address:
        assert address.startswith("127.0.0.1:")


def test_a_server_that_cannot_start_says_why() -> None:
    own = tensorferry.Server(flags=["--threads", "many"], program=SERVER)
    with pytest.raises(RuntimeError, match=r"exit code 2 .*\n.*threads: expected a number"), own:
        pass


def test_a_server_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    waits = tmp_path / "server"
    waits.write_text(
        f'#!/bin/sh\necho $$ >{tmp_path}/pid\necho "waiting for nothing" >&2\nexec sleep {10 * TIMEOUT_S}\n'
    )
    waits.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"not ready in 2.5 s[^\n]*\nwaiting for nothing"):
        tensorferry.Server(program=waits, timeout=2.5).start()
    assert becomes_true(lambda: ended(int((tmp_path / "pid").read_text())))


def test_without_a_program_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="install the package"):
        tensorferry.Server().start()
    with pytest.raises(FileNotFoundError, match="no program /nowhere/server"):
        tensorferry.Server(program="/nowhere/server").start()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the launcher, a program that prints where it looks for libraries, and a torch 2.13.5."""
    launcher = tmp_path / "tensorferry_server"
    (launcher / "bin").mkdir(parents=True)
    source = REPO_ROOT / "packaging/wheel/src/tensorferry_server/__init__.py"
    (launcher / "__init__.py").write_text(source.read_text())
    (launcher / "_build.py").write_text('VERSION = "9.8"\nTORCH = "2.13.0"\n')
    program = launcher / "bin/tensorferry-server"
    program.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH $*"\nexit 3\n')
    program.chmod(0o755)
    install_torch(tmp_path, "2.13.5+cpu")
    return tmp_path


def install_torch(site: Path, version: str) -> None:
    (site / "torch").mkdir(exist_ok=True)
    (site / "torch/__init__.py").write_text("raise ImportError('torch was imported')\n")
    info = site / f"torch-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")


def launch(site: Path, *python: str) -> subprocess.CompletedProcess[str]:
    """Runs the launcher in a Python with other arguments than `-m tensorferry.server`, if there are any."""
    python_path = os.pathsep.join([str(site), str(REPO_ROOT / "client/python/src")])
    return subprocess.run(
        [sys.executable, *(python or ("-m", "tensorferry.server")), "--version"],
        env={**os.environ, "PYTHONPATH": python_path, "LD_LIBRARY_PATH": "/before"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_launcher_becomes_the_server_with_libtorch_of_the_installed_torch(site: Path) -> None:
    ran = launch(site)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, f"{site}/torch/lib:/before --version\n", "")


def test_the_launcher_refuses_another_torch(site: Path) -> None:
    (site / "torch-2.13.5+cpu.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.14.0\n")
    ran = launch(site)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "compiled with torch 2.13.0 and needs torch 2.13.*, but torch 2.14.0 is installed" in ran.stderr


def test_the_launcher_refuses_a_torch_whose_version_nothing_tells(site: Path) -> None:
    """Such as one that was copied, or built, and is found by PYTHONPATH."""
    shutil.rmtree(site / "torch-2.13.5+cpu.dist-info")
    # Without the packages of this Python, whose torch has metadata.
    ran = launch(site, "-S", "-c", "import tensorferry_server; tensorferry_server.run_server()")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"tensorferry-server: the torch in {site}/torch has no package metadata, which says its version: "
        "pip install 'torch==2.13.*'\n"
    )


def test_without_the_wheel_the_module_says_what_is_missing(tmp_path: Path) -> None:
    ran = launch(tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == "the server is not installed: it is in the package tensorferry-server\n"
