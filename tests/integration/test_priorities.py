"""Requests of every priority run in the order in which Triton runs them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from harness import TIMEOUT_S, Server, becomes_true, connect
from metrics import scrape
from oip_messages import ModelInferRequest
from served_models import Echo, Gate, Gated, put

CONFIG = "max_batch_size: 16\ndynamic_batching { priority_levels: 3 default_priority_level: 2 }"
# How many rows has the request of each priority, by which it is told: no two of them fit a batch.
ROWS = {3: 9, 99: 10, 4: 11, 0: 12, 2: 13, 1: 14}
ORDER = [1, 99, 4, 0, 2, 3]  # What is no level is the default one.


def of(rows: int, priority: int) -> bytes:
    wanted = ModelInferRequest(model_name="gated")
    wanted.inputs.add(name="x", datatype="INT64", shape=[rows, 1])
    wanted.raw_input_contents.append(np.ones(rows, np.int64).tobytes())
    wanted.parameters["priority"].int64_param = priority
    return wanted.SerializeToString()


def has_queued(server: Server, count: int) -> bool:
    return scrape(server).value("tensorferry_queue_depth", model="gated", version="1") == count


def test_the_order_of_all_priorities(tmp_path: Path, gate: Gate) -> None:
    put(tmp_path / "models/gated", Gated(gate, Echo()), CONFIG)
    flags = ("--model-dir", f"{tmp_path}/models", "--model-threads", "1", "--admin-listen", "127.0.0.1:0")
    with Server(*flags) as server, connect(server.address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        calls = [call.future(of(1, 0), timeout=TIMEOUT_S)]
        assert becomes_true(lambda: len(gate.runs()) == 1)
        for queued, (priority, rows) in enumerate(ROWS.items(), 1):
            calls.append(call.future(of(rows, priority), timeout=TIMEOUT_S))
            assert becomes_true(partial(has_queued, server, queued))
        gate.open()
        for each in calls:
            each.result()
        assert gate.runs()[1:] == [ROWS[priority] for priority in ORDER]
