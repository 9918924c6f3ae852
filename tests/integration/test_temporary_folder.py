"""Packages are unpacked into the temporary folder: when that cannot be, the reason says what is the matter with it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import MIB, Server, becomes_true, connect_stub
from served_models import listed, masked_package, put_file
from tensorferry.v1 import tensor_service_pb2 as pb

UNAVAILABLE = pb.MODEL_STATE_UNAVAILABLE
POLL = ("--model-control", "poll", "--model-poll-interval", "100ms")


def unpacked_bytes() -> int:
    with zipfile.ZipFile(masked_package()) as archive:
        return sum(member.file_size for member in archive.infolist())


def reason_with(temporary: Path) -> str:
    """Why the package is not ready on a server that has this temporary folder."""
    environment = {"TMPDIR": str(temporary)}
    with Server("--model", f"m={masked_package()}", environment=environment) as server:
        with connect_stub(server.address) as stub:
            (model,) = listed(stub)["m"].values()
        assert model.state == UNAVAILABLE
        assert model.reason in server.log()
        assert str(temporary) not in model.reason
        assert server.stop() == 0
        return model.reason


@contextmanager
def file_system(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own for the test, in memory."""
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=False, capture_output=True)
    if mount.returncode != 0:
        pytest.skip("this machine does not let the test mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_folder(tmp_path: Path) -> None:
    with file_system(tmp_path / "full", "size=64k") as folder:
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        reason = reason_with(folder)
    found = re.fullmatch(
        r"no space left in the temporary folder \(TMPDIR\): (\d+) bytes are needed, (\d+) are free", reason
    )
    assert found is not None, reason
    assert int(found[1]) == unpacked_bytes()
    assert int(found[2]) <= free


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("ro", "cannot be written: Read-only file system"),
        ("noexec", "does not allow execution, and packages are run from there"),
    ],
)
def test_a_folder_that_is_mounted_so(options: str, reason: str, tmp_path: Path) -> None:
    with file_system(tmp_path / "mounted", options) as folder:
        assert reason_with(folder) == f"the temporary folder (TMPDIR) {reason}"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    reason = reason_with(tmp_path / "absent")
    assert reason == "the temporary folder (TMPDIR) cannot be used: No such file or directory"


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert reason_with(file) == "the temporary folder (TMPDIR) cannot be used: Not a directory"


def test_a_folder_without_the_right() -> None:
    folder = Path("/sys")  # Nobody may make a folder there.
    with pytest.raises(OSError, match="sys") as raised:
        (folder / "tensorferry").mkdir()
    assert reason_with(folder) == f"the temporary folder (TMPDIR) cannot be written: {raised.value.strerror}"


def later_reason(tmp_path: Path, spoil: str) -> str:
    """The reason when the folder is spoilt while the server runs, before the package comes."""
    root, temporary = tmp_path / "models", tmp_path / "temporary"
    root.mkdir()
    temporary.mkdir()
    with Server("--model-dir", str(root), *POLL, environment={"TMPDIR": str(temporary)}) as server:
        if spoil == "remove":
            shutil.rmtree(temporary)
        else:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, MIB))
        put_file(root / "m", masked_package())
        with connect_stub(server.address) as stub:
            assert becomes_true(lambda: "m" in listed(stub) and listed(stub)["m"]["1"].state == UNAVAILABLE)
            assert server.alive()
            return listed(stub)["m"]["1"].reason


def test_a_folder_that_goes_while_the_server_runs(tmp_path: Path) -> None:
    """Those who tidy up temporary files may take it."""
    reason = later_reason(tmp_path, "remove")
    assert reason == "the temporary folder (TMPDIR) cannot be used: No such file or directory"


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    reason = later_reason(tmp_path, "limit")
    assert re.fullmatch(
        r"the temporary folder \(TMPDIR\) cannot take a file of \d+ bytes: this process may write 4096 \(ulimit -f\)",
        reason,
    )
