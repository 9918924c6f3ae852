"""Which version answers: the newest that is loaded, or the one that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode

from calls import inputs_of, refused

Client = triton.InferenceServerClient


@pytest.mark.parametrize(
    ("model", "asked", "answers"), [("plus", "", 3), ("plus", "1", 1), ("plus", "3", 3), ("latest", "", 2)]
)
def test_the_version_that_answers(model: str, asked: str, answers: int, client: Client) -> None:
    result = client.infer(model, inputs_of(np.float32([10])), asked)
    assert result.get_response().model_version == str(answers)
    assert result.as_numpy("OUTPUT0").tolist() == [10 + answers]


@pytest.mark.parametrize(("model", "version"), [("plus", "2"), ("plus", "0"), ("latest", "1")])
def test_a_version_that_is_not_loaded(model: str, version: str, client: Client) -> None:
    with refused((StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE), f"'{model}'", version):
        client.infer(model, inputs_of(np.float32([1])), version)


@pytest.mark.parametrize("version", ["x", "-1", " ", "9" * 30, "1x", "1.5"])
def test_what_is_no_version(version: str, client: Client, target: object) -> None:
    if target.is_triton and version[0] == "1":
        pytest.skip("Triton reads the number with which it begins")
    words = "'" + version + "'", "version should be an integral value > 0"
    for call in (client.get_model_metadata, client.get_model_config, client.get_inference_statistics):
        with refused(StatusCode.INVALID_ARGUMENT, *words):
            call("plus", version)
    with refused(StatusCode.INVALID_ARGUMENT, *words):
        client.is_model_ready("plus", version)
    with refused(StatusCode.INVALID_ARGUMENT, *words):
        client.infer("plus", inputs_of(np.float32([1])), version)


def test_the_words_for_what_is_no_version(client: Client) -> None:
    why = "failed to get model version from specified version string 'x' (details: stol), version should be"
    with refused(StatusCode.INVALID_ARGUMENT, why):
        client.get_model_metadata("plus", "x")


def test_metadata_and_configuration_of_a_version(client: Client) -> None:
    assert "1" in client.get_model_metadata("plus", "1").versions
    assert client.get_model_config("plus", "1").config.version_policy.HasField("all")
    assert client.get_model_config("latest").config.version_policy.latest.num_versions == 1
