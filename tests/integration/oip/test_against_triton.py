"""Runs the files of clients/ against a real Triton: it does what they expect, or they say where it differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oip.environments import KSERVE, NEWEST, check_tests_pass, files_of, subject
from oip.perf_analyzer import MODES, check_rows, measure


@pytest.mark.parametrize("file", [*files_of("triton"), *files_of("triton/overrides")], ids=subject)
def test_triton_meets_the_expectations(file: Path, triton_target: Path) -> None:
    check_tests_pass(NEWEST, file, triton_target)


@pytest.mark.parametrize("file", files_of("triton/restricted"), ids=subject)
def test_a_triton_that_loads_nothing_meets_the_expectations(file: Path, restricted_triton_target: Path) -> None:
    check_tests_pass(NEWEST, file, restricted_triton_target)


@pytest.mark.parametrize("file", files_of("kserve_client"), ids=subject)
def test_kserve_and_triton_meet_the_expectations(file: Path, triton_target: Path) -> None:
    check_tests_pass(KSERVE, file, triton_target)


@pytest.mark.parametrize("mode", ["concurrency", "streaming rate", "shared memory"])
def test_perf_analyzer_measures_triton(mode: str, triton_target: Path, tmp_path: Path) -> None:
    address = json.loads(triton_target.read_text())["address"]
    check_rows(measure(address, "simple", *MODES[mode], report=tmp_path / "report.csv"), 1)
