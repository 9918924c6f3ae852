"""What tests start leaves nothing behind, however it ends, and takes nothing from each other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet import Fleet
from harness import Server, own_ports, run_to_exit
from isolated import children

BROKEN = ("--threads", "many")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_killed_server_leaves_no_files(temporary: Path) -> None:
    with Server() as server:
        assert list(temporary.rglob("tensorferry-*"))
        assert server.alive()
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_test_stays_its_own(temporary: Path) -> None:
    folder = temporary / "own"
    folder.mkdir()
    with Server(environment={"TMPDIR": str(folder)}) as server:
        assert list(folder.glob("tensorferry-*"))
        assert list(temporary.iterdir()) == [folder]
        assert server.stop() == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "start",
    [lambda: Server(*BROKEN), lambda: Fleet([(), BROKEN]), lambda: Fleet([(), (), BROKEN])],
    ids=["a server", "the second of a fleet", "the third of a fleet"],
)
def test_what_does_not_start_leaves_no_server(start: Callable[[], object], temporary: Path) -> None:
    before = children(os.getpid())
    with pytest.raises(AssertionError, match="not a ready line"):
        start()
    assert children(os.getpid()) == before
    assert list(temporary.iterdir()) == []


def test_a_server_that_ends_by_itself_leaves_no_files(temporary: Path) -> None:
    assert run_to_exit(*BROKEN).returncode != 0
    assert list(temporary.iterdir()) == []


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor to two of the processes that run tests beside each other."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    given: list[int] = []
    for worker in range(3):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{worker}")
        given += own_ports()
    assert len(set(given)) == len(given) > 1000
