"""Runs what lives in the environments that environments.sh made."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import REPO_ROOT, clean_environment
from harness import TIMEOUT_S as PROGRAM_TIMEOUT_S

FOLDER = Path(os.environ.get("TENSORFERRY_OIP_ENVIRONMENTS", REPO_ROOT / "build/oip"))
CLIENTS = Path(__file__).parent / "clients"

NEWEST, OLD, KSERVE = "tritonclient", "tritonclient-2.45.0", "kserve"

TIMEOUT_S = 1800  # Until files of tests that hang fail. pytest.ini ends a test that hangs after 70 s.


def python_of(environment: str) -> Path:
    python = FOLDER / environment / "bin/python"
    if not python.exists():
        pytest.fail(f"{python} is not there: run tests/integration/oip/environments.sh")
    return python


def run_source(environment: str, source: str, *arguments: object) -> None:
    """Runs a program in Python by that environment, and fails with what it said unless it ends well."""
    done = subprocess.run(
        [str(python_of(environment)), "-c", source, *map(str, arguments)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PROGRAM_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Results:
    """What the tests of several files found, each file by its name."""

    def __init__(self, environment: str, ran: subprocess.CompletedProcess[str], report: Path) -> None:
        self._environment = environment
        self._printed = ran.stdout
        self._faults: dict[str, list[str]] = {}
        for case in ElementTree.parse(report).iter("testcase") if report.exists() else []:
            file = f"{case.attrib['classname'].rpartition('.')[2]}.py"
            faults = [fault.text or "" for fault in case if fault.tag in {"failure", "error"}]
            self._faults.setdefault(file, []).extend(f"{case.attrib['name']}:\n{fault}" for fault in faults)
        if ran.returncode != 0 and not any(self._faults.values()):
            self._faults = {}  # The run itself failed, so that nothing is known of any file.

    def check(self, file: Path) -> None:
        """Fails with what failed of this file, or with all that was printed if none of its tests came to an end."""
        __tracebackhide__ = True
        faults = self._faults.get(file.name, [self._printed])
        if faults:
            pytest.fail(f"{file.name} in {self._environment}:\n" + "\n".join(faults), pytrace=False)


def run_files(
    environment: str, files: Sequence[Path], target: Path, folder: Path, variables: Mapping[str, str] | None = None
) -> Results:
    """Runs files of clients/ by the pytest of their environment, in one process: it starts slower than most files run.

    `folder` is a new one, for its report. `variables` are further ones of the process's environment.
    """
    report = folder / "report.xml"
    options = ["-c", CLIENTS / "pytest.ini", "--target", target, "--junit-xml", report]
    done = subprocess.run(
        [*map(str, [python_of(environment), "-m", "pytest", *options, *files])],
        env=clean_environment({"PYTEST_ADDOPTS": "", **(variables or {})}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Results(environment, done, report)


def check_tests_pass(environment: str, file: Path, target: Path, variables: Mapping[str, str] | None = None) -> None:
    """Runs one file, and shows what failed of it."""
    __tracebackhide__ = True
    with tempfile.TemporaryDirectory() as folder:
        run_files(environment, [file], target, Path(folder), variables).check(file)


def files_of(folder: str) -> list[Path]:
    """The files of tests in a folder of clients/."""
    return sorted((CLIENTS / folder).glob("test_*.py"))


def subject(file: Path) -> str:
    """What a file of tests is about, for its id."""
    return file.stem.removeprefix("test_")
