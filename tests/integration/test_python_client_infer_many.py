"""Many requests to models over one stream, and what results say besides arrays; through both Python clients."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
import tensorferry
from array_layouts import check_elements, expect, random_array
from harness import MIB, TIMEOUT_S
from tensorferry import Infer, Outputs, RefusedError

FLOATS = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
KINDS = ["Client", "aio.Client"]
INPUTS = {
    "affine": {"left": FLOATS, "right": FLOATS.T.copy()},
    "perceptron": {"features": FLOATS},
    "moments": {"x": FLOATS},
    "named": {"x": FLOATS},
}
BAD: list[tuple[Any, str]] = [
    (("no-such-model", {"x": FLOATS}), "MODEL_NOT_FOUND"),
    (("moments", {"y": FLOATS}), "INPUT_MISMATCH"),
    (("identity", {"x": np.zeros(2, "M8[s]")}), "UNSUPPORTED_DTYPE"),
    (("identity", {"x": [[1, 2], [3]]}), "NOT_AN_ARRAY"),
    (Infer("affine", INPUTS["affine"], version=77), "MODEL_NOT_FOUND"),
    (Infer("named", INPUTS["named"], outputs=["none"]), "UNKNOWN_OUTPUT"),
]
each_kind = pytest.mark.parametrize("kind", KINDS)


def infer_many(kind: str, address: str, requests: Iterable[Any], **settings: Any) -> list[Any]:
    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
            return list(client.infer_many(requests, **settings))

    async def asynchronous() -> AsyncIterator[Any]:
        for request in requests:
            await asyncio.sleep(0)
            yield request

    async def main() -> list[Any]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S) as client:
            return [outputs async for outputs in client.infer_many(asynchronous(), **settings)]

    return asyncio.run(main())


@each_kind
def test_models_in_turn_with_bad_requests_among_them(kind: str, model_server: str, files: dict[str, Path]) -> None:
    expected = {model: models.run_in_python(files[model], inputs) for model, inputs in INPUTS.items()}
    requests: list[Any] = [item for _ in range(12) for item in INPUTS.items()]
    bad = {5 + 6 * i: case for i, case in enumerate(BAD)}
    for index, (request, _) in bad.items():
        requests[index] = request
    outcomes = infer_many(kind, model_server, iter(requests), on_error="return")
    assert len(outcomes) == len(requests)
    for index, (request, outcome) in enumerate(zip(requests, outcomes, strict=True)):
        if index in bad:
            assert isinstance(outcome, RefusedError)
            assert (outcome.reason, outcome.metadata["index"]) == (bad[index][1], str(index))
        else:
            model, _ = request
            assert isinstance(outcome, Outputs)
            assert (outcome.model, list(outcome)) == (model, list(expected[model]))
            for name, output in outcome.items():
                check_elements(output, expect(expected[model][name]))


@each_kind
def test_large_inputs_and_outputs_among_small_ones(kind: str, model_server: str) -> None:
    arrays = [FLOATS, random_array("float32", (70 * MIB // 4,)), FLOATS, random_array("float32", (2 * MIB,)).T]
    outcomes = infer_many(kind, model_server, (("identity", {"x": array}) for array in arrays))
    for array, outputs in zip(arrays, outcomes, strict=True):
        check_elements(outputs["x"], expect(array))


@each_kind
def test_by_default_the_first_error_ends_it(kind: str, model_server: str) -> None:
    taken = []

    def requests() -> Iterator[Any]:
        for request in [("identity", {"x": FLOATS}), BAD[0][0], ("identity", {"x": FLOATS})]:
            taken.append(request)
            yield request

    with pytest.raises(RefusedError, match="MODEL_NOT_FOUND"):
        infer_many(kind, model_server, requests())
    assert len(taken) <= 3


def test_requests_are_taken_as_they_are_needed(model_server: str) -> None:
    taken = []

    def endless() -> Iterator[Any]:
        while True:
            taken.append(np.full(3, len(taken)))
            yield "identity", {"x": taken[-1]}

    with tensorferry.Client(model_server, timeout=TIMEOUT_S) as client:
        outcomes = client.infer_many(endless())
        for index in range(100):
            check_elements(next(outcomes)["x"], expect(taken[index]))
        outcomes.close()
    assert len(taken) <= 100 + 32


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("identity", "each request is an Infer or a pair of model and inputs, not str 'identity'"),
        (("identity", [FLOATS]), "inputs is a mapping"),
        ((1, {}), "model is a str"),
    ],
)
@each_kind
def test_what_is_no_request(request_: Any, text: str, kind: str, model_server: str) -> None:
    with pytest.raises(TypeError, match=text):
        infer_many(kind, model_server, [request_])


@each_kind
def test_results_say_what_ran(kind: str, model_server: str) -> None:
    ask = Infer("affine", INPUTS["affine"], request_id="7")
    (many,) = infer_many(kind, model_server, [ask])

    async def both() -> tuple[Outputs, tensorferry.Receipt]:
        async with tensorferry.aio.Client(model_server, timeout=TIMEOUT_S) as client:
            outputs = await client.infer("affine", INPUTS["affine"], request_id="7")
            return outputs, await client.convert(FLOATS, request_id="8")

    if kind == "Client":
        with tensorferry.Client(model_server, timeout=TIMEOUT_S) as client:
            one, receipt = (
                client.infer("affine", INPUTS["affine"], request_id="7"),
                client.convert(FLOATS, request_id="8"),
            )
            (model,) = [model for model in client.models() if model.name == "affine"]
    else:
        one, receipt = asyncio.run(both())
        model = None
    for outputs in (one, many, copy.deepcopy(one), pickle.loads(pickle.dumps(many))):
        assert (outputs.model, outputs.request_id) == ("affine", "7")
        assert model is None or outputs.version == model.version
        assert outputs.timing.compute_ns > 0
        assert sorted(outputs) == sorted(one)
    assert receipt.request_id == "8"
    assert (receipt.timing.convert_ns > 0, receipt.timing.compute_ns) == (True, 0)
    assert str(one.timing).startswith("receive ")


def test_a_request_id_that_no_request_may_have(model_server: str) -> None:
    with tensorferry.Client(model_server, timeout=TIMEOUT_S) as client:
        with pytest.raises(RefusedError, match="BAD_NAME"):
            client.convert(FLOATS, request_id="x" * 257)
        with pytest.raises(TypeError, match="request_id is a str"):
            client.convert(FLOATS, request_id=7)
