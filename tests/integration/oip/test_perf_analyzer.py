"""perf_analyzer measures our server in each of its modes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Server
from oip.perf_analyzer import HTTP_MODES, MODES, check_rows, measure

# perf_analyzer's modes do not depend on the model; a second one shows that its calls do not depend on the first.
CASES = [*(("simple", mode) for mode in MODES), ("mlp", "concurrencies"), ("mlp", "batches")]


@pytest.mark.parametrize(("model", "mode"), CASES)
def test_perf_analyzer(model: str, mode: str, oip_server: Server, tmp_path: Path) -> None:
    rows = measure(oip_server.address, model, *MODES[mode], report=tmp_path / "report.csv")
    check_rows(rows, 2 if mode == "concurrencies" else 1)


@pytest.mark.parametrize("mode", HTTP_MODES)
def test_over_http(mode: str, oip_server: Server, tmp_path: Path) -> None:
    rows = measure(str(oip_server.http), "simple", *MODES[mode], report=tmp_path / "report.csv", protocol="http")
    check_rows(rows, 1)


def test_a_version(oip_server: Server, tmp_path: Path) -> None:
    flags = "-x", "1", "--shape", "INPUT0:4"
    check_rows(measure(oip_server.address, "plus", *flags, report=tmp_path / "report.csv"), 1)


def test_strings(oip_server: Server, tmp_path: Path) -> None:
    flags = "--shape", "INPUT0:4", "--shape", "INPUT1:4", "--string-data", "5"
    check_rows(measure(oip_server.address, "simple_string", *flags, report=tmp_path / "report.csv"), 1)


def test_large_tensors_in_shared_memory(oip_server: Server, tmp_path: Path) -> None:
    flags = "--shape", "INPUT0:1000000", "--shared-memory", "system", "--output-shared-memory-size", "4000000"
    check_rows(measure(oip_server.address, "scratch", *flags, report=tmp_path / "report.csv"), 1)
