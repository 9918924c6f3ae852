"""KServe's own inference clients, for gRPC and for REST, against our server."""

from __future__ import annotations

from pathlib import Path

import pytest

from oip.environments import KSERVE, check_tests_pass, files_of, subject


@pytest.mark.parametrize("file", [*files_of("kserve_client"), *files_of("kserve_http")], ids=subject)
def test_kserve(file: Path, target: Path) -> None:
    check_tests_pass(KSERVE, file, target)
