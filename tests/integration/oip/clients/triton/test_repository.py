"""Listing, loading and unloading models."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import TIMEOUT_S, Answers, Stub, inputs_of, refused
from gates import Gate, wait_until
from oip.layout import MODELS

Client = triton.InferenceServerClient

ONE = np.float32([1])
NOT_LOADED = StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE
CANNOT_LOAD = StatusCode.INTERNAL, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
REFUSED = StatusCode.PERMISSION_DENIED, StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED


@pytest.fixture(autouse=True)
def loaded_again(client: Client) -> Iterator[None]:
    """Leaves `scratch` as it was."""
    yield
    client.load_model("scratch")
    check_scratch(client)


def check_scratch(client: Client) -> None:
    assert client.is_model_ready("scratch")
    assert client.infer("scratch", inputs_of(ONE)).as_numpy("OUTPUT0") == ONE


def index(client: Client, name: str) -> dict[str, tuple[str, str]]:
    """State and reason of each version."""
    listed = client.get_model_repository_index().models
    return {model.version: (model.state, model.reason) for model in listed if model.name == name}


def unload(client: Client, name: str = "scratch", **options: object) -> None:
    client.unload_model(name, **options)
    # The answer comes before the unloading has ended.
    wait_until(lambda: index(client, name) == {"1": ("UNAVAILABLE", "unloaded")}, "the end of the unloading")


def test_the_index(client: Client) -> None:
    listed = {(model.name, model.version) for model in client.get_model_repository_index().models}
    loaded = {(name, str(v)) for name, model in MODELS.items() for v in model.versions} - {("latest", "1")}
    assert listed >= loaded | {("corrupt", "1")}
    for name, version in loaded:
        assert index(client, name)[version] == ("READY", "")
    assert client.get_model_repository_index(as_json=True)["models"]


def test_the_index_says_why_a_model_is_not_there(client: Client) -> None:
    ((state, reason),) = index(client, "corrupt").values()
    assert state == "UNAVAILABLE"
    assert reason


def test_the_index_of_what_is_ready(stub: Stub) -> None:
    listed = stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True), timeout=TIMEOUT_S).models
    assert {model.name for model in listed} >= MODELS.keys()
    assert {model.state for model in listed} == {"READY"}


def test_unload_and_load(client: Client) -> None:
    unload(client)
    assert not client.is_model_ready("scratch")
    with refused(NOT_LOADED, "scratch"):
        client.infer("scratch", inputs_of(ONE))
    with refused(NOT_LOADED, "scratch"):
        client.get_model_metadata("scratch")
    client.load_model("scratch")
    assert index(client, "scratch") == {"1": ("READY", "")}
    check_scratch(client)


def test_all_versions_are_unloaded(client: Client) -> None:
    client.unload_model("plus")
    wait_until(lambda: {state for state, _ in index(client, "plus").values()} == {"UNAVAILABLE"}, "the unloading")
    assert not client.is_model_ready("plus", "1")
    client.load_model("plus")
    assert index(client, "plus") == {"1": ("READY", ""), "3": ("READY", "")}


def test_what_runs_is_not_cut_off(client: Client, gate: Gate) -> None:
    answers = Answers()
    with gate.closed("batched") as runs:
        client.async_infer("batched", inputs_of(np.float32([[1]])), answers)
        runs.wait_for(1)
        client.unload_model("batched")
        with refused(NOT_LOADED, "batched"):
            client.infer("batched", inputs_of(np.float32([[-1]])))
        runs.open()
        assert answers.result().as_numpy("OUTPUT0").tolist() == [[1]]
        wait_until(lambda: index(client, "batched")["1"] == ("UNAVAILABLE", "unloaded"), "the end of the unloading")
    client.load_model("batched")
    client.infer("batched", inputs_of(np.float32([[-1]])))


def test_loading_what_is_loaded(client: Client) -> None:
    client.load_model("scratch")
    check_scratch(client)


@pytest.mark.parametrize("unload_dependents", [False, True])
def test_unloading_what_depends_on_it(unload_dependents: bool, client: Client) -> None:
    unload(client, unload_dependents=unload_dependents)


@pytest.mark.parametrize("name", ["no-such", "", "../scratch", "scratch/1", "/etc", "a\0b"])
def test_loading_what_is_not_there(name: str, client: Client) -> None:
    with refused(CANNOT_LOAD, "failed to load"):
        client.load_model(name)
    assert not client.is_model_ready(name)


def test_loading_what_is_corrupt(client: Client) -> None:
    with refused(CANNOT_LOAD, "load", "'corrupt'"):
        client.load_model("corrupt")
    assert index(client, "corrupt")["1"][0] == "UNAVAILABLE"


@pytest.mark.parametrize("name", ["no-such", "corrupt", ""])
def test_unloading_what_is_not_loaded(name: str, client: Client) -> None:
    client.unload_model(name)
    assert not client.is_model_ready(name)


def test_unloading_what_is_unloaded(client: Client) -> None:
    unload(client)
    unload(client)


@pytest.mark.usefixtures("ours")  # Triton has no models of its own.
def test_what_is_built_in_is_not_unloaded(client: Client) -> None:
    with refused(StatusCode.NOT_FOUND, "'identity'", "built in"):
        client.unload_model("identity")
    assert client.is_model_ready("identity")


def test_there_is_one_repository_without_a_name(stub: Stub) -> None:
    named = {"repository_name": "models"}
    with refused(StatusCode.UNIMPLEMENTED, "repository_name"):
        stub.RepositoryIndex(pb.RepositoryIndexRequest(**named), timeout=TIMEOUT_S)
    with refused(StatusCode.UNIMPLEMENTED, "repository_name"):
        stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="scratch", **named), timeout=TIMEOUT_S)
    with refused(StatusCode.UNIMPLEMENTED, "repository_name"):
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="scratch", **named), timeout=TIMEOUT_S)


@pytest.mark.usefixtures("ours")
def test_kserve_names_the_model_in_the_repository_s_place(client: Client, stub: Stub) -> None:
    stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(repository_name="scratch"), timeout=TIMEOUT_S)
    assert not client.is_model_ready("scratch")
    stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(repository_name="scratch"), timeout=TIMEOUT_S)
    check_scratch(client)


def test_an_unknown_parameter(stub: Stub) -> None:
    parameters = {"nonsense": pb.ModelRepositoryParameter(int64_param=1)}
    with refused(StatusCode.INVALID_ARGUMENT, "'nonsense'"):
        stub.RepositoryModelLoad(
            pb.RepositoryModelLoadRequest(model_name="scratch", parameters=parameters), timeout=TIMEOUT_S
        )


FILES = {"file:1/model.pt": b"no model at all"}
OVERRIDES = {
    "a configuration": {"config": json.dumps({"max_batch_size": 4})},
    "a configuration and files": {"config": json.dumps({"max_batch_size": 4}), "files": FILES},
    "files without a configuration": {"files": FILES},
    "no JSON": {"config": "{"},
}


@pytest.mark.usefixtures("ours")  # Triton lets anyone who may call it replace models.
@pytest.mark.parametrize("case", OVERRIDES)
def test_overrides_are_not_allowed(case: str, client: Client) -> None:
    with refused(REFUSED):
        client.load_model("scratch", **OVERRIDES[case])
    assert client.get_model_config("scratch").config.max_batch_size == 0
    check_scratch(client)
