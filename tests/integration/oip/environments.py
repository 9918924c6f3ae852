"""Runs what lives in the environments that environments.sh made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness import REPO_ROOT, clean_environment

FOLDER = Path(os.environ.get("TENSORFERRY_OIP_ENVIRONMENTS", REPO_ROOT / "build/oip"))
CLIENTS = Path(__file__).parent / "clients"

NEWEST, OLD, KSERVE = "tritonclient", "tritonclient-2.45.0", "kserve"

TIMEOUT_S = 300  # Until a hung file of tests fails; nothing is expected to take that long.


def python_of(environment: str) -> Path:
    python = FOLDER / environment / "bin/python"
    if not python.exists():
        pytest.fail(f"{python} is not there: run tests/integration/oip/environments.sh")
    return python


def check_tests_pass(environment: str, file: Path, target: Path) -> None:
    """Runs a file of clients/ by the pytest of its environment, and shows what that printed if a test fails."""
    __tracebackhide__ = True
    command = [python_of(environment), "-m", "pytest", "-c", CLIENTS / "pytest.ini", file, "--target", target]
    done = subprocess.run(
        [*map(str, command)],
        env=clean_environment({"PYTEST_ADDOPTS": ""}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{file.name} in {environment}:\n{done.stdout}", pytrace=False)


def files_of(folder: str) -> list[Path]:
    """The files of tests in a folder of clients/."""
    return sorted((CLIENTS / folder).glob("test_*.py"))


def subject(file: Path) -> str:
    """What a file of tests is about, for its id."""
    return file.stem.removeprefix("test_")
