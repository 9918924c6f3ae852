"""Traces of calls over HTTP: the spans are those of gRPC, joined to the trace of the caller's header fields."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import grpc_web
from collector import Collector
from harness import Server, becomes_true
from http_calls import HTTP, binary_body, connect_http
from served_models import put
from test_traces import GOOD, Slow, attributes_of, exporting_to, new_traceparent

X = np.arange(4, dtype=np.float32)
INFER = "inference.GRPCInferenceService/ModelInfer"
CONVERT = "tensorferry.v1.TensorService/Convert"


@dataclass(frozen=True)
class Traced:
    server: Server
    collector: Collector

    def spans_of(self, trace_id: str, calls: int = 1) -> list[Span]:
        """All spans of a trace, once the collector has so many of the server's calls in it."""

        def spans() -> list[Span]:
            return [span for span in self.collector.spans() if span.trace_id.hex() == trace_id]

        assert becomes_true(lambda: [span.kind for span in spans()].count(Span.SPAN_KIND_SERVER) == calls)
        return spans()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("repository")
    put(folder / "slow", Slow())
    with Collector() as collector:
        flags = (*HTTP, "--model-dir", str(folder))
        with Server(*flags, environment=exporting_to(collector.endpoint)) as server:
            yield Traced(server, collector)
            assert server.stop() == 0


def post(server: Server, path: str, body: bytes, fields: Mapping[str, str]) -> http.client.HTTPResponse:
    """The answer, read."""
    connection = connect_http(server)
    connection.request("POST", path, body, dict(fields))
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_a_trace_is_joined_across_http_and_the_model(traced: Traced) -> None:
    traceparent, trace_id, parent_id = new_traceparent()
    body, fields = binary_body({"x": ("FP32", X)}, id="request-7")
    fields |= {"traceparent": traceparent, "tracestate": "vendor=value"}
    answer = post(traced.server, "/v2/models/slow/infer", body, fields)
    assert answer.status == 200
    spans = {span.name: span for span in traced.spans_of(trace_id)}
    span = spans[INFER]
    assert (span.parent_span_id.hex(), span.trace_state, span.kind) == (
        parent_id,
        "vendor=value",
        Span.SPAN_KIND_SERVER,
    )
    assert answer.headers["traceresponse"] == f"00-{trace_id}-{span.span_id.hex()}-01"
    attributes = attributes_of(span)
    assert attributes["rpc.response.status_code"] == "OK"
    assert (attributes["tensorferry.model"], attributes["tensorferry.request_id"]) == ("slow", "request-7")
    assert str(attributes["network.peer.address"]).startswith("127.0.0.1:")
    assert {"receive", "run", "send"} <= spans.keys() <= {INFER, "receive", "queue", "run", "send"}
    for stage in (spans[name] for name in spans if name != INFER):
        assert (stage.parent_span_id, stage.kind) == (span.span_id, Span.SPAN_KIND_INTERNAL)
        assert span.start_time_unix_nano <= stage.start_time_unix_nano <= stage.end_time_unix_nano
        assert stage.end_time_unix_nano <= span.end_time_unix_nano


def test_each_array_of_a_file_is_a_call_of_the_trace(traced: Traced) -> None:
    traceparent, trace_id, parent_id = new_traceparent()
    file = io.BytesIO()
    np.savez(file, a=X, b=X)
    fields = {"traceparent": traceparent, "content-type": "application/x-npz"}
    assert post(traced.server, "/v1/convert", file.getvalue(), fields).status == 200
    calls = [span for span in traced.spans_of(trace_id, 2) if span.kind == Span.SPAN_KIND_SERVER]
    assert [(call.name, call.parent_span_id.hex()) for call in calls] == 2 * [(CONVERT, parent_id)]


def test_grpc_web_joins_the_trace(traced: Traced) -> None:
    traceparent, trace_id, parent_id = new_traceparent()
    answer = grpc_web.ask(str(traced.server.http), grpc_web.CONVERT, grpc_web.frames(GOOD), traceparent=traceparent)
    (span,) = (span for span in traced.spans_of(trace_id) if span.kind == Span.SPAN_KIND_SERVER)
    assert (span.name, span.parent_span_id.hex()) == (CONVERT, parent_id)
    assert answer.trailers()["traceresponse"] == f"00-{trace_id}-{span.span_id.hex()}-01"


def test_a_refusal_has_a_span_with_its_reason(traced: Traced) -> None:
    traceparent, trace_id, _ = new_traceparent()
    body, fields = binary_body({"x": ("FP32", X)})
    answer = post(traced.server, "/v2/models/absent/infer", body, {**fields, "traceparent": traceparent})
    assert answer.status == 404
    (span,) = traced.spans_of(trace_id)
    assert attributes_of(span)["error.type"] == "MODEL_NOT_FOUND"
    assert answer.headers["traceresponse"] == f"00-{trace_id}-{span.span_id.hex()}-01"


def test_a_trace_that_the_caller_does_not_sample_is_not_exported(traced: Traced) -> None:
    skipped, not_sampled, _ = new_traceparent("00")
    sampled, trace_id, _ = new_traceparent("01")
    body, fields = binary_body({"x": ("FP32", X)})
    assert (
        post(traced.server, "/v2/models/identity/infer", body, {**fields, "traceparent": skipped}).headers[
            "traceresponse"
        ]
        is None
    )
    post(traced.server, "/v2/models/identity/infer", body, {**fields, "traceparent": sampled})
    traced.spans_of(trace_id)
    assert not_sampled not in {span.trace_id.hex() for span in traced.collector.spans()}
