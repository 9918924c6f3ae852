"""Models on converted arrays: outputs bit-equal to PyTorch's own, refusals that name what does not fit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import numpy as np
import pytest

import models
import oracle
from harness import TIMEOUT_S, Server, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import (
    TRANSPORTS,
    Outcome,
    ReceivedTensor,
    Transport,
    array,
    converse,
    convert_unary,
    request,
    request_part,
)

each_transport = pytest.mark.parametrize("convert", TRANSPORTS.values(), ids=TRANSPORTS.keys())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("models")
    saved = models.save_all(directory)
    saved["corrupt"] = directory / "corrupt.pt"
    saved["corrupt"].write_bytes(saved["affine"].read_bytes()[:500])
    saved["absent"] = directory / "absent.pt"
    return saved


@pytest.fixture(scope="module")
def stub(files: dict[str, Path]) -> Iterator[TensorServiceStub]:
    flags = [flag for name, file in files.items() for flag in ("--model", f"{name}={file}")]
    with Server("--intra-op-threads", "1", *flags) as server, connect_stub(server.address) as connected:
        yield connected


def infer(model: str, inputs: Mapping[str, np.ndarray], **fields: object) -> pb.ConvertRequest:
    arrays = (array(source.dtype.str, source.shape, source.tobytes(), name=name) for name, source in inputs.items())
    return request(*arrays, model_name=model, **fields)


def check_output(output: ReceivedTensor, expected: np.ndarray) -> None:
    metadata = output.metadata
    assert metadata.dtype == expected.dtype.name
    assert tuple(metadata.shape) == expected.shape
    assert metadata.numel == expected.size
    assert metadata.nbytes == expected.nbytes
    assert not metadata.HasField("receipt")
    assert output.data == expected.tobytes()


def check_refused(outcome: Outcome, code: grpc.StatusCode, reason: str, *mentioned: str) -> None:
    refusal = outcome.refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (code, reason), refusal.message
    for word in mentioned:
        assert word.lower() in refusal.message.lower()
    assert "/" not in refusal.message, "a path"
    assert ".py" not in refusal.message, "a file"


FLOATS = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
INPUTS: dict[str, dict[str, np.ndarray]] = {
    "affine": {"left": FLOATS, "right": FLOATS.T.copy()},
    "perceptron": {"features": FLOATS},
    "moments": {"x": FLOATS},
    "named": {"x": FLOATS},
    "range": {"x": FLOATS},
    "sine": {"x": FLOATS.astype(np.float64)},
    "in-place": {"x": FLOATS},
}


@each_transport
@pytest.mark.parametrize("model", INPUTS)
def test_outputs_are_pytorchs(model: str, convert: Transport, stub: TensorServiceStub, files: dict[str, Path]) -> None:
    expected = models.run_in_python(files[model], INPUTS[model])
    outcome = convert(stub, infer(model, INPUTS[model]))
    assert outcome.refusal is None, outcome.refusal
    assert outcome.response.model_name == model
    assert outcome.response.timing.compute_ns > 0
    assert [output.metadata.name for output in outcome.outputs] == list(expected)
    for output in outcome.outputs:
        check_output(output, expected[output.metadata.name])


def test_inputs_are_matched_by_name_not_by_place(stub: TensorServiceStub, files: dict[str, Path]) -> None:
    expected = models.run_in_python(files["affine"], INPUTS["affine"])
    swapped = dict(reversed(INPUTS["affine"].items()))
    check_output(convert_unary(stub, infer("affine", swapped)).outputs[0], expected["OUTPUT__0"])


def test_an_in_place_model_leaves_the_receipt_true(stub: TensorServiceStub) -> None:
    (tensor,) = convert_unary(stub, infer("in-place", INPUTS["in-place"])).tensors
    oracle.check_tensor(tensor, oracle.expect("<f4", FLOATS.shape, FLOATS.tobytes()))


def test_a_big_endian_fortran_array_is_the_same_input(stub: TensorServiceStub, files: dict[str, Path]) -> None:
    swapped = array(">f4", FLOATS.shape, FLOATS.astype(">f4").tobytes(order="F"), fortran_order=True, name="features")
    expected = models.run_in_python(files["perceptron"], {"features": np.asfortranarray(FLOATS)})
    check_output(convert_unary(stub, request(swapped, model_name="perceptron")).outputs[0], expected["OUTPUT__0"])


@each_transport
@pytest.mark.parametrize("wanted", [["doubled"], ["doubled", "total"]], ids=",".join)
def test_outputs_come_as_requested(wanted: list[str], convert: Transport, stub: TensorServiceStub) -> None:
    outcome = convert(stub, infer("named", {"x": FLOATS}, requested_outputs=wanted))
    assert [output.metadata.name for output in outcome.outputs] == wanted


@each_transport
def test_identity_gives_back_every_dtype(convert: Transport, stub: TensorServiceStub) -> None:
    sources = {name: oracle.random_bytes(name, 6) for name in oracle.ALL}
    arrays = [array(name, (2, 3), data, name=f"of {name}") for name, data in sources.items()]
    outcome = convert(stub, request(*arrays, model_name="identity"))
    assert outcome.refusal is None
    assert [output.metadata.name for output in outcome.outputs] == [f"of {name}" for name in oracle.ALL]
    for output, (name, data) in zip(outcome.outputs, sources.items(), strict=True):
        assert (output.metadata.dtype, output.data) == (name, data)


INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
LEFT, RIGHT = (array("<f4", (2, 2), bytes(16), name=name) for name in ("left", "right"))
MISMATCHES = {
    "missing": ([LEFT], "right"),
    "none-at-all": ([], "left"),
    "unknown": ([LEFT, RIGHT, array("<f4", (2, 2), bytes(16), name="middle")], "middle"),
    "wrong-name": ([LEFT, array("<f4", (2, 2), bytes(16), name="Right")], "Right"),
    "duplicate": ([LEFT, RIGHT, LEFT], "left"),
    "without-name": ([LEFT, RIGHT, array("<f4", (2, 2), bytes(16), name="")], ""),
}


@each_transport
@pytest.mark.parametrize(("arrays", "named"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_inputs_must_match(arrays: list[pb.Array], named: str, convert: Transport, stub: TensorServiceStub) -> None:
    check_refused(convert(stub, request(*arrays, model_name="affine")), INVALID, "INPUT_MISMATCH", named)


@each_transport
def test_names_of_a_models_inputs_are_unique(convert: Transport, stub: TensorServiceStub) -> None:
    check_refused(convert(stub, request(LEFT, LEFT, model_name="identity")), INVALID, "INPUT_MISMATCH", "left")


@each_transport
def test_other_refusals(convert: Transport, stub: TensorServiceStub) -> None:
    check_refused(
        convert(stub, infer("named", {"x": FLOATS}, requested_outputs=["no-such"])),
        INVALID,
        "UNKNOWN_OUTPUT",
        "no-such",
    )
    check_refused(convert(stub, infer("no-such", {"x": FLOATS})), NOT_FOUND, "MODEL_NOT_FOUND", "no-such")
    check_refused(convert(stub, infer("named", {"x": FLOATS}, model_version="99")), NOT_FOUND, "MODEL_NOT_FOUND", "99")
    for name in ("corrupt", "absent"):
        check_refused(convert(stub, infer(name, {"x": FLOATS})), grpc.StatusCode.UNAVAILABLE, "MODEL_NOT_READY", name)


@each_transport
def test_141_an_operator_without_kernel_is_named(
    convert: Transport, stub: TensorServiceStub, files: dict[str, Path]
) -> None:
    inputs = {"left": np.ones((2, 2), np.uint16), "right": np.ones((2, 2), np.uint16)}
    with pytest.raises(NotImplementedError, match="not implemented for 'UInt16'") as raised:
        models.run_in_python(files["affine"], inputs)
    operator = re.findall(r'"(\w+)" not implemented', str(raised.value))[-1]

    outcome = convert(stub, infer("affine", inputs))
    check_refused(outcome, grpc.StatusCode.UNIMPLEMENTED, "OPERATOR_UNSUPPORTED", operator, "uint16")
    assert convert(stub, infer("identity", inputs)).refusal is None


@each_transport
def test_a_model_that_fails(convert: Transport, stub: TensorServiceStub) -> None:
    check_refused(convert(stub, infer("failing", {"x": FLOATS})), grpc.StatusCode.INTERNAL, "MODEL_FAILED")


@each_transport
def test_shapes_that_the_model_cannot_take(convert: Transport, stub: TensorServiceStub) -> None:
    misfit = {"left": FLOATS, "right": FLOATS}
    check_refused(convert(stub, infer("affine", misfit)), grpc.StatusCode.INTERNAL, "MODEL_FAILED")


def test_a_failing_model_does_not_cost_the_others_on_the_stream(stub: TensorServiceStub) -> None:
    parts = [
        request_part(infer(model, INPUTS.get(model, {"x": FLOATS})))
        for model in ("failing", "named", "corrupt", "range")
    ]
    outcomes, ended = converse(stub, parts)
    assert ended is None
    assert [outcome.reason for outcome in outcomes] == ["MODEL_FAILED", "", "MODEL_NOT_READY", ""]


def test_list_models(stub: TensorServiceStub, files: dict[str, Path]) -> None:
    listed = stub.ListModels(pb.ListModelsRequest(), timeout=TIMEOUT_S).models
    assert [model.name for model in listed] == sorted(model.name for model in listed)
    by_name = {model.name: model for model in listed}
    assert set(by_name) == {*files, "identity"}
    assert (by_name["identity"].platform, by_name["identity"].sha256) == ("builtin", "")

    for name in INPUTS:
        model = by_name[name]
        assert model.state == pb.MODEL_STATE_READY
        assert model.reason == ""
        assert model.platform == "torchscript"
        assert model.sha256 == hashlib.sha256(files[name].read_bytes()).hexdigest()
        assert [spec.name for spec in model.inputs] == list(INPUTS[name])
        response = convert_unary(stub, infer(name, INPUTS[name], model_version=model.version)).response
        assert response.model_version == model.version

    for name in ("corrupt", "absent"):
        assert by_name[name].state == pb.MODEL_STATE_UNAVAILABLE
        assert by_name[name].reason
        assert str(files[name].parent) not in by_name[name].reason


def test_a_model_file_may_take_identitys_name(files: dict[str, Path]) -> None:
    with Server("--model", f"identity={files['sine']}") as server, connect_stub(server.address) as stub:
        expected = models.run_in_python(files["sine"], {"x": FLOATS})
        check_output(convert_unary(stub, infer("identity", {"x": FLOATS})).outputs[0], expected["OUTPUT__0"])
