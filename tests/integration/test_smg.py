"""Arrays in the messages of the SMG gateway: the gateway's own decoders judge them, and a server takes what came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from smg_grpc_proto.generated import sglang_scheduler_pb2, tokenspeed_scheduler_pb2, vllm_engine_pb2
from smg_grpc_servicer.tensor_wire import PROTO_DTYPE_MAP, tensor_from_parts
from smg_grpc_servicer.vllm.mm_tensors import tensor_from_proto

import tensorferry
from harness import Server
from tensorferry import smg

SHARED = Path("/dev/shm")
TensorData = vllm_engine_pb2.TensorData
Array = np.ndarray[Any, Any]


def array(dtype: str) -> Array:
    """Random bits, those of NaN among them."""
    return np.frombuffer(np.random.default_rng(7).bytes(6 * np.dtype(dtype).itemsize), dtype).reshape(2, 3)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", PROTO_DTYPE_MAP)
@pytest.mark.parametrize("message", [TensorData, tokenspeed_scheduler_pb2.TensorData])
def test_the_gateways_decoder_reads_what_was_filled_in(message: Any, dtype: str) -> None:
    tensor = message()
    smg.fill(tensor, array(dtype))
    decoded = tensor_from_proto(tensor)
    assert (decoded.dtype, decoded.shape) == (PROTO_DTYPE_MAP[dtype], (2, 3))
    assert bits(decoded) == array(dtype).tobytes()


def test_sglangs_messages_have_the_elements_elsewhere() -> None:
    tensor = sglang_scheduler_pb2.TensorData()
    smg.fill(tensor, array("int64"))
    assert bits(tensor_from_parts(tensor.data, tensor.shape, tensor.dtype)) == array("int64").tobytes()
    assert np.array_equal(smg.array_of(tensor), array("int64"))
    with pytest.raises(ValueError, match="has no shared memory"), smg.shared(tensor, array("int64")):
        pass


def test_layouts_and_byte_orders_become_the_wires() -> None:
    expected = array("uint32")
    for source in (np.asfortranarray(expected), expected.astype(">u4"), torch.from_numpy(expected.copy())):
        tensor = TensorData()
        smg.fill(tensor, source)
        assert bits(tensor_from_proto(tensor)) == expected.tobytes()


@pytest.mark.parametrize("source", [np.array(2.5, np.float32), np.zeros((2, 0), np.float32)])
def test_scalars_and_arrays_without_elements_come_back(source: Array) -> None:
    tensor = TensorData()
    smg.fill(tensor, source)
    assert np.array_equal(smg.array_of(tensor), source)
    with smg.shared(tensor, source):
        assert np.array_equal(smg.array_of(tensor), source)


def test_the_gateways_decoder_reads_and_removes_shared_memory() -> None:
    tensor = TensorData()
    with smg.shared(tensor, array("float32")):
        assert (SHARED / tensor.shm.name).stat().st_size == tensor.shm.nbytes == 24
        assert bits(tensor_from_proto(tensor)) == array("float32").tobytes()
        assert not (SHARED / tensor.shm.name).exists()


def test_what_nobody_reads_is_removed() -> None:
    tensor = TensorData()
    with smg.shared(tensor, array("float32")):
        assert np.array_equal(smg.array_of(tensor, unlink=False).view(np.uint32), array("uint32"))
        assert (SHARED / tensor.shm.name).exists()
    assert not (SHARED / tensor.shm.name).exists()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "uint8", "int64", "uint32"])
def test_a_server_takes_what_came(server: Server, dtype: str) -> None:
    inline, handed_over = TensorData(), TensorData()
    smg.fill(inline, array(dtype))
    with smg.shared(handed_over, array(dtype)), tensorferry.Client(server.address) as client:
        for tensor in (inline, handed_over):
            receipt = client.convert(smg.array_of(tensor))
            assert receipt.dtype_equal
            assert receipt.digest_equal
            assert (receipt.dtype, receipt.shape) == (dtype, (2, 3))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dtype": "float33"}, "know no dtype 'float33'"),
        ({"dtype": "float32", "shape": [2], "inline": b"1234"}, r"float32 of shape \(2,\) has 8 bytes, not 4"),
        ({"dtype": "float32", "shape": [1]}, "has 4 bytes, not 0"),
        ({"dtype": "uint8", "shape": [1], "shm": {"name": "../x", "nbytes": 1}}, "'../x' is no name in /dev/shm"),
        ({"dtype": "uint8", "shape": [1], "shm": {"name": "", "nbytes": 1}}, "is no name"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smg.array_of(TensorData(**fields))


def test_shared_memory_that_does_not_hold_the_elements_is_refused(tmp_path: Path) -> None:
    tensor = TensorData()
    with smg.shared(tensor, array("float32")):
        tensor.shm.offset = 1
        with pytest.raises(ValueError, match="has 24 bytes, but 25 are needed"):
            smg.array_of(tensor)
        target = SHARED / tensor.shm.name
        target.unlink()
        target.symlink_to(tmp_path)
        with pytest.raises(OSError, match="symbolic links"):
            smg.array_of(tensor)


def test_what_is_no_array_is_refused() -> None:
    with pytest.raises(tensorferry.ArrayError, match="has no torch dtype"):
        smg.fill(TensorData(), np.array(["text"]))
