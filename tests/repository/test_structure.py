"""The architecture, read off the includes: main → rpc → inference → payload → base, and who may include what."""

import re

import pytest

from repository import ROOT

FOLDERS = ["base", "payload", "inference", "rpc"]  # Each may include those before it.
LIBRARIES = {
    "gRPC and protobuf": (re.compile(r"^(grpc|google/protobuf|google/rpc|.*\.pb\.h$)"), {"rpc"}),
    "torch": (re.compile(r"^(torch|ATen|c10)/"), {"inference"}),
}
TORCH_FREE = ["pipeline.h", "model_info.h", "torch_pipeline.h"]  # What rpc/ and main.cc see of inference/.


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


def test_what_rpc_sees_of_inference_is_free_of_torch() -> None:
    seen = {include for _, include in includes("rpc") if include.startswith("inference/")}
    assert seen <= {f"inference/{name}" for name in TORCH_FREE}
    for file, include in includes("inference"):
        if file.rsplit("/", 1)[-1] in TORCH_FREE:
            assert not LIBRARIES["torch"][0].match(include), file


def test_files_are_short() -> None:
    for folder in ("server", "client", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".h", ".cc", ".py"} and "v1" not in path.parts:
                assert len(path.read_text().splitlines()) <= 400, path
