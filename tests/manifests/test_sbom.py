"""The image's bill of materials, of the programs of build/release: CycloneDX's own schema, dpkg and pip are asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from repository import ROOT

BUILD = Path(os.environ.get("TENSORFERRY_BUILD", ROOT / "build/release"))
SHARED = ("libc6", "libssl3", "libstdc++6", "libzip4")  # The libraries of more are in the image.


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the Dockerfile writes, of this machine's packages."""
    status = tmp_path_factory.mktemp("status")
    for name in SHARED:
        told = subprocess.run(["dpkg-query", "--status", name], stdout=subprocess.PIPE, text=True, check=True)
        (status / name).write_text(told.stdout)
    packages = Path(torch.__file__).parents[1]
    command = [sys.executable, str(ROOT / "packaging/sbom.py"), str(BUILD), str(status), str(packages), "1.2.3"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture(scope="module")
def components(bill: str) -> dict[str, dict[str, Any]]:
    return {component["name"]: component for component in json.loads(bill)["components"]}


def test_it_fits_the_schema(bill: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(bill) is None
    assert json.loads(bill)["metadata"]["component"]["version"] == "1.2.3"


def test_versions_are_those_that_are_installed(components: dict[str, dict[str, Any]]) -> None:
    assert components["torch"]["version"] == metadata.version("torch")
    for name, component in components.items():
        if name == "torch":
            continue
        shown = subprocess.run(
            ["dpkg-query", "-W", "-f=${Version}", name], stdout=subprocess.PIPE, text=True, check=True
        )
        assert component["version"] == shown.stdout, name


def test_package_urls_are_canonical_and_say_the_same(components: dict[str, dict[str, Any]]) -> None:
    for name, component in components.items():
        url = PackageURL.from_string(component["purl"])
        assert url.to_string() == component["purl"]
        assert (url.name, url.version) == (name, component["version"])


def test_what_is_linked_in_is_there_beside_the_shared_libraries(components: dict[str, dict[str, Any]]) -> None:
    used = {name: component["properties"][0]["value"] for name, component in components.items() if name != "torch"}
    expected = {
        "shared library": set(SHARED),
        "static archive": {"libgrpc++-dev", "libgrpc-dev", "libprotobuf-dev", "libabsl-dev"},
        "headers": {"libboost1.81-dev", "nlohmann-json3-dev", "libcli11-dev"},
    }
    for use, names in expected.items():
        assert {used.get(name) for name in names} == {use}, use
    assert {"onnx", "protobuf", "sleef"} <= {part["name"] for part in components["torch"]["components"]}
