"""Shared memory that is not there, not large enough, or not what was said: refused, and nothing is harmed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import (
    TIMEOUT_S,
    A,
    B,
    Stub,
    check_refusal,
    check_simple,
    input_of,
    inputs_of,
    parameters_of,
    refused,
    request_of,
    tensor_of,
)
from regions import Region, input_in, output_in, registered, unregistered

Client = triton.InferenceServerClient

SIZE = A.nbytes
HUGE = (1 << 63) - 1

BAD = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.OUT_OF_RANGE
CANNOT_OPEN = StatusCode.INTERNAL, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND


@pytest.fixture
def region(client: Client) -> Iterator[Region]:
    """Two tensors of `simple` large; still usable after each test."""
    with registered(client, "region", 2 * SIZE) as made:
        yield made
        made.write(A)
        check_simple(client.infer("simple", [input_in("region", "INPUT0", A), input_of("INPUT1", B)]))


def with_input(stub: Stub, **parameters: object) -> pb.ModelInferResponse:
    """Infers with INPUT0 as the parameters say and INPUT1 raw."""
    inputs = [
        tensor_of("INPUT0", "INT32", [1, 16], parameters=parameters_of(parameters)),
        tensor_of("INPUT1", "INT32", [1, 16]),
    ]
    request = pb.ModelInferRequest(model_name="simple", inputs=inputs, raw_input_contents=[B.tobytes()])
    return stub.ModelInfer(request, timeout=TIMEOUT_S)


def with_output(stub: Stub, **parameters: object) -> pb.ModelInferResponse:
    output = pb.ModelInferRequest.InferRequestedOutputTensor(name="OUTPUT0", parameters=parameters_of(parameters))
    request = request_of("simple", *(("INT32", x.shape, x.tobytes()) for x in (A, B)), outputs=[output])
    return stub.ModelInfer(request, timeout=TIMEOUT_S)


def test_an_unknown_region(client: Client) -> None:
    with refused(BAD, "'nowhere'"):
        client.infer("simple", [input_in("nowhere", "INPUT0", A), input_of("INPUT1", B)])
    with refused(BAD, "'nowhere'"):
        client.infer("simple", inputs_of(A, B), outputs=[output_in("nowhere", "OUTPUT0", SIZE)])
    with refused(StatusCode.NOT_FOUND, "'nowhere'"):
        client.get_system_shared_memory_status("nowhere")


RANGES = {
    "beyond the end": (SIZE, 2 * SIZE),
    "partly beyond the end": (SIZE, SIZE + 4),
    "far beyond the end": (SIZE, 1 << 40),
    "the largest offset": (SIZE, HUGE),
    "a sum that overflows": (SIZE, HUGE - SIZE + 1),
    "nothing": (0, 0),
    "larger than the region": (2 * SIZE + 1, 0),
    "the largest size": (HUGE, 0),
    "a negative size": (-1, 0),
    "the least size": (-HUGE - 1, 0),
    "a negative offset": (SIZE, -1),
    "the least offset": (SIZE, -HUGE - 1),
}


@pytest.mark.parametrize("case", RANGES)
def test_ranges_outside_of_the_region(case: str, stub: Stub, region: Region, target: object) -> None:
    size, offset = RANGES[case]
    given = {"shared_memory_region": "region", "shared_memory_byte_size": size, "shared_memory_offset": offset}
    with refused(BAD, "'region'" if target.is_triton else "INPUT0"):
        with_input(stub, **given)
    with refused(BAD, "'region'" if target.is_triton else "OUTPUT0"):
        with_output(stub, **given)


@pytest.mark.parametrize("size", [4, SIZE - 1, SIZE + 1])
def test_an_input_of_another_size(size: int, stub: Stub, region: Region) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "INPUT0", str(SIZE), str(size)):
        with_input(stub, shared_memory_region="region", shared_memory_byte_size=size)


@pytest.mark.parametrize("size", [4, SIZE - 1])
def test_too_little_room_for_an_output(size: int, stub: Stub, region: Region, target: object) -> None:
    # Triton finds it out once it has the output.
    code = StatusCode.INTERNAL if target.is_triton else StatusCode.INVALID_ARGUMENT
    with refused(code, "OUTPUT0", str(size)):
        with_output(stub, shared_memory_region="region", shared_memory_byte_size=size)


WRONG = {
    "no size": {"shared_memory_region": "region"},
    "a size that is text": {"shared_memory_region": "region", "shared_memory_byte_size": "64"},
    "an offset that is text": {
        "shared_memory_region": "region", "shared_memory_byte_size": SIZE, "shared_memory_offset": "0",
    },
    "a region that is a number": {"shared_memory_region": 1, "shared_memory_byte_size": SIZE},
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_parameters_of_the_wrong_kind(case: str, stub: Stub, region: Region) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, "'shared_memory_"):
        with_input(stub, **WRONG[case])
    with refused(StatusCode.INVALID_ARGUMENT, "'shared_memory_"):
        with_output(stub, **WRONG[case])


def test_a_region_and_contents(stub: Stub, region: Region) -> None:
    """One input has both, and so one of the raw contents is too many."""
    given = parameters_of({"shared_memory_region": "region", "shared_memory_byte_size": SIZE})
    contents = pb.InferTensorContents(int_contents=range(16))
    inputs = [
        tensor_of("INPUT0", "INT32", [1, 16], parameters=given, contents=contents),
        tensor_of("INPUT1", "INT32", [1, 16]),
    ]
    request = pb.ModelInferRequest(model_name="simple", inputs=inputs, raw_input_contents=[B.tobytes()])
    with refused(StatusCode.INVALID_ARGUMENT, "INPUT0"):
        stub.ModelInfer(request, timeout=TIMEOUT_S)


def test_classification_into_a_region(client: Client, region: Region) -> None:
    output = triton.InferRequestedOutput("OUTPUT0", class_count=1)
    output._output.parameters["shared_memory_region"].string_param = "region"  # Which the client itself refuses.
    output._output.parameters["shared_memory_byte_size"].int64_param = 64
    with refused(StatusCode.INVALID_ARGUMENT, "classification"):
        client.infer("classifier", inputs_of(np.float32([[1, 2, 3, 4]])), outputs=[output])


def test_a_name_that_is_taken(client: Client, region: Region) -> None:
    with refused(StatusCode.ALREADY_EXISTS, "'region'"), unregistered("other", 64) as other:
        client.register_system_shared_memory("region", other.key, 64)


KEYS = ["/no-such-object-anywhere", "no-slash-either", "/../etc/passwd", "/a/b", "", "/", "/" + "x" * 300, "/a\0b"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key)[:30])
def test_keys_that_cannot_be_opened(key: str, client: Client) -> None:
    with refused(CANNOT_OPEN, key[:50].partition("\0")[0]):
        client.register_system_shared_memory("any", key, 64)
    assert not client.get_system_shared_memory_status().regions


BEYOND = {"larger": (65 << 20, 0), "beyond": (64, 1 << 26), "partly": (65, 4096 - 64), "overflows": (HUGE, HUGE)}


@pytest.mark.parametrize("case", BEYOND)
def test_more_than_the_object_has(case: str, client: Client, target: object) -> None:
    size, offset = BEYOND[case]
    if target.is_triton and offset % 4096:
        pytest.skip("Triton takes offsets of whole pages only")
    with unregistered("any", 4096) as region, refused((*CANNOT_OPEN, StatusCode.OUT_OF_RANGE)):
        region.register(client, byte_size=size, offset=offset)
    assert not client.get_system_shared_memory_status().regions


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize(("name", "size"), [("", 64), ("any", 0)])
def test_no_name_and_no_size(name: str, size: int, client: Client) -> None:
    with unregistered("any", 64) as region, refused(StatusCode.INVALID_ARGUMENT):
        client.register_system_shared_memory(name, region.key, size)


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("missing", [1, 1 << 20], ids=["a-byte", "pages"])
def test_an_object_that_was_truncated(missing: int, client: Client) -> None:
    """The server refuses the whole region, although what the requests name is still there."""
    array = np.ones(1 << 20, np.float32)
    with registered(client, "shrinks", 3 * array.nbytes) as region:
        region.write(array)
        given, wanted = (
            input_in("shrinks", "INPUT0", array),
            output_in("shrinks", "OUTPUT0", array.nbytes, array.nbytes),
        )
        client.infer("scratch", [given], outputs=[wanted])
        region.resize(3 * array.nbytes - missing)
        for inputs, outputs in (([given], None), (inputs_of(array), [wanted])):
            with pytest.raises(triton.InferenceServerException) as caught:
                client.infer("scratch", inputs, outputs=outputs)
            codes = StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION, StatusCode.OUT_OF_RANGE
            check_refusal(caught.value, codes, "shrinks", "has become smaller")
    assert client.is_server_ready()
    np.testing.assert_array_equal(client.infer("scratch", inputs_of(array)).as_numpy("OUTPUT0"), array)


@pytest.mark.usefixtures("ours")
def test_texts_name_the_region_and_not_its_file(client: Client) -> None:
    with pytest.raises(triton.InferenceServerException) as caught:
        client.register_system_shared_memory("any", "/no-such-object-anywhere", 64)
    assert "/dev/shm" not in caught.value.message()
