"""What programs of src/python/examples of Triton's clients do that no other test here does."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio

from calls import A, B, check_simple, inputs_of
from regions import registered

OPTIONS = {
    "keepalive": {
        "keepalive_options": triton.KeepAliveOptions(
            keepalive_time_ms=60_000,
            keepalive_timeout_ms=20_000,
            keepalive_permit_without_calls=True,
            http2_max_pings_without_data=2,
        )
    },
    "channel arguments": {
        "channel_args": [
            ("grpc.max_send_message_length", 1 << 20),
            ("grpc.max_receive_message_length", 1 << 20),
            ("grpc.keepalive_time_ms", 2**31 - 1),
            ("grpc.http2.max_pings_without_data", 2),
            ("grpc.dns_enable_srv_queries", 1),
        ]
    },
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_options_of_a_connection(options: dict[str, object], address: str) -> None:
    outputs = [triton.InferRequestedOutput(name) for name in ("OUTPUT0", "OUTPUT1")]
    with triton.InferenceServerClient(address, **options) as client:
        check_simple(client.infer("simple", inputs_of(A, B), outputs=outputs, headers={"test": "1"}))

    async def main() -> None:
        async with triton_aio.InferenceServerClient(address, **options) as client:
            check_simple(await client.infer("simple", inputs_of(A, B), outputs=outputs, headers={"test": "1"}))

    asyncio.run(main())


def test_inputs_and_outputs_are_used_again(client: triton.InferenceServerClient) -> None:
    """In shared memory, then in the message, and in shared memory again."""
    inputs = [triton.InferInput(f"INPUT{index}", list(A.shape), "INT32") for index in range(2)]
    outputs = [triton.InferRequestedOutput(f"OUTPUT{index}") for index in range(2)]
    with registered(client, "given", 2 * A.nbytes) as given, registered(client, "wanted", 2 * A.nbytes) as wanted:
        for factor in (1, 2, 3):
            given.write(A)
            given.write(B * factor, A.nbytes)
            for index, (input_, output) in enumerate(zip(inputs, outputs, strict=True)):
                if factor == 2:
                    input_.set_data_from_numpy((A, B * factor)[index])
                    output.unset_shared_memory()
                else:
                    input_.set_shared_memory("given", A.nbytes, index * A.nbytes)
                    output.set_shared_memory("wanted", A.nbytes, index * A.nbytes)
            result = client.infer("simple", inputs, outputs=outputs)
            for index, expected in enumerate((A + B * factor, A - B * factor)):
                name = f"OUTPUT{index}"
                assert result.get_output(name).datatype == "INT32"
                in_memory = wanted.read(np.int32, A.shape, index * A.nbytes)
                found = result.as_numpy(name) if factor == 2 else in_memory
                np.testing.assert_array_equal(found, expected, strict=True)
