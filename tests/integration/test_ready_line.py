"""A server that is ready serves, whether or not anybody can take the line that says so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import TIMEOUT_S, becomes_true, connect_stub, server_command, starting
from wire import array, convert_unary, request

SMALL = request(array("<f4", (4,), bytes(16)))


@contextmanager
def started(folder: Path, output: int | None) -> Iterator[subprocess.Popen[str]]:
    """A server whose standard output is `output`, or closed, and whose log is the file `log`."""
    # By a shell: Python code between fork and exec hangs where another thread held a lock when the process forked.
    closer = [] if output is not None else ["sh", "-c", 'exec "$@" >&-', "sh"]
    command = [*closer, *server_command("--listen", f"unix:{folder}/socket")]
    with (folder / "log").open("wb") as log, starting(command, stdout=output, stderr=log) as process:
        yield process


def is_ready(folder: Path) -> bool:
    return "serving with a memory budget" in (folder / "log").read_text()


def serves_and_ends(process: subprocess.Popen[str], folder: Path) -> None:
    with connect_stub(f"unix:{folder}/socket") as stub:
        assert convert_unary(stub, SMALL).refusal is None
    process.terminate()
    assert process.wait(TIMEOUT_S) == 0


def test_a_full_disk_takes_no_line(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with started(tmp_path, full) as process:
        os.close(full)
        warning = "the ready line cannot be printed on standard output: No space left on device"
        assert becomes_true(lambda: warning in (tmp_path / "log").read_text())
        serves_and_ends(process, tmp_path)


def test_closed_standard_output_is_nobody_elses(tmp_path: Path) -> None:
    with started(tmp_path, None) as process:
        assert becomes_true(lambda: is_ready(tmp_path))
        assert os.readlink(f"/proc/{process.pid}/fd/1") == "/dev/null"
        serves_and_ends(process, tmp_path)
