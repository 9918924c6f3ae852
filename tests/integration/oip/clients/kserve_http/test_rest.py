"""KServe's own REST client: every method that it has for version 2 of its protocol, and its way of writing requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferRequest, RESTConfig
from kserve.constants.constants import PredictorProtocol
from kserve.errors import UnsupportedProtocol
from kserve.protocol.infer_type import RequestedOutput

from kserve_requests import NUMBERS, A, B, check_simple, input_of, outputs_of, simple_request
from target import Target

Test = Callable[[InferenceRESTClient, str], Awaitable[None]]
Run = Callable[[Test], None]


@pytest.fixture
def run(target: Target) -> Run:
    """Runs a coroutine function with a client of its own, and the server's URL."""

    async def connect(test: Test) -> None:
        async with InferenceRESTClient(RESTConfig(protocol=PredictorProtocol.REST_V2, retries=0)) as client:
            await test(client, f"http://{target.http}")

    return lambda test: asyncio.run(connect(test))


def test_live_and_ready(run: Run) -> None:
    async def test(client: InferenceRESTClient, url: str) -> None:
        assert await client.is_server_live(url) is True
        assert await client.is_server_ready(url) is True
        assert await client.is_model_ready(url, "simple") is True
        assert await client.is_model_ready(url, "no-such") is False

    run(test)


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_infer(run: Run, binary_in: bool, binary_out: bool) -> None:
    async def test(client: InferenceRESTClient, url: str) -> None:
        request = simple_request(binary_in, request_id="seven", parameters={"binary_data_output": binary_out})
        fields: dict[str, str] = {}
        response = await client.infer(url, request, "simple", response_headers=fields, timeout=60)
        assert (response.model_name, response.id) == ("simple", "seven")
        assert ("inference-header-content-length" in fields) is binary_out
        check_simple(outputs_of(response))

    run(test)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_datatypes(run: Run, datatype: str, binary: bool) -> None:
    if datatype == "FP16" and not binary:
        pytest.skip("the client does not write it as JSON")

    async def test(client: InferenceRESTClient, url: str) -> None:
        array = np.array([0, 1, 100]).astype(NUMBERS[datatype])
        model = f"identity_{datatype.lower()}"
        inputs = [input_of("INPUT0", datatype, array, binary)]
        request = InferRequest(model, inputs, parameters={"binary_data_output": binary})
        np.testing.assert_array_equal(
            outputs_of(await client.infer(url, request, model))["OUTPUT0"], array, strict=True
        )

    run(test)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
def test_strings(run: Run, binary: bool) -> None:
    async def test(client: InferenceRESTClient, url: str) -> None:
        first, second = np.array([b"1", b"20"], np.object_), np.array([b"3", b"-4"], np.object_)
        inputs = [input_of(name, "BYTES", array, binary) for name, array in (("INPUT0", first), ("INPUT1", second))]
        request = InferRequest("simple_string", inputs, parameters={"binary_data_output": binary})
        outputs = outputs_of(await client.infer(url, request, "simple_string"))
        assert outputs["OUTPUT0"].tolist() == ["4", "16"]

    run(test)


def test_requested_outputs(run: Run) -> None:
    async def test(client: InferenceRESTClient, url: str) -> None:
        wanted = [RequestedOutput("OUTPUT1", {"binary_data": True})]
        response = await client.infer(url, simple_request(request_outputs=wanted), "simple")
        assert outputs_of(response).keys() == {"OUTPUT1"}

    run(test)


def test_a_dictionary_in_place_of_a_request(run: Run) -> None:
    """It may go to a whole URL, too, as it does for an inference graph."""
    inputs = [
        {"name": f"INPUT{i}", "datatype": "INT32", "shape": [1, 16], "data": each.tolist()}
        for i, each in enumerate((A, B))
    ]

    async def test(client: InferenceRESTClient, url: str) -> None:
        check_simple(outputs_of(await client.infer(url, {"inputs": inputs}, "simple")))
        answer = await client.infer(f"{url}/v2/models/simple/infer", {"inputs": inputs}, is_graph_endpoint=True)
        assert [output["name"] for output in answer["outputs"]] == ["OUTPUT0", "OUTPUT1"]

    run(test)


def test_many_at_once(run: Run) -> None:
    async def test(client: InferenceRESTClient, url: str) -> None:
        calls = (client.infer(url, simple_request(request_id=str(i)), "simple") for i in range(50))
        assert [response.id for response in await asyncio.gather(*calls)] == [str(i) for i in range(50)]

    run(test)


def bad_requests() -> dict[str, tuple[InferRequest, int, str]]:
    narrow, text = input_of("INPUT0", "INT32", A[:, :15], True), input_of("INPUT0", "FP32", A.astype(np.float32), True)
    other = input_of("INPUT1", "INT32", B, True)
    return {
        "model": (InferRequest("no-such", [other]), 404, "no-such"),
        "missing": (InferRequest("simple", [other]), 400, "simple"),
        "shape": (InferRequest("simple", [narrow, other]), 400, "INPUT0"),
        "datatype": (InferRequest("simple", [text, other]), 400, "INPUT0"),
    }


@pytest.mark.parametrize("case", bad_requests())
def test_errors(run: Run, case: str) -> None:
    """The client's exception has the words of our `error`."""
    request, status, word = bad_requests()[case]

    async def test(client: InferenceRESTClient, url: str) -> None:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await client.infer(url, request, request.model_name)
        assert caught.value.response.status_code == status
        assert word in str(caught.value).partition(f", '{status} ")[0]
        check_simple(outputs_of(await client.infer(url, simple_request(), "simple")))

    run(test)


def test_explain_is_not_of_this_version(run: Run) -> None:
    async def test(client: InferenceRESTClient, url: str) -> None:
        with pytest.raises(UnsupportedProtocol):
            await client.explain(url, "simple", {})

    run(test)
