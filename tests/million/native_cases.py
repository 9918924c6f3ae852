"""Requests of the native protocol: calls and streams, whole, as files or in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import numpy as np
import torch
import xxhash

import faults
import oracle
from arrays import HUGE, LARGE, Sent, expect, npy_file, random_array, random_name
from dtypes import DTYPES, descr_of
from oracle import Expected
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import Outcome, ReceivedTensor

XXH3_128 = pb.DIGEST_ALGORITHM_XXH3_128


@dataclass
class Plan:
    """One array as it is sent, and what is to come of it."""

    message: pb.Array
    expected: Expected | None = None  # None: it cannot be converted.
    reasons: set[str] = field(default_factory=set)  # For which it may be refused.
    may_convert: bool = True  # Although there are reasons: NumPy takes it, and the server need not.
    chunks: list[bytes] = field(default_factory=list)

    def refuse(self, *reasons: str) -> None:
        self.expected, self.may_convert = None, False
        self.reasons.update(reasons)


@dataclass
class NativeCase:
    message: pb.ConvertRequest
    plans: list[Plan]
    reasons: set[str] = field(default_factory=set)  # Of the request as a whole.

    def parts(self) -> Iterator[pb.ConvertStreamRequest]:
        yield pb.ConvertStreamRequest(request=self.message)
        for plan in self.plans:
            for chunk in plan.chunks:
                yield pb.ConvertStreamRequest(chunk=chunk)

    @property
    def is_invalid(self) -> bool:
        return bool(self.reasons) or any(not plan.may_convert for plan in self.plans)


def _pieces(rng: Random, data: bytes) -> list[bytes]:
    """The data in a few chunks, the first of which may be empty; none for no data, as nothing is awaited then."""
    cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.randint(0, 6)))
    longest = 1 << 19  # Chunks have to fit a message.
    cuts = sorted({*cuts, *range(0, len(data), longest)} | {0, len(data)})
    pieces = [data[start:end] for start, end in pairwise(cuts)]
    return [b"", *pieces] if data and rng.random() < 0.05 else pieces


def _chunked(rng: Random, plan: Plan, data: bytes) -> None:
    plan.message.chunked_nbytes = len(data)
    plan.chunks = _pieces(rng, data)


def _plan_file(rng: Random, name: str) -> tuple[Plan, Sent]:
    dtype = rng.choice(DTYPES)
    descr = descr_of(rng, dtype)
    sent = random_array(rng, name, dtype=dtype, descr=descr)
    npy = npy_file(rng, sent, descr.text)
    return Plan(pb.Array(name=name, dtype=descr.named, npy=npy), expect(sent)), sent


def _plan_elements(rng: Random, name: str, streamed: bool) -> tuple[Plan, Sent]:
    large = streamed and rng.random() < 0.01
    sent = random_array(rng, name, most=rng.choice([LARGE, LARGE, LARGE, HUGE]) if large else 0)
    message = pb.Array(name=name, dtype=sent.source, shape=sent.shape, fortran_order=sent.fortran)
    plan = Plan(message, expect(sent))
    if streamed and (large or rng.random() < 0.4):
        _chunked(rng, plan, sent.data)
    else:
        message.data = sent.data
    return plan, sent


def _break_file(rng: Random, plan: Plan, strict: bool) -> None:
    npy = plan.message.npy
    kind = rng.randrange(3 if strict else 4)
    if kind == 0:
        plan.message.npy = npy[: rng.randrange(len(npy))]
        plan.refuse("BAD_MAGIC", "BAD_HEADER", "SIZE_MISMATCH")
    elif kind == 1:
        plan.message.npy = npy + rng.randbytes(rng.randint(1, 17))
        plan.refuse("TRAILING_BYTES")
    elif kind == 2:
        faults.conflict(rng, plan.message)
        plan.refuse("CONFLICTING_FIELDS")
    else:
        plan.message.npy = faults.break_text(rng, npy)
        plan.message.dtype = ""
        expected = faults.read_by_numpy(plan.message.npy)
        if expected is None:
            plan.refuse()
        plan.expected = expected
        plan.reasons |= faults.NPY_REASONS


def _break_elements(rng: Random, plan: Plan, sent: Sent, streamed: bool) -> None:
    kind = rng.randrange(5)
    message = plan.message
    if kind == 0:
        data = faults.break_length(rng, sent.data)
        if message.WhichOneof("payload") == "data":
            message.data = data
        else:
            _chunked(rng, plan, data)
        plan.refuse("SIZE_MISMATCH")
    elif kind == 1:
        text = faults.random_dtype_text(rng)
        if reason := faults.reason_of_dtype(text):
            message.dtype = text
            plan.refuse(reason)
    elif kind == 2:
        shape = faults.random_bad_shape(rng, sent.shape)
        if reason := faults.reason_of_shape(shape, sent.dtype.itemsize, len(sent.data)):
            message.shape[:] = shape
            plan.refuse(reason)
    elif kind == 3:
        message.ClearField(message.WhichOneof("payload"))
        plan.chunks = []
        plan.refuse("MISSING_PAYLOAD")
    elif not streamed:
        message.chunked_nbytes = len(sent.data)
        plan.refuse("BAD_CHUNK")


def _plan(rng: Random, name: str, streamed: bool, strict: bool, broken: bool) -> Plan:
    is_file = rng.random() < 0.25
    plan, sent = _plan_file(rng, name) if is_file else _plan_elements(rng, name, streamed)
    if strict and (reason := sent.strict_refusal()):
        plan.refuse(reason)
    if broken and is_file:
        _break_file(rng, plan, strict)
    elif broken:
        _break_elements(rng, plan, sent, streamed)
        if strict and plan.message.dtype.startswith(">"):
            plan.reasons.add("BYTE_ORDER")  # STRICT looks at the byte order first, also of what is no tensor's dtype.
    return plan


def _ask_identity(rng: Random, case: NativeCase) -> None:
    """Runs the model whose outputs are its inputs."""
    names = [plan.message.name for plan in case.plans]
    case.message.model_name = "identity"
    if rng.random() < 0.4:
        case.message.requested_outputs.extend(rng.sample(names, rng.randint(1, len(names))))


def _break_request(rng: Random, case: NativeCase) -> None:
    message = case.message
    kind = rng.randrange(5)
    if kind == 0:
        message.request_id = faults.bad_name(rng)
        case.reasons.add("BAD_NAME")
    elif kind == 1:
        rng.choice(message.arrays).name = faults.bad_name(rng)
        case.reasons.add("BAD_NAME")
    elif kind == 2:
        message.model_name = "no such model"
        case.reasons.add("MODEL_NOT_FOUND")
    elif kind == 3:
        message.model_name = "identity"
        message.requested_outputs.append("no such output")
        case.reasons.add("UNKNOWN_OUTPUT")
    else:
        message.model_name = "identity"
        message.arrays[-1].name = message.arrays[0].name if len(message.arrays) > 1 else ""
        case.reasons.add("INPUT_MISMATCH")


def make(rng: Random, streamed: bool) -> NativeCase:
    count = 1 if rng.random() < 0.8 else rng.randint(0, 4)
    strict = rng.random() < 0.2
    broken = rng.randrange(count) if count and rng.random() < 0.16 else -1
    plans = [_plan(rng, random_name(rng, i), streamed, strict, i == broken) for i in range(count)]
    message = pb.ConvertRequest(
        request_id=random_name(rng, 0) if rng.random() < 0.5 else "",
        fidelity=pb.FIDELITY_STRICT if strict else rng.choice([pb.FIDELITY_UNSPECIFIED, pb.FIDELITY_CONVERT]),
        digest=XXH3_128 if rng.random() < 0.75 else pb.DIGEST_ALGORITHM_UNSPECIFIED,
        return_data=rng.random() < 0.6,
        arrays=[plan.message for plan in plans],
    )
    for plan, copied in zip(plans, message.arrays, strict=True):
        plan.message = copied
    case = NativeCase(message, plans)
    if plans and rng.random() < 0.04:
        _break_request(rng, case)
    elif plans and rng.random() < 0.15:
        _ask_identity(rng, case)
    elif rng.random() < 0.2:
        for copied in message.arrays:
            copied.name = "same"
    return case


def _same(what: str, actual: object, expected: object) -> None:
    assert actual == expected, f"{what}: {actual!r}, not {expected!r}"


def _check_tensor(received: ReceivedTensor, plan: Plan, message: pb.ConvertRequest) -> None:
    expected, metadata = plan.expected, received.metadata
    receipt = metadata.receipt
    assert expected is not None
    _same("name", metadata.name, plan.message.name)
    _check_described(metadata, expected)
    if expected.source_dtype:
        _same("source_dtype", receipt.source_dtype, expected.source_dtype)
    _same("numpy_dtype", receipt.numpy_dtype, expected.numpy_dtype)
    _same("dtype_equal", receipt.dtype_equal, True)
    _same("adjustments", tuple(receipt.adjustments), expected.adjustments)
    wanted = xxhash.xxh3_128(expected.data).digest() if message.digest == XXH3_128 else b""
    _same("digest", receipt.digest, wanted)
    _same("data", received.data, expected.data if message.return_data else None)
    if received.data and expected.numpy_dtype in oracle.BY_NAME:
        _check_values(received.data, expected.numpy_dtype)


def _check_values(data: bytes, name: str) -> None:
    """The elements are the same numbers to ml_dtypes and to torch."""
    wide = (np.complex64, torch.complex64) if name == "complex32" else (np.float32, torch.float32)
    ours = np.frombuffer(data, oracle.numpy_dtype(name)).astype(wide[0])
    theirs = torch.frombuffer(bytearray(data), dtype=getattr(torch, name)).to(wide[1]).numpy()
    assert np.array_equal(ours, theirs, equal_nan=True), f"{name}: {ours}, not {theirs}"


def _check_described(metadata: pb.TensorMetadata, expected: Expected) -> None:
    _same("dtype", metadata.dtype, expected.torch_dtype)
    _same("shape", tuple(metadata.shape), expected.shape)
    _same("strides", tuple(metadata.strides), expected.strides)
    _same("numel", metadata.numel, len(expected.data) // expected.itemsize)
    _same("itemsize", metadata.itemsize, expected.itemsize)
    _same("nbytes", metadata.nbytes, len(expected.data))
    _same("device", metadata.device, "cpu")


def _check_outputs(case: NativeCase, outcome: Outcome) -> None:
    by_name = {plan.message.name: plan for plan in case.plans}
    wanted = []
    if case.message.model_name:
        wanted = list(case.message.requested_outputs) or list(by_name)
    _same("outputs", [output.metadata.name for output in outcome.outputs], wanted)
    for output in outcome.outputs:
        expected = by_name[output.metadata.name].expected
        assert expected is not None
        _same("dtype of an output", output.metadata.dtype, expected.torch_dtype)
        _same("shape of an output", tuple(output.metadata.shape), expected.shape)
        _same("data of an output", output.data, expected.data)


def check(case: NativeCase, outcome: Outcome) -> str:
    """The verdict of the server, if it may be that: "converted" or a reason. Raises AssertionError if not."""
    reasons = case.reasons.union(*(plan.reasons for plan in case.plans))
    if outcome.refusal is not None:
        assert outcome.reason in reasons, f"refused: {outcome.refusal}; that may be for {sorted(reasons) or 'nothing'}"
        assert outcome.refusal.message
        return outcome.reason
    assert not case.is_invalid, f"converted; it should have been refused: {sorted(reasons)}"
    _same("request_id", outcome.response.request_id, case.message.request_id)
    _same("number of tensors", len(outcome.tensors), len(case.plans))
    for received, plan in zip(outcome.tensors, case.plans, strict=True):
        _check_tensor(received, plan, case.message)
    _check_outputs(case, outcome)
    return "converted"
