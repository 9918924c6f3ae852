"""Bit patterns that careless code changes, and bytes that arrive at awkward places."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import oracle
from npy_files import file_with_header
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import (
    CHUNK_SIZES,
    TRANSPORTS,
    Transport,
    array,
    chunk_part,
    converse,
    convert_unary,
    npy_array,
    request,
    request_part,
)

each_transport = pytest.mark.parametrize("convert", TRANSPORTS.values(), ids=TRANSPORTS.keys())


def nan_patterns(name: str) -> np.ndarray:
    """Quiet and signalling NaNs of both signs, with every single payload bit, as unsigned integers."""
    floats = np.finfo(name)
    bits = np.dtype(f"u{np.dtype(name).itemsize}")
    exponent = int(np.array(np.inf, name).view(bits))
    payloads = [exponent | 1 << bit for bit in range(floats.nmant)]
    return np.array([sign | p for sign in (0, 1 << (floats.bits - 1)) for p in payloads], bits)


def check_bits(data: bytes, dtype: str, convert: Transport, stub: TensorServiceStub) -> None:
    shape = (len(data) // oracle.numpy_dtype(dtype).itemsize,)
    oracle.check_converted(convert(stub, request(array(dtype, shape, data))), oracle.expect(dtype, shape, data))


@each_transport
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_nan_payloads_survive(name: str, order: str, convert: Transport, stub: TensorServiceStub) -> None:
    patterns = nan_patterns(name)
    assert np.isnan(patterns.view(name)).all()
    data = patterns.astype(patterns.dtype.newbyteorder(order)).tobytes()
    check_bits(data, np.dtype(name).newbyteorder(order).str, convert, stub)


@each_transport
@pytest.mark.parametrize("name", ["bfloat16", "complex32"])
def test_every_16_bit_pattern_survives(name: str, convert: Transport, stub: TensorServiceStub) -> None:
    every = np.arange(1 << 16, dtype=np.uint16)
    data = every if convert is not TRANSPORTS["chunks"] else every[::64]
    check_bits(data.tobytes(), name, convert, stub)


@each_transport
@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_subnormals_and_negative_zero_survive(dtype: str, convert: Transport, stub: TensorServiceStub) -> None:
    floats = np.finfo(dtype)
    least, normal = floats.smallest_subnormal, floats.smallest_normal
    values = np.array([-0.0, 0.0, least, -least, normal - least, least - normal], dtype)
    check_bits(values.tobytes(), dtype, convert, stub)


@each_transport
@pytest.mark.parametrize(
    ("data", "adjusted"), [(b"\x00\x01\x01", False), (b"\x00\x02\x01", True), (bytes(range(256)), True)]
)
def test_bools_become_0_or_1(data: bytes, adjusted: bool, convert: Transport, stub: TensorServiceStub) -> None:
    outcome = convert(stub, request(array("|b1", (len(data),), data)))
    oracle.check_converted(outcome, oracle.expect("|b1", (len(data),), data))
    assert (pb.ADJUSTMENT_BOOL_NORMALIZED in outcome.tensors[0].metadata.receipt.adjustments) == adjusted


@each_transport
@pytest.mark.parametrize("numel", [1, 7, 8, 31, 64, 1000])
@pytest.mark.parametrize("at", ["first", "last"])
def test_a_single_odd_bool_is_found(at: str, numel: int, convert: Transport, stub: TensorServiceStub) -> None:
    data = bytearray(numel)
    data[0 if at == "first" else -1] = 255
    check_bits(bytes(data), "|b1", convert, stub)


@each_transport
@pytest.mark.parametrize("dtype", [">c8", ">c16"])
def test_complex_numbers_are_swapped_half_by_half(dtype: str, convert: Transport, stub: TensorServiceStub) -> None:
    values = np.array([complex(1.5, -2.25), complex(-0.0, np.inf), complex(np.nan, 3)], dtype)
    received = convert(stub, request(array(dtype, (3,), values.tobytes()))).tensors[0]
    assert received.data == values.astype(values.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("name_length", range(1, 17))
@pytest.mark.parametrize("dtype", ["<c16", ">f8", "<f4", "|b1"])
def test_elements_may_start_at_any_address(dtype: str, name_length: int, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(dtype, 37)
    outcome = convert_unary(stub, request(array(dtype, (37,), data, name="n" * name_length)))
    oracle.check_converted(outcome, oracle.expect(dtype, (37,), data))


@pytest.mark.parametrize("padding", range(16))
def test_a_file_may_have_its_data_at_any_offset(padding: int, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("<c16", 5)
    header = "{'descr': '<c16', 'fortran_order': False, 'shape': (5,)}" + " " * padding
    outcome = convert_unary(stub, request(npy_array(file_with_header(header, data))))
    oracle.check_converted(outcome, oracle.expect("<c16", (5,), data))


@pytest.mark.parametrize("convert", CHUNK_SIZES.values(), ids=CHUNK_SIZES.keys())
@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">c16", "|b1", ">u2", "bfloat16"])
def test_elements_may_be_cut_anywhere(dtype: str, convert: Transport, stub: TensorServiceStub) -> None:
    check_bits(oracle.random_bytes(dtype, 203), dtype, convert, stub)


def test_chunks_may_have_different_sizes(stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(">f8", 1000)
    cuts = [0, *np.sort(np.random.default_rng(5).integers(0, len(data), 40)).tolist(), len(data)]
    chunks = [data[start:end] for start, end in itertools.pairwise(cuts) if start < end]
    declared = pb.Array(name="x", dtype=">f8", shape=[1000], chunked_nbytes=len(data))
    outcomes, ended = converse(stub, [request_part(request(declared)), *map(chunk_part, chunks)])
    assert ended is None
    oracle.check_converted(outcomes[0], oracle.expect(">f8", (1000,), data))
