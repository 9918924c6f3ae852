"""tritonclient, the newest and an old one, against our server: every file of clients/triton and triton_http."""

from __future__ import annotations

from pathlib import Path

import pytest

from oip.environments import NEWEST, OLD, Results, check_tests_pass, files_of, run_files, subject

GRPC_AND_HTTP = [*files_of("triton"), *files_of("triton_http")]


@pytest.fixture(scope="module", params=[NEWEST, OLD])
def environment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def results(environment: str, target: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """What each folder's tests found."""
    return {
        folder: run_files(environment, files_of(folder), target, tmp_path_factory.mktemp("report"))
        for folder in ("triton", "triton_http")
    }


@pytest.mark.parametrize("file", GRPC_AND_HTTP, ids=lambda file: f"{file.parent.name}-{subject(file)}")
def test_tritonclient(file: Path, results: dict[str, Results]) -> None:
    results[file.parent.name].check(file)


@pytest.mark.parametrize("file", files_of("triton/restricted"), ids=subject)
def test_a_server_that_allows_little(environment: str, file: Path, restricted_target: Path) -> None:
    check_tests_pass(environment, file, restricted_target)


@pytest.mark.parametrize("file", files_of("triton/overrides"), ids=subject)
def test_a_server_that_allows_overrides(environment: str, file: Path, override_target: Path) -> None:
    check_tests_pass(environment, file, override_target)
