"""KServe's own gRPC client: every method of it, and its way of writing requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import numpy as np
import pytest
from kserve import InferRequest
from kserve.inference_client import InferenceGRPCClient
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.infer_type import RequestedOutput

from kserve_requests import NUMBERS, A, B, check_simple, input_of, outputs_of, simple_request
from target import Target

Test = Callable[[InferenceGRPCClient], Awaitable[None]]


@pytest.fixture
def run(target: Target) -> Callable[[Test], None]:
    """Runs a coroutine function with a client of its own."""

    async def connect(test: Test) -> None:
        async with InferenceGRPCClient(target.address, retries=0) as client:
            await test(client)

    return lambda test: asyncio.run(connect(test))


def test_live_and_ready(run: Callable) -> None:
    async def test(client: InferenceGRPCClient) -> None:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("simple")
        assert not await client.is_model_ready("no-such")

    run(test)


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_infer(run: Callable, raw: bool) -> None:
    async def test(client: InferenceGRPCClient) -> None:
        response = await client.infer(simple_request(raw, request_id="seven"))
        assert (response.model_name, response.model_version, response.id) == ("simple", "1", "seven")
        outputs = outputs_of(response)
        assert outputs.keys() == {"OUTPUT0", "OUTPUT1"}
        check_simple(outputs)

    run(test)


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_datatypes(run: Callable, datatype: str, raw: bool) -> None:
    if datatype == "FP16" and not raw:
        pytest.skip("the protocol has no field for it")

    async def test(client: InferenceGRPCClient) -> None:
        array = np.array([0, 1, 100]).astype(NUMBERS[datatype])
        request = InferRequest(
            model_name=f"identity_{datatype.lower()}", infer_inputs=[input_of("INPUT0", datatype, array, raw)]
        )
        np.testing.assert_array_equal(outputs_of(await client.infer(request))["OUTPUT0"], array, strict=True)

    run(test)


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
def test_strings(run: Callable, raw: bool) -> None:
    async def test(client: InferenceGRPCClient) -> None:
        first, second = np.array([b"1", b"20"], np.object_), np.array([b"3", b"-4"], np.object_)
        inputs = [input_of(name, "BYTES", array, raw) for name, array in (("INPUT0", first), ("INPUT1", second))]
        if not raw:  # The client's own typed form of strings is text, which its message does not take.
            for given, array in zip(inputs, (first, second), strict=True):
                given.data = list(array)
        outputs = outputs_of(await client.infer(InferRequest(model_name="simple_string", infer_inputs=inputs)))
        assert outputs["OUTPUT0"].tolist() == [b"4", b"16"]

    run(test)


def test_requested_outputs(run: Callable) -> None:
    async def test(client: InferenceGRPCClient) -> None:
        response = await client.infer(simple_request(request_outputs=[RequestedOutput("OUTPUT1")]))
        assert outputs_of(response).keys() == {"OUTPUT1"}

    run(test)


def test_parameters(run: Callable) -> None:
    async def test(client: InferenceGRPCClient) -> None:
        request = simple_request(parameters={"text": "a", "number": 1, "flag": True})
        assert outputs_of(await client.infer(request)).keys() == {"OUTPUT0", "OUTPUT1"}

    run(test)


def test_many_at_once(run: Callable) -> None:
    async def test(client: InferenceGRPCClient) -> None:
        responses = await asyncio.gather(*(client.infer(simple_request(request_id=str(i))) for i in range(50)))
        assert [response.id for response in responses] == [str(i) for i in range(50)]

    run(test)


def bad_requests() -> dict[str, tuple[InferRequest, grpc.StatusCode, str]]:
    narrow, text = input_of("INPUT0", "INT32", A[:, :15], True), input_of("INPUT0", "FP32", A.astype(np.float32), True)
    other = input_of("INPUT1", "INT32", B, True)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    return {
        "model": (InferRequest(model_name="no-such", infer_inputs=[other]), grpc.StatusCode.NOT_FOUND, "no-such"),
        "missing": (InferRequest(model_name="simple", infer_inputs=[other]), invalid, "simple"),
        "shape": (InferRequest(model_name="simple", infer_inputs=[narrow, other]), invalid, "INPUT0"),
        "datatype": (InferRequest(model_name="simple", infer_inputs=[text, other]), invalid, "INPUT0"),
    }


@pytest.mark.parametrize("case", bad_requests())
def test_errors(run: Callable, case: str) -> None:
    request, code, word = bad_requests()[case]

    async def test(client: InferenceGRPCClient) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            await client.infer(request)
        assert caught.value.code() == code
        assert word in caught.value.details()
        assert outputs_of(await client.infer(simple_request())).keys() == {"OUTPUT0", "OUTPUT1"}

    run(test)


def test_metadata_by_its_generated_code(run: Callable) -> None:
    """Which still lacks some of what the protocol has by now."""

    async def test(client: InferenceGRPCClient) -> None:
        stub = client._client_stub
        assert (await stub.ServerMetadata(pb.ServerMetadataRequest())).version
        metadata = await stub.ModelMetadata(pb.ModelMetadataRequest(name="simple"))
        assert [(tensor.name, list(tensor.shape)) for tensor in metadata.inputs][1] == ("INPUT1", [-1, 16])

    run(test)


@pytest.mark.usefixtures("ours")
def test_its_load_and_unload(run: Callable) -> None:
    """Its messages name the model where Triton's have the name of a repository."""

    async def test(client: InferenceGRPCClient) -> None:
        stub = client._client_stub
        await stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="scratch"))
        assert not await client.is_model_ready("scratch")
        await stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="scratch"))
        assert await client.is_model_ready("scratch")

    run(test)
