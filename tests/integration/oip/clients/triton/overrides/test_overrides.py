"""Loading a model with another configuration than the repository has, where that is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode

from calls import inputs_of, refused
from target import Target

Client = triton.InferenceServerClient

CANNOT_LOAD = StatusCode.INVALID_ARGUMENT, StatusCode.INTERNAL
REFUSED = StatusCode.PERMISSION_DENIED, *CANNOT_LOAD
TEN = np.float32([10])


@pytest.fixture(autouse=True)
def as_in_the_repository(client: Client) -> Iterator[None]:
    yield
    client.unload_model("scratch")
    client.load_model("scratch")
    assert client.get_model_config("scratch").config.max_batch_size == 0
    assert client.infer("scratch", inputs_of(TEN)).as_numpy("OUTPUT0").tolist() == [10]


@pytest.fixture
def plus_three(target: Target) -> bytes:
    """A model file."""
    return Path(target.folder / "repository/plus/3/model.pt").read_bytes()


def test_a_whole_configuration(client: Client) -> None:
    config = client.get_model_config("scratch", as_json=True)["config"]
    client.load_model("scratch", config=json.dumps({**config, "max_batch_size": 4}))
    assert client.get_model_config("scratch").config.max_batch_size == 4
    assert list(client.get_model_metadata("scratch").inputs[0].shape) == [-1, -1]
    array = np.float32([[1, 2], [3, 4]])
    np.testing.assert_array_equal(client.infer("scratch", inputs_of(array)).as_numpy("OUTPUT0"), array)


def test_a_configuration_stays_until_the_model_is_unloaded(client: Client) -> None:
    config = client.get_model_config("scratch", as_json=True)["config"]
    client.load_model("scratch", config=json.dumps({**config, "max_batch_size": 4}))
    client.unload_model("scratch")
    client.load_model("scratch")
    assert client.get_model_config("scratch").config.max_batch_size == 0


@pytest.mark.usefixtures("ours")
def test_a_part_of_a_configuration(client: Client) -> None:
    client.load_model("scratch", config=json.dumps({"max_batch_size": 4}))
    config = client.get_model_config("scratch").config
    assert (config.name, config.max_batch_size, config.input[0].name) == ("scratch", 4, "INPUT0")


NO_CONFIGURATIONS = ["", "{", "[]", "null", '"text"', '{"no_such_field": 1}', '{"max_batch_size": "many"}']


@pytest.mark.parametrize("config", NO_CONFIGURATIONS)
def test_what_is_no_configuration(config: str, client: Client) -> None:
    with refused(CANNOT_LOAD):
        client.load_model("scratch", config=config)
    assert client.infer("scratch", inputs_of(TEN)).as_numpy("OUTPUT0").tolist() == [10]


def test_files_need_a_configuration(client: Client) -> None:
    with refused(REFUSED):
        client.load_model("scratch", files={"file:1/model.pt": b"any"})


@pytest.mark.usefixtures("ours")  # Triton's twins are of another kind.
@pytest.mark.parametrize("version", ["1", "7"])
def test_files(version: str, client: Client, plus_three: bytes) -> None:
    config = json.dumps(client.get_model_config("scratch", as_json=True)["config"])
    client.load_model("scratch", config=config, files={f"file:{version}/model.pt": plus_three})
    answer = client.infer("scratch", inputs_of(TEN))
    assert answer.as_numpy("OUTPUT0").tolist() == [13]
    assert answer.get_response().model_version == version
    assert client.infer("plus", inputs_of(TEN), "1").as_numpy("OUTPUT0").tolist() == [11]


# Each path that leads upwards comes back to its start: the server refuses the form, not the destination.
PATHS = [
    "model.pt",
    "x/model.pt",
    "1/../1/model.pt",
    "/1/model.pt",
    "",
    "1/a b",
    "1/a\0b",
    "1/" + "a" * 129,
    "1/b/c.pt",
]


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path)[:20])
def test_files_whose_paths_are_not_version_and_name(path: str, client: Client, plus_three: bytes) -> None:
    config = json.dumps(client.get_model_config("scratch", as_json=True)["config"])
    with refused(REFUSED, "expected VERSION/FILE"):
        client.load_model("scratch", config=config, files={f"file:{path}": plus_three})
    assert client.infer("scratch", inputs_of(TEN)).as_numpy("OUTPUT0").tolist() == [10]
    assert client.infer("plus", inputs_of(TEN), "1").as_numpy("OUTPUT0").tolist() == [11]


@pytest.mark.usefixtures("ours")
def test_a_file_that_is_no_model(client: Client) -> None:
    config = json.dumps(client.get_model_config("scratch", as_json=True)["config"])
    with refused(CANNOT_LOAD, "scratch"):
        client.load_model("scratch", config=config, files={"file:1/model.pt": b"no model"})
    assert client.infer("scratch", inputs_of(TEN)).as_numpy("OUTPUT0").tolist() == [10]
