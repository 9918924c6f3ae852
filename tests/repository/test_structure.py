"""The architecture, read off the includes: main → rpc → inference → payload → base, and who may include what."""

import re

import pytest

from repository import ROOT

FOLDERS = ["base", "payload", "inference", "rpc"]  # Each may include those before it.
LIBRARIES = {
    "gRPC and protobuf": (re.compile(r"^(grpc|google/protobuf|google/rpc|.*\.pb\.h$)"), {"rpc"}),
    "torch": (re.compile(r"^(torch|ATen|c10)/"), {"inference"}),
}


def includes(folder: str) -> list[tuple[str, str]]:
    found = [
        (str(path.relative_to(ROOT)), include)
        for path in sorted((ROOT / "server" / folder).glob("*.*"))
        if path.suffix in {".h", ".cc"}
        for include in re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)
    ]
    assert found, f"server/{folder} has no includes at all"
    return found


@pytest.mark.parametrize("folder", [*FOLDERS, "config"])
def test_includes_go_one_way(folder: str) -> None:
    allowed = {"config", "base"} if folder == "config" else set(FOLDERS[: FOLDERS.index(folder) + 1])
    others = {*FOLDERS, "config"} - allowed
    wrong = [(file, include) for file, include in includes(folder) if include.split("/")[0] in others]
    assert not wrong


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("folder", [*FOLDERS, "config"])
def test_only_one_folder_knows_the_library(folder: str, library: str) -> None:
    pattern, owners = LIBRARIES[library]
    uses = [(file, include) for file, include in includes(folder) if pattern.match(include)]
    assert bool(uses) == (folder in owners)


def headers_behind(*names: str) -> set[str]:
    """The headers of server/ that these include, directly or not, and they themselves."""
    behind: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        behind.add(name)
        found = re.findall(r'^#include "([^"]+)"', (ROOT / "server" / name).read_text(), re.MULTILINE)
        left |= {include for include in found if (ROOT / "server" / include).exists()} - behind
    return behind


def test_what_rpc_and_main_see_of_inference_is_free_of_torch() -> None:
    main = re.findall(r'^#include "(inference/[^"]+)"', (ROOT / "server/main.cc").read_text(), re.MULTILINE)
    seen = {include for _, include in includes("rpc") if include.startswith("inference/")} | set(main)
    seen = headers_behind(*(name for name in seen if not name.endswith(".pb.h")))
    assert "inference/pipeline.h" in seen
    for name in seen:
        for include in re.findall(r'^#include [<"]([^>"]+)[>"]', (ROOT / "server" / name).read_text(), re.MULTILINE):
            assert not LIBRARIES["torch"][0].match(include), name


def test_files_are_short() -> None:
    for folder in ("server", "client", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".h", ".cc", ".py"} and "v1" not in path.parts:
                assert len(path.read_text().splitlines()) <= 400, path
