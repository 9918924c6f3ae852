"""The files of Unix sockets: who may connect is what their mode and group say."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import oracle
from harness import TIMEOUT_S, Server, connect_stub, run_to_exit
from wire import array, convert_unary, request

DATA = oracle.random_bytes("<f4", 4)
GOOD = request(array("<f4", (4,), DATA))
GROUP = 61234  # No group of this name or number need exist.

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="another group, or user, takes root")


def flags(folder: Path, *more: str) -> list[str]:
    return ["--listen", f"unix:{folder}/socket", *more]


def mode_of(folder: Path) -> int:
    return stat.S_IMODE((folder / "socket").stat().st_mode)


@pytest.mark.parametrize("mode", ["0600", "0660", "0666"])
def test_the_file_has_the_mode(tmp_path: Path, mode: str) -> None:
    with Server(*flags(tmp_path, "--unix-mode", mode)) as server:
        assert mode_of(tmp_path) == int(mode, 8)
        with connect_stub(server.addresses[1]) as stub:
            oracle.check_converted(convert_unary(stub, GOOD), oracle.expect("<f4", (4,), DATA))
        assert server.stop() == 0


def test_without_flags_the_umask_decides(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with Server(*flags(tmp_path)):
            assert mode_of(tmp_path) == 0o750
    finally:
        os.umask(mask)


@root_only
def test_the_file_has_the_group(tmp_path: Path) -> None:
    with Server(*flags(tmp_path, "--unix-mode", "0660", "--unix-group", str(GROUP))):
        assert (tmp_path / "socket").stat().st_gid == GROUP
        assert mode_of(tmp_path) == 0o660


CONNECT = """
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as caller:
    caller.connect(sys.argv[1])
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: those of pytest are their owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@root_only
def test_others_cannot_connect(open_folder: Path) -> None:
    def connects(group: int) -> bool:
        command = [sys.executable, "-c", CONNECT, f"{open_folder}/socket", str(group)]
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 0

    with Server(*flags(open_folder, "--unix-mode", "0660", "--unix-group", str(GROUP))):
        assert connects(GROUP)
        assert not connects(GROUP + 1)
    with Server(*flags(open_folder, "--unix-mode", "0666")):
        assert connects(GROUP + 1)


def test_a_group_that_is_not_there(tmp_path: Path) -> None:
    done = run_to_exit(*flags(tmp_path, "--unix-group", "no-such-group"))
    assert done.returncode == 4
    assert f"cannot listen on unix:{tmp_path}/socket: there is no group 'no-such-group'" in done.stderr


def test_a_mode_is_octal(tmp_path: Path) -> None:
    done = run_to_exit(*flags(tmp_path, "--unix-mode", "0888"))
    assert done.returncode == 2
    assert "a mode from 0000 to 0777" in done.stderr
