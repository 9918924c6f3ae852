"""Requests that wait for a model hold what the memory budget counts, however their messages are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import MIB, TIMEOUT_S, Server, becomes_true, connect
from metrics import scrape
from oip_messages import ModelInferRequest, ModelInferResponse
from served_models import Echo, Gate, Gated, put

INFER = "/inference.GRPCInferenceService/ModelInfer"
CONFIG = "max_batch_size: 8\ndynamic_batching {}"
QUEUED = 12
EMPTY_GROUP = b"\x7b\x7c"  # Of a field that nobody knows.


def typed(count: int) -> bytes:
    """Each number takes a byte in the message, and eight once it is parsed."""
    wanted = ModelInferRequest(model_name="gated")
    wanted.inputs.add(name="x", datatype="INT64", shape=[1, count]).contents.int64_contents.extend([1] * count)
    return wanted.SerializeToString()


def unknown(count: int) -> bytes:
    """Each group takes two bytes in the message, and dozens once it is parsed."""
    wanted = ModelInferRequest(model_name="gated")
    wanted.inputs.add(name="x", datatype="INT64", shape=[1, 1])
    wanted.raw_input_contents.append(np.ones(1, np.int64).tobytes())
    return wanted.SerializeToString() + EMPTY_GROUP * count


# The message, and the bytes of its elements.
MESSAGES = {"typed": (typed(2 * MIB), 16 * MIB), "unknown": (unknown(500_000), 8)}


@pytest.mark.parametrize(("message", "nbytes"), MESSAGES.values(), ids=MESSAGES.keys())
def test_no_parsed_message_is_kept(message: bytes, nbytes: int, tmp_path: Path, gate: Gate) -> None:
    put(tmp_path / "models/gated", Gated(gate, Echo()), CONFIG)
    flags = ("--model-dir", f"{tmp_path}/models", "--model-threads", "1", "--admin-listen", "127.0.0.1:0")
    with Server(*flags) as server, connect(server.address) as channel:
        call = channel.unary_unary(INFER)
        first = call.future(message, timeout=TIMEOUT_S)
        assert becomes_true(lambda: len(gate.runs()) == 1)
        before = server.own_memory()
        waiting = [call.future(message, timeout=TIMEOUT_S) for _ in range(QUEUED)]
        depth = {"model": "gated", "version": "1"}
        assert becomes_true(lambda: scrape(server).value("tensorferry_queue_depth", **depth) == QUEUED)
        assert server.own_memory() - before < QUEUED * nbytes + 96 * MIB
        gate.open()
        for answer in (first, *waiting):
            outputs = ModelInferResponse.FromString(answer.result()).outputs
            assert {output.name for output in outputs} == {"rows", "result"}
