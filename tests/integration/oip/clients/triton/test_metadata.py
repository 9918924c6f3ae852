"""Health, metadata and configuration of the server and of each model."""

from __future__ import annotations

import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import model_config_pb2

from calls import refused
from oip.layout import LABELS, MODELS, TensorConfig
from target import Target

Client = triton.InferenceServerClient

EXTENSIONS = {
    "classification", "model_repository", "schedule_policy", "model_configuration", "system_shared_memory",
    "binary_tensor_data", "parameters", "statistics", "trace", "logging",
}  # fmt: skip


def test_the_server_is_live_and_ready(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()


def test_server_metadata(client: Client, target: Target) -> None:
    metadata = client.get_server_metadata()
    assert metadata.name == target.kind
    assert metadata.version
    assert set(metadata.extensions) >= EXTENSIONS
    assert len(set(metadata.extensions)) == len(metadata.extensions)
    if not target.is_triton:
        assert "sequence" not in metadata.extensions  # Announced is only what is there.


def test_server_metadata_as_json(client: Client) -> None:
    metadata = client.get_server_metadata(as_json=True)
    assert metadata.keys() == {"name", "version", "extensions"}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_ready(client: Client, name: str) -> None:
    assert client.is_model_ready(name)
    for version in (1, 2, 3):
        loaded = MODELS[name].versions if name != "latest" else (2,)
        assert client.is_model_ready(name, str(version)) == (version in loaded)


@pytest.mark.parametrize("name", ["nobody", "corrupt"])
def test_a_model_that_cannot_answer_is_not_ready(client: Client, name: str) -> None:
    assert not client.is_model_ready(name)
    assert not client.is_model_ready(name, "1")


@pytest.mark.parametrize("name", MODELS)
def test_model_metadata(client: Client, name: str) -> None:
    model, metadata = MODELS[name], client.get_model_metadata(name)

    def described(tensors: tuple[TensorConfig, ...]) -> list[tuple[str, str, list[int]]]:
        return [(tensor.name, tensor.datatype, model.shape_in_metadata(tensor)) for tensor in tensors]

    assert metadata.name == name
    assert metadata.platform
    assert list(metadata.versions) == [str(version) for version in (model.versions if name != "latest" else (2,))]
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == described(model.inputs)
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.outputs] == described(model.outputs)


@pytest.mark.parametrize("name", MODELS)
def test_model_configuration(client: Client, name: str) -> None:
    model, config = MODELS[name], client.get_model_config(name).config

    def described(tensors: tuple[TensorConfig, ...]) -> list[tuple[str, str, list[int]]]:
        return [(tensor.name, tensor.data_type(), list(tensor.dims)) for tensor in tensors]

    type_name = model_config_pb2.DataType.Name
    assert config.name == name
    assert config.platform or config.backend
    assert config.max_batch_size == model.max_batch_size
    assert [(t.name, type_name(t.data_type), list(t.dims)) for t in config.input] == described(model.inputs)
    assert [(t.name, type_name(t.data_type), list(t.dims)) for t in config.output] == described(model.outputs)


def test_the_configuration_says_how_the_model_is_run(client: Client, target: Target) -> None:
    queued = client.get_model_config("queued").config
    assert queued.WhichOneof("scheduling_choice") == "dynamic_batching"
    assert queued.dynamic_batching.priority_levels == 2
    assert queued.dynamic_batching.default_queue_policy.max_queue_size == 4
    assert client.get_model_config("patient").config.dynamic_batching.max_queue_delay_microseconds == 600_000_000
    assert client.get_model_config("plus").config.version_policy.HasField("all")
    assert client.get_model_config("classifier").config.output[0].label_filename == "labels.txt"
    assert not client.get_model_config("simple").config.model_transaction_policy.decoupled
    if not target.is_triton:
        assert client.get_model_config("simple").config.platform == "pytorch_libtorch"
    assert len(LABELS) == MODELS["classifier"].outputs[0].dims[0]


def test_metadata_and_configuration_as_json(client: Client) -> None:
    metadata = client.get_model_metadata("simple", as_json=True)
    assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": ["-1", "16"]}
    config = client.get_model_config("simple", as_json=True)["config"]
    assert config["max_batch_size"] == 8
    assert config["input"][1] == {"name": "INPUT1", "data_type": "TYPE_INT32", "dims": ["16"]}


def test_metadata_and_configuration_name_the_same_tensors(client: Client) -> None:
    """perf_analyzer ends where they do not; so it is for models that come without a configuration, too."""
    ready = {model.name for model in client.get_model_repository_index().models if model.state == "READY"}
    assert ready >= MODELS.keys()
    for name in ready:
        metadata, config = client.get_model_metadata(name), client.get_model_config(name).config
        assert [tensor.name for tensor in metadata.inputs] == [tensor.name for tensor in config.input]
        assert [tensor.name for tensor in metadata.outputs] == [tensor.name for tensor in config.output]


@pytest.mark.parametrize(("name", "version"), [("nobody", ""), ("simple", "7"), ("latest", "1"), ("corrupt", "")])
def test_what_is_not_there_is_named(client: Client, name: str, version: str) -> None:
    # Triton does not find a model that did not load. Where the two are told apart, it is found, but unavailable.
    codes = StatusCode.NOT_FOUND, *([StatusCode.UNAVAILABLE] if name == "corrupt" else [])
    with refused(codes, name, version):
        client.get_model_metadata(name, version)
    with refused(codes, name, version):
        client.get_model_config(name, version)


@pytest.mark.parametrize("version", ["x", "1.0", "-1"])
def test_a_version_is_a_positive_integer(client: Client, version: str, target: Target) -> None:
    if target.is_triton and version[0] == "1":
        pytest.skip("Triton reads the number with which it begins")
    with refused(StatusCode.INVALID_ARGUMENT, version):
        client.get_model_metadata("simple", version)
    with refused(StatusCode.INVALID_ARGUMENT, version):
        client.get_model_config("simple", version)
