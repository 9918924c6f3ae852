"""Traces: W3C's context from the caller, spans as OpenTelemetry's own messages, collectors that misbehave."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import grpc
import pytest
import torch
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from torch import Tensor, nn

import oracle
from certificates import Authority
from collector import Collector, SilentCollector
from harness import TIMEOUT_S, Server, becomes_true, connect_stub, free_port
from served_models import infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, request

CALLS = 3000
MOST_WAITING = 2048 + 512  # Requests whose spans wait, or are being sent.
METHOD = "tensorferry.v1.TensorService/Convert"
GOOD = request(array("<f4", (4,), oracle.random_bytes("<f4", 4)))
ONE_EXECUTOR = "instance_group { count: 1 }\n"
BAD = request(array("<f4", (5,), b"short"))


class Slow(nn.Module):
    """Takes some milliseconds, so that each stage has a length."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.ones(256, 256)
        for _ in range(8):
            y = y @ y / 256
        return x + y.sum() * 0


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    put(root / "slow", Slow())
    return root


def exporting_to(endpoint: str, **variables: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables}


def new_traceparent(flags: str = "01") -> tuple[str, str, str]:
    """A traceparent, and the ids that it is made of."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return f"00-{trace_id}-{span_id}-{flags}", trace_id, span_id


def call(server: Server, message: pb.ConvertRequest, *metadata: tuple[str, str]) -> dict[str, str | bytes]:
    """Converts once, and returns the metadata that came with the status."""
    with connect_stub(server.address) as stub:
        try:
            _, done = stub.Convert.with_call(message, metadata=metadata, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            done = error
        return dict(done.trailing_metadata() or ())


def attributes_of(span: Span) -> dict[str, str | int]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def server_spans(collector: Collector, count: int = 1) -> list[Span]:
    def of_server() -> list[Span]:
        return [span for span in collector.spans() if span.kind == Span.SPAN_KIND_SERVER]

    assert becomes_true(lambda: len(of_server()) >= count)
    return of_server()


def test_a_trace_is_joined_across_client_queue_and_model(repository: Path) -> None:
    traceparent, trace_id, parent_id = new_traceparent()
    with (
        Collector() as collector,
        Server("--model-dir", str(repository), environment=exporting_to(collector.endpoint)) as server,
    ):
        message = infer("slow", {"x": torch.ones(4)})
        message.request_id = "request-7"
        answered = call(server, message, ("traceparent", traceparent), ("tracestate", "vendor=value"))
        (span,) = server_spans(collector)
        spans = {each.name: each for each in collector.spans()}
        assert collector.paths == ["/v1/traces"]
        assert server.stop() == 0

    assert span.name == METHOD
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace_id, parent_id)
    assert span.trace_state == "vendor=value"
    assert answered["traceresponse"] == f"00-{trace_id}-{span.span_id.hex()}-01"
    attributes = attributes_of(span)
    assert attributes["rpc.system.name"] == "grpc"
    assert attributes["rpc.method"] == METHOD
    assert attributes["rpc.response.status_code"] == "OK"
    assert attributes["tensorferry.model"] == "slow"
    assert attributes["tensorferry.request_id"] == "request-7"
    assert attributes["tensorferry.bytes_in"] == message.ByteSize()
    assert str(attributes["network.peer.address"]).startswith("127.0.0.1:")
    assert span.status.code == Status.STATUS_CODE_UNSET

    assert {"receive", "run", "send"} <= spans.keys() <= {METHOD, "receive", "queue", "run", "send"}
    stages = [spans[name] for name in ("receive", "queue", "run", "send") if name in spans]
    for stage in stages:
        assert (stage.trace_id, stage.parent_span_id) == (span.trace_id, span.span_id)
        assert stage.kind == Span.SPAN_KIND_INTERNAL
        assert span.start_time_unix_nano <= stage.start_time_unix_nano <= stage.end_time_unix_nano
        assert stage.end_time_unix_nano <= span.end_time_unix_nano
    assert spans["send"].end_time_unix_nano == span.end_time_unix_nano
    assert len({each.span_id for each in spans.values()}) == len(spans)


def test_a_request_that_waits_for_its_model_has_a_span_of_it(repository: Path) -> None:
    """Calls at once to a model with one executor: all but one of them wait."""
    put(repository / "single", Slow(), ONE_EXECUTOR)
    message = infer("single", {"x": torch.ones(4)})
    places = [new_traceparent() for _ in range(8)]
    with (
        Collector() as collector,
        Server("--model-dir", str(repository), environment=exporting_to(collector.endpoint)) as server,
        connect_stub(server.address) as stub,
    ):
        futures = [
            stub.Convert.future(message, metadata=[("traceparent", traceparent)], timeout=TIMEOUT_S)
            for traceparent, _, _ in places
        ]
        assert all(future.result().outputs for future in futures)
        parents = {span.trace_id.hex(): span for span in server_spans(collector, len(places))}
        spans = collector.spans()
    assert {trace_id: span.parent_span_id.hex() for trace_id, span in parents.items()} == {
        trace_id: parent_id for _, trace_id, parent_id in places
    }
    waited = max((span for span in spans if span.name == "queue"), key=length_of)
    stages = {span.name: span for span in spans if span.trace_id == waited.trace_id}
    assert stages.keys() == {METHOD, "receive", "queue", "run", "send"}
    assert waited.parent_span_id == parents[waited.trace_id.hex()].span_id
    assert stages["receive"].end_time_unix_nano == waited.start_time_unix_nano
    assert waited.end_time_unix_nano == stages["run"].start_time_unix_nano


def length_of(span: Span) -> int:
    return span.end_time_unix_nano - span.start_time_unix_nano


def test_a_refused_call_has_a_span_with_its_reason() -> None:
    with Collector() as collector, Server(environment=exporting_to(collector.endpoint)) as server:
        call(server, BAD)
        (span,) = server_spans(collector)
    attributes = attributes_of(span)
    assert attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert attributes["error.type"] == "SIZE_MISMATCH"
    assert span.status.code == Status.STATUS_CODE_UNSET  # By the conventions, as the caller is at fault.
    assert span.parent_span_id == b""
    assert len(span.trace_id) == 16


@pytest.mark.parametrize(
    "malformed",
    ["", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "00-" + "0" * 32 + "-b7ad6b7169203331-01"],
)
def test_a_malformed_traceparent_begins_a_trace(malformed: str) -> None:
    with Collector() as collector, Server(environment=exporting_to(collector.endpoint)) as server:
        call(server, GOOD, ("traceparent", malformed))
        (span,) = server_spans(collector)
    assert span.parent_span_id == b""
    assert span.trace_id.hex() != "0af7651916cd43dd8448eb211c80319c"


def test_the_callers_decision_holds() -> None:
    with Collector() as collector, Server(environment=exporting_to(collector.endpoint)) as server:
        assert "traceresponse" not in call(server, GOOD, ("traceparent", new_traceparent("00")[0]))
        sampled, trace_id, _ = new_traceparent("01")
        assert "traceresponse" in call(server, GOOD, ("traceparent", sampled))
        assert [span.trace_id.hex() for span in server_spans(collector)] == [trace_id]


def test_the_variables_of_opentelemetry_are_followed() -> None:
    variables = {
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_RESOURCE_ATTRIBUTES": "zone=a%20b",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=some%20key",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0",
    }
    with Collector() as collector, Server(environment=exporting_to(collector.endpoint, **variables)) as server:
        call(server, GOOD)
        call(server, GOOD, ("traceparent", new_traceparent()[0]))
        assert len(server_spans(collector)) == 1
        assert collector.headers[0]["api-key"] == "some key"
        assert "some key" not in server.log()
        resource = collector.requests[0].resource_spans[0].resource
    named = {each.key: each.value.string_value for each in resource.attributes}
    assert (named["service.name"], named["zone"]) == ("mine", "a b")


def test_wrong_variables_only_warn() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://nowhere:1", "OTEL_TRACES_SAMPLER": "always_on"}
    with Server(environment=variables) as server:
        call(server, GOOD)
        assert re.search("warning +tracing: OTEL_EXPORTER_OTLP_ENDPOINT: expected http://HOST:PORT", server.log())
        assert server.stop() == 0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("collector") / "ca")


@pytest.mark.parametrize(
    ("variable", "host"),
    [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "localhost"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "127.0.0.1"),
        ("SSL_CERT_FILE", "localhost"),  # OpenSSL takes it in place of the system's CAs.
    ],
)
def test_spans_go_through_tls(authority: Authority, variable: str, host: str) -> None:
    traceparent, trace_id, _ = new_traceparent()
    with Collector(tls=authority.sign(f"collector-{variable}")) as collector:
        variables = exporting_to(collector.endpoint_at(host), **{variable: str(authority.certificate)})
        with Server(environment=variables) as server:
            call(server, GOOD, ("traceparent", traceparent))
            assert [span.trace_id.hex() for span in server_spans(collector)] == [trace_id]
            assert f"spans go to {collector.endpoint_at(host)}" in server.log()


@pytest.mark.parametrize(
    ("kind", "trusts", "problem"),
    [
        ("server", "another", "TLS: its certificate: unable to get local issuer certificate"),
        ("elsewhere", "its own", "TLS: its certificate: hostname mismatch"),
        ("server", "none", "cannot read the CAs"),
    ],
)
def test_a_collector_without_a_trusted_certificate_gets_nothing(
    authority: Authority, tmp_path: Path, kind: str, trusts: str, problem: str
) -> None:
    if trusts == "its own":
        trusted = authority.certificate
    else:
        trusted = Authority(tmp_path / "other").certificate if trusts == "another" else tmp_path / "missing.pem"
    with Collector(tls=authority.sign(f"{kind}-{trusts.replace(' ', '-')}", kind=kind)) as collector:
        variables = exporting_to(collector.endpoint_at("localhost"), OTEL_EXPORTER_OTLP_CERTIFICATE=str(trusted))
        with Server(environment=variables) as server:
            call(server, GOOD)
            assert becomes_true(lambda: problem in server.log())
            assert collector.paths == []
            assert server.stop() == 0


def convert_many(server: Server, count: int) -> None:
    with connect_stub(server.address) as stub:
        futures = [stub.Convert.future(GOOD, timeout=TIMEOUT_S) for _ in range(count)]
        for future in futures:
            assert future.result().tensors


def test_a_collector_that_hangs_costs_dropped_spans_alone() -> None:
    """More calls end than spans may wait, while the collector answers nothing: each call is served."""
    variables = {"OTEL_EXPORTER_OTLP_TIMEOUT": "500"}
    with SilentCollector() as collector, Server(environment=exporting_to(collector.endpoint, **variables)) as server:
        for _ in range(CALLS // 250):
            convert_many(server, 250)
        assert becomes_true(lambda: "does not take spans" in server.log())
        assert server.log().count("tracing: ") == 2  # The collector's address, and the first failure.
        assert server.stop() == 0
        taken = re.search(r"taken the spans of (\d+) requests, and those of (\d+) were dropped", server.log())
        assert taken is not None
        assert int(taken[1]) == 0
        assert int(taken[2]) >= CALLS - MOST_WAITING


@pytest.mark.parametrize("status", [429, 503])
def test_spans_go_on_when_the_collector_takes_them_again(status: int) -> None:
    answers = iter([(status, {"retry-after": "1"})])
    with (
        Collector(lambda: next(answers, (200, {}))) as collector,
        Server(environment=exporting_to(collector.endpoint)) as server,
    ):
        call(server, GOOD)
        assert becomes_true(lambda: f"it answers with status {status}" in server.log())
        traceparent, trace_id, _ = new_traceparent()
        call(server, GOOD, ("traceparent", traceparent))
        assert [span.trace_id.hex() for span in server_spans(collector)] == [trace_id]
        assert becomes_true(lambda: "takes spans again; those of 1 requests were dropped so far" in server.log())


def test_a_collector_that_is_gone_costs_dropped_spans_alone() -> None:
    with Server(environment=exporting_to(f"http://127.0.0.1:{free_port()}")) as server:
        convert_many(server, 50)
        assert becomes_true(lambda: "cannot connect" in server.log())
        assert server.stop() == 0


def test_what_waits_is_sent_before_the_end() -> None:
    with Collector() as collector, Server(environment=exporting_to(collector.endpoint)) as server:
        convert_many(server, 20)
        assert server.stop() == 0
        assert len(server_spans(collector)) == 20
        assert "taken the spans of 20 requests, and those of 0 were dropped" in server.log()


def test_without_a_collector_nothing_is_answered() -> None:
    with Server() as server:
        assert "traceresponse" not in call(server, GOOD, ("traceparent", new_traceparent()[0]))
