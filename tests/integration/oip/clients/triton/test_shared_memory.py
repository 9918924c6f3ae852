"""System shared memory: registered, listed, read from and written to."""

from __future__ import annotations

import mmap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode

from calls import A, Answers, B, check_refusal, check_simple, input_of, inputs_of, packed, refused
from gates import Gate
from regions import input_in, output_in, registered, unregistered

Client = triton.InferenceServerClient

SIZE = A.nbytes


def listed(client: Client, name: str = "") -> dict[str, tuple[str, int, int]]:
    regions = client.get_system_shared_memory_status(name).regions
    assert all(name == region.name for name, region in regions.items())
    return {name: (region.key, region.offset, region.byte_size) for name, region in regions.items()}


def test_status(client: Client) -> None:
    assert listed(client) == {}
    with registered(client, "one", 64) as one, registered(client, "two", 8192) as two:
        assert listed(client) == {"one": (one.key, 0, 64), "two": (two.key, 0, 8192)}
        assert listed(client, "two") == {"two": (two.key, 0, 8192)}
        as_json = client.get_system_shared_memory_status(as_json=True)
        assert as_json["regions"]["one"] == {"name": "one", "key": one.key, "byte_size": "64"}
        client.unregister_system_shared_memory("one")
        assert listed(client).keys() == {"two"}
        client.unregister_system_shared_memory("one")  # It is not there already.
    assert listed(client) == {}


def test_all_are_unregistered_at_once(client: Client) -> None:
    with registered(client, "one", 64), registered(client, "two", 64):
        client.unregister_system_shared_memory()
        assert listed(client) == {}
        with refused(StatusCode.NOT_FOUND, "one"):
            client.get_system_shared_memory_status("one")


@pytest.mark.usefixtures("ours")  # Triton refuses the second name.
def test_one_object_under_two_names(client: Client) -> None:
    with registered(client, "one", SIZE) as region:
        client.register_system_shared_memory("other", region.key, SIZE)
        region.write(A)
        inputs = [input_in("one", "INPUT0", A), input_in("other", "INPUT1", A)]
        check_simple(client.infer("simple", inputs), A, A)
        client.unregister_system_shared_memory("one")
        check_simple(client.infer("simple", [input_in("other", "INPUT0", A), input_of("INPUT1", B)]))
        client.unregister_system_shared_memory("other")


@pytest.mark.parametrize("shared", [{"INPUT0"}, {"INPUT1"}, {"INPUT0", "INPUT1"}], ids=sorted)
def test_inputs(shared: set[str], client: Client) -> None:
    """Those that lie in no region are the only ones that have raw contents."""
    with registered(client, "in", 2 * SIZE) as region:
        region.write(A)
        region.write(B, SIZE)
        inputs = [
            input_in("in", name, array, offset) if name in shared else input_of(name, array)
            for name, array, offset in (("INPUT0", A, 0), ("INPUT1", B, SIZE))
        ]
        check_simple(client.infer("simple", inputs))


def test_inputs_are_read_anew_each_time(client: Client) -> None:
    with registered(client, "in", SIZE) as region:
        for i in range(20):
            region.write(A + np.int32(i))
            check_simple(client.infer("simple", [input_in("in", "INPUT0", A), input_of("INPUT1", B)]), A + np.int32(i))


def test_outputs(client: Client) -> None:
    with registered(client, "out", 3 * SIZE) as region:
        region.write(np.full(3 * SIZE, 7, np.uint8))
        outputs = [output_in("out", "OUTPUT0", SIZE), output_in("out", "OUTPUT1", SIZE + 4, 2 * SIZE - 4)]
        response = client.infer("simple", inputs_of(A, B), outputs=outputs).get_response()
        described = [(output.name, output.datatype, list(output.shape)) for output in response.outputs]
        assert described == [("OUTPUT0", "INT32", [1, 16]), ("OUTPUT1", "INT32", [1, 16])]
        assert list(response.raw_output_contents) == [b"", b""]
        difference = 2 * SIZE - 4
        rest = b"\7" * (difference - SIZE), b"\7" * 4
        assert region.read_bytes() == (A + B).tobytes() + rest[0] + (A - B).tobytes() + rest[1]


def test_one_output_of_two(client: Client) -> None:
    with registered(client, "out", SIZE) as region:
        outputs = [output_in("out", "OUTPUT0", SIZE), triton.InferRequestedOutput("OUTPUT1")]
        result = client.infer("simple", inputs_of(A, B), outputs=outputs)
        assert list(result.get_response().raw_output_contents) == [b"", (A - B).tobytes()]
        np.testing.assert_array_equal(region.read(np.int32, A.shape), A + B)


def test_inputs_and_outputs_on_a_stream(client: Client) -> None:
    answers = Answers()
    with registered(client, "in", 2 * SIZE) as given, registered(client, "out", 2 * SIZE) as wanted:
        given.write(A)
        given.write(B, SIZE)
        client.start_stream(answers)
        client.async_stream_infer(
            "simple",
            [input_in("in", "INPUT0", A), input_in("in", "INPUT1", B, SIZE)],
            outputs=[output_in("out", "OUTPUT0", SIZE), output_in("out", "OUTPUT1", SIZE, SIZE)],
        )
        answers.result()
        client.stop_stream()
        np.testing.assert_array_equal(wanted.read(np.int32, (2, 1, 16)), [A + B, A - B])


def test_an_output_over_its_own_input(client: Client) -> None:
    with registered(client, "both", SIZE) as region:
        region.write(A)
        client.infer(
            "simple",
            [input_in("both", "INPUT0", A), input_of("INPUT1", B)],
            outputs=[output_in("both", "OUTPUT0", SIZE)],
        )
        np.testing.assert_array_equal(region.read(np.int32, A.shape), A + B)


def test_strings(client: Client) -> None:
    strings, doubled = packed(b"1", b"20", b"-300"), packed(b"2", b"40", b"-600")
    with registered(client, "in", 64) as given, registered(client, "out", 64) as wanted:
        given.write(np.frombuffer(strings, np.uint8))
        inputs = [triton.InferInput(f"INPUT{i}", [3], "BYTES") for i in range(2)]
        for each in inputs:
            each.set_shared_memory("in", len(strings))
        client.infer("simple_string", inputs, outputs=[output_in("out", "OUTPUT0", 64)])
        assert wanted.read_bytes() == doubled.ljust(64, b"\0")


def test_a_large_input_and_output(client: Client) -> None:
    array = np.random.default_rng(0).standard_normal(4 << 20, np.float32)
    with registered(client, "both", 2 * array.nbytes) as region:
        region.write(array)
        outputs = [output_in("both", "OUTPUT0", array.nbytes, array.nbytes)]
        client.infer("scratch", [input_in("both", "INPUT0", array)], outputs=outputs)
        np.testing.assert_array_equal(region.read(np.float32, array.shape, array.nbytes), array)


def test_many_requests_at_once(address: str, client: Client) -> None:
    with registered(client, "in", 8 * SIZE) as given, registered(client, "out", 8 * SIZE) as wanted:
        for i in range(8):
            given.write(A + np.int32(i), i * SIZE)

        def use(i: int) -> None:
            with triton.InferenceServerClient(address) as own:
                for _ in range(20):
                    inputs = [input_in("in", "INPUT0", A, i * SIZE), input_of("INPUT1", B)]
                    own.infer("simple", inputs, outputs=[output_in("out", "OUTPUT0", SIZE, i * SIZE)])

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(8)))
        np.testing.assert_array_equal(wanted.read(np.int32, (8, 1, 16)), [A + B + i for i in range(8)])


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("offset", [4, mmap.PAGESIZE, mmap.PAGESIZE + 64])
def test_a_region_that_begins_within_its_object(offset: int, client: Client) -> None:
    """Triton takes multiples of the page size only, and adds them twice."""
    with unregistered("part", offset + 2 * SIZE) as region:
        region.register(client, byte_size=2 * SIZE, offset=offset)
        assert listed(client) == {"part": (region.key, offset, 2 * SIZE)}
        region.write(A, offset + SIZE)
        inputs = [input_in("part", "INPUT0", A, SIZE), input_of("INPUT1", B)]
        client.infer("simple", inputs, outputs=[output_in("part", "OUTPUT0", SIZE)])
        np.testing.assert_array_equal(region.read(np.int32, A.shape, offset), A + B)
        client.unregister_system_shared_memory("part")


def test_the_key_need_not_stay(client: Client) -> None:
    with registered(client, "in", SIZE) as region:
        region.write(A)
        region.unlink()
        check_simple(client.infer("simple", [input_in("in", "INPUT0", A), input_of("INPUT1", B)]))


def test_a_region_that_is_in_use_stays(client: Client, gate: Gate, target: object) -> None:
    array = np.float32([[1]])
    answers = Answers()
    with registered(client, "both", 8) as region, gate.closed("batched") as runs:
        region.write(array)
        inputs, outputs = [input_in("both", "INPUT0", array)], [output_in("both", "OUTPUT0", 4, 4)]
        client.async_infer("batched", inputs, answers, outputs=outputs)
        runs.wait_for(1)
        if target.is_triton:  # Newer ones put it off, too.
            with refused(StatusCode.INTERNAL, "'both'", "currently in use"):
                client.unregister_system_shared_memory("both")
        else:
            client.unregister_system_shared_memory("both")
            with pytest.raises(triton.InferenceServerException) as caught:
                client.infer("counted", inputs)
            check_refusal(caught.value, StatusCode.NOT_FOUND, "'both'")
        runs.open()
        answers.result()
        assert region.read(np.float32, [2]).tolist() == [1, 1]
