"""Any dtype, byte order, shape, layout and fidelity: always what NumPy, torch and ml_dtypes make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oracle
from npy_files import file_with_header
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import CONVERT, STRICT, TRANSPORTS, WHOLE, Outcome, array, convert_chunks, npy_array, request

settings.register_profile("service", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("service")


@dataclass(frozen=True)
class Source:
    dtype: str
    shape: tuple[int, ...]
    fortran_order: bool
    data: bytes


TYPE_STRINGS = [np.dtype(name).newbyteorder(order).str for name in oracle.FROM_NUMPY for order in "<>"]
SHAPES = st.lists(st.integers(0, 4), max_size=6).map(tuple)


@st.composite
def sources(draw: st.DrawFn, dtypes: st.SearchStrategy[str]) -> Source:
    dtype, shape = draw(dtypes), draw(SHAPES)
    numel = int(np.prod(shape, dtype=int))
    data = oracle.random_bytes(dtype, numel, seed=draw(st.integers(0, 2**32)))
    if numel and oracle.numpy_dtype(dtype) == np.bool_ and draw(st.booleans()):
        data = bytes([draw(st.integers(2, 255))]) + data[1:]
    return Source(dtype, shape, draw(st.booleans()), data)


def check(outcome: Outcome, source: Source, fidelity: int) -> None:
    reason = oracle.strict_refusal(source.dtype, source.data) if fidelity == STRICT else ""
    assert outcome.reason == reason
    if not reason:
        expected = oracle.expect(source.dtype, source.shape, source.data, fortran_order=source.fortran_order)
        oracle.check_converted(outcome, expected)


@settings(max_examples=400)
@given(
    source=sources(st.sampled_from(TYPE_STRINGS + oracle.ALL)),
    fidelity=st.sampled_from([CONVERT, STRICT]),
    transport=st.sampled_from(sorted(TRANSPORTS)),
)
def test_elements_convert_as_the_oracle_says(
    stub: TensorServiceStub, source: Source, fidelity: int, transport: str
) -> None:
    sent = array(source.dtype, source.shape, source.data, fortran_order=source.fortran_order)
    check(TRANSPORTS[transport](stub, request(sent, fidelity=fidelity)), source, fidelity)


@settings(max_examples=200)
@given(
    source=sources(st.sampled_from(TYPE_STRINGS)),
    version=st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    fidelity=st.sampled_from([CONVERT, STRICT]),
    transport=st.sampled_from(sorted(WHOLE)),
)
def test_files_convert_as_the_oracle_says(
    stub: TensorServiceStub, source: Source, version: tuple[int, int], fidelity: int, transport: str
) -> None:
    header = {"descr": source.dtype, "fortran_order": source.fortran_order, "shape": source.shape}
    npy = file_with_header(repr(header), source.data, version)
    check(WHOLE[transport](stub, request(npy_array(npy), fidelity=fidelity)), source, fidelity)


@settings(max_examples=50)
@given(
    many=st.lists(sources(st.sampled_from(TYPE_STRINGS + oracle.ALL)), max_size=5),
    chunk_nbytes=st.integers(1, 64),
)
def test_arrays_of_one_request_do_not_mix(stub: TensorServiceStub, many: list[Source], chunk_nbytes: int) -> None:
    arrays = [array(s.dtype, s.shape, s.data, fortran_order=s.fortran_order, name=f"{i}") for i, s in enumerate(many)]
    outcome = convert_chunks(stub, request(*arrays), chunk_nbytes)
    oracle.check_converted(
        outcome, *(oracle.expect(s.dtype, s.shape, s.data, fortran_order=s.fortran_order) for s in many)
    )
