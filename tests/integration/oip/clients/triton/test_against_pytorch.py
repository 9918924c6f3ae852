"""Models that a real Triton here cannot run: what comes back is what PyTorch computes with the same file."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton

from calls import Answers, input_of
from target import Target

Client = triton.InferenceServerClient

pytestmark = pytest.mark.usefixtures("ours")

PERCEPTRONS = ["mlp", "perceptron-aotinductor"]


@pytest.fixture
def expected(ours: None, target: Target) -> dict[str, np.ndarray]:
    """The input under `features`, and the output of each model under its name."""
    with np.load(target.folder / "expected.npz") as arrays:
        return dict(arrays)


def only_output(result: triton.InferResult) -> np.ndarray:
    (output,) = result.get_response().outputs
    return result.as_numpy(output.name)


@pytest.mark.parametrize("model", PERCEPTRONS)
def test_infer(model: str, client: Client, expected: dict[str, np.ndarray]) -> None:
    features = expected["features"]
    output = only_output(client.infer(model, [input_of("features", features)]))
    np.testing.assert_array_equal(output, expected[model], strict=True)


@pytest.mark.parametrize("model", PERCEPTRONS)
def test_rows_one_by_one_on_a_stream(model: str, client: Client, expected: dict[str, np.ndarray]) -> None:
    features = expected["features"]
    answers = Answers()
    client.start_stream(answers)
    for i, row in enumerate(features):
        client.async_stream_infer(model, [input_of("features", row[None])], request_id=str(i))
    results = [answers.result() for _ in features]
    client.stop_stream()
    for result in results:
        row = expected[model][int(result.get_response().id)]
        np.testing.assert_allclose(only_output(result), row[None], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("model", PERCEPTRONS)
def test_metadata(model: str, client: Client) -> None:
    metadata, config = client.get_model_metadata(model), client.get_model_config(model).config
    assert [(tensor.name, tensor.datatype) for tensor in metadata.inputs] == [("features", "FP32")]
    assert list(metadata.inputs[0].shape)[1:] == [16]
    assert [tensor.name for tensor in metadata.outputs] == [tensor.name for tensor in config.output]
    assert config.platform == ("pytorch_libtorch" if model == "mlp" else "torch_aoti")


def test_a_model_without_a_configuration(client: Client) -> None:
    """Its inputs are named as its arguments, and take what the model takes."""
    metadata = client.get_model_metadata("noconfig")
    assert [tensor.name for tensor in metadata.inputs] == ["x"]
    array = np.random.default_rng(0).standard_normal((4, 3), np.float32)
    result = client.infer("noconfig", [input_of("x", array)])
    outputs = [result.as_numpy(output.name) for output in result.get_response().outputs]
    np.testing.assert_allclose(outputs, [array.mean(0), array.var(0, ddof=1)], rtol=1e-5)
