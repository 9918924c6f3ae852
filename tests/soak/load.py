"""The load of the soak, from processes of their own: random conversions, and models in both protocols."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import torch

from harness import TIMEOUT_S, connect
from oip_messages import ModelInferRequest, ModelInferResponse
from roads import Report, run_cases
from served_models import elements, infer
from soak_models import FEATURES, MODELS, Answers
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import Outcome, convert_stream, convert_unary

CONVERSIONS, RUNS = 400, 100  # In turns.
AWAY = {"MODEL_NOT_READY", "MODEL_NOT_FOUND"}  # Between an unload and the next load.


class _Models:
    """Runs the models and counts their answers."""

    def __init__(self, address: str, may_be_away: bool, report: Report) -> None:
        self._address, self._may_be_away, self._report = address, may_be_away, report
        self._answers = Answers()

    def run(self, rng: Random) -> None:
        with connect(self._address) as channel:
            stub = TensorServiceStub(channel)
            model_infer = channel.unary_unary(
                "/inference.GRPCInferenceService/ModelInfer",
                ModelInferRequest.SerializeToString,
                ModelInferResponse.FromString,
            )
            for _ in range(RUNS):
                name, x = rng.choice(list(MODELS)), torch.randn(rng.randint(1, 8), FEATURES)
                if rng.random() < 0.5:
                    self._native(rng.choice([convert_unary, convert_stream])(stub, infer(name, {"x": x})), x)
                else:
                    self._oip(model_infer.future(_infer_request(name, x), timeout=TIMEOUT_S), x)

    def _native(self, outcome: Outcome, x: torch.Tensor) -> None:
        self._count("native", outcome.reason, x, outcome.outputs[0].data if not outcome.reason else b"")

    def _oip(self, call: Any, x: torch.Tensor) -> None:
        error = call.exception()
        if error is None:
            self._count("OIP", "", x, call.result().raw_output_contents[0])
        else:
            away = call.code().name in ("UNAVAILABLE", "NOT_FOUND")
            self._count("OIP", "MODEL_NOT_READY" if away else f"{error}", x, b"")

    def _count(self, protocol: str, reason: str, x: torch.Tensor, output: bytes) -> None:
        if reason:
            if not (self._may_be_away and reason in AWAY):
                self._report.mismatches.append((-1, protocol, reason))
            self._report.verdicts[f"model, {protocol}", reason] += 1
            return
        try:
            self._answers.check(x, output)
        except AssertionError as error:
            self._report.mismatches.append((-1, protocol, str(error)))
        self._report.verdicts[f"model, {protocol}", "converted"] += 1


def _infer_request(name: str, x: torch.Tensor) -> Any:
    message = ModelInferRequest(model_name=name)
    message.inputs.add(name="x", datatype="FP32", shape=x.shape)
    message.raw_input_contents.append(elements(x))
    return message


def run_load(address: str, seed: int, until: float, may_be_away: bool) -> Report:
    """Sends requests until `time.time()` is `until`; the requests that were a mismatch are in the report."""
    rng, report, number = Random(seed), Report(), 0
    models = _Models(address, may_be_away, report)
    while time.time() < until and not report.mismatches:
        converted = run_cases(address, seed, range(number, number + CONVERSIONS))
        report.verdicts.update(converted.verdicts)
        report.mismatches += converted.mismatches
        number += CONVERSIONS
        models.run(rng)
    return report
