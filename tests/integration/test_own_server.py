"""`tensorferry.Server`, and the launcher of the wheel `tensorferry-server`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tensorferry
from harness import REPO_ROOT, SERVER, TIMEOUT_S, becomes_true

SMALL = np.array([0.5, -2])


def ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_server_serves_within_the_block(files: dict[str, Path]) -> None:
    one = {"one": next(iter(files.values()))}
    own = tensorferry.Server(models=one, program=SERVER)
    with own as address, tensorferry.Client(address) as client:
        assert client.convert(SMALL).digest_equal
        assert {model.name for model in client.models()} == {"identity", "one"}
        assert "serving" in own.log()
        pid = own._process.pid
    assert ended(pid)
    with pytest.raises(RuntimeError, match="log is gone"):
        own.log()


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
        tensorferry.Server(program=waits, timeout=2.5).__enter__()
    assert becomes_true(lambda: ended(int((tmp_path / "pid").read_text())))


def test_without_a_program_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="install the package"):
        tensorferry.Server().__enter__()
    with pytest.raises(FileNotFoundError, match="no program /nowhere/server"):
        tensorferry.Server(program="/nowhere/server").__enter__()


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


def launch(site: Path) -> subprocess.CompletedProcess[str]:
    python_path = os.pathsep.join([str(site), str(REPO_ROOT / "client/python/src")])
    return subprocess.run(
        [sys.executable, "-m", "tensorferry.server", "--version"],
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


def test_without_the_wheel_the_module_says_what_is_missing(tmp_path: Path) -> None:
    ran = launch(tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == "the server is not installed: it is in the package tensorferry-server\n"
