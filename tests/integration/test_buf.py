"""buf: a client that knows nothing but an address and asks for reflection by its stable name, and judges our protos."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xxhash
from google.rpc import error_details_pb2

from harness import REPO_ROOT, TIMEOUT_S, Server, clean_environment
from test_languages import NODE_MODULES

SERVICES = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "inference.GRPCInferenceService",
    "tensorferry.v1.TensorService",
}


def buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f"{NODE_MODULES}/.bin/buf", *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def curl(server: Server, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return buf("curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments, f"http://{server.address}{path}")


def test_it_lists_every_service_without_falling_back_to_v1alpha(server: Server) -> None:
    listed = curl(server, "", "--list-services", "--verbose")
    assert listed.returncode == 0, listed.stderr
    assert set(listed.stdout.split()) == SERVICES
    assert "/grpc.reflection.v1.ServerReflection/" in listed.stderr
    assert "v1alpha" not in listed.stderr


def test_it_converts_an_array_by_reflection_alone(server: Server) -> None:
    values = np.array([1, 2, 3, 4], "<i4")
    array = {"name": "x", "dtype": "<i4", "shape": [4], "data": base64.b64encode(values.tobytes()).decode()}
    request = {"arrays": [array], "digest": "DIGEST_ALGORITHM_XXH3_128"}
    answered = curl(server, "/tensorferry.v1.TensorService/Convert", "--data", json.dumps(request))
    assert answered.returncode == 0, answered.stderr
    receipt = json.loads(answered.stdout)["tensors"][0]["metadata"]["receipt"]
    assert base64.b64decode(receipt["digest"]) == xxhash.xxh3_128(values.tobytes()).digest()


def test_it_reads_the_details_of_a_refusal(server: Server) -> None:
    refused = curl(server, "/tensorferry.v1.TensorService/Convert", "--data", '{"arrays": [{"dtype": "<i4"}]}')
    error = json.loads(refused.stderr)
    assert error["code"] == "invalid_argument"
    (detail,) = [each for each in error["details"] if each["type"] == "google.rpc.ErrorInfo"]
    info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(detail["value"] + "=="))
    assert info.reason == "MISSING_PAYLOAD"


def test_it_finds_nothing_to_lint() -> None:
    config = json.dumps({"version": "v2", "modules": [{"path": "proto"}], "lint": {"use": ["STANDARD"]}})
    linted = buf("lint", str(REPO_ROOT), "--config", config, "--path", str(REPO_ROOT / "proto/tensorferry"))
    assert linted.returncode == 0, linted.stdout + linted.stderr


SNAPSHOT = (REPO_ROOT / "tests/data/tensor_service.snapshot.proto").read_text()
CHANGES = {
    "number": ("  repeated int64 shape = 3;", "  repeated int64 shape = 33;", 'field "3" with name "shape"'),
    "type": ("  repeated int64 shape = 3;", "  repeated int32 shape = 3;", 'changed type from "int64" to "int32"'),
    "value": ("  FIDELITY_STRICT = 2;\n", "", 'enum value "2"'),
    "method": (
        "  rpc ListModels(.tensorferry.v1.ListModelsRequest) returns (.tensorferry.v1.ListModelsResponse);\n",
        "",
        '"ListModels"',
    ),
}


def breaking(proto: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compares the service with that of the snapshot, which is what callers were promised."""
    for name, text in (("now", proto), ("promised", SNAPSHOT)):
        file = folder / name / "tensorferry/v1/tensor_service.proto"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    config = json.dumps({"version": "v2", "modules": [{"path": "."}], "breaking": {"use": ["FILE"]}})
    return buf("breaking", f"{folder}/now", "--against", f"{folder}/promised", "--config", config)


def test_it_finds_nothing_that_breaks_callers(tmp_path: Path) -> None:
    proto = (REPO_ROOT / "proto/tensorferry/v1/tensor_service.proto").read_text()
    compared = breaking(proto, tmp_path)
    assert compared.returncode == 0, compared.stdout + compared.stderr


@pytest.mark.parametrize("change", CHANGES)
def test_it_would_find_a_change_that_breaks_callers(change: str, tmp_path: Path) -> None:
    old, new, words = CHANGES[change]
    assert old in SNAPSHOT
    compared = breaking(SNAPSHOT.replace(old, new), tmp_path)
    assert compared.returncode != 0
    assert words in compared.stdout + compared.stderr
