"""tritonclient, the newest and an old one, with CUDA shared memory, on a server that takes it.

TENSORFERRY_GPU=real has server and clients find NVIDIA's own driver, for scripts/gpu-check.sh. Otherwise both find a
stand-in for it: that shows our half of it, handles, bounds, lifetimes and errors, and nothing of a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cuda_driver import DRIVER
from harness import Server
from oip.conftest import SERVER_FLAGS
from oip.environments import NEWEST, OLD, check_tests_pass, files_of, subject
from oip.repository import describe_target


@pytest.fixture(scope="module")
def gpu_target(our_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    flags = [*SERVER_FLAGS, "--shared-memory", "all", "--http-listen", "127.0.0.1:0"]
    with Server("--model-dir", str(our_folder / "repository"), *flags, environment=DRIVER) as running:
        yield describe_target(our_folder, "tensorferry", running.address, tmp_path_factory.mktemp("gpu"), running.http)
        assert running.stop() == 0


@pytest.mark.parametrize("environment", [NEWEST, OLD])
@pytest.mark.parametrize("file", files_of("triton/gpu"), ids=subject)
def test_tritonclient(environment: str, file: Path, gpu_target: Path) -> None:
    check_tests_pass(environment, file, gpu_target, DRIVER)
