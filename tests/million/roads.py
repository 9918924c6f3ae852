"""Sends cases to a server, many at a time, and hands each answer to its check."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import grpc

import command_cases
import native_cases
import oip_cases
from harness import TIMEOUT_S, connect
from oip_messages import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import Outcome, ReceivedTensor, receive_outcomes, refusal_of_call

ROADS = {"Convert": 20, "ConvertStream": 40, "ModelInfer": 15, "ModelStreamInfer": 24.8, "command": 0.2}  # Per cent.
AT_ONCE = 64  # Calls under way.


@dataclass
class Case:
    number: int
    road: str
    made: Any


@dataclass
class Report:
    """What came of some cases."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)  # By road, and "converted" or a reason.
    mismatches: list[tuple[int, str, str]] = field(default_factory=list)  # Number, road and what is wrong.

    def add(self, case: Case, check: Callable[[], str]) -> None:
        """Counts the verdict that `check` returns; a case for which it raises is a mismatch."""
        try:
            self.verdicts[case.road, check()] += 1
        except Exception as error:  # Whatever a wrong answer does to the check, it names its case.
            text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            self.mismatches.append((case.number, case.road, text[:4000]))


def make_case(seed: int, number: int) -> Case:
    rng = Random(f"{seed} {number}")
    (road,) = rng.choices(list(ROADS), list(ROADS.values()))
    if road == "command":
        return Case(number, road, command_cases.make(rng))
    if road.startswith("Convert"):
        return Case(number, road, native_cases.make(rng, streamed=road == "ConvertStream"))
    return Case(number, road, oip_cases.make(rng))


class Server:
    """A connection to the server that cases are sent to."""

    def __init__(self, address: str, channel: grpc.Channel) -> None:
        service = "/inference.GRPCInferenceService/"
        self.address = address
        self.native = TensorServiceStub(channel)
        self.infer = channel.unary_unary(
            service + "ModelInfer", ModelInferRequest.SerializeToString, ModelInferResponse.FromString
        )
        self.stream_infer = channel.stream_stream(
            service + "ModelStreamInfer", ModelInferRequest.SerializeToString, ModelStreamInferResponse.FromString
        )


def _answer_of(call: Any) -> Any:
    try:
        return call.result()
    except grpc.RpcError:
        return None


def _calls(method: Any, cases: list[Case]) -> Iterator[tuple[Case, Any]]:
    """Makes a call for each case, `AT_ONCE` at a time."""
    under_way: list[tuple[Case, Any]] = []
    for case in cases:
        under_way.append((case, method.future(case.made.message, timeout=TIMEOUT_S)))
        if len(under_way) >= AT_ONCE:
            yield under_way.pop(0)
    yield from under_way


def _outcome(call: Any) -> Outcome:
    response = _answer_of(call)
    if response is None:
        return Outcome(refusal=refusal_of_call(call))
    tensors, outputs = (
        tuple(ReceivedTensor(t.metadata, t.data if t.WhichOneof("payload") else None) for t in many)
        for many in (response.tensors, response.outputs)
    )
    return Outcome(response, tensors, outputs)


def _convert(server: Server, cases: list[Case], report: Report) -> None:
    for case, call in _calls(server.native.Convert, cases):
        report.add(case, lambda case=case, call=call: native_cases.check(case.made, _outcome(call)))


def _check_stream(cases: list[Case], answers: Iterator[Any], report: Report, check: Callable[[Case, Any], str]) -> None:
    """Checks each case by its answer, in order. A stream that ends too early is the mismatch of one case."""
    for case in cases:
        try:
            answer = next(answers)
        except (grpc.RpcError, StopIteration, AssertionError) as error:
            report.mismatches.append((case.number, case.road, f"the stream ended before the answer: {error!r}"))
            return
        report.add(case, lambda case=case, answer=answer: check(case, answer))
    assert next(answers, None) is None, "more answers than requests"


def _convert_stream(server: Server, cases: list[Case], report: Report) -> None:
    parts = (part for case in cases for part in case.made.parts())
    outcomes = receive_outcomes(server.native.ConvertStream(parts, timeout=10 * TIMEOUT_S))
    _check_stream(cases, outcomes, report, lambda case, outcome: native_cases.check(case.made, outcome))


def _infer_verdict(case: Case, call: Any) -> str:
    response = _answer_of(call)
    if response is not None:
        oip_cases.check(case.made, response)
        return "converted"
    refusal = refusal_of_call(call)
    oip_cases.check_refusal(case.made, refusal.reason, refusal.message)
    return refusal.reason


def _model_infer(server: Server, cases: list[Case], report: Report) -> None:
    for case, call in _calls(server.infer, cases):
        report.add(case, lambda case=case, call=call: _infer_verdict(case, call))


def _streamed_verdict(server: Server, case: Case, answer: Any) -> str:
    """A refusal in a stream is a text alone: the same request as a call has the same text, and its reason."""
    assert answer.infer_response.id == case.made.message.id or "BAD_NAME" in case.made.reasons
    if not answer.error_message:
        oip_cases.check(case.made, answer.infer_response)
        return "converted"
    call = server.infer.future(case.made.message, timeout=TIMEOUT_S)
    assert _answer_of(call) is None, f"the stream refuses what the call takes: {answer.error_message}"
    assert call.details() == answer.error_message, (call.details(), answer.error_message)
    return _infer_verdict(case, call)


def _model_stream_infer(server: Server, cases: list[Case], report: Report) -> None:
    answers = server.stream_infer(iter([case.made.message for case in cases]), timeout=10 * TIMEOUT_S)
    _check_stream(cases, answers, report, partial(_streamed_verdict, server))


def _run_command(server: Server, cases: list[Case], report: Report) -> None:
    for case in cases:
        report.add(case, lambda case=case: _command_verdict(case, server.address, report))


def _command_verdict(case: Case, address: str, report: Report) -> str:
    converted, refused = command_cases.run(case.made, address)
    report.verdicts["arrays of the command", "converted"] += converted
    report.verdicts["arrays of the command", "refused"] += refused
    return "converted" if not refused else "refused in part" if converted else "refused"


_SEND = {
    "Convert": _convert,
    "ConvertStream": _convert_stream,
    "ModelInfer": _model_infer,
    "ModelStreamInfer": _model_stream_infer,
    "command": _run_command,
}


def run_cases(address: str, seed: int, numbers: range) -> Report:
    """Sends the cases of these numbers, those of one road together."""
    report = Report()
    by_road: dict[str, list[Case]] = {road: [] for road in ROADS}
    for number in numbers:
        case = make_case(seed, number)
        by_road[case.road].append(case)
    with connect(address) as channel:
        server = Server(address, channel)
        for road, cases in by_road.items():
            if cases:
                _SEND[road](server, cases, report)
    return report
