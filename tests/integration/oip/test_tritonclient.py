"""tritonclient, the newest and an old one, against our server: every file of clients/triton and triton_http."""

from __future__ import annotations

from pathlib import Path

import pytest

from oip.environments import NEWEST, OLD, check_tests_pass, files_of, subject

pytestmark = pytest.mark.parametrize("environment", [NEWEST, OLD])


@pytest.mark.parametrize("file", files_of("triton"), ids=subject)
def test_tritonclient(environment: str, file: Path, target: Path) -> None:
    check_tests_pass(environment, file, target)


@pytest.mark.parametrize("file", files_of("triton_http"), ids=subject)
def test_tritonclient_http(environment: str, file: Path, target: Path) -> None:
    check_tests_pass(environment, file, target)


@pytest.mark.parametrize("file", files_of("triton/restricted"), ids=subject)
def test_a_server_that_allows_little(environment: str, file: Path, restricted_target: Path) -> None:
    check_tests_pass(environment, file, restricted_target)


@pytest.mark.parametrize("file", files_of("triton/overrides"), ids=subject)
def test_a_server_that_allows_overrides(environment: str, file: Path, override_target: Path) -> None:
    check_tests_pass(environment, file, override_target)
