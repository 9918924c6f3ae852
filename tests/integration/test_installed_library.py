"""The C++ library as others take it: installed, in a tree that has been moved, by CMake and pkg-config; or taken in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import REPO_ROOT, SERVER, TIMEOUT_S, Server, clean_environment

BUILD = Path(os.environ.get("TENSORFERRY_BUILD", REPO_ROOT / "build/release"))
PROJECT = REPO_ROOT / "client/examples/project"
EXAMPLE = REPO_ROOT / "client/examples/convert.cc"
PRINTED = "torch.float32, every bit equal\n"


def completed(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        command, env=clean_environment(environment), capture_output=True, text=True, timeout=10 * TIMEOUT_S, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


def run(*command: str | Path, **environment: str) -> str:
    return completed(*command, **environment).stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the component `client`, which has been installed into another one."""
    folder = tmp_path_factory.mktemp("installed")
    run("cmake", "--install", BUILD, "--component", "client", "--prefix", folder / "first")
    return Path(shutil.move(folder / "first", folder / "moved"))


def pkg_config(prefix: Path, *options: str) -> list[str]:
    (file,) = prefix.rglob("tensorferry-client.pc")
    return run("pkg-config", *options, "tensorferry-client", PKG_CONFIG_PATH=str(file.parent)).split()


def test_a_project_finds_it_with_cmake(prefix: Path, server: Server, tmp_path: Path) -> None:
    run("cmake", "-G", "Ninja", "-S", PROJECT, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}")
    commands = run("ninja", "-C", tmp_path, "-t", "commands", "convert")
    assert "-Werror" not in commands
    assert "torch" not in commands.replace(str(REPO_ROOT), "")
    run("cmake", "--build", tmp_path)
    assert run(tmp_path / "convert", server.address) == PRINTED


def test_a_project_finds_it_with_pkg_config(prefix: Path, server: Server, tmp_path: Path) -> None:
    compiled, linked = pkg_config(prefix, "--cflags"), pkg_config(prefix, "--static", "--libs")
    program = tmp_path / "convert"
    run("g++", "-std=c++20", *compiled, EXAMPLE, "-o", program, *linked)
    assert run(program, server.address) == PRINTED


PARTS = {
    "subfolder": f"add_subdirectory({REPO_ROOT} tensorferry EXCLUDE_FROM_ALL)",
    "fetched": f"include(FetchContent)\nFetchContent_Declare(tensorferry SOURCE_DIR {REPO_ROOT})\n"
    "FetchContent_MakeAvailable(tensorferry)",
}


def project_with(part: str, folder: Path) -> Path:
    """A project that takes this one in, where there is no torch."""
    (folder / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(mine CXX)\n{part}\n"
        f"add_executable(convert {EXAMPLE})\ntarget_link_libraries(convert PRIVATE tensorferry::client)\n"
    )
    no_torch = "-DTENSORFERRY_TORCH_PYTHON=/nowhere/python"
    run("cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", "-DCMAKE_UNITY_BUILD=ON", no_torch)
    return folder / "build"


@pytest.mark.parametrize("part", PARTS)
def test_what_a_project_takes_in_is_the_library_alone(part: str, tmp_path: Path) -> None:
    build = project_with(PARTS[part], tmp_path)
    commands = run("ninja", "-C", build, "-t", "commands", "all").replace(str(REPO_ROOT), "OURS")
    assert "CMakeFiles/convert.dir" in commands
    for unneeded in ("torch", "-Werror", "OURS/tests/", "OURS/server/inference/", "OURS/client/cli/"):
        assert unneeded not in commands
    assert "tensorferry" not in run("cmake", "--install", build, "--prefix", tmp_path / "installed")


def test_a_project_that_takes_it_in_runs(server: Server, tmp_path: Path) -> None:
    """Its own code is compiled, and linked as it is to be; our archives are those of the build that is tested."""
    build = project_with(PARTS["fetched"], tmp_path)
    run("ninja", "-C", build, "CMakeFiles/convert.dir/Unity/unity_0_cxx.cxx.o")
    link = run("ninja", "-C", build, "-t", "commands", "convert").splitlines()[-1]
    archives = set(re.findall(r"_deps/tensorferry-build/(\S+\.a)", link))
    assert "client/libtensorferry_client.a" in archives
    for archive in archives:
        target = build / "_deps/tensorferry-build" / archive
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUILD / archive, target)
    run("bash", "-c", f"cd {build} && {link}")
    assert run(build / "convert", server.address) == PRINTED


def test_each_installed_header_is_complete(prefix: Path, tmp_path: Path) -> None:
    """A header compiles by itself, with what is installed and nothing of this checkout."""
    headers = sorted((prefix / "include/tensorferry/client").glob("*.h"))
    assert {"client.h", "verify.h"} <= {header.name for header in headers}
    flags = pkg_config(prefix, "--cflags")
    for header in headers:
        source = tmp_path / f"{header.stem}.cc"
        source.write_text(f'#include "tensorferry/client/{header.name}"\n')
        included = completed("g++", "-std=c++20", "-fsyntax-only", "-H", *flags, source).stderr
        assert f"/include/tensorferry/client/{header.name}" in included
        assert str(REPO_ROOT) not in included


def test_nothing_installed_names_where_it_was_built(prefix: Path) -> None:
    texts = [path for path in prefix.rglob("*") if path.suffix in {".cmake", ".pc", ".h"}]
    assert len(texts) > 10
    for path in texts:
        assert not re.search(rf"{REPO_ROOT}|{prefix.with_name('first')}", path.read_text()), path


def test_a_component_that_is_not_installed_is_missed(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(p CXX)\nfind_package(tensorferry REQUIRED COMPONENTS server)\n"
    )
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={prefix}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ran.returncode != 0
    assert "tensorferry was installed without its component server" in re.sub(r"\s+", " ", ran.stderr)


def test_a_project_finds_and_runs_the_server(tmp_path: Path) -> None:
    """Where that component alone is installed, without gRPC's packages asked for."""
    run("cmake", "--install", BUILD, "--component", "server", "--prefix", tmp_path / "first")
    prefix = Path(shutil.move(tmp_path / "first", tmp_path / "moved"))
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(p NONE)\n"
        "find_package(tensorferry 0.1 REQUIRED COMPONENTS server)\n"
        "add_custom_target(which COMMAND tensorferry::server --version VERBATIM)\n"
    )
    run("cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    assert str(prefix) in run("ninja", "-C", tmp_path / "build", "-t", "commands", "which")
    version = run(SERVER, "--version")
    assert version.startswith("tensorferry-server ")
    assert version in run("cmake", "--build", tmp_path / "build", "--target", "which")
